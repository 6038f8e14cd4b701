"""Compiled conditions: each gives its value *and* the earliest time at which it could change by itself.

``evaluate(facts)`` returns ``(value, due)``; ``due`` is a moment in milliseconds after ``facts.time_ms`` before which
the value cannot change without a record, or ``NEVER``. The value is true, false, or None: not decided yet, which only
a window relative to a parent event brings about (docs/decisions.md, "Funnels"). Conditions are immutable and shared by
all profiles.
"""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from worker.audiences.kept import Accumulators
from worker.audiences.values import Test
from worker.audiences.windows import NEVER, Rolling, inside_at, times_of

Verdict = tuple[bool | None, int]

Around = tuple[Any, ...]
"""Empty outside any ``where``. Inside, what this evaluation has worked out so far (a dict), and then the events around
the condition as rows, the innermost last."""


class Facts(Protocol):
    """What a condition may look at: one profile, at one time."""

    @property
    def time_ms(self) -> int: ...
    @property
    def accumulators(self) -> Accumulators: ...
    def trait(self, key: str) -> Any:
        """The current value of a custom trait, None when absent."""

    def member(self, key: str) -> bool:
        """Whether the profile is in the audience of that key now."""

    def computed(self, key: str) -> Any:
        """The current value of a computed trait, None when absent."""

    def external(self, external_id: str) -> bool | None:
        """Passthrough membership by external id; None when nothing was ever said."""


class Condition(Protocol):
    def evaluate(self, facts: Facts, around: Around = ()) -> Verdict: ...


class AllOf:
    """``AND``: false until the last of its false parts has had its chance to change."""

    __slots__ = ("parts",)

    def __init__(self, parts: Sequence[Condition]) -> None:
        self.parts = tuple(parts)

    def evaluate(self, facts: Facts, around: Around = ()) -> Verdict:
        unless_false, until_true, holds = NEVER, 0, True
        undecided = False
        for part in self.parts:
            value, due = part.evaluate(facts, around)
            if value is False:
                if due == NEVER:
                    return False, NEVER
                holds = False
                until_true = max(until_true, due)
            else:
                undecided = undecided or value is None
                unless_false = min(unless_false, due)
        if not holds:
            return False, until_true
        return None if undecided else True, unless_false


class AnyOf:
    """``OR``: true until the last of its true parts has had its chance to change."""

    __slots__ = ("parts",)

    def __init__(self, parts: Sequence[Condition]) -> None:
        self.parts = tuple(parts)

    def evaluate(self, facts: Facts, around: Around = ()) -> Verdict:
        unless_true, until_false, holds = NEVER, 0, False
        undecided = False
        for part in self.parts:
            value, due = part.evaluate(facts, around)
            if value:
                if due == NEVER:
                    return True, NEVER
                holds = True
                until_false = max(until_false, due)
            else:
                undecided = undecided or value is None
                unless_true = min(unless_true, due)
        if holds:
            return True, until_false
        return None if undecided else False, unless_true


class Negation:
    __slots__ = ("part",)

    def __init__(self, part: Condition) -> None:
        self.part = part

    def evaluate(self, facts: Facts, around: Around = ()) -> Verdict:
        value, due = self.part.evaluate(facts, around)
        return None if value is None else not value, due


class CountEver:
    """A test of the number of events that a leaf without a window has selected."""

    __slots__ = ("leaf_id", "test")

    def __init__(self, leaf_id: bytes, test: Callable[[int], bool]) -> None:
        self.leaf_id, self.test = leaf_id, test

    def evaluate(self, facts: Facts, around: Around = ()) -> Verdict:  # noqa: ARG002
        count = facts.accumulators.get(self.leaf_id, 0)
        return self.test(count), NEVER  # type: ignore[arg-type]


class CountWithin:
    """A test of the number of events inside ``now - W < t <= now``.

    The test is tabulated: ``truth[n]`` for n = 0..capacity, where the last entry stands for "or more", and
    ``expiries[n]``: after how many events have left, counted from n, its value is another one (0: never).
    """

    __slots__ = ("expiries", "leaf_id", "truth", "window_ms")

    def __init__(self, leaf_id: bytes, window_ms: int, truth: Sequence[bool]) -> None:
        self.leaf_id, self.window_ms, self.truth = leaf_id, window_ms, tuple(truth)
        self.expiries = tuple(
            next((gone for gone in range(1, count + 1) if truth[count - gone] != truth[count]), 0)
            for count in range(len(truth))
        )

    def evaluate(self, facts: Facts, around: Around = ()) -> Verdict:  # noqa: ARG002
        accumulator = facts.accumulators.get(self.leaf_id)
        if not accumulator:
            return self.truth[0], NEVER
        times = times_of(accumulator)
        first = bisect_right(times, facts.time_ms - self.window_ms)
        count = len(times) - first
        expiries = self.expiries[count]
        due = times[first + expiries - 1] + self.window_ms if expiries else NEVER
        return self.truth[count], due


class CountBetween:
    """A test of the number of events inside ``now - B < t <= now - A``, tabulated as for ``CountWithin``."""

    __slots__ = ("leaf_id", "truth", "window")

    def __init__(self, leaf_id: bytes, window: Rolling, truth: Sequence[bool]) -> None:
        self.leaf_id, self.window, self.truth = leaf_id, window, tuple(truth)

    def evaluate(self, facts: Facts, around: Around = ()) -> Verdict:  # noqa: ARG002
        times = times_of(facts.accumulators.get(self.leaf_id))
        most = len(self.truth) - 1
        inside, due = inside_at(times, self.window, facts.time_ms)
        value = self.truth[min(inside, most)]
        while due != NEVER:
            inside, following = inside_at(times, self.window, due)
            if self.truth[min(inside, most)] != value:
                return value, due
            due = following
        return value, NEVER


class TraitTest:
    """A test of a trait's current value. ``lookup``: what the trait is."""

    __slots__ = ("key", "lookup", "test")

    def __init__(self, key: str, lookup: Callable[[Facts, str], Any], test: Test) -> None:
        self.key, self.lookup, self.test = key, lookup, test

    def evaluate(self, facts: Facts, around: Around = ()) -> Verdict:  # noqa: ARG002
        return self.test({self.key: self.lookup(facts, self.key)}), NEVER


class External:
    """A passthrough segment: a member is who was qualified last."""

    __slots__ = ("external_id",)

    def __init__(self, external_id: str) -> None:
        self.external_id = external_id

    def evaluate(self, facts: Facts, around: Around = ()) -> Verdict:  # noqa: ARG002
        return facts.external(self.external_id) is True, NEVER


def current_value(facts: Facts, key: str) -> Any:
    """What ``trait(key)`` is for a key that no definition has: a passthrough membership, else the custom trait.

    Source: docs/decisions.md, "Memberships as traits".
    """
    external = facts.external(key)
    return facts.trait(key) if external is None else external


def computed_value(facts: Facts, key: str) -> Any:
    """What ``trait(key)`` is for the key of a computed trait."""
    return facts.computed(key)


def membership(facts: Facts, key: str) -> Any:
    """What ``trait(key)`` is for the key of an audience."""
    return facts.member(key)
