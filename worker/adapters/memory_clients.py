"""Consumer and producer of ``MemoryKafka``."""

from collections.abc import Iterable, Mapping

from worker.adapters.memory_broker import MemoryBroker, Session
from worker.adapters.memory_groups import Membership
from worker.adapters.memory_log import Outcome, Transaction
from worker.errors import DependencyError, SupersededError, TransactionRefusedError
from worker.ports import Headers, LogTail, Partition, Poll, Record
from worker.profiles.log import reach, tail


class MemoryProducer:
    """See ``worker.ports.Producer``. Fences nobody before ``replace`` and can do nothing before it."""

    def __init__(self, broker: MemoryBroker, transactional_id: str) -> None:
        self._broker = broker
        self._transactional_id = transactional_id
        self._session: Session | None = None

    def begin(self) -> None:
        session = self._current("begin")
        self._broker.write_markers(session)
        if session.transaction is not None:
            raise self._refusal("a transaction is open already")
        session.transaction = Transaction(self._broker.clock.now_ms())

    def produce(
        self,
        topic: str,
        *,
        key: bytes | None,
        value: bytes | None,
        headers: Headers = (),
        partition: int | None = None,
    ) -> None:
        transaction = self._open("produce")
        self._broker.append(topic, key=key, value=value, headers=headers, partition=partition, transaction=transaction)

    def send_offsets(self, offsets: Mapping[Partition, int], metadata: object) -> None:
        transaction = self._open("send_offsets")
        if not isinstance(metadata, Membership):
            raise self._refusal("offsets need the group metadata of a poll")
        if self._broker.group(metadata.group).is_succeeded(metadata):
            raise self._succeeded(metadata)
        if not self._broker.group(metadata.group).is_current(metadata):
            raise self._refusal(f"generation {metadata.generation} of {metadata.group!r} is over")
        for partition, offset in offsets.items():
            transaction.offsets[metadata.group, partition] = offset
        self._broker.io("send_offsets:answer")

    def commit(self) -> None:
        self._open("commit")
        if self._session is not None:
            self._broker.end(self._session, Outcome.COMMITTED)
        self._broker.io("commit:answer")

    def abort(self) -> None:
        try:
            self._broker.io("abort")
        except DependencyError:
            return  # left open: replace() or the timeout ends it
        if self._session is not None:
            self._broker.end(self._session, Outcome.ABORTED)

    def replace(self) -> None:
        self._broker.io("init_transactions")
        self._session = self._broker.init_transactions(self._transactional_id)
        self._broker.io("init_transactions:answer")

    def close(self) -> None:
        """What is open stays open, as when a process dies."""
        self._session = None

    def _current(self, label: str) -> Session:
        self._broker.io(label)
        self._broker.expire_transactions()
        session = self._session
        if session is None:
            raise TransactionRefusedError("the producer is closed or has not been announced: replace() it")
        if session.refused:
            raise TransactionRefusedError(f"producer {self._transactional_id!r} was fenced, timed out or refused")
        return session

    def _open(self, label: str) -> Transaction:
        transaction = self._current(label).transaction
        if transaction is None or transaction.decided is not Outcome.OPEN:
            raise self._refusal("there is no open transaction")
        return transaction

    def _succeeded(self, metadata: Membership) -> SupersededError:
        self._refusal("succeeded")
        return SupersededError(f"another consumer of {metadata.group!r} has taken the name {metadata.instance!r}")

    def _refusal(self, reason: str) -> TransactionRefusedError:
        """Like a real one, this producer is of no use afterwards, whatever was wrong."""
        if self._session is not None:
            self._session.refused = True
        return TransactionRefusedError(reason)


