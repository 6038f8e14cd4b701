"""Comparisons of a value with other values, of which some are constants and some only known when they are looked up.

Source: Segment, "Query Language Reference" and "Linked audiences" (comparators that take another value);
docs/decisions.md, "Comparing values".
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from worker.audiences.language import tree
from worker.audiences.values import NEGATIONS, Test, equal, ordering, test_of, text

Relation = Callable[[Any, Any], bool]
Judge = Callable[[Any, Sequence[Any]], bool]
"""``judge(left, others)``: whether a comparison holds. ``others``: of its arguments those that are no constants. A
value whose path has a ``$`` is the list of its elements."""


def _ordered(holds: Callable[[int], bool]) -> Relation:
    def relation(left: Any, right: Any) -> bool:
        if left is None or right is None:
            return False
        order = ordering(left, right)
        return order is not None and holds(order)

    return relation


def _textual(holds: Callable[[str, str], bool]) -> Relation:
    return lambda left, right: left is not None and right is not None and holds(text(left), text(right))


def _same(left: Any, right: Any) -> bool:
    return left is not None and right is not None and equal(left, right)


RELATIONS: dict[tree.Comparator, Relation] = {
    "equals": _same,
    "differs": lambda left, right: left is not None and right is not None and not equal(left, right),
    "greater_than": _ordered(lambda order: order > 0),
    "at_least": _ordered(lambda order: order >= 0),
    "less_than": _ordered(lambda order: order < 0),
    "at_most": _ordered(lambda order: order <= 0),
    "contains": _textual(lambda left, right: right in left),
    "starts_with": _textual(str.startswith),
    "ends_with": _textual(str.endswith),
}


def judge_of(node: tree.Compare) -> Judge:
    """The judge of a comparison that does not move with the clock."""
    if node.comparator in NEGATIONS:
        inner = judge_of(replace(node, comparator=NEGATIONS[node.comparator]))
        return lambda left, others: not inner(left, others)
    constants = [argument for argument in node.arguments if isinstance(argument, tree.Literal)]
    others = [argument for argument in node.arguments if not isinstance(argument, tree.Literal)]
    single = _single(node.comparator, constants, [is_each(argument) for argument in others])
    if is_each(node.left):
        return lambda left, values: any(single(element, values) for element in left or ())
    return single


def _single(comparator: tree.Comparator, constants: Sequence[tree.Literal], each: Sequence[bool]) -> Judge:
    """The judge of one value on the left."""
    test: Test | None = test_of(comparator, constants) if constants or not each else None
    if not each:
        return lambda left, _: test is not None and test(left)
    relation = RELATIONS[comparator]

    def holds(left: Any, others: Sequence[Any]) -> bool:
        if test is not None and test(left):
            return True
        return any(relation(left, one) for value, many in zip(others, each, strict=True) for one in _all(value, many))

    return holds


def _all(value: Any, many: bool) -> Iterable[Any]:  # noqa: FBT001 - a flag of the value beside it
    return (value or ()) if many else (value,)


def is_each(node: object) -> bool:
    """Whether a value is read as a list: one for each element that its path's ``$`` stands for."""
    return isinstance(node, tree.Trait | tree.Property | tree.Context) and "$" in node.path
