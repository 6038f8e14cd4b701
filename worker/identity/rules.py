"""Identity rules of a space: which identifier types there are, their priority, and which values never identify.

Source: Segment, "Identity Resolution Settings"; docs/decisions.md, "Identity".
"""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

DEFAULT_PRIORITY = ("user_id", "email")
"""Ranked first when the settings say nothing; every other type follows alphabetically."""

DEFAULT_BLOCKED_VALUES = ("-1", "null", "anonymous")
DEFAULT_BLOCKED_PATTERNS = ("^[0-]*$",)
DEFAULT_HIGH_CONFIDENCE = ("user_id", "email", "customer_id")


class Identifier(NamedTuple):
    """One identifier of one event, normalised."""

    type: str
    value: str


class Rules:
    """Priority, blocked values and trusted types. Immutable once made.

    ``keys``: for types read from a configured trait or property, the key's spellings -> type.
    """

    def __init__(
        self,
        *,
        priority: Sequence[str] = DEFAULT_PRIORITY,
        blocked_values: Iterable[str] = DEFAULT_BLOCKED_VALUES,
        blocked_patterns: Iterable[str] = DEFAULT_BLOCKED_PATTERNS,
        high_confidence: Iterable[str] = DEFAULT_HIGH_CONFIDENCE,
        keys: dict[str, str] | None = None,
    ) -> None:
        self._rank = {kind: rank for rank, kind in enumerate(priority)}
        self._blocked_values = frozenset(blocked_values)
        patterns = [f"(?:{pattern})" for pattern in blocked_patterns]
        self._blocked_pattern = re.compile("|".join(patterns)) if patterns else None
        self.high_confidence = frozenset(high_confidence)
        self.keys = dict(keys or {})

    def blocked(self, value: str) -> bool:
        """Whether a value never identifies anybody: exact values, case included, or a pattern found in it."""
        if value in self._blocked_values:
            return True
        return self._blocked_pattern is not None and self._blocked_pattern.search(value) is not None

    def rank(self, kind: str) -> tuple[int, str]:
        """Sort key: listed types in their order, then all others alphabetically."""
        return self._rank.get(kind, len(self._rank)), kind

    def ordered(self, identifiers: list[Identifier]) -> list[Identifier]:
        """By priority; within a type as extracted. Repetitions are dropped."""
        if len(identifiers) == 2 and self.rank(identifiers[0].type) < self.rank(identifiers[1].type):
            return identifiers  # the usual event, in order as it is
        return sorted(dict.fromkeys(identifiers), key=lambda identifier: self.rank(identifier.type))


def spellings(key: str) -> tuple[str, ...]:
    """``appId`` and ``app_id`` for either of them.

    Source: Segment, "Identity Onboarding" (keys are matched in camelCase and snake_case).
    """
    snake = re.sub(r"(?<=[a-z0-9])([A-Z])", lambda match: "_" + match[1].lower(), key)
    head, *rest = snake.split("_")
    camel = head + "".join(part.capitalize() for part in rest)
    return tuple(dict.fromkeys((key, snake, camel)))
