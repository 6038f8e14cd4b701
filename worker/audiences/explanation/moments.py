"""The present moved into the future, as if no record came."""

from collections.abc import Callable
from typing import Any

from schemas.times import LAST_MS, utc_text
from worker.audiences.conditions import Facts, Verdict
from worker.audiences.kept import Accumulators
from worker.audiences.windows import NEVER

STEPS_MAX = 64
"""Times that are looked at to find when a value becomes another one. Fewer: it stays unknown more often; more: a funnel
of a frequent visitor takes seconds to explain."""


class Later:
    """The facts of a profile at another time."""

    def __init__(self, facts: Facts, time_ms: int) -> None:
        self._facts, self._time_ms = facts, time_ms

    @property
    def time_ms(self) -> int:
        return self._time_ms

    @property
    def accumulators(self) -> Accumulators:
        return self._facts.accumulators

    def trait(self, key: str) -> Any:
        return self._facts.trait(key)

    def member(self, key: str) -> bool:
        return self._facts.member(key)

    def computed(self, key: str) -> Any:
        return self._facts.computed(key)

    def external(self, external_id: str) -> bool | None:
        return self._facts.external(external_id)


def changes_at(evaluate: Callable[[Facts], Verdict], facts: Facts) -> int:
    """When a condition has another value by itself; ``NEVER`` too when that is too far to be found.

    What it refers to is taken to stay as it is.
    """
    value, due_ms = evaluate(facts)
    for _ in range(STEPS_MAX):
        if due_ms == NEVER:
            break
        found, following_ms = evaluate(Later(facts, due_ms))
        if found is not value:
            return due_ms
        due_ms = following_ms
    return NEVER


def named(moment_ms: int) -> str:
    """A moment as ISO 8601 text, UTC; of what lies beyond the years that have a name the milliseconds."""
    return utc_text(moment_ms) if 0 <= moment_ms <= LAST_MS else f"{moment_ms} ms"
