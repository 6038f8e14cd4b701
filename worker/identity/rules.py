"""Identity rules of a space: which identifier types there are, their priority and limits, and what never identifies.

Source: Segment, "Identity Resolution Settings" and "Unify limits"; docs/decisions.md, "Identity".
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

DAY_MS = 86_400_000

PERIODS_MS: Mapping[str, int | None] = MappingProxyType(
    {"ever": None, "weekly": 7 * DAY_MS, "monthly": 30 * DAY_MS, "annually": 365 * DAY_MS}
)
"""What the words of the settings mean. Source: Segment, "Identity Onboarding"; docs/decisions.md, "Identity"."""


GROUP_ID = "group_id"
"""The type that identifies an account, never a user. Source: Segment, "Spec: Group"."""


class Identifier(NamedTuple):
    """One identifier of one event, normalised."""

    type: str
    value: str


class Limit(NamedTuple):
    """How many values of a type a profile may hold, at least 1.

    ``period_ms``: only values first seen on the profile within it count; None: all that ever were.
    """

    values: int
    period_ms: int | None = None

    def counts(self, first_seen_ms: int, at_ms: int) -> bool:
        """Whether a value counts for an event at ``at_ms``: seen first in the period before it, or later still."""
        return self.period_ms is None or first_seen_ms > at_ms - self.period_ms


class Caps(NamedTuple):
    """What one profile may grow to, whatever the limits say: profiles merged into it, identifiers mapped to it.

    Lower: honest profiles stop growing. Higher: one profile's records take longer to read, to merge and to send.
    """

    merges_max: int = 100
    mappings_max: int = 1000


DEFAULT_CAPS = Caps()

DEFAULT_LIMITS: Mapping[str, Limit] = MappingProxyType({"user_id": Limit(1), "email": Limit(5)})
"""Ranked first when the settings say nothing; every other type follows alphabetically."""

UNLISTED_LIMIT = Limit(5)
"""Of a type that the settings do not list, such as one that is met in ``context.externalIds`` for the first time."""

_WORD_START = re.compile("(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")

DEFAULT_BLOCKED_VALUES = ("-1", "null", "anonymous")
DEFAULT_BLOCKED_PATTERNS = ("^[0-]*$",)
DEFAULT_HIGH_CONFIDENCE = ("user_id", "email", "customer_id")


class Rules:
    """Priority, limits, blocked values and trusted types. Immutable once made.

    ``limits``: by type, in order of priority. ``keys``: what types are read from configured traits and properties:
    pairs of (a spelling of the key, type).
    """

    def __init__(
        self,
        *,
        limits: Mapping[str, Limit] = DEFAULT_LIMITS,
        blocked_values: Iterable[str] = DEFAULT_BLOCKED_VALUES,
        blocked_patterns: Iterable[str] = DEFAULT_BLOCKED_PATTERNS,
        high_confidence: Iterable[str] = DEFAULT_HIGH_CONFIDENCE,
        keys: Sequence[tuple[str, str]] = (),
        caps: Caps = DEFAULT_CAPS,
    ) -> None:
        self._limits = dict(limits)
        self._rank = {kind: rank for rank, kind in enumerate(self._limits)}
        self._blocked_values = frozenset(blocked_values)
        # Not joined into one: flags and groups inside a pattern are its own.
        self._blocked_patterns = [re.compile(pattern) for pattern in blocked_patterns]
        self.high_confidence = frozenset(high_confidence)
        self.keys = tuple(keys)
        self.caps = caps

    def limit(self, kind: str) -> Limit:
        """How many values of a type a profile may hold."""
        return self._limits.get(kind, UNLISTED_LIMIT)

    def blocked(self, value: str) -> bool:
        """Whether a value never identifies anybody: exact values, case included, or a pattern found in it."""
        return value in self._blocked_values or any(pattern.search(value) for pattern in self._blocked_patterns)

    def rank(self, kind: str) -> tuple[int, str]:
        """Sort key: listed types in their order, then all others alphabetically."""
        return self._rank.get(kind, len(self._rank)), kind

    def ordered(self, identifiers: list[Identifier]) -> list[Identifier]:
        """By priority; within a type as extracted. Repetitions are dropped."""
        if len(identifiers) == 2 and self.rank(identifiers[0].type) < self.rank(identifiers[1].type):
            return identifiers  # the usual event, in order as it is
        return sorted(dict.fromkeys(identifiers), key=lambda identifier: self.rank(identifier.type))


def spellings(key: str) -> tuple[str, ...]:
    """``appId`` and ``app_id`` for either of them, and the key as it is.

    Source: Segment, "Identity Onboarding" (keys are matched in camelCase and snake_case).
    """
    snake = _WORD_START.sub("_", key).lower()
    head, *rest = snake.split("_")
    camel = head + "".join(part.capitalize() for part in rest)
    return tuple(dict.fromkeys((key, snake, camel)))
