"""How far the inputs have come, as a router says it and the scan of timers reads it."""

import pytest

from worker.adapters.memory_kafka import MemoryKafka
from worker.adapters.memory_store import MemoryStore
from worker.clock import VirtualClock
from worker.engine.progress import Hold, Progress
from worker.ports import Partition

pytestmark = pytest.mark.unit

NOW_MS = 1_000_000
INPUT = Partition("tracking-events", 0)


@pytest.mark.parametrize(("margin_ms", "let_go_ms"), [(0, NOW_MS), (5_000, NOW_MS - 5_000)])
def test_an_input_at_its_end_has_come_as_far_as_the_slowest_clock(margin_ms: int, let_go_ms: int) -> None:
    """A producer whose clock is behind may yet send a record of that time."""
    clock = VirtualClock(NOW_MS)
    kafka, store = MemoryKafka(clock), MemoryStore(clock)
    kafka.create_topic(INPUT.topic, partitions=1)
    source = kafka.source("route", "one", [INPUT.topic])
    source.poll(1, 0.0)
    hold = Hold(store, [INPUT], hold_max_ms=NOW_MS, started_ms=NOW_MS)

    assert hold.until(NOW_MS) == 0, "before anybody has spoken for the input"
    Progress(store, partitions=[INPUT], interval_ms=0, margin_ms=margin_ms).publish(source, {}, NOW_MS)

    assert hold.until(NOW_MS) == let_go_ms
