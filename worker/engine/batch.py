"""One batch, one transaction.

Redis calls are sent as early and received as late as their answers allow, so that waiting overlaps with decoding,
encoding and producing:

     1  (the loop) poll the mailbox, poll the inputs; remember the group metadata of these polls
     2  decode the inputs, send the claims
     3  group the mail, send the loads
     4  receive the claims; resolve identities
     5  receive the states; fold, evaluate; encode and send the commits
     6  begin the transaction; produce routed events, dead letters and ticks
     7  receive the commits; produce what the fold made, and log the states; wait until all that was written is kept
     8  send both groups' offsets; commit the transaction
     9  (the loop) publish how far the inputs have come

If the process dies before 8 has committed, no reader has seen anything of the batch and its records come again: the
router's part is done anew, the folder's part is taken from what the commits have kept.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from worker.clock import Clock, Stopwatch
from worker.engine.avro import AvroOutputs
from worker.engine.books import Books
from worker.engine.control import Control
from worker.engine.fold import FoldBatch
from worker.engine.output import Output
from worker.engine.report import Report
from worker.engine.roles import Folding, Routing
from worker.engine.route import RouteBatch
from worker.errors import DependencyError
from worker.ports import Partition, Poll, Producer, Record, Reply, last_of_each
from worker.profiles.log import headers_of, key_of
from worker.slots import STATE_SLOTS, partition_of, slot_of

Ends = tuple[list[Record], list[Record]]
"""The last record of each partition: of the mailbox, of the inputs."""


class LoggedStates(NamedTuple):
    """``topic``: its full name. ``delay_max_ms``: from a state's commit until it is handed to the producer."""

    topic: str
    delay_max_ms: int


