"""The leaves of one definition: each is named by the canonical text of what it selects and keeps.

The texts are frozen: another text for the same leaf forgets what profiles have accumulated.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from worker.audiences.language import tree
from worker.audiences.language.render import render
from worker.audiences.leaves import CountLeaf, Leaf, Occurrence, Selection, TimesLeaf, TotalLeaf, leaf_id_of
from worker.audiences.reducers import total_of
from worker.audiences.rows import FIRST, ROWS_MAX, Keep, RowsLeaf, newest, newest_of_each, peaks, troughs
from worker.audiences.selecting import required_of
from worker.audiences.selections import (
    FieldNode,
    canonical,
    entries_of,
    predicate_of,
    projection_of,
    reader_of,
    selected,
)
from worker.audiences.sessions import SessionLeaf
from worker.audiences.totals import Total
from worker.audiences.windows import Rolling


class Beginning(NamedTuple):
    """From when on events count.

    ``since`` names a beginning of its own (None: the beginning of all data). ``history_ms``: how far before it
    events count as well (None: all the way).
    """

    since: str | None = None
    history_ms: int | None = None


_KEPT_AS: dict[tree.Reducer, tree.Reducer] = {"avg": "sum", "unique_count": "unique"}
"""Reducers that keep the same of events as another one, and so share its leaves."""

_KEEPS: dict[tree.Reducer, Keep] = {
    "last": newest,
    "max": peaks,
    "min": troughs,
    "unique": newest_of_each,
    "unique_count": newest_of_each,
}


@dataclass(slots=True)
class Leaves:
    """Makes leaves and remembers them, by id."""

    beginning: Beginning
    found: dict[bytes, Leaf] = field(default_factory=dict)

    def count(self, events: tree.Events) -> bytes:
        """How many there were. Returns the leaf's id, as all of these do."""
        return self._add(lambda leaf_id: CountLeaf(leaf_id, self._selection(events)), canonical(events))

    def times(self, events: tree.Events, window: Rolling, capacity: int) -> bytes:
        """When they were, inside a window."""
        return self._add(
            lambda leaf_id: TimesLeaf(leaf_id, self._selection(events), window, capacity),
            f"{canonical(events)} keep {capacity}",
        )

    def total(self, node: tree.Reduce) -> bytes:
        """What a reducer makes of them."""
        total = total_of(node)
        entries = _entries(node, total)
        return self._add(
            lambda leaf_id: TotalLeaf(leaf_id, self._selection(node.events), total, entries), render(_kept_as(node))
        )

    def session(self, node: tree.Reduce, gap_ms: int) -> bytes:
        """What a reducer makes of those of each session."""
        total = total_of(node)
        entries = _entries(node, total)
        return self._add(
            lambda leaf_id: SessionLeaf(leaf_id, self._selection(node.events), gap_ms, total, entries),
            render(_kept_as(node)),
        )

    def values(self, node: tree.Reduce, window: Rolling) -> bytes:
        """Rows of one value each: what a reducer takes inside a window."""
        total = total_of(node)
        entries = _entries(node, total)
        return self._add(
            lambda leaf_id: RowsLeaf(
                leaf_id,
                self._selection(node.events),
                take=lambda occurrence: [(entry,) for entry in entries(occurrence)],
                reach_ms=window.far_ms,
                rows_max=ROWS_MAX,
                ordered=total.ordered,
                keep=_KEEPS.get(node.reducer),
                inside_ms=window.near_ms,
            ),
            render(_kept_as(node)),
        )

    def rows(
        self,
        events: tree.Events,
        fields: tuple[FieldNode, ...],
        *,
        reach_ms: int | None,
        rows_max: int,
        ordered: bool,
    ) -> bytes:
        """Rows of every value that a computation reads of an event."""
        projections = [projection_of(one) for one in fields]
        reach = "ever" if reach_ms is None else f"{reach_ms} ms"
        names = ", ".join(render(one) for one in fields)
        order = " ordered" if ordered else ""
        return self._add(
            lambda leaf_id: RowsLeaf(
                leaf_id,
                self._selection(events),
                take=lambda occurrence: [[project(occurrence) for project in projections]],
                reach_ms=reach_ms,
                rows_max=rows_max,
                ordered=ordered,
            ),
            f"{canonical(events)} rows {rows_max} {reach}{order} ({names})",
        )

    def _add(self, make: Callable[[bytes], Leaf], text: str) -> bytes:
        since = f" since {self.beginning.since}" if self.beginning.since else ""
        leaf_id = leaf_id_of(text + since)
        if leaf_id not in self.found:
            self.found[leaf_id] = make(leaf_id)
        return leaf_id

    def _selection(self, events: tree.Events) -> Selection:
        alone = selected(events, events.where)
        return Selection(
            name=canonical(alone),
            event=events.name,
            where=predicate_of(alone),
            required=required_of(alone.where),
            history_ms=self.beginning.history_ms,
        )


def place_of(fields: tuple[FieldNode, ...], one: FieldNode) -> int:
    """Where a row has a value."""
    return FIRST + fields.index(one)


def _kept_as(node: tree.Reduce) -> tree.Reduce:
    as_type = node.as_type
    if as_type == "number" or (node.reducer == "mode" and as_type == "string"):
        as_type = None  # the defaults; numbers count as strings for ``mode``
    return replace(node, reducer=_KEPT_AS.get(node.reducer, node.reducer), as_type=as_type, minimum=None)


def _entries(node: tree.Reduce, total: Total) -> Callable[[Occurrence], list[Any]]:
    """What a total takes of an event."""
    if node.of is None:
        return lambda _: [1]
    read, entries = reader_of(node.of), entries_of(node, total)
    return lambda occurrence: entries(read(occurrence))
