"""The Redis Cluster of `make crash ARGS=--cluster`: a fault hits one node, or the wire to it, and it comes back."""

import contextlib
import os
from collections.abc import Iterator
from random import Random

import pytest

from tests import services
from tests.crash import stores
from tests.crash.stores import Store
from tests.integration.process import until
from worker.adapters.redis import RedisStore
from worker.errors import StoreUnavailableError
from worker.ports import Claim

TIMEOUT_S = 0.5


@pytest.fixture
def store() -> Iterator[Store]:
    with contextlib.ExitStack() as stack:
        try:
            made = stack.enter_context(stores.cluster(Random(1)))
        except services.ServiceMissingError as error:
            if os.environ.get("CI") == "true":
                raise
            pytest.skip(str(error))
        yield made


@pytest.fixture
def memory(store: Store) -> Iterator[RedisStore]:
    """As a worker reaches it."""
    url = store.settings["AW_REDIS_URL"]
    with contextlib.closing(RedisStore(url, space="s", dedup_expected_ids_per_day=1_000, timeout_s=TIMEOUT_S)) as made:
        until(lambda: whole(made), "the cluster")
        yield made


def whole(memory: RedisStore) -> bool:
    """Whether every node answers."""
    try:
        memory.sizes().get()
    except StoreUnavailableError:
        return False
    return True


def test_each_node_is_behind_a_proxy_of_its_own(store: Store, memory: RedisStore) -> None:
    for proxy in store.proxies:
        proxy.freeze()
        assert not whole(memory)
        proxy.thaw()
        until(lambda: whole(memory), "the wire to be whole")


def test_a_killed_node_is_started_behind_its_proxy_with_its_data(store: Store, memory: RedisStore) -> None:
    memory.raise_epoch(7).get()
    for _ in range(stores.NODES):
        store.kill()
        assert not whole(memory)
        store.start()
        until(lambda: whole(memory), "the cluster to be whole")
    claims = [Claim(bytes([number]) * 16, b"here!", 0) for number in range(32)]
    late = [memory.claim([claim], epoch=6, evict_before_ms=0).get() for claim in claims]
    assert late == [None] * 32, "a node has forgotten the epoch"
