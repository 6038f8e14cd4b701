"""How far a count has to be told: up to where a comparison with constants makes a difference."""

from worker.audiences.language import tree
from worker.audiences.language.errors import QueryError
from worker.audiences.leaves import capacity_for, largest_capacity
from worker.audiences.values import number, test_of
from worker.audiences.windows import Rolling


def literals(node: tree.Compare) -> tuple[tree.Literal, ...]:
    """The arguments of a comparison that are constants."""
    return tuple(argument for argument in node.arguments if isinstance(argument, tree.Literal))


_TEXTUAL = frozenset({"contains", "omits", "starts_with", "ends_with"})
"""Comparators for which no count is like all larger ones."""


def truth_of(node: tree.Compare, most: int) -> list[bool]:
    """The outcome of a test of a count for 0 … ``most``; the last stands for "or more"."""
    test = test_of(node.comparator, literals(node))
    return [test(count) for count in range(most + 1)]


def capacity_of(node: tree.Compare, window: Rolling) -> int:
    largest = capacity_max(node, window)
    threshold = threshold_of(node, rows_max=largest)
    return capacity_for(threshold, window) or largest


def capacity_max(node: tree.Compare | tree.Reduce, window: Rolling) -> int:
    largest = largest_capacity(window)
    if largest is None:
        message = "the ends of 'between' are too close together for times so long ago"
        raise QueryError(message, line=node.position.line, column=node.position.column)
    return largest


def threshold_of(node: tree.Compare, *, rows_max: int) -> int:
    """A count from which on all counts are alike."""
    if node.comparator in _TEXTUAL:
        return rows_max
    numbers = [number(literal.value) for literal in literals(node)]
    threshold = max((int(abs(value)) + 1 for value in numbers if value is not None), default=0)
    if threshold > rows_max:
        message = f"a count of these events can be compared with at most {rows_max - 1:,}"
        raise QueryError(message, line=node.position.line, column=node.position.column)
    return threshold
