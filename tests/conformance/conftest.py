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
STORES = [
    "memory",
    pytest.param("redis_url", id="redis", marks=pytest.mark.integration),
    pytest.param("redis_cluster_url", id="cluster", marks=pytest.mark.integration),
]

NewStore = Callable[[Clock, int], Store]
NewClients = Callable[[Clock, int], tuple[Store, Store]]


@pytest.fixture(scope="session", params=STORES)
def new_store(request: pytest.FixtureRequest) -> Iterator[NewStore]:
    """Make an empty store by its clock and the length of its dedup window in milliseconds."""
    if request.param == "memory":
        yield lambda clock, window_ms: MemoryStore(clock, dedup_window_ms=window_ms)
        return
    url = request.getfixturevalue(request.param)
    with contextlib.ExitStack() as stack:

        def make(clock: Clock, window_ms: int) -> Store:
            return stack.enter_context(contextlib.closing(_redis(url, uuid4().hex, clock, window_ms)))

        yield make


@pytest.fixture(scope="session", params=STORES)
def new_clients(request: pytest.FixtureRequest) -> Iterator[NewClients]:
    """Make two clients of one empty store; in memory a client is the store itself."""
    if request.param == "memory":
        yield lambda clock, window_ms: (MemoryStore(clock, dedup_window_ms=window_ms),) * 2
        return
    url = request.getfixturevalue(request.param)
    with contextlib.ExitStack() as stack:

        def make(clock: Clock, window_ms: int) -> tuple[Store, Store]:
            space = uuid4().hex
            one, other = (_redis(url, space, clock, window_ms) for _ in range(2))
            return stack.enter_context(contextlib.closing(one)), stack.enter_context(contextlib.closing(other))

        yield make


def _redis(url: str, space: str, clock: Clock, window_ms: int) -> RedisStore:
    return RedisStore(url, space=space, dedup_expected_ids_per_day=1_000, dedup_window_ms=window_ms, clock=clock)


@pytest.fixture(params=["memory", pytest.param("kafka", marks=pytest.mark.integration)])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    """An empty Kafka."""
    made: World = MemoryWorld() if request.param == "memory" else RealWorld(request.getfixturevalue("kafka"))
    with contextlib.closing(made):
        yield made
