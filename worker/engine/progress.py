"""How far the inputs have come, and so which timers may fire.

While an input partition lags, a timer that is due by the clock may be due only because the event that would move it
has not been read. So routers publish how far each of their partitions is, and the scan fires what is due by the
smallest. A partition that nobody speaks for holds exits only so long (``hold_max_ms``); then they go by the clock:
exact, but perhaps an exit that the late event takes back.
Source: docs/decisions.md, "Exits by time".
"""

from collections.abc import Iterable, Mapping
from typing import Protocol

from worker.ports import Partition, Source, Store


class Progress:
    """A router's own part: what it has committed, published now and then."""

    def __init__(self, store: Store, *, partitions: Iterable[Partition], interval_ms: int, margin_ms: int) -> None:
        """``partitions``: all those whose events move timers. ``margin_ms``: how far clocks may differ; taken off."""
        self._store = store
        self._partitions = frozenset(partitions)
        self._interval_ms = interval_ms
        self._margin_ms = margin_ms
        self._reached: dict[Partition, int] = {}
        self._published_ms: int | None = None
        self._smallest_ms = 0

    def forget(self) -> None:
        self._reached.clear()
        self._published_ms = None

    def publish(self, source: Source, committed_ms: Mapping[Partition, int], polled_ms: int) -> None:
        """Note what has been committed and, now and then, say how far every owned partition is.

        ``committed_ms``: time of the last committed record by partition. ``polled_ms``: the time just before the last
        poll; a partition of which everything had been read by then has come as far as that time, any other as far as
        its last committed record.
        """
        for partition, at_ms in committed_ms.items():
            self._reached[partition] = min(at_ms, polled_ms)
        if self._published_ms is not None and polled_ms - self._published_ms < self._interval_ms:
            return
        owned = source.assignment() & self._partitions
        self._reached.update(dict.fromkeys(source.at_end() & owned, polled_ms - self._margin_ms))
        told = {
            _name(partition): (self._reached[partition], polled_ms) for partition in owned if partition in self._reached
        }
        if told:
            self._store.publish_progress(told).get()
            self._published_ms = polled_ms
            everybody = self._store.read_progress().get()
            self._smallest_ms = min(everybody.get(_name(partition), (0, 0))[0] for partition in self._partitions)

    @property
    def smallest_ms(self) -> int:
        """The time that every input partition has reached, whoever owns it; 0 while one of them has not been heard of.

        Claims older than the dedup window before it are of no use to anybody.
        """
        return self._smallest_ms


def _name(partition: Partition) -> str:
    return f"{partition.topic}:{partition.partition}"


class Gate(Protocol):
    """Says which timers may fire."""

    @property
    def overdue(self) -> bool:
        """Whether the last answer passed an input that has been silent for too long."""

    def until(self, now_ms: int) -> int:
        """Timers due until this time, inclusive, may fire."""


class Hold:
    """The scan's part: the smallest progress of all input partitions."""

    def __init__(self, store: Store, partitions: Iterable[Partition], *, hold_max_ms: int, started_ms: int) -> None:
        self._store = store
        self._expected = [_name(partition) for partition in partitions]
        self._hold_max_ms = hold_max_ms
        self._started_ms = started_ms
        self._overdue = False

    @property
    def overdue(self) -> bool:
        return self._overdue

    def until(self, now_ms: int) -> int:
        told = self._store.read_progress().get()
        reached, self._overdue = now_ms, False
        for name in self._expected:
            progress_ms, said_ms = told.get(name, (0, self._started_ms))
            if now_ms - said_ms > self._hold_max_ms:
                self._overdue = True
            else:
                reached = min(reached, progress_ms)
        return reached
