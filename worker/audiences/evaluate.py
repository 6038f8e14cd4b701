"""Evaluation: which memberships of one profile change, in the order in which readers see them.

Pure: everything comes in as arguments, the profile is changed in place, transitions come out.
"""

from collections.abc import Iterable
from heapq import heapify, heappop, heappush
from typing import Literal, NamedTuple, Protocol

from worker.audiences.catalogue import Audience, Catalogue
from worker.audiences.conditions import Facts
from worker.audiences.windows import NEVER

Reason = Literal["event", "time", "passthrough", "definition", "merge"]


class Transition(NamedTuple):
    """One change of one membership. ``number`` is odd for an entry, even for an exit."""

    key: str
    number: int
    at_ms: int
    reason: Reason


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


def evaluate(profile: Profile, catalogue: Catalogue, numbers: Iterable[int], reason: Reason) -> list[Transition]:
    """Evaluate some audiences and whatever follows from their changes, each once, dependencies first."""
    waiting = list(numbers)
    heapify(waiting)
    changes: list[Transition] = []
    last = -1
    while waiting:
        number = heappop(waiting)
        if number == last:
            continue
        last = number
        audience = catalogue.audiences[number]
        if change := _evaluate_one(profile, audience, reason):
            changes.append(change)
            for dependant in catalogue.dependants[number]:
                heappush(waiting, dependant)
    return changes


def evaluate_all(profile: Profile, catalogue: Catalogue, reason: Reason) -> list[Transition]:
    """Evaluate every audience: for a new profile, new identifiers that make it eligible, new definitions."""
    return evaluate(profile, catalogue, range(len(catalogue.audiences)), reason)


def _evaluate_one(profile: Profile, audience: Audience, reason: Reason) -> Transition | None:
    key = audience.key
    if profile.eligibility < audience.eligibility:
        wanted, due = False, NEVER
    else:
        verdict, due = audience.condition.evaluate(profile)
        wanted = verdict is True  # undecided is not a member yet
    if due == NEVER:
        profile.dues.pop(key, None)
    else:
        profile.dues[key] = due
    if wanted == bool(profile.transitions(key) & 1):
        return None
    return Transition(key, profile.transit(key, profile.time_ms), profile.time_ms, reason)


def due_numbers(profile: Profile, catalogue: Catalogue, until_ms: int) -> list[int]:
    """Audiences whose value may change by itself at or before a time."""
    return [
        catalogue.by_key[key].number for key, due in profile.dues.items() if due <= until_ms and key in catalogue.by_key
    ]
