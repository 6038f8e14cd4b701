"""One running replica: turns the loop, waits out what fails, and tells the world how it is doing."""

import gc
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Event
from typing import Any

import structlog

from worker.cli.lag import Lag
from worker.clock import Clock
from worker.engine.loop import Loop
from worker.engine.report import Report
from worker.errors import DependencyError
from worker.metrics import BatchFigures, Direction, Metrics, Outcome
from worker.ports import Source

OBSERVE_INTERVAL_S = 1.0
SUMMARY_INTERVAL_S = 10.0
FIRST_PAUSE_S = 0.05
YOUNGEST = 0
"""Generation of the garbage collector that is looked at: what was made since the last look."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """``poll_s``: wait for a first record. ``pause_max_s``: longest wait between two tries at a dependency.

    ``stall_max_s``: without a turn for so long, the loop counts as stuck. ``lag_max``: above it, not ready.
    """

    poll_s: float
    pause_max_s: float
    stall_max_s: float
    lag_max: int


@dataclass(slots=True)
class _Totals:
    """Since the last line in the log."""

    records: int = 0
    batches: int = 0
    transitions: int = 0
    dead_letters: int = 0
    duplicates: int = 0


@dataclass(slots=True)
class Replica:
    """``sources``: of the roles that it has. ``topic_name``: takes the prefix off a full name."""

    loop: Loop
    sources: Sequence[Source]
    metrics: Metrics
    clock: Clock
    patience: Patience
    bare_name: Callable[[str], str]
    read_sizes: Callable[[], Mapping[str, int]]
    log: Any = field(default_factory=structlog.get_logger)
    _turned_s: float = field(default_factory=time.monotonic)
    _observed_s: float = 0.0
    _told_s: float = field(default_factory=time.monotonic)
    _trouble: str | None = "starting"
    _lag: Lag = field(default_factory=Lag)
    _behind: int = 0
    _overdue: bool = False
    _lost_slots: int = 0
    _restored: int = 0
    _totals: _Totals = field(default_factory=_Totals)

    def run(self, stop: Event) -> None:
        """Turn until told to stop; the batch at hand is finished first.

        Raises:
            SupersededError: another process has our name.
            InvariantError: our own bug. Nothing of the batch at hand has been committed.
        """
        pause_s = FIRST_PAUSE_S
        while not stop.is_set():
            try:
                report = self.loop.turn(self.patience.poll_s)
            except DependencyError as error:
                self._abandoned(error, pause_s)
                stop.wait(pause_s)
                pause_s = min(2 * pause_s, self.patience.pause_max_s)
                continue
            pause_s = FIRST_PAUSE_S
            self._turned(report)

    def _abandoned(self, error: DependencyError, pause_s: float) -> None:
        self._turned_s = time.monotonic()
        self._trouble = str(error)
        self.metrics.transaction("refused")
        self.log.warning("batch_abandoned", error=str(error), kind=type(error).__name__, again_in_s=pause_s)

    def _turned(self, report: Report | None) -> None:
        now_s = time.monotonic()
        self._turned_s, self._trouble = now_s, None
        if self.loop.lost_slots > self._lost_slots:
            self._lose(self.loop.lost_slots - self._lost_slots)
        if self.loop.restored_states > self._restored:
            self._restore(self.loop.restored_states - self._restored)
        if report is not None:
            self._count(report)
        if now_s - self._observed_s >= OBSERVE_INTERVAL_S:
            self._observed_s = now_s
            self._observe()
            _look_for_cycles()
        if now_s - self._told_s >= SUMMARY_INTERVAL_S:
            self._tell(now_s - self._told_s)
            self._told_s = now_s

    def _lose(self, slots: int) -> None:
        self._lost_slots += slots
        self.metrics.redis_lost(slots)
        self.log.error("redis_lost_writes", slots=slots, hint="Redis had acknowledged them; see deploy/RUNBOOK.md")

    def _restore(self, states: int) -> None:
        self._restored += states
        self.metrics.redis_restored(states)
        self.log.warning("redis_states_restored", states=states, hint="Redis had acknowledged and lost them")

    def _count(self, report: Report) -> None:
        books, name = report.books, self.bare_name
        outcomes: dict[tuple[str, Outcome], int] = {}
        for topic, count in books.resolved.items():
            outcomes[name(topic), "resolved"] = count
        for topic, count in books.duplicate.items():
            outcomes[name(topic), "duplicate"] = count
        for topic, count in books.control.items():
            outcomes[name(topic), "control"] = count
        dead = {(name(topic), reason): count for (topic, reason), count in books.dead.items()}
        for (topic, _), count in dead.items():
            outcomes[topic, "dead_letter"] = outcomes.get((topic, "dead_letter"), 0) + count
        changes: dict[tuple[str, Direction], int] = {
            (key, "entered" if entered else "exited"): count for (key, entered), count in report.transitions.items()
        }
        self.metrics.batch(
            BatchFigures(
                records=report.records,
                seconds=sum(report.wall_s.values()),
                outcomes=outcomes,
                dead_letters=dead,
                changes=changes,
                phases=report.wall_s,
                exit_lateness_s=[lateness / 1000 for lateness in report.lateness_ms],
                future_timestamps={name(topic): count for topic, count in books.in_the_future.items()},
                identity_violations=books.violations,
            )
        )
        self.metrics.transaction("committed")
        self._lag.reached(report.reached_ms)
        self._totals.records += report.records
        self._totals.batches += 1
        self._totals.transitions += sum(changes.values())
        self._totals.dead_letters += sum(dead.values())
        self._totals.duplicates += books.duplicate.total()

    def _observe(self) -> None:
        now_ms = self.clock.now_ms()
        records, seconds = self._lag.look(self.sources, now_ms)
        bare = {partition: partition._replace(topic=self.bare_name(partition.topic)) for partition in records}
        self.metrics.lag(
            {bare[partition]: lag for partition, lag in records.items()},
            {bare[partition]: lag_s for partition, lag_s in seconds.items()},
        )
        self._behind = max(records.values(), default=0)
        self._observe_timers()
        try:
            self.metrics.audience_sizes(self.read_sizes())
        except DependencyError as error:  # the next turn meets it too and says so
            self._trouble = str(error)
            self.loop.doubt()
        ready, _ = self.ready()
        self.metrics.ready(yes=ready)

    def _observe_timers(self) -> None:
        scan = self.loop.scan
        if scan is None:
            return
        self.metrics.timers(due=scan.due, hold_s=scan.held_ms / 1000)
        if scan.overdue and not self._overdue:
            self.metrics.exit_hold_ended()
            self.log.warning("exit_hold_ended", hint="an input partition is silent: exits go on without it")
        self._overdue = scan.overdue

    def _tell(self, seconds: float) -> None:
        """One line for many batches: a line for each would be most of the work of a quiet worker."""
        totals, self._totals = self._totals, _Totals()
        if totals.batches:
            self.log.info(
                "progress",
                seconds=round(seconds, 1),
                records=totals.records,
                batches=totals.batches,
                transitions=totals.transitions,
                duplicates=totals.duplicates,
                dead_letters=totals.dead_letters,
                lag=self._behind,
            )

    def alive(self) -> tuple[bool, str]:
        """Whether the loop turns."""
        silent_s = time.monotonic() - self._turned_s
        if silent_s > self.patience.stall_max_s:
            return False, f"the loop has not turned for {silent_s:.0f} s"
        return True, "the loop turns"

    def ready(self) -> tuple[bool, str]:
        """Whether the replica does its share: alive, assigned, dependencies there, definitions loaded, lag bounded."""
        alive, why = self.alive()  # what a stuck loop was last seen to be is not what it is
        if not alive:
            return False, why
        if self._trouble is not None:
            return False, self._trouble
        if not all(source.assignment() for source in self.sources):
            return False, "no partitions are assigned"
        if self._behind > self.patience.lag_max:
            return False, f"{self._behind} records behind on one partition"
        return True, "ready"


def _look_for_cycles() -> None:
    """By hand, because `run` has switched the collector off. What lives on is states and caches: never looked at again.

    Looking at all of it each time would hold up a batch for a tenth of a second and more.
    """
    gc.collect(YOUNGEST)
    gc.freeze()
