"""A bounded cache in two generations: no bookkeeping per hit, at most twice ``capacity`` entries.

When the young generation is full it becomes the old one and what was not asked for since is dropped with the old.
"""

from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class TwoGenerations(Generic[K, V]):
    def __init__(self, capacity: int) -> None:
        self._young: dict[K, V] = {}
        self._old: dict[K, V] = {}
        self._capacity = capacity

    def get(self, key: K) -> V | None:
        value = self._young.get(key)
        if value is None and (value := self._old.get(key)) is not None:
            self.put(key, value)
        return value

    def put(self, key: K, value: V) -> None:
        self._young[key] = value
        if len(self._young) >= self._capacity:
            self._old, self._young = self._young, {}

    def clear(self) -> None:
        self._young.clear()
        self._old.clear()

    def __len__(self) -> int:
        return len(self._young) + sum(key not in self._young for key in self._old)
