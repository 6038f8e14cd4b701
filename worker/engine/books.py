"""The books of a batch: every record that came in is accounted for, or the worker stops.

Source: docs/decisions.md, "Nothing is dropped silently".
"""

from collections import Counter
from dataclasses import dataclass, field

from worker.errors import InvariantError


@dataclass(slots=True)
class Books:
    """``resolved``, ``duplicate``, ``control``: records by topic. ``dead``: by (topic, reason).

    ``in_the_future``: resolved ones, by topic, whose timestamp lay after their receipt. ``violations``: identifiers
    that were left out, by kind.
    """

    received: Counter[str] = field(default_factory=Counter)
    resolved: Counter[str] = field(default_factory=Counter)
    duplicate: Counter[str] = field(default_factory=Counter)
    control: Counter[str] = field(default_factory=Counter)
    dead: Counter[tuple[str, str]] = field(default_factory=Counter)
    in_the_future: Counter[str] = field(default_factory=Counter)
    violations: Counter[str] = field(default_factory=Counter)

    def check(self) -> None:
        """
        Raises:
            InvariantError: records in are not resolved + duplicates + dead letters + control records.
        """
        accounted = self.resolved + self.duplicate + self.control
        for (topic, _), count in self.dead.items():
            accounted[topic] += count
        if accounted != self.received:
            raise InvariantError(f"the books do not balance: {dict(self.received)} came in, {dict(accounted)} went out")
