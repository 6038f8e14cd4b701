"""The same events under two sets of identity rules: what comes of them, and which would go elsewhere.

Profile ids say nothing across the two. A profile is the same under both when its highest-priority identifier is;
of the others, those are the same that share the most events.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from worker.cli.dossier import survivors
from worker.cli.identity_replay import RESOLVED, IdentityReplay, Routed
from worker.cli.line import Line
from worker.errors import InvariantError
from worker.identity.graph import decode_record, profile_key
from worker.identity.resolve import Violation
from worker.identity.rules import Rules


class Person(NamedTuple):
    """A profile at the end. ``name``: its highest-priority identifier, as ``TYPE:VALUE``."""

    name: str
    identifiers: int
    events: int
    merges: int


class LeftOut(NamedTuple):
    """An identifier that an event left out; ``profile``: the event's, at that time."""

    at_ms: int
    message_id: str
    profile: bytes
    violation: Violation


@dataclass(slots=True)
class Side:
    """One set of rules. ``owners``: by event, its profile at that time, None when it was not resolved."""

    replay: IdentityReplay
    outcomes: list[str] = field(default_factory=list)
    owners: list[bytes | None] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    merges: int = 0

    def take(self, line: Line) -> Routed | None:
        """Route an event and note what came of it; None for a definition."""
        routed = self.replay.take(line)
        if routed is None:
            return None
        self.outcomes.append(routed.outcome)
        self.owners.append(routed.profile)
        self.merges += routed.merges
        if routed.profile is not None and routed.message_id is not None:
            self.left_out += [
                LeftOut(line.at_ms, routed.message_id, routed.profile, violation) for violation in routed.violations
            ]
        return routed

    def final_owners(self) -> list[bytes | None]:
        """By event, the profile that has it after all merges."""
        now = survivors(self.replay.store, [owner for owner in self.owners if owner is not None])
        return [None if owner is None else now[owner] for owner in self.owners]

    def people(self, final_owners: Sequence[bytes | None], rules: Rules) -> dict[bytes, Person]:
        """The profiles at the end, in order of their first event; ``rules`` say which identifier is their name."""
        events = Counter(owner for owner in final_owners if owner is not None)
        blobs = self.replay.store.read([profile_key(profile) for profile in events]).get()
        people = {}
        for profile, blob in zip(events, blobs, strict=True):
            if blob is None:
                raise InvariantError("an event belongs to a profile that is not there")
            record = decode_record(blob)
            kept = min(record.identifiers, key=lambda kept: rules.rank(kept.type))
            name = f"{kept.type}:{kept.value}"
            people[profile] = Person(name, len(record.identifiers), events[profile], len(record.merged))
        return people


class Moved(NamedTuple):
    """An event that would go elsewhere. ``present``, ``proposed``: the outcome, and the name of the profile, if any."""

    at_ms: int
    message_id: str
    present: tuple[str, str | None]
    proposed: tuple[str, str | None]


@dataclass(frozen=True, slots=True)
class Comparison:
    """``people``: of the present rules, of the proposed ones. ``moved``: events that would go elsewhere, in order."""

    events: int
    people: tuple[Sequence[Person], Sequence[Person]]
    moved: Sequence[Moved]


def compare(lines: Iterable[Line], present: Side, proposed: Side) -> Comparison:
    """Route events under both and say what differs.

    Raises:
        DependencyError: the schema registry did not answer.
    """
    told: list[tuple[int, str]] = []
    for line in lines:
        routed, other = present.take(line), proposed.take(line)
        if routed is not None and other is not None:
            told.append((line.at_ms, routed.message_id or other.message_id or ""))
    rules = present.replay.rules
    before, after = present.final_owners(), proposed.final_owners()
    people_before, people_after = present.people(before, rules), proposed.people(after, rules)
    same = paired(list(zip(before, after, strict=True)), people_before, people_after)
    moved = [
        Moved(
            *told[index],
            present=(present.outcomes[index], _name(people_before, one)),
            proposed=(proposed.outcomes[index], _name(people_after, other)),
        )
        for index, (one, other) in enumerate(zip(before, after, strict=True))
        if (one is None) != (other is None) or (one is not None and same.get(one) != other)
    ]
    return Comparison(len(told), (list(people_before.values()), list(people_after.values())), moved)


def paired(
    owners: Sequence[tuple[bytes | None, bytes | None]],
    before: Mapping[bytes, Person],
    after: Mapping[bytes, Person],
) -> dict[bytes, bytes]:
    """Which profile under the one rules is which under the others; each is at most one.

    ``owners``: of each event under both.
    """
    by_name = {person.name: profile for profile, person in after.items()}
    same = {profile: by_name[person.name] for profile, person in before.items() if person.name in by_name}
    taken = set(same.values())
    shared = Counter((one, other) for one, other in owners if one is not None and other is not None)
    for (one, other), _ in shared.most_common():  # of equal shares the one that came first
        if one not in same and other not in taken:
            same[one] = other
            taken.add(other)
    return same


def _name(people: Mapping[bytes, Person], profile: bytes | None) -> str | None:
    return None if profile is None else people[profile].name


def outcomes_of(side: Side) -> dict[str, int]:
    """How many events came to what; those that were resolved first."""
    counted = Counter(side.outcomes)
    return {RESOLVED: counted.pop(RESOLVED, 0), **dict(sorted(counted.items()))}