class MemorySource:
    """See ``worker.ports.Source``. A static member: a closed one keeps its place until its session ends."""

    def __init__(self, broker: MemoryBroker, group: str, instance: str, topics: Iterable[str]) -> None:
        self._broker = broker
        self._group = group
        self._instance = instance
        self._topics = list(topics)
        self._member: int | None = None
        self._changed = False
        self._cursors: dict[Partition, int] = {}  # where to read on: past markers and aborted records
        self._positions: dict[Partition, int] = {}  # after the last record returned
        self._at_end: frozenset[Partition] = frozenset()
        self._unplaced: list[Partition] = []  # owned, but without a position yet

    def poll(self, limit: int, timeout_s: float, *, awaited: int = 1) -> Poll:
        """Never waits: nobody could produce meanwhile."""
        del timeout_s, awaited
        self._broker.io("poll")
        membership = self._take_part()
        self._place()
        records = self._fetch(limit)
        changed, self._changed = self._changed, False
        return Poll(records, membership, changed)

    def assignment(self) -> frozenset[Partition]:
        return frozenset(self._positions)

    def position(self, partition: Partition) -> int:
        return self._positions[partition]

    def at_end(self) -> frozenset[Partition]:
        return self._at_end

    def lag(self) -> Mapping[Partition, int]:
        return {
            partition: max(0, self._broker.log(partition).end - cursor) for partition, cursor in self._cursors.items()
        }

    def rewind(self) -> None:
        self._unplaced += self._positions
        self._forget(list(self._positions))
        self._broker.io("rewind")
        if self._member is not None:
            self._take_part()  # what is another's by now has offsets that may never be stable
        self._place()

    def close(self) -> None:
        if self._member is not None:
            self._broker.group(self._group).close(self._instance, self._member, self._broker.clock.now_ms())

    def _take_part(self) -> Membership:
        """Join, or join again after being thrown out; then give up and take what the group has decided.

        The place in the group as of now: whatever happens to it later, what is read next was read in this one.
        """
        group = self._broker.group(self._group)
        current = group.member(self._instance)
        if self._member is not None and current is not None and current != self._member:
            raise SupersededError(f"another consumer of {self._group!r} has taken the name {self._instance!r}")
        if current is None or self._member is None:
            self._forget(list(self._positions))
            self._unplaced.clear()
            self._member = group.join(self._instance, self._broker.partitions(self._topics))
        revoked, assigned = group.exchange(self._instance, [*self._positions, *self._unplaced])
        self._forget(revoked)
        self._unplaced = [partition for partition in self._unplaced if partition not in revoked] + assigned
        return Membership(self._group, self._instance, self._member, group.generation)

    def _forget(self, partitions: Iterable[Partition]) -> None:
        for partition in partitions:
            self._changed = True
            self._positions.pop(partition, None)
            self._cursors.pop(partition, None)
        self._at_end &= self._positions.keys()

    def _place(self) -> None:
        """Go to the stable committed offset of every partition that has no position."""
        while self._unplaced:
            partition = self._unplaced[-1]
            committed = self._broker.stable_offset(self._group, partition)
            start = self._broker.log(partition).start if committed is None else committed
            self._positions[partition] = self._cursors[partition] = start
            self._unplaced.pop()
            self._changed = True

    def _fetch(self, limit: int) -> list[Record]:
        records: list[Record] = []
        at_end = set()
        for partition in list(self._cursors):
            found, cursor = self._broker.read(partition, self._cursors[partition], limit - len(records))
            self._cursors[partition] = cursor
            if found:
                records += found
                self._positions[partition] = found[-1].offset + 1
            # Not where an open transaction begins: what it will add may be older than now.
            if cursor == self._broker.log(partition).end:
                at_end.add(partition)
        self._at_end = frozenset(at_end)
        return records


class MemoryStateLog:
    """See ``worker.ports.StateLog``."""

    def __init__(self, broker: MemoryBroker, topic: str) -> None:
        self._broker = broker
        self._topic = topic

    def latest(self, partition: int, horizon_ms: int) -> LogTail | None:
        self._broker.io("read_states")
        self._broker.expire_transactions()
        log = self._broker.log(Partition(self._topic, partition))
        if log.stable_end < log.end:
            raise DependencyError(f"a transaction is open at the end of {self._topic}-{partition}")
        records, _ = log.read(log.start, log.end)
        return tail(records, reach(records, horizon_ms)) if records else None
