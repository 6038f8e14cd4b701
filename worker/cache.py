"""A bounded cache in two generations: a hit costs one lookup, and there are at most twice ``capacity`` entries.

When the young generation is full it becomes the old one and what was not asked for since is dropped with the old.
"""

from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


class TwoGenerations(dict[K, V | None]):
    """The young generation is the dictionary itself, so that a hit is a lookup and no call.

    ``cache[key]`` is None for what is not there; ``put`` adds. Nothing else of a dictionary is of use from outside.
    """

    def __init__(self, capacity: int) -> None:
        super().__init__()
        self._old: dict[K, V | None] = {}
        self._capacity = capacity

    def __missing__(self, key: K) -> V | None:
        value = self._old.get(key)
        if value is not None:
            self.put(key, value)
        return value

    def put(self, key: K, value: V) -> None:
        self[key] = value
        if len(self) >= self._capacity:
            self._old = dict(self)
            super().clear()

    def clear(self) -> None:
        super().clear()
        self._old = {}
