"""Every metric: its name, kind, labels and meaning, and the one object that the loop reports to.

Names are ``audience_worker_<name>_<unit>[_total]``. docs/metrics.md is this catalogue for users; a test holds
the two together. Labels have closed or bounded values only, never an identifier of a profile.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Literal, NamedTuple, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

from worker.ports import Partition

PHASES = (
    "consume",
    "decode",
    "claim",
    "resolve",
    "route",
    "load",
    "fold",
    "encode",
    "commit",
    "keep",
    "transaction",
)
"""Parts of a batch's time; together they are all of it."""

Outcome = Literal["resolved", "duplicate", "suppressed", "dead_letter", "control"]
Direction = Literal["entered", "exited"]
TransactionResult = Literal["committed", "aborted", "refused"]

LabelsT = TypeVar("LabelsT", bound=tuple[str, ...])

OTHER = "other"
"""The audience label of everything past the limit of audiences with metrics of their own."""


class Metric(NamedTuple):
    """One entry of the catalogue. ``name`` is as exposed; ``buckets`` are upper bounds of a histogram."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    meaning: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


RECORDS = Metric(
    "audience_worker_records_total",
    "counter",
    "Input records, each under exactly one `outcome`: `resolved`, `duplicate`, `suppressed`, `dead_letter`, "
    "or `control` for definitions and regulations",
    ("topic", "outcome"),
)
DEAD_LETTERS = Metric(
    "audience_worker_dead_letters_total",
    "counter",
    "Records refused, by `reason`",
    ("topic", "reason"),
)
FUTURE_TIMESTAMPS = Metric(
    "audience_worker_future_timestamps_total",
    "counter",
    "Events whose `timestamp` was later than their receipt, and counted as their receipt",
    ("topic",),
)
IDENTITY_VIOLATIONS = Metric(
    "audience_worker_identity_violations_total",
    "counter",
    "Identifiers that accepted events have left out, by `kind`, in the words of `context.identity.violations`",
    ("kind",),
)
ZONELESS_DATES = Metric(
    "audience_worker_zoneless_dates_total",
    "counter",
    "Date comparisons that were false because the trait has no time zone",
)
CHANGES = Metric(
    "audience_worker_changes_total",
    "counter",
    "Transitions, by `direction` (`entered`, `exited`). Audiences past `AW_METRICS_AUDIENCES_MAX`: `other`",
    ("audience", "direction"),
)
AUDIENCE_SIZE = Metric(
    "audience_worker_audience_size_profiles",
    "gauge",
    "Members, in the mailbox partitions of this replica; sum over replicas",
    ("audience",),
)
EXIT_LATENESS = Metric(
    "audience_worker_exit_lateness_seconds",
    "histogram",
    "From the moment a timer was due to the commit of what it caused",
    buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1_800, 7_200),
)
BATCH_RECORDS = Metric(
    "audience_worker_batch_records",
    "histogram",
    "Records in a batch, of inputs and mailbox together",
    buckets=(1, 4, 16, 64, 250, 1_000, 2_000, 4_000, 16_000, 50_000),
)
BATCH_SECONDS = Metric(
    "audience_worker_batch_seconds",
    "histogram",
    "From the first record of a batch to its committed transaction",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
PHASE_SECONDS = Metric(
    "audience_worker_phase_seconds_total",
    "counter",
    "Where the time of batches goes: " + ", ".join(f"`{phase}`" for phase in PHASES),
    ("phase",),
)
TRANSACTIONS = Metric(
    "audience_worker_transactions_total",
    "counter",
    "Kafka transactions by `result`: `committed`, `aborted` by the replica, `refused` or in doubt",
    ("result",),
)
LAG_RECORDS = Metric(
    "audience_worker_lag_records",
    "gauge",
    "Records not yet dealt with, for each partition of this replica",
    ("topic", "partition"),
)
LAG_SECONDS = Metric(
    "audience_worker_lag_seconds",
    "gauge",
    "Age of the last record dealt with; of a partition of which none has been yet, since it came to this replica. "
    "0 at the end",
    ("topic", "partition"),
)
TIMERS_DUE = Metric(
    "audience_worker_timers_due_profiles",
    "gauge",
    "Profiles whose timer was due at the last look and had not fired",
)
EXIT_HOLD = Metric(
    "audience_worker_exit_hold_seconds",
    "gauge",
    "How far exits are held back behind the clock because an input lags or is silent",
)
EXIT_HOLDS_ENDED = Metric(
    "audience_worker_exit_holds_ended_total",
    "counter",
    "Holds that reached `AW_EXIT_HOLD_MAX_S`: exits went on without the missing input",
)
REDIS_LOST = Metric(
    "audience_worker_redis_lost_slots_total",
    "counter",
    "State slots that were found without what Redis had acknowledged: transitions may be missing or repeat",
)
REDIS_RESTORED = Metric(
    "audience_worker_redis_restored_states_total",
    "counter",
    "States that Redis had acknowledged and lost, put back from the log (`AW_REDIS_DURABILITY=rebuild`)",
)
REDIS_RECONNECTS = Metric(
    "audience_worker_redis_reconnects_total",
    "counter",
    "Connections to Redis made after one was lost",
)
READY = Metric(
    "audience_worker_ready",
    "gauge",
    "1 while `/readyz` says yes, else 0",
)

CATALOGUE = (
    RECORDS,
    DEAD_LETTERS,
    FUTURE_TIMESTAMPS,
    IDENTITY_VIOLATIONS,
    ZONELESS_DATES,
    CHANGES,
    AUDIENCE_SIZE,
    EXIT_LATENESS,
    BATCH_RECORDS,
    BATCH_SECONDS,
    PHASE_SECONDS,
    TRANSACTIONS,
    LAG_RECORDS,
    LAG_SECONDS,
    TIMERS_DUE,
    EXIT_HOLD,
    EXIT_HOLDS_ENDED,
    REDIS_RECONNECTS,
    REDIS_LOST,
    REDIS_RESTORED,
    READY,
)


class BatchFigures(NamedTuple):
    """What one committed batch has to report. Times in seconds; topics without the prefix.

    ``records``: read, of inputs and mailbox. ``outcomes``: input records by (topic, outcome).
    ``dead_letters``: by (topic, reason). ``changes``: transitions by (audience key, direction). ``phases``:
    seconds by member of ``PHASES``. ``identity_violations``: identifiers left out, by kind.
    """

    records: int
    seconds: float
    outcomes: Mapping[tuple[str, Outcome], int] = {}
    dead_letters: Mapping[tuple[str, str], int] = {}
    changes: Mapping[tuple[str, Direction], int] = {}
    phases: Mapping[str, float] = {}
    exit_lateness_s: Sequence[float] = ()
    future_timestamps: Mapping[str, int] = {}
    identity_violations: Mapping[str, int] = {}
    zoneless_dates: int = 0


class Metrics:
    """The metrics of one process. Called once per batch or rarer, with plain numbers."""

    def __init__(self, registry: CollectorRegistry, *, audiences_max: int = 1_000) -> None:
        self._audiences_max = audiences_max
        self._audiences: set[str] = set()
        self._lag: set[Partition] = set()
        self._counters = {m: Counter(m.name, m.meaning, m.labels, registry=registry) for m in _of("counter")}
        self._gauges = {m: Gauge(m.name, m.meaning, m.labels, registry=registry) for m in _of("gauge")}
        self._histograms = {
            m: Histogram(m.name, m.meaning, m.labels, buckets=m.buckets, registry=registry) for m in _of("histogram")
        }

    def batch(self, figures: BatchFigures) -> None:
        """Count a batch whose transaction has committed; an abandoned one is done again and counted then."""
        self._histograms[BATCH_RECORDS].observe(figures.records)
        self._histograms[BATCH_SECONDS].observe(figures.seconds)
        self._add(RECORDS, figures.outcomes)
        self._add(DEAD_LETTERS, figures.dead_letters)
        self._add(PHASE_SECONDS, {(phase,): seconds for phase, seconds in figures.phases.items()})
        self._add(FUTURE_TIMESTAMPS, {(topic,): count for topic, count in figures.future_timestamps.items()})
        self._add(IDENTITY_VIOLATIONS, {(kind,): count for kind, count in figures.identity_violations.items()})
        for (audience, direction), count in figures.changes.items():
            self._counters[CHANGES].labels(self._audience(audience), direction).inc(count)
        for lateness_s in figures.exit_lateness_s:
            self._histograms[EXIT_LATENESS].observe(lateness_s)
        self._counters[ZONELESS_DATES].inc(figures.zoneless_dates)

    def transaction(self, result: TransactionResult) -> None:
        self._counters[TRANSACTIONS].labels(result).inc()

    def lag(self, records: Mapping[Partition, int], seconds: Mapping[Partition, float]) -> None:
        """Replace the lag of all partitions; those that have gone to another replica disappear."""
        self._set_lag(LAG_RECORDS, records)
        self._set_lag(LAG_SECONDS, seconds)
        now = {*records, *seconds}
        self._forget_lag(self._lag - now)
        self._lag = now

    def timers(self, *, due: int, hold_s: float) -> None:
        """What the last look for due timers found, and how far it was held back behind the clock."""
        self._gauges[TIMERS_DUE].set(due)
        self._gauges[EXIT_HOLD].set(hold_s)

    def exit_hold_ended(self) -> None:
        self._counters[EXIT_HOLDS_ENDED].inc()

    def redis_lost(self, slots: int) -> None:
        self._counters[REDIS_LOST].inc(slots)

    def redis_restored(self, states: int) -> None:
        self._counters[REDIS_RESTORED].inc(states)

    def redis_reconnected(self) -> None:
        self._counters[REDIS_RECONNECTS].inc()

    def ready(self, *, yes: bool) -> None:
        self._gauges[READY].set(yes)

    def audience_sizes(self, profiles: Mapping[str, int]) -> None:
        """Replace the sizes of all audiences; those past the limit add up under ``other``."""
        sizes: dict[str, int] = {}
        for audience, count in profiles.items():
            label = self._audience(audience)
            sizes[label] = sizes.get(label, 0) + count
        gauge = self._gauges[AUDIENCE_SIZE]
        gauge.clear()
        for label, count in sizes.items():
            gauge.labels(label).set(count)

    def _audience(self, key: str) -> str:
        """The label of an audience. Passthrough senders make up keys, so their number has a limit."""
        if key in self._audiences:
            return key
        if len(self._audiences) >= self._audiences_max:
            return OTHER
        self._audiences.add(key)
        return key

    def _add(self, metric: Metric, amounts: Mapping[LabelsT, float]) -> None:
        counter = self._counters[metric]
        for labels, amount in amounts.items():
            counter.labels(*labels).inc(amount)

    def _set_lag(self, metric: Metric, amounts: Mapping[Partition, float]) -> None:
        for partition, amount in amounts.items():
            self._gauges[metric].labels(partition.topic, partition.partition).set(amount)

    def _forget_lag(self, gone: Collection[Partition]) -> None:
        for topic, partition in gone:
            for metric in (LAG_RECORDS, LAG_SECONDS):
                self._gauges[metric].remove(topic, partition)


def process_registry() -> CollectorRegistry:
    """A registry that has the CPU, memory and files of the process already; nothing in it is global."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    return registry


def _of(kind: str) -> list[Metric]:
    return [metric for metric in CATALOGUE if metric.kind == kind]