@dataclass(frozen=True, slots=True)
class Batcher:
    """Runs batches of one replica.

    ``topic_name`` adds the prefix to a topic's name. ``avro_outputs`` None: values are written as JSON.
    ``keep``: waits until what the batch has written cannot be lost any more; None: the store is trusted.
    ``state_log``: where committed states are logged, to be brought back; None: nowhere.
    """

    producer: Producer
    control: Control
    clock: Clock
    routing: Routing | None
    folding: Folding | None
    topic_name: Callable[[str], str]
    mailbox_partitions: int
    avro_outputs: AvroOutputs | None = None
    keep: Callable[[], Reply[None]] | None = None
    state_log: LoggedStates | None = None
    stopwatch: Stopwatch = field(default_factory=Stopwatch)

    def run(self, mailbox: Poll, inputs: Poll, own: list[Output]) -> Report:
        """Do a batch and commit it. ``own``: ticks and the like, for our own mailbox partitions.

        Raises:
            DependencyError: nothing of the batch is visible; drop everything and start afresh.
        """
        books = Books()
        routed = self._decode(inputs.records, books, own)
        folded = self._load(mailbox.records)
        self._resolve(routed)
        made = self._fold(folded)
        committed_ms = self.clock.now_ms()

        self.producer.begin()
        sent = own + self._address(routed)
        self._produce(sent)
        self.stopwatch.mark("route")
        if self.folding is not None and folded is not None:
            self.folding.folder.check(folded)
        kept = None if self.keep is None else self.keep()
        self.stopwatch.mark("commit")
        self._produce(made)
        if folded is not None and self.state_log is not None:
            self._log_states(self.state_log, folded, committed_ms)
        if kept is not None:
            kept.get()
            self.stopwatch.mark("keep")
        ends = last_of_each(mailbox.records), last_of_each(inputs.records)
        self._send_offsets(mailbox, inputs, ends)
        self.producer.commit()
        self.stopwatch.mark("transaction")

        books.check()
        return self._report(books, ends, sent, made, folded)

    def _decode(self, records: Sequence[Record], books: Books, own: list[Output]) -> RouteBatch | None:
        """Definitions act first: the events beside them are judged by what is in force then."""
        if self.routing is None or not records:
            return None
        events = self.control.take(records, books, own)
        routed = self.routing.router.begin(events, books, self.control.catalogue, self.control.rules)
        self.stopwatch.mark("decode")
        return routed

    def _resolve(self, routed: RouteBatch | None) -> None:
        if self.routing is None or routed is None:
            return
        self.routing.router.receive(routed)
        self.stopwatch.mark("claim")
        self.routing.router.resolve(routed)
        self.stopwatch.mark("resolve")

    def _address(self, routed: RouteBatch | None) -> list[Output]:
        return [] if self.routing is None or routed is None else self.routing.router.address(routed)

    def _load(self, records: Sequence[Record]) -> FoldBatch | None:
        if self.folding is None or not records:
            return None
        starts: dict[int, int] = {}
        for record in records:
            starts.setdefault(record.partition, record.offset)
        ends = {record.partition: record.offset for record in records}
        mail = [self.folding.read_mail(record) for record in records]
        folded = self.folding.folder.begin(mail, self._by_slot(starts), self._by_slot(ends))
        self.stopwatch.mark("load")
        return folded

    def _by_slot(self, offsets: Mapping[int, int]) -> dict[int, int]:
        """What is known of partitions, for each slot of theirs."""
        return {
            slot: offsets[partition]
            for slot in range(STATE_SLOTS)
            if (partition := partition_of(slot, self.mailbox_partitions)) in offsets
        }

    def _fold(self, folded: FoldBatch | None) -> list[Output]:
        if self.folding is None or folded is None:
            return []
        folder = self.folding.folder
        newest = folder.receive(folded)
        self.control.at_least(newest)  # a state is never evaluated under older definitions than before
        self.stopwatch.mark("load")
        made = folder.fold(folded, self.control.catalogue, sent_ms=self.clock.now_ms())
        self.stopwatch.mark("fold")
        folder.commit(folded)
        self.stopwatch.mark("encode")
        return made

    def _produce(self, outputs: Sequence[Output]) -> None:
        if self.avro_outputs is not None:
            outputs = self.avro_outputs(outputs)
        produce, name = self.producer.produce, self.topic_name
        for topic, key, value, headers, partition in outputs:
            produce(name(topic), key=key, value=value, headers=headers, partition=partition)

    def _log_states(self, to: LoggedStates, folded: FoldBatch, committed_ms: int) -> None:
        """States are logged soon after they are committed, or not at all: who brings them back looks no further."""
        folding, produce = self.folding, self.producer.produce
        if folding is None or folding.restore is None:
            return
        for profile, state in folding.folder.committed(folded):
            partition = partition_of(slot_of(profile), self.mailbox_partitions)
            headers = headers_of(state, folding.restore.since(partition))
            produce(to.topic, key=key_of(profile), value=state.blob, headers=headers, partition=partition)
        if (took_ms := self.clock.now_ms() - committed_ms) > to.delay_max_ms:
            raise DependencyError(f"a batch has taken {took_ms / 1000:.0f} s to log what it had committed")

    def _send_offsets(self, mailbox: Poll, inputs: Poll, ends: Ends) -> None:
        """Both groups' next offsets, each with the metadata of its own poll.

        With ticks only, the position of one owned partition goes along: a transaction without offsets would not ask
        the group's coordinator whether we are still a member, and a zombie's ticks would pass.
        """
        mail_ends, input_ends = ends
        if inputs.records:
            self.producer.send_offsets(_next_offsets(input_ends), inputs.metadata)
        if mailbox.records:
            self.producer.send_offsets(_next_offsets(mail_ends), mailbox.metadata)
        elif not inputs.records and self.folding is not None:
            source = self.folding.source
            partition = min(source.assignment())
            self.producer.send_offsets({partition: source.position(partition)}, mailbox.metadata)

    def _report(
        self,
        books: Books,
        ends: Ends,
        sent: Sequence[Output],
        made: Sequence[Output],
        folded: FoldBatch | None,
    ) -> Report:
        owned = () if self.folding is None else {place.partition for place in self.folding.source.assignment()}
        return Report(
            books=books,
            mail=0 if folded is None else folded.records,
            mailed=sum([output.partition in owned for output in sent]),
            outputs=len(sent) + len(made),
            transitions={} if folded is None else dict(folded.transitions),
            lateness_ms=[] if folded is None else folded.lateness_ms,
            reached_ms={
                Partition(record.topic, record.partition): record.timestamp_ms for last in ends for record in last
            },
            wall_s=dict(self.stopwatch.wall_s),
            cpu_s=dict(self.stopwatch.cpu_s),
        )


def _next_offsets(ends: Sequence[Record]) -> dict[Partition, int]:
    return {Partition(record.topic, record.partition): record.offset + 1 for record in ends}
