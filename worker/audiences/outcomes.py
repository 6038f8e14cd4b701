"""Outcomes: what a value that is not decided yet may turn out to be.

Some of the events that a reducer takes may still turn out not to count, and as long as a window that counts from a
parent event is open, more may come. A comparison is decided when it holds, or does not, for every outcome.

Source: docs/decisions.md, "Funnels".
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice, product
from math import ceil, floor
from typing import Any, NamedTuple

from worker.audiences.rows import AT, Row
from worker.audiences.totals import Order, Total
from worker.audiences.values import date_ms, iso, number, text

OUTCOMES_MAX = 256
"""Results that are told apart. Lower: reducers over many undecided events stay undecided for longer than they have to;
higher: a frequent visitor's funnel takes longer to look at."""

BEYOND = 10**15
"""A number beyond all that queries compare with."""

LAST_CHARACTER = "\U0010ffff"
"""A text that comes after all others, and that no other contains."""


class Undecided(NamedTuple):
    """``value``: of what is decided. ``outcomes``: what it will be if nothing more comes.

    ``may_reach``: whether something that comes may lead from an outcome to a value; None: nothing will come.
    """

    value: Any
    outcomes: Sequence[Any]
    may_reach: Callable[[Any, Any], bool] | None


def anything(value: Any) -> Undecided:
    """What nobody can tell; ``value``: of what is decided."""
    return Undecided(value, [None, value], lambda _, reached: reached is not None)


def outcomes_of(
    total: Total,
    judged: Sequence[tuple[Row, bool]],
    entries: Callable[[Row], Sequence[Any]],
    session: tuple[int, int] | None,
) -> list[Any] | None:
    """A result for each way to decide which rows count; None when there are too many.

    Shapes:
        judged: rows in order of time, and whether each is sure to count.
        session: the gap that ends one, and now; None without sessions.
    """
    states: dict[str, tuple[int, Any]] = {"": (0, None)}
    for row, is_sure in judged:
        with_it = (_with(total, state, row, entries(row), session) for state in states.values())
        following = {_name(state): state for state in with_it}
        states = following if is_sure else {**states, **following}
        if len(states) > OUTCOMES_MAX:
            return None
    results = [None if _is_over(at_ms, session) else kept for at_ms, kept in states.values()]
    return list({repr(result): result for result in map(total.read, results)}.values())


def _name(state: tuple[int, Any]) -> str:
    at_ms, kept = state
    return repr((at_ms, sorted(kept.items()) if isinstance(kept, dict) else kept))


def _with(
    total: Total, state: tuple[int, Any], row: Row, entries: Sequence[Any], session: tuple[int, int] | None
) -> tuple[int, Any]:
    """The last time and the total with one more row, which begins a new session when it comes late enough."""
    last_ms, kept = state
    if session is not None and row[AT] - last_ms >= session[0]:
        kept = None
    order = Order(row[AT], row[-2], row[-1]) if total.ordered else Order(row[AT], 0, 0)
    for entry in entries:
        kept = total.union(kept, total.add(None, entry, order))
    return row[AT] if session is not None else 0, kept


def _is_over(last_ms: int, session: tuple[int, int] | None) -> bool:
    return session is not None and session[1] >= last_ms + session[0]


def decide(sides: Sequence[Any], near: Iterable[Any], holds: Callable[[Sequence[Any]], bool]) -> bool | None:
    """Whether something holds for all outcomes of some values; None: for some it does, for others not.

    Shapes:
        sides: values, ``Undecided`` ones among them, in the order in which ``holds`` takes them.
        near: what else they are compared with.
    """
    compared = [*near, *(outcome for side in sides for outcome in _known(side))]
    every = [list(_reached(side, compared)) for side in sides]
    answers = {holds(values) for values in islice(product(*every), OUTCOMES_MAX**2)}
    return answers.pop() if len(answers) == 1 else None


def _known(side: Any) -> Sequence[Any]:
    return side.outcomes if isinstance(side, Undecided) else [side]


def _reached(side: Any, compared: Sequence[Any]) -> Iterator[Any]:
    yield from _known(side)
    if isinstance(side, Undecided) and side.may_reach is not None:
        may_reach = side.may_reach
        for value in values_around(compared):
            if any(may_reach(outcome, value) for outcome in side.outcomes):
                yield value


def values_around(compared: Sequence[Any]) -> Iterator[Any]:
    """Values of every kind that a comparison with these may tell apart: each of them, its neighbours, what is far."""
    yield from (BEYOND, -BEYOND, "", LAST_CHARACTER)
    for value in compared:
        if value is None:
            continue
        yield from (text(value), text(value) + LAST_CHARACTER)
        at = number(value)
        if at is not None and abs(at) < BEYOND:
            yield from (whole + step for whole in (floor(at), at, ceil(at)) for step in (-1, 0, 1))
        moment = date_ms(value)
        if moment is not None:
            yield from (iso(moment + step) for step in (-1, 0, 1))
