"""Compiled conditions: each gives its value *and* the earliest time at which it could change by itself.

``evaluate(facts)`` returns ``(value, due)``; ``due`` is a moment in milliseconds after ``facts.time_ms`` before which
the value cannot change without a record, or ``NEVER``. Conditions are immutable and shared by all profiles.
"""

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from worker.audiences.values import Test, date_ms, find
from worker.audiences.windows import Accumulator, times_of

NEVER = 1 << 62
Verdict = tuple[bool, int]


class Facts(Protocol):
    """What a condition may look at: one profile, at one time."""

    @property
    def time_ms(self) -> int: ...
    @property
    def accumulators(self) -> Mapping[bytes, Accumulator]: ...
    def trait(self, key: str) -> Any:
        """The current value of a custom trait, None when absent."""

    def member(self, key: str) -> bool:
        """Whether the profile is in the audience of that key now."""

    def external(self, external_id: str) -> bool | None:
        """Passthrough membership by external id; None when nothing was ever said."""


class Condition(Protocol):
    def evaluate(self, facts: Facts) -> Verdict: ...


class AllOf:
    """``AND``: false until the last of its false parts has had its chance to change."""

    __slots__ = ("parts",)

    def __init__(self, parts: Sequence[Condition]) -> None:
        self.parts = tuple(parts)

    def evaluate(self, facts: Facts) -> Verdict:
        while_true, until_true, holds = NEVER, 0, True
        for part in self.parts:
            value, due = part.evaluate(facts)
            if not value:
                holds = False
                until_true = max(until_true, due)
            elif due < while_true:
                while_true = due
        return (True, while_true) if holds else (False, until_true)


class AnyOf:
    """``OR``: true until the last of its true parts has had its chance to change."""

    __slots__ = ("parts",)

    def __init__(self, parts: Sequence[Condition]) -> None:
        self.parts = tuple(parts)

    def evaluate(self, facts: Facts) -> Verdict:
        while_false, until_false, holds = NEVER, 0, False
        for part in self.parts:
            value, due = part.evaluate(facts)
            if value:
                holds = True
                until_false = max(until_false, due)
            elif due < while_false:
                while_false = due
        return (True, until_false) if holds else (False, while_false)


class Negation:
    __slots__ = ("part",)

    def __init__(self, part: Condition) -> None:
        self.part = part

    def evaluate(self, facts: Facts) -> Verdict:
        value, due = self.part.evaluate(facts)
        return not value, due


class CountEver:
    """A test of the number of events that a leaf without a window has selected."""

    __slots__ = ("leaf_id", "test")

    def __init__(self, leaf_id: bytes, test: Callable[[int], bool]) -> None:
        self.leaf_id, self.test = leaf_id, test

    def evaluate(self, facts: Facts) -> Verdict:
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

    def evaluate(self, facts: Facts) -> Verdict:
        accumulator = facts.accumulators.get(self.leaf_id)
        if not accumulator:
            return self.truth[0], NEVER
        times = times_of(accumulator)
        first = bisect_right(times, facts.time_ms - self.window_ms)
        count = len(times) - first
        expiries = self.expiries[count]
        due = times[first + expiries - 1] + self.window_ms if expiries else NEVER
        return self.truth[count], due


class TraitTest:
    """A test of a custom trait; an unregistered passthrough key of that name comes before it.

    Source: docs/decisions.md, "Memberships as traits".
    """

    __slots__ = ("key", "test")

    def __init__(self, key: str, test: Test) -> None:
        self.key, self.test = key, test

    def evaluate(self, facts: Facts) -> Verdict:
        return self.test({self.key: current_value(facts, self.key)}), NEVER


class MembershipTest:
    """A test of ``true``/``false``: whether the profile is in another audience."""

    __slots__ = ("key", "test")

    def __init__(self, key: str, test: Test) -> None:
        self.key, self.test = key, test

    def evaluate(self, facts: Facts) -> Verdict:
        return self.test({self.key: facts.member(self.key)}), NEVER


class External:
    """A passthrough segment: a member is who was qualified last."""

    __slots__ = ("external_id",)

    def __init__(self, external_id: str) -> None:
        self.external_id = external_id

    def evaluate(self, facts: Facts) -> Verdict:
        return facts.external(self.external_id) is True, NEVER


class DateTest:
    """``within_last``, ``within_next``, ``before_last``, ``after_next``: a date trait beside the moving present.

    True for ``opens <= now < closes``, both computed from the trait; bounds are inclusive to the millisecond.
    Source: Segment, "Query Language Reference" (boundaries are inclusive).
    """

    __slots__ = ("bounds", "path")

    def __init__(self, path: tuple[str, ...], comparator: str, ms: int) -> None:
        self.path = path
        self.bounds: Callable[[int], tuple[int, int]] = {
            "within_last": lambda at: (at, at + ms + 1),
            "within_next": lambda at: (at - ms, at + 1),
            "before_last": lambda at: (at + ms, NEVER),
            "after_next": lambda at: (-NEVER, at - ms + 1),
        }[comparator]

    def evaluate(self, facts: Facts) -> Verdict:
        key = self.path[0]
        at = date_ms(find({key: current_value(facts, key)}, self.path))
        if at is None:
            return False, NEVER
        opens, closes = self.bounds(at)
        now = facts.time_ms
        if now < opens:
            return False, opens
        return (True, closes) if now < closes else (False, NEVER)


def current_value(facts: Facts, key: str) -> Any:
    """What ``trait(key)`` is for a key that no definition has: a passthrough membership, else the custom trait."""
    external = facts.external(key)
    return facts.trait(key) if external is None else external
