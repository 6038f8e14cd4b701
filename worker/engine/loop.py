"""The loop of one replica: poll, do a batch, over and over.

A turn takes mailbox records first and input records with the room that is left. Any refusal, abort or doubt, at any
step: the batch is abandoned, the producer replaced, everything in memory dropped, and the replica starts again from
the stable committed offsets. Never on from where it was.
"""

from dataclasses import dataclass
from typing import NamedTuple

from worker.clock import Clock
from worker.engine.batch import Batcher
from worker.engine.control import Control
from worker.engine.output import Output
from worker.engine.report import Report
from worker.engine.roles import Folding, Routing
from worker.errors import DependencyError
from worker.ports import Poll, Producer

NO_POLL = Poll(records=[], metadata=None, changed=False)

MAIL_WAIT_S = 0.01
"""For what was routed a moment ago, to come back as mail. Shorter: at a low rate it often misses the next turn, and a
change waits for one transaction more; longer: a turn that waits in vain (after a rebalance, say) delays the inputs."""


@dataclass(frozen=True, slots=True)
class Limits:
    """``batch_records``: of one turn, both roles together. ``scan_interval_ms``: between two looks at the timers."""

    batch_records: int
    scan_interval_ms: int


class Scan(NamedTuple):
    """What the last look at the timers found.

    ``due``: profiles whose timer was due; ``held_ms``: how far behind the clock timers are let go; ``overdue``: an
    input partition has been silent for so long that they are not held for it any more.
    """

    due: int
    held_ms: int
    overdue: bool


class Loop:
    """``routing`` or ``folding`` is None when the replica does not have that role."""

    def __init__(self, batcher: Batcher, limits: Limits) -> None:
        self._batcher = batcher
        self._limits = limits
        self._clock: Clock = batcher.clock
        self._control: Control = batcher.control
        self._producer: Producer = batcher.producer
        self._routing: Routing | None = batcher.routing
        self._folding: Folding | None = batcher.folding
        self._scanned_ms: int | None = None
        self.scan: Scan | None = None
        self.lost_slots = 0  # so often a state slot was found to have lost what was committed to it
        self.restored_states = 0  # so many states have been brought back
        self._in_doubt = True
        self._awaited_mail = 0  # records that we have written into our own partitions and not read yet

    def turn(self, timeout_s: float) -> Report | None:
        """One batch, or None when there was nothing to do; waits up to ``timeout_s`` for records.

        Raises:
            DependencyError: Kafka or Redis refused. The batch was abandoned; the next turn starts afresh.
            SupersededError: another process has our name; do not go on.
            InvariantError: our own bug; do not go on.
        """
        try:
            if self._in_doubt:
                self._start_afresh()
            return self._turn(timeout_s)
        except DependencyError:
            self._in_doubt = True
            raise

    def doubt(self) -> None:
        """A connection has failed outside a turn: what was written over it may be lost."""
        self._in_doubt = True

    def _start_afresh(self) -> None:
        """Fence whatever was left open under our id; back to the committed offsets with nothing in memory."""
        self._producer.abort()
        self._producer.replace()
        for role in (self._routing, self._folding):
            if role is not None:
                role.source.rewind()
                role.doubt()
        self._control.refresh()
        self._in_doubt = False
        self._awaited_mail = 0

    def _turn(self, timeout_s: float) -> Report | None:
        stopwatch = self._batcher.stopwatch
        stopwatch.start()
        polled_ms = self._clock.now_ms()
        mailbox, inputs = self._poll(timeout_s)
        stopwatch.mark("consume")
        self._control.follow(self._clock.now_ms())
        own = self._own_records()
        report = None
        if mailbox.records or inputs.records or own:
            report = self._batcher.run(mailbox, inputs, own)
            self._awaited_mail += report.mailed
        if self._folding is not None:
            self._folding.sweep.committed(self._control.catalogue)
        if self._routing is not None:
            reached_ms = {} if report is None else report.reached_ms
            self._routing.progress.publish(self._routing.source, reached_ms, polled_ms)
        return report

    def _poll(self, timeout_s: float) -> tuple[Poll, Poll]:
        """Mailbox records first, inputs with the room that is left; waits only when the mailbox is empty."""
        room, mailbox, inputs = self._limits.batch_records, NO_POLL, NO_POLL
        if self._folding is not None:
            mailbox = self._poll_mailbox(self._folding, timeout_s)
            if mailbox.changed:
                self._folding.forget()
                losses = self._folding.take()
                self.lost_slots += losses.slots
                self.restored_states += losses.restored
        if self._routing is not None:
            left = max(1, room - len(mailbox.records))
            inputs = self._routing.source.poll(left, 0.0 if mailbox.records else timeout_s)
            if inputs.changed:
                self._routing.forget()
        return mailbox, inputs

    def _poll_mailbox(self, folding: Folding, timeout_s: float) -> Poll:
        """Give what this replica has just routed the moment that it takes to come back."""
        room, awaited = self._limits.batch_records, self._awaited_mail
        if self._routing is None:
            return folding.source.poll(room, timeout_s)
        wait_s = min(timeout_s, MAIL_WAIT_S) if awaited else 0.0
        mailbox = folding.source.poll(room, wait_s, awaited=max(1, awaited))
        # Other replicas write to our partitions as well: the number is a guess, and made anew when nothing comes.
        self._awaited_mail = max(0, awaited - len(mailbox.records)) if mailbox.records else 0
        return mailbox

    def _own_records(self) -> list[Output]:
        """Records for our own mailbox partitions that nobody sent: ticks, seals, the sweep after new definitions."""
        folding, now_ms = self._folding, self._clock.now_ms()
        if folding is None or not (assignment := folding.source.assignment()):
            return []
        owned = [partition.partition for partition in assignment]
        own = folding.sweep.next(owned, self._control.catalogue, now_ms)
        if self._scan_is_due(folding, now_ms):
            self._scanned_ms = now_ms
            until_ms = folding.hold.until(now_ms)
            own += folding.timers.scan(owned, until_ms=until_ms, now_ms=now_ms)
            own += folding.notes.scan(owned, until_ms=until_ms, now_ms=now_ms)
            self.scan = Scan(folding.timers.due, now_ms - until_ms, folding.hold.overdue)
        return own

    def _scan_is_due(self, folding: Folding, now_ms: int) -> bool:
        """When many fall due together the next ticks follow at once: what limits them is the work, not the clock."""
        if self._scanned_ms is None or folding.timers.is_full:
            return True
        return now_ms - self._scanned_ms >= self._limits.scan_interval_ms
