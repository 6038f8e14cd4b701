"""What one batch did, as plain numbers: for metrics, for the log line, for tests."""

from collections.abc import Mapping
from dataclasses import dataclass

from worker.engine.books import Books
from worker.ports import Partition


@dataclass(frozen=True, slots=True)
class Report:
    """``transitions``: by (audience key, entered). ``wall_s``/``cpu_s``: seconds by phase.

    ``mail``: mailbox records taken; ``mailed``: written into mailbox partitions of our own. ``reached_ms``: Kafka
    timestamp of the last record taken from each partition.
    """

    books: Books
    mail: int
    mailed: int
    outputs: int
    transitions: Mapping[tuple[str, bool], int]
    lateness_ms: list[int]
    reached_ms: Mapping[Partition, int]
    wall_s: Mapping[str, float]
    cpu_s: Mapping[str, float]

    @property
    def records(self) -> int:
        """Records taken from Kafka, of both roles."""
        return self.mail + self.books.received.total()
