"""One partition's log, and the transactions that write to it.

An open transaction hides its records and everything after them (the *stable end*); records of an aborted one
are never shown. Every transaction's end leaves a marker that takes one offset of each log it wrote to.
Source: Apache Kafka, "Design: Transactions"; KIP-98.
"""

from enum import Enum, auto

from worker.ports import Partition, Record


class Outcome(Enum):
    OPEN = auto()
    COMMITTED = auto()
    ABORTED = auto()


class Transaction:
    """One transaction: the logs it wrote to and the offsets it will commit, by (group, partition).

    ``decided``: how it will end, once the coordinator has said so; it is open until its markers are written.
    """

    def __init__(self, begun_ms: int) -> None:
        self.outcome = Outcome.OPEN
        self.decided = Outcome.OPEN
        self.begun_ms = begun_ms
        self.offsets: dict[tuple[str, Partition], int] = {}
        self._logs: dict[Log, None] = {}

    def wrote(self, log: "Log") -> None:
        self._logs[log] = None

    def end(self, outcome: Outcome) -> None:
        self.outcome = outcome
        for log in self._logs:
            log.close(self)


class Log:
    """The records of one partition by offset, control markers included."""

    def __init__(self) -> None:
        self.start = 0
        self._entries: list[tuple[Record, Transaction | None] | None] = []  # None: a marker, or deleted
        self._open: dict[Transaction, int] = {}

    @property
    def end(self) -> int:
        """The offset that the next record gets."""
        return len(self._entries)

    @property
    def stable_end(self) -> int:
        """Where the oldest open transaction begins, else the end: nobody reads committed beyond."""
        return min(self._open.values(), default=len(self._entries))

    def append(self, record: Record, transaction: Transaction | None = None) -> None:
        """Add a record that carries the offset ``end``."""
        if transaction is not None and transaction not in self._open:
            self._open[transaction] = record.offset
            transaction.wrote(self)
        self._entries.append((record, transaction))

    def close(self, transaction: Transaction) -> None:
        """Write the marker of a transaction that has ended."""
        del self._open[transaction]
        self._entries.append(None)

    def delete_before(self, offset: int) -> None:
        """Remove the records below an offset, as retention does."""
        for index in range(self.start, min(offset, self.end)):
            self._entries[index] = None
        self.start = max(self.start, min(offset, self.end))

    def read(self, offset: int, limit: int) -> tuple[list[Record], int]:
        """Up to ``limit`` readable records from an offset on, and where to go on."""
        records: list[Record] = []
        end, entries = self.stable_end, self._entries
        while offset < end:
            entry = entries[offset]
            if entry is not None and (entry[1] is None or entry[1].outcome is Outcome.COMMITTED):
                if len(records) == limit:
                    break
                records.append(entry[0])
            offset += 1
        return records, offset
