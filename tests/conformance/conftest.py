"""The two kinds of each port's implementation, under one name."""

import contextlib
from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest

from tests.conformance.kafka_worlds import MemoryWorld, RealWorld, World
from worker.adapters.memory_store import MemoryStore
from worker.adapters.redis import RedisStore
from worker.clock import Clock
from worker.ports import Store

DAY_MS = 86_400_000

NewStore = Callable[[Clock, int], Store]


@pytest.fixture(scope="session", params=["memory", pytest.param("redis", marks=pytest.mark.integration)])
def new_store(request: pytest.FixtureRequest) -> Iterator[NewStore]:
    """Make an empty store by its clock and the length of its dedup window in milliseconds."""
    if request.param == "memory":
        yield lambda clock, window_ms: MemoryStore(clock, dedup_window_ms=window_ms)
        return
    url = request.getfixturevalue("redis_url")
    with contextlib.ExitStack() as stack:

        def make(clock: Clock, window_ms: int) -> Store:
            store = RedisStore(
                url,
                space=uuid4().hex,
                dedup_expected_ids_per_day=1_000,
                dedup_window_ms=window_ms,
                clock=clock,
            )
            return stack.enter_context(contextlib.closing(store))

        yield make


@pytest.fixture(params=["memory", pytest.param("kafka", marks=pytest.mark.integration)])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    """An empty Kafka."""
    made: World = MemoryWorld() if request.param == "memory" else RealWorld(request.getfixturevalue("kafka"))
    with contextlib.closing(made):
        yield made
