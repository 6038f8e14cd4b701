"""Comparisons of scalars, and dates beside the moving present."""

from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any

from worker.audiences.conditions import Around, Facts, Verdict
from worker.audiences.language import tree
from worker.audiences.outcomes import Undecided, decide
from worker.audiences.populations import Population, once
from worker.audiences.relations import judge_of
from worker.audiences.scalars import Scalar
from worker.audiences.values import date_ms, iso
from worker.audiences.windows import NEVER

LOOKAHEAD = 8
"""How many changes of a value a comparison follows into the future to find the one that matters. Lower: more timers
that change nothing; higher: more work for every event."""


class Foreseen:
    """A comparison of one scalar with constants, outside any ``where``: due when its outcome changes, not the value."""

    __slots__ = ("_judge", "scalar")

    def __init__(self, scalar: Scalar, node: tree.Compare) -> None:
        self.scalar, self._judge = scalar, judge_of(node)

    def evaluate(self, facts: Facts, around: Around = ()) -> Verdict:  # noqa: ARG002
        value, due_ms = False, NEVER
        for number, reading in enumerate(islice(self.scalar.course(facts), LOOKAHEAD)):
            holds = self._judge(reading.value, ())
            if number and holds != value:
                return value, due_ms
            value, due_ms = holds, reading.due_ms
        return value, due_ms


class Comparison:
    """A comparison of scalars. ``others``: of its arguments those that are no constants."""

    __slots__ = ("_constants", "_judge", "left", "others")

    def __init__(self, node: tree.Compare, left: Scalar, others: Sequence[Scalar]) -> None:
        self._judge = judge_of(node)
        self.left, self.others = left, tuple(others)
        self._constants = [one.value for one in node.arguments if isinstance(one, tree.Literal)]

    def evaluate(self, facts: Facts, around: Around = ()) -> Verdict:
        left, due_ms = self.left.read(facts, around)
        others: list[Any] = []
        for scalar in self.others:
            value, other_due_ms = scalar.read(facts, around)
            due_ms = min(due_ms, other_due_ms)
            others.append(value)
        sides = [left, *others]
        if not any(isinstance(side, Undecided) for side in sides):
            return self._judge(left, others), due_ms
        return decide(sides, self._constants, lambda values: self._judge(values[0], values[1:])), due_ms


class RowsCount:
    """A test of the number of rows of a population: ``truth[n]``, where the last entry stands for "or more".

    Not for sessions: of these one row more may be the beginning of another one.
    """

    __slots__ = ("_enough", "_while_open", "population", "truth")

    def __init__(self, population: Population, truth: Sequence[bool]) -> None:
        self.population, self.truth = population, tuple(truth)
        self._while_open = tuple(_agreed(truth[count:]) for count in range(len(truth)))
        self._enough = next(count for count in range(len(truth)) if all(one == truth[-1] for one in truth[count:]))

    def evaluate(self, facts: Facts, around: Around = ()) -> Verdict:
        judge = self._judge_all if self.population.where is None else self._judge_some
        return once(around, self, lambda: judge(facts, around))

    def _judge_all(self, facts: Facts, around: Around) -> Verdict:
        """What ``_judge_some`` gives where every row counts: of a funnel that is asked for every event around."""
        part = self.population.part(facts, around)
        count = min(max(part.last - part.first, 0), len(self.truth) - 1)
        return (self._while_open if part.is_open else self.truth)[count], part.due_ms

    def _judge_some(self, facts: Facts, around: Around) -> Verdict:
        look = self.population.look(facts, around, enough=max(self._enough, 1))
        least = min(len(look.rows), len(self.truth) - 1)
        most = None if look.is_open else max(least, len(look.judged)) + 1
        return _agreed(self.truth[least:most]), look.due_ms


def _agreed(possible: Sequence[bool]) -> bool | None:
    """What all of these say; None when they differ."""
    return possible[0] if len(set(possible)) == 1 else None


class Moving:
    """``within_last``, ``within_next``, ``before_last``, ``after_next``: a date beside the moving present.

    True for ``opens <= now < closes``, both computed from the date; bounds are inclusive to the millisecond.
    Source: Segment, "Query Language Reference" (boundaries are inclusive).
    """

    __slots__ = ("_bounds", "_each", "_ms", "scalar")

    def __init__(self, scalar: Scalar, comparator: str, ms: int, *, each: bool) -> None:
        self.scalar, self._ms, self._each = scalar, ms, each
        self._bounds: Callable[[int], tuple[int, int]] = {
            "within_last": lambda at_ms: (at_ms, at_ms + ms + 1),
            "within_next": lambda at_ms: (at_ms - ms, at_ms + 1),
            "before_last": lambda at_ms: (at_ms + ms, NEVER),
            "after_next": lambda at_ms: (-NEVER, at_ms - ms + 1),
        }[comparator]

    def evaluate(self, facts: Facts, around: Around = ()) -> Verdict:
        value, due_ms = self.scalar.read(facts, around)
        if isinstance(value, Undecided):
            edges = (facts.time_ms - self._ms, facts.time_ms, facts.time_ms + self._ms)
            verdict = decide([value], map(iso, edges), lambda values: self._of(values, facts.time_ms)[0])
            opens = (self._of([outcome], facts.time_ms)[1] for outcome in value.outcomes)
            return verdict, min(due_ms, *opens)
        verdict, changes_ms = self._of((value or ()) if self._each else (value,), facts.time_ms)
        return verdict, min(due_ms, changes_ms)

    def _of(self, dates: Sequence[Any], now_ms: int) -> tuple[bool, int]:
        """Whether it holds of any, and until when."""
        opens_ms, closes_ms = NEVER, -NEVER
        for element in dates:
            at_ms = date_ms(element)
            if at_ms is None:
                continue
            opens, closes = self._bounds(at_ms)
            if opens <= now_ms < closes:
                closes_ms = max(closes_ms, closes)
            elif now_ms < opens:
                opens_ms = min(opens_ms, opens)
        return (True, closes_ms) if closes_ms > now_ms else (False, opens_ms)
