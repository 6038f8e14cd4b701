"""Several profiles that become one: who is in which audience, worked out from scratch.

A profile that has taken others in is one that did it all from the start: its log is the logs of all, in the order of
arrival, and nothing else is remembered. So a merge is one evaluation of the survivor, over a log that has grown by more
than a record; who was merged away leaves all that it was in, once.

Source: docs/decisions.md, "Merges".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, combinations, product

from tests.property.audience_oracle import (
    AmbiguousError,
    Change,
    Course,
    TraitChange,
    Transition,
    output_order,
    segments_of,
)
from tests.property.audience_oracle_records import Definitions, Record


@dataclass
class Profile:
    """``name``: the number of the record that created it, at ``born_ms``. ``people``: who it is known to be."""

    name: int
    born_ms: int
    people: set[int]
    course: Course


@dataclass
class Fates:
    """``resolved``: of each record the name of its profile. ``changes``: by name, in order."""

    resolved: list[int] = field(default_factory=list)
    changes: Mapping[int, list[Change]] = field(default_factory=dict)


def fates(definitions: Definitions, records: Sequence[Record], *, until_ms: int) -> Fates:
    """What becomes of everybody up to and including ``until_ms``; ``records`` as in ``audience_oracle.changes``.

    Raises:
        AmbiguousError: two orders of events are right, or either of two profiles may be the survivor.
    """
    order = output_order(definitions, segments_of(records))
    arrival = {id(record): number for number, record in enumerate(records)}
    found = Fates()
    living: list[Profile] = []
    courses: dict[int, Course] = {}
    for number, record in enumerate(records):
        met = [profile for profile in living if profile.people & set(record.people)]
        if not met:
            courses[number] = Course(definitions, order)
            met = [Profile(number, record.at_ms, set(), courses[number])]
            living += met
        survivor = _oldest(met)
        children = [profile for profile in met if profile is not survivor]
        survivor.people |= set(record.people).union(*(child.people for child in children))
        if children:
            _merge(survivor, children, record, arrival)
        else:
            ahead = records[number + 1 :]
            survivor.course.take(record, is_last=not any(_is_of(one, survivor, record.at_ms) for one in ahead))
        living = [profile for profile in living if profile not in children]
        found.resolved.append(survivor.name)
    for profile in living:
        profile.course.pass_time(until_ms)
    found.changes = {name: course.found for name, course in courses.items()}
    return found


def _is_of(record: Record, profile: Profile, at_ms: int) -> bool:
    return record.at_ms == at_ms and bool(profile.people & set(record.people))


def _oldest(profiles: Sequence[Profile]) -> Profile:
    """The survivor is the one that was created first; of equally old ones the ids decide, which are drawn."""
    oldest = min(profiles, key=lambda profile: profile.born_ms)
    if any(profile.born_ms == oldest.born_ms for profile in profiles if profile is not oldest):
        raise AmbiguousError
    return oldest


def _merge(survivor: Profile, children: Sequence[Profile], record: Record, arrival: Mapping[int, int]) -> None:
    """The children leave; the record and all of theirs are the survivor's, which is evaluated once."""
    for child in children:
        _leave(child, survivor.name, record.at_ms)
    courses = [survivor.course, *(child.course for child in children)]
    if any(_is_tie(*pair) for one, other in combinations(courses, 2) for pair in product(one.log, other.log)):
        raise AmbiguousError
    log = sorted([*chain.from_iterable(course.log for course in courses), record], key=lambda one: arrival[id(one)])
    survivor.course.unite(log, [child.course.before for child in children])


def _is_tie(one: Record, other: Record) -> bool:
    """Which of two came first matters, and nobody can say: they came to different profiles."""
    if one.segment is not None:
        return (one.segment, one.ts_ms, one.at_ms) == (other.segment, other.ts_ms, other.at_ms)
    alike = one.traits.keys() & other.traits.keys() or (one.event is not None and one.event == other.event)
    return bool(alike) and one.age == other.age


def _leave(child: Profile, parent: int, at_ms: int) -> None:
    """The merge is nothing that a condition of the child looks at: what is due by then happens by itself, before."""
    course = child.course
    course.pass_time(at_ms)
    course.found += [
        Transition(key, at_ms, entered=False, reason="merge", merged_into=parent)
        for key in course.order
        if key in course.before.members
    ]
    course.found += [TraitChange(key, at_ms, None) for key in course.order if key in course.before.shown]
