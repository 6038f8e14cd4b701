"""What holds of a profile of whom nothing is known: never did it, has no such trait, is not in that audience.

A new profile needs only these evaluated, and what its first record touches; not everything that is defined.
"""

from collections.abc import Sequence
from typing import Any

from worker.audiences.definitions import Computation
from worker.audiences.kept import Accumulators
from worker.audiences.windows import NEVER


class _Nobody:
    """Facts of a new profile, before its first record."""

    def __init__(self) -> None:
        self.time_ms = 0
        self.accumulators: Accumulators = {}
        self.memberships: set[str] = set()
        self.values: dict[str, Any] = {}

    def trait(self, key: str) -> Any:  # noqa: ARG002 - has none
        return None

    def member(self, key: str) -> bool:
        return key in self.memberships

    def computed(self, key: str) -> Any:
        return self.values.get(key)

    def external(self, external_id: str) -> bool | None:  # noqa: ARG002 - nobody has spoken of it
        return None


def blank(
    computations: Sequence[Computation], dependants: Sequence[Sequence[int]]
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """By eligibility (0, 1, 2), the numbers of the computations that a new profile needs evaluated.

    Those that hold, have a value or change by themselves; and what depends on them, for it may hold when they do not.
    """
    return _blank(computations, dependants, 0), _blank(computations, dependants, 1), _blank(computations, dependants, 2)


def _blank(
    computations: Sequence[Computation], dependants: Sequence[Sequence[int]], eligibility: int
) -> tuple[int, ...]:
    nobody = _Nobody()
    needed: set[int] = set()
    for one in computations:
        if _matters(one, nobody, eligibility) or one.number in needed:
            needed.add(one.number)
            needed.update(dependants[one.number])  # with higher numbers all of them
    return tuple(sorted(needed))


def _matters(one: Computation, nobody: _Nobody, eligibility: int) -> bool:
    """Whether a computation gives anything; what it gives is known of nobody from here on."""
    if one.value is not None:
        value, due = one.value.read(nobody)
        nobody.values[one.key] = value = None if one.counts else value
        return value is not None or due != NEVER
    if one.condition is None or eligibility < one.eligibility:
        return False
    verdict, due = one.condition.evaluate(nobody)
    if verdict:
        nobody.memberships.add(one.key)
    return verdict is not False or due != NEVER
