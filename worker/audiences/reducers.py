"""The total of each reducer of the language."""

from collections.abc import Callable

from worker.audiences.distinct import Mode, Unique, UniqueCount
from worker.audiences.language import tree
from worker.audiences.totals import Average, Count, Extreme, First, Last, Sum, Total

MODE_MINIMUM = 2
"""The least frequency of ``mode`` where the query gives none. Source: Segment, "Computed traits" (most frequent)."""


def total_of(node: tree.Reduce) -> Total:
    """The total of a reducer."""
    match node.reducer:
        case "mode":
            return Mode(MODE_MINIMUM if node.minimum is None else node.minimum)
        case "min" | "max":
            return Extreme(largest=node.reducer == "max", strings=node.as_type == "string")
    return _TOTALS[node.reducer]()


_TOTALS: dict[tree.Reducer, Callable[[], Total]] = {
    "count": Count,
    "sum": Sum,
    "avg": Average,
    "unique": Unique,
    "unique_count": UniqueCount,
    "first": First,
    "last": Last,
}
