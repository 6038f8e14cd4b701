"""The broker behind ``MemoryKafka``: what its clients ask of it.

Every request goes through ``io``, once before it takes effect and, where an answer can be lost, once after
(``…:answer``), so that a test can refuse it or lose its answer.
"""

from collections.abc import Callable, Iterable

from worker.adapters.memory_groups import Group
from worker.adapters.memory_log import Log, Outcome, Transaction
from worker.adapters.murmur2 import partition_for
from worker.clock import Clock
from worker.errors import DependencyError
from worker.ports import Headers, Partition, Record


class Session:
    """One life of a transactional id, from one ``init_transactions`` to the next.

    ``transaction``: the one that is open, or decided and still without its markers.
    """

    def __init__(self) -> None:
        self.transaction: Transaction | None = None
        self.refused = False


class MemoryBroker:
    """Topics, groups and transactional ids; see ``MemoryKafka`` for the arguments."""

    def __init__(
        self,
        clock: Clock,
        *,
        on_io: Callable[[str], None],
        session_timeout_ms: int,
        transaction_timeout_ms: int,
    ) -> None:
        self.clock = clock
        self.io = on_io
        self._session_timeout_ms = session_timeout_ms
        self._transaction_timeout_ms = transaction_timeout_ms
        self._topics: dict[str, list[Log]] = {}
        self._by_append_time: set[str] = set()
        self._groups: dict[str, Group] = {}
        self._sessions: dict[str, Session] = {}
        self._keyless = 0
        self.markers_wait = False

    # --- topics ---

    def create_topic(self, topic: str, *, partitions: int, log_append_time: bool) -> None:
        self._topics[topic] = [Log() for _ in range(partitions)]
        if log_append_time:
            self._by_append_time.add(topic)

    def log(self, partition: Partition) -> Log:
        return self._topics[partition.topic][partition.partition]

    def partitions(self, topics: Iterable[str]) -> list[Partition]:
        return [Partition(topic, number) for topic in topics for number in range(len(self._topics[topic]))]

    def append(
        self,
        topic: str,
        *,
        key: bytes | None,
        value: bytes | None,
        headers: Headers,
        partition: int | None,
        timestamp_ms: int | None = None,
        transaction: Transaction | None = None,
    ) -> Record:
        """Add a record, to an open transaction if one is given; the record with its coordinates."""
        logs = self._topics[topic]
        if partition is None:
            partition = self._partition(key, len(logs))
        if timestamp_ms is None or topic in self._by_append_time:
            timestamp_ms = self.clock.now_ms()
        log = logs[partition]
        record = Record(topic, partition, log.end, timestamp_ms, key, value, list(headers))
        log.append(record, transaction)
        return record

    def _partition(self, key: bytes | None, partitions: int) -> int:
        """By the key; records without one take turns (Kafka draws lots, which cannot be repeated)."""
        if key is not None:
            return partition_for(key, partitions)
        self._keyless += 1
        return self._keyless % partitions

    # --- groups ---

    def group(self, name: str) -> Group:
        """A group as of now: members whose session is over are gone."""
        group = self._groups.setdefault(name, Group())
        group.expire(self.clock.now_ms() - self._session_timeout_ms)
        return group

    def stable_offset(self, group: str, partition: Partition) -> int | None:
        """The committed offset of a partition; None when the group never committed it.

        Raises:
            DependencyError: an open transaction is about to change it (a real client waits, in vain here).
        """
        self.io("committed_offset")
        self.expire_transactions()
        for session in self._sessions.values():
            if session.transaction is not None and (group, partition) in session.transaction.offsets:
                raise DependencyError(f"{_name(partition)}: the offset of group {group} is not stable yet")
        return self.group(group).committed.get(partition)

    def read(self, partition: Partition, offset: int, limit: int) -> tuple[list[Record], int]:
        """Readable records from an offset on and where to go on.

        Raises:
            DependencyError: the offset is not in the log.
        """
        self.expire_transactions()
        log = self.log(partition)
        if not log.start <= offset <= log.end:
            raise DependencyError(f"{_name(partition)}: offset {offset} is not in the log ({log.start} to {log.end})")
        return log.read(offset, limit)

    # --- transactions ---

    def init_transactions(self, transactional_id: str) -> Session:
        """Fence the session under an id, end what it left (aborted, unless decided already), start a new one."""
        if (old := self._sessions.get(transactional_id)) is not None:
            self.end(old, Outcome.ABORTED)
            self.write_markers(old)
            old.refused = True
        session = self._sessions[transactional_id] = Session()
        return session

    def end(self, session: Session, outcome: Outcome) -> None:
        """Decide how a session's transaction ends, if it has one; what is decided stays so."""
        transaction = session.transaction
        if transaction is None:
            return
        if transaction.decided is Outcome.OPEN:
            transaction.decided = outcome
        if not self.markers_wait:
            self.write_markers(session)

    def write_markers(self, session: Session) -> None:
        """Carry out what has been decided of a session's transaction, with its offsets."""
        transaction = session.transaction
        if transaction is None or transaction.decided is Outcome.OPEN:
            return
        session.transaction = None
        transaction.end(transaction.decided)
        if transaction.decided is Outcome.COMMITTED:
            for (group, partition), offset in transaction.offsets.items():
                self.group(group).committed[partition] = offset

    def write_all_markers(self) -> None:
        for session in self._sessions.values():
            self.write_markers(session)

    def expire_transactions(self, *, all_of_them: bool = False) -> None:
        """Abort what has been open for too long, and fence whoever left it open."""
        oldest_ms = self.clock.now_ms() - self._transaction_timeout_ms
        for session in self._sessions.values():
            transaction = session.transaction
            if transaction is not None and (all_of_them or transaction.begun_ms < oldest_ms):
                session.refused |= transaction.decided is Outcome.OPEN
                self.end(session, Outcome.ABORTED)
                self.write_markers(session)


def _name(partition: Partition) -> str:
    return f"{partition.topic}-{partition.partition}"
