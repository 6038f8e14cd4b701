"""Metrics: what a scraper reads after the worker has reported."""

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest

from worker.identity.resolve import ViolationKind
from worker.metrics import CATALOGUE, OTHER, PHASES, BatchFigures, Metrics, process_registry
from worker.ports import Partition


def test_every_metric_of_the_catalogue_is_exposed_under_its_name_and_unit() -> None:
    registry = CollectorRegistry()
    Metrics(registry)

    exposed = {
        line.split()[2]: line.split()[3]
        for line in generate_latest(registry).decode().splitlines()
        if line.startswith("# TYPE") and not line.split()[2].endswith("_created")
    }

    assert exposed == {metric.name: metric.kind for metric in CATALOGUE}
    assert all(metric.name.startswith("audience_worker_") for metric in CATALOGUE)
    assert all(metric.name.endswith("_total") == (metric.kind == "counter") for metric in CATALOGUE)


def test_a_batch_is_counted_under_its_labels() -> None:
    registry = CollectorRegistry()
    metrics = Metrics(registry)

    for _ in range(2):
        metrics.batch(
            BatchFigures(
                records=7,
                seconds=0.02,
                outcomes={("tracking-events", "resolved"): 3, ("tracking-events", "dead_letter"): 1},
                dead_letters={("tracking-events", "too_deep"): 1},
                changes={("vip", "entered"): 2},
                phases=dict.fromkeys(PHASES, 0.5),
                exit_lateness_s=[0.3, 40.0],
                future_timestamps={"tracking-events": 1},
                identity_violations={ViolationKind.BLOCKED: 2, ViolationKind.VALUES: 1},
                zoneless_dates=4,
            )
        )

    def value(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(f"audience_worker_{name}", labels)

    assert value("records_total", topic="tracking-events", outcome="resolved") == 6
    assert value("records_total", topic="tracking-events", outcome="dead_letter") == 2
    assert value("dead_letters_total", topic="tracking-events", reason="too_deep") == 2
    assert value("changes_total", audience="vip", direction="entered") == 4
    assert [value("phase_seconds_total", phase=phase) for phase in PHASES] == [1.0] * len(PHASES)
    assert value("batch_records_sum") == 14
    assert value("batch_seconds_count") == 2
    assert value("exit_lateness_seconds_bucket", le="0.5") == 2
    assert value("exit_lateness_seconds_bucket", le="60.0") == 4
    assert value("future_timestamps_total", topic="tracking-events") == 2
    assert value("identity_violations_total", kind="ID value blocked") == 4
    assert value("identity_violations_total", kind="Identifier value limit exceeded") == 2
    assert value("zoneless_dates_total") == 8


def test_lag_of_a_partition_that_has_gone_disappears() -> None:
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    stays, goes = Partition("tracking-events", 0), Partition("tracking-events", 1)

    metrics.lag({stays: 5, goes: 6}, {stays: 0.5})
    metrics.lag({stays: 4}, {stays: 0.25})

    def lag(partition: Partition, unit: str) -> float | None:
        labels = {"topic": partition.topic, "partition": str(partition.partition)}
        return registry.get_sample_value(f"audience_worker_lag_{unit}", labels)

    assert (lag(stays, "records"), lag(stays, "seconds")) == (4, 0.25)
    assert (lag(goes, "records"), lag(goes, "seconds")) == (None, None)


def test_sizes_are_replaced_not_added() -> None:
    registry = CollectorRegistry()
    metrics = Metrics(registry)

    metrics.audience_sizes({"vip": 3, "gone": 1})
    metrics.audience_sizes({"vip": 2})

    name = "audience_worker_audience_size_profiles"
    assert registry.get_sample_value(name, {"audience": "vip"}) == 2
    assert registry.get_sample_value(name, {"audience": "gone"}) is None


@given(
    changes=st.lists(
        st.dictionaries(st.tuples(st.sampled_from("abcdef"), st.sampled_from(["entered", "exited"])), st.integers(1, 9))
    ),
    limit=st.integers(0, 6),
)
def test_audiences_past_the_limit_are_counted_together_and_nothing_is_lost(
    changes: list[dict[tuple[str, str], int]], limit: int
) -> None:
    """Labels have a bound, sums are exact; a key that has a label keeps it."""
    registry = CollectorRegistry()
    metrics = Metrics(registry, audiences_max=limit)

    for of_batch in changes:
        metrics.batch(BatchFigures(records=1, seconds=0, changes=of_batch))  # type: ignore[arg-type]

    samples = {
        (sample.labels["audience"], sample.labels["direction"]): sample.value
        for family in registry.collect()
        for sample in family.samples
        if sample.name == "audience_worker_changes_total"
    }
    order = list(dict.fromkeys(audience for of_batch in changes for audience, _ in of_batch))
    expected: dict[tuple[str, str], int] = {}
    for of_batch in changes:
        for (audience, direction), count in of_batch.items():
            label = (audience if audience in order[:limit] else OTHER, direction)
            expected[label] = expected.get(label, 0) + count
    assert samples == expected


def test_the_rest_is_reported_as_it_is() -> None:
    registry = CollectorRegistry()
    metrics = Metrics(registry)

    metrics.transaction("committed")
    metrics.transaction("refused")
    metrics.timers(due=12, hold_s=1.5)
    metrics.exit_hold_ended()
    metrics.redis_reconnected()
    metrics.ready(yes=True)

    def value(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(f"audience_worker_{name}", labels)

    assert value("transactions_total", result="committed") == 1
    assert value("transactions_total", result="refused") == 1
    assert value("timers_due_profiles") == 12
    assert value("exit_hold_seconds") == 1.5
    assert value("exit_holds_ended_total") == 1
    assert value("redis_reconnects_total") == 1
    assert value("ready") == 1


def test_a_process_registry_has_the_process_in_it_and_is_its_own() -> None:
    registry, other = process_registry(), process_registry()
    Metrics(registry).redis_reconnected()

    assert registry.get_sample_value("process_resident_memory_bytes")
    assert other.get_sample_value("audience_worker_redis_reconnects_total") is None
