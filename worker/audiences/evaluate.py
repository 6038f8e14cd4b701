"""Evaluation: which memberships and computed traits of one profile change, in the order in which readers see them.

Pure: everything comes in as arguments, the profile is changed in place, changes come out.
"""

import json
from collections.abc import Iterable
from heapq import heapify, heappop, heappush
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias

from worker.audiences.catalogue import Catalogue
from worker.audiences.conditions import Facts
from worker.audiences.definitions import Computation
from worker.audiences.outcomes import Undecided
from worker.audiences.scalars import Scalar
from worker.audiences.windows import NEVER

Reason = Literal["event", "time", "passthrough", "definition", "merge"]


class Transition(NamedTuple):
    """One change of one membership. ``number`` is odd for an entry, even for an exit."""

    key: str
    number: int
    at_ms: int
    reason: Reason


class Recomputed(NamedTuple):
    """A computed trait has another value than the one that was told last; None: none any more.

    ``number`` counts what was told of it.
    """

    key: str
    number: int
    at_ms: int
    reason: Reason
    value: Any


Change: TypeAlias = Transition | Recomputed


class Profile(Facts, Protocol):
    """What evaluation reads and changes."""

    dues: dict[str, int]

    @property
    def eligibility(self) -> int:
        """2: has an identifier with which every query audience may have it; 1: only an anonymous one; 0: neither."""

    def transitions(self, key: str) -> int:
        """How many transitions the membership has made: odd inside, even outside."""

    def transit(self, key: str, at_ms: int) -> int:
        """Make the next transition; returns its number."""

    def compute(self, key: str, value: Any) -> None:
        """Give a computed trait a value."""

    def told(self, key: str) -> Any:
        """The value of a computed trait that was told last; None when there was none."""

    def tell(self, key: str) -> int:
        """Tell the value of a computed trait; returns how often that has been done."""


def evaluate(profile: Profile, catalogue: Catalogue, numbers: Iterable[int], reason: Reason) -> list[Change]:
    """Evaluate some computations and whatever follows from their changes, each once, dependencies first."""
    waiting = list(numbers)
    heapify(waiting)
    changes: list[tuple[int, Change]] = []
    last = -1
    while waiting:
        number = heappop(waiting)
        if number == last:
            continue
        last = number
        computation = catalogue.computations[number]
        if computation.value is None:
            change: Change | None = _judge(profile, computation, reason)
            moved = change is not None
        else:
            moved, change = _compute(profile, computation, computation.value, reason)
        if change is not None:
            changes.append((computation.rank, change))
        if moved:
            for dependant in catalogue.dependants[number]:
                heappush(waiting, dependant)
    if len(changes) > 1:
        changes.sort()
    return [change for _, change in changes]


def evaluate_all(profile: Profile, catalogue: Catalogue, reason: Reason) -> list[Change]:
    """Evaluate everything: for a new profile, new identifiers that make it eligible, new definitions."""
    return evaluate(profile, catalogue, range(len(catalogue.computations)), reason)


def _judge(profile: Profile, audience: Computation, reason: Reason) -> Transition | None:
    key, condition = audience.key, audience.condition
    if condition is None or profile.eligibility < audience.eligibility:
        wanted, due = False, NEVER
    else:
        verdict, due = condition.evaluate(profile)
        wanted = verdict is True  # undecided is not a member yet
    _set_due(profile, key, due)
    if wanted == bool(profile.transitions(key) & 1):
        return None
    return Transition(key, profile.transit(key, profile.time_ms), profile.time_ms, reason)


def _compute(profile: Profile, trait: Computation, scalar: Scalar, reason: Reason) -> tuple[bool, Recomputed | None]:
    """Whether the value is another one, and what is told of it: of who is not eligible nothing is.

    Source: docs/decisions.md, "Computed traits".
    """
    key = trait.key
    value, due = scalar.read(profile)
    if isinstance(value, Undecided):
        value = value.value  # what is decided counts
    before = profile.computed(key)
    if trait.counts and not value and before is None:
        value = None  # a counter is absent before its first event
    _set_due(profile, key, due)
    moved = not same(value, before)
    if moved:
        profile.compute(key, value)
    if profile.eligibility < trait.eligibility or same(value, profile.told(key)):
        return moved, None
    return moved, Recomputed(key, profile.tell(key), profile.time_ms, reason, value)


def _set_due(profile: Profile, key: str, due: int) -> None:
    if due == NEVER:
        profile.dues.pop(key, None)
    else:
        profile.dues[key] = due


def same(one: Any, other: Any) -> bool:
    """Whether two values are one to a reader of JSON: 1 and 1.0 are, 1 and true are not."""
    if isinstance(one, list | dict) or isinstance(other, list | dict):
        return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


def due_numbers(profile: Profile, catalogue: Catalogue, until_ms: int) -> list[int]:
    """Computations whose value may change by itself at or before a time."""
    return [
        catalogue.by_key[key].number for key, due in profile.dues.items() if due <= until_ms and key in catalogue.by_key
    ]
