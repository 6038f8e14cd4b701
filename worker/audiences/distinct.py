"""Totals over distinct values: ``mode`` and ``unique``. See ``worker.audiences.totals``."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from worker.audiences.totals import Order, short
from worker.audiences.values import text

VALUES_MAX = 1_000
"""Distinct values that ``mode`` and ``unique`` remember of one profile; further ones are not counted. Lower: long lists
are cut; higher: one visitor's list makes up most of a state."""


class Mode:
    """The most frequent value as text; of several the first in the alphabet: ``{text: how often}``."""

    ordered = False

    def __init__(self, minimum: int) -> None:
        self._minimum = minimum

    def entry(self, value: Any) -> Any:
        return None if value is None else short(text(value))

    def add(self, kept: Any, entry: Any, order: Order) -> Any:  # noqa: ARG002
        counts: dict[str, int] = {} if kept is None else kept
        if entry in counts or len(counts) < VALUES_MAX:
            counts[entry] = counts.get(entry, 0) + 1
        return counts

    def read(self, kept: Any) -> Any:
        if not kept:
            return None
        name, count = min(kept.items(), key=lambda item: (-item[1], item[0]))
        return name if count >= self._minimum else None

    def union(self, one: Any, other: Any) -> Any:
        counts: dict[str, int] = dict(one or {})
        for name, count in (other or {}).items():
            if name in counts or len(counts) < VALUES_MAX:
                counts[name] = counts.get(name, 0) + count
        return counts or None

    def result(self, entries: Sequence[Any]) -> Any:
        return self.read(Counter(entries))

    def may_reach(self, result: Any, value: Any) -> bool:  # noqa: ARG002 - any other may overtake it
        return isinstance(value, str)


class Unique:
    """The distinct values, as texts in alphabetical order: ``{text: 1}``."""

    ordered = False

    def entry(self, value: Any) -> Any:
        return None if value is None else short(text(value))

    def add(self, kept: Any, entry: Any, order: Order) -> Any:  # noqa: ARG002
        values: dict[str, int] = {} if kept is None else kept
        if len(values) < VALUES_MAX:
            values[entry] = 1
        return values

    def read(self, kept: Any) -> Any:
        return sorted(kept) if kept else None

    def union(self, one: Any, other: Any) -> Any:
        values: dict[str, int] = dict(one or {})
        for name in other or {}:
            if len(values) < VALUES_MAX:
                values[name] = 1
        return values or None

    def result(self, entries: Sequence[Any]) -> Any:
        return self.read(set(entries))

    def may_reach(self, result: Any, value: Any) -> bool:  # noqa: ARG002 - nothing compares lists
        return False


class UniqueCount(Unique):
    """How many distinct values there are."""

    def read(self, kept: Any) -> Any:
        return len(kept or ())

    def may_reach(self, result: Any, value: Any) -> bool:
        return isinstance(value, int) and value >= result
