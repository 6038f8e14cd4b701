"""Servers of Redis: which are refused, and what a batch waits for with the others."""

import pytest

from worker.redis_facts import Keeping, ServerFacts, keeping, keeping_faults, server_faults

GOOD = ServerFacts("7.4.1", "standalone", "master", 0, "noeviction", append_only=True, always=False)
OLD = GOOD._replace(version="7.0.15")


@pytest.mark.parametrize(
    ("facts", "fault"),
    [
        (GOOD._replace(mode="cluster"), "name it as redis+cluster://a:1"),
        (GOOD._replace(role="slave"), "is a replica"),
        (GOOD._replace(eviction_policy="allkeys-lru"), "set maxmemory-policy noeviction"),
    ],
)
def test_what_breaks_the_promises_is_named_with_its_server(facts: ServerFacts, fault: str) -> None:
    [found] = server_faults({"a:1": facts, "b:2": GOOD}, cluster_url=False)
    assert found.startswith("Redis at a:1 ")
    assert fault in found


def test_every_node_of_a_cluster_is_looked_at() -> None:
    node = GOOD._replace(mode="cluster")
    evicting = node._replace(eviction_policy="volatile-ttl")
    assert server_faults({"a:1": node, "b:2": node}, cluster_url=True) == []
    assert len(server_faults({"a:1": evicting, "b:2": node, "c:3": evicting}, cluster_url=True)) == 2


@pytest.mark.parametrize(
    ("facts", "replicas", "waits_for"),
    [
        (GOOD, 0, Keeping(disk=True, replicas=0)),
        (GOOD._replace(version="8.2.3"), 0, Keeping(disk=True, replicas=0)),
        (GOOD._replace(always=True), 0, Keeping(disk=False, replicas=0)),
        (OLD._replace(always=True), 0, Keeping(disk=False, replicas=0)),
        (GOOD._replace(replicas=2), 1, Keeping(disk=True, replicas=1)),
        (OLD._replace(replicas=1), 1, Keeping(disk=False, replicas=1)),
        (GOOD._replace(append_only=False, replicas=1), 1, Keeping(disk=False, replicas=1)),
    ],
)
def test_a_batch_waits_for_all_that_its_server_can_tell(facts: ServerFacts, replicas: int, waits_for: Keeping) -> None:
    assert keeping_faults({"a:1": facts}, replicas=replicas) == []
    assert keeping({"a:1": facts}, replicas=replicas) == waits_for


@pytest.mark.parametrize(
    ("facts", "replicas", "fault"),
    [
        (GOOD._replace(append_only=False), 0, "set appendonly yes"),
        (OLD, 0, "use 7.2 or newer, set appendfsync always"),
        (GOOD, 1, "has 0 replicas, AW_REDIS_WAIT_REPLICAS asks for 1"),
    ],
)
def test_a_server_that_cannot_tell_is_refused(facts: ServerFacts, replicas: int, fault: str) -> None:
    [found] = keeping_faults({"a:1": facts}, replicas=replicas)
    assert fault in found
