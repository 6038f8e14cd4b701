"""How far behind the partitions of a replica are, in records and in time."""

from collections.abc import Iterable, Mapping

from worker.ports import Partition, Source


class Lag:
    """Looked at now and then; remembers since when each partition has been behind."""

    def __init__(self) -> None:
        self._reached_ms: dict[Partition, int] = {}
        self._first_seen_ms: dict[Partition, int] = {}

    def reached(self, reached_ms: Mapping[Partition, int]) -> None:
        """Note how far partitions have come: the time of the last record dealt with."""
        self._reached_ms.update(reached_ms)

    def look(self, sources: Iterable[Source], now_ms: int) -> tuple[dict[Partition, int], dict[Partition, float]]:
        """Records behind, and seconds, by partition.

        A partition at its end has come as far as now, so that one which was quiet for long is not old with its next
        record. One of which nothing has been dealt with yet ages from when it was first seen here.
        """
        records = {partition: lag for source in sources for partition, lag in source.lag().items()}
        self._reached_ms.update({partition: now_ms for partition, lag in records.items() if not lag})
        self._first_seen_ms = {partition: self._first_seen_ms.get(partition, now_ms) for partition in records}
        since_ms = {**self._first_seen_ms, **self._reached_ms}
        return records, {partition: max(0, now_ms - since_ms[partition]) / 1000 for partition in records}
