"""The store over a cluster whose nodes die, are replaced by their replica, and hand slots to one another."""

from collections.abc import Iterator

import pytest
from redis.crc import key_slot

from tests.integration.process import until
from tests.redis_processes import RedisCluster, RedisProcess, redis_cluster, redis_process
from worker.adapters.redis import RedisStore
from worker.errors import InputError, StoreUnavailableError
from worker.ports import SCAN_START, Claim, PendingOutputs, StateWrite, Store
from worker.slots import STATE_SLOTS

SPACE = "s"
PROFILE = b"a profile of 16b"
NOW_MS = 1_767_268_800_000
ALWAYS = ("--appendonly", "yes", "--appendfsync", "always")


@pytest.fixture
def cluster() -> Iterator[RedisCluster]:
    """Three masters, the first with a replica."""
    with redis_cluster(*ALWAYS, replicas=1) as made:
        yield made


def store(url: str, *, space: str = SPACE) -> RedisStore:
    return RedisStore(url, space=space, dedup_expected_ids_per_day=1_000)


def commit(to: Store, slot: int, expected: int = -1, applied: int = 0) -> list[int]:
    write = StateWrite(PROFILE, expected, applied.to_bytes(8, "big"), 5)
    return to.commit(slot, [write], [PendingOutputs(applied, PROFILE, b"out")], 0).get()


def holds(to: Store, applied: int = 0) -> bool:
    """Whether every slot has what was committed to it."""
    return all(
        to.load(slot, [PROFILE]).get() == [applied.to_bytes(8, "big")]
        and to.due(slot, 9, 9).get() == [(PROFILE, 5)]
        and to.load_pending(slot, 0, 9).get() == [PendingOutputs(applied, PROFILE, b"out")]
        for slot in range(STATE_SLOTS)
    )


def answers(to: Store) -> bool:
    """Whether all nodes do what is asked of them."""
    try:
        to.sizes().get()
        to.claim([Claim(bytes([n]) * 16, b"here!", NOW_MS) for n in range(32)], epoch=0, evict_before_ms=0).get()
    except StoreUnavailableError:
        return False
    return True


def tag_slot(state_slot: int) -> int:
    return key_slot(b"aw:{%b:s%d}:" % (SPACE.encode(), state_slot))


def owner_of(cluster: RedisCluster, slot: int) -> RedisProcess:
    return next(n for number, n in enumerate(cluster.nodes[:3]) if slot < 16_384 * (number + 1) // 3)


def node_id(node: RedisProcess) -> str:
    return str(node.client().execute_command("CLUSTER MYID"))


def test_a_node_that_is_killed_is_waited_for_and_has_lost_nothing(cluster: RedisCluster) -> None:
    to = store(cluster.url)
    assert [commit(to, slot) for slot in range(STATE_SLOTS)] == [[]] * STATE_SLOTS
    cluster.nodes[2].kill()
    with pytest.raises(StoreUnavailableError):
        to.sizes().get()
    cluster.nodes[2].start()
    until(lambda: answers(to), "the cluster to be whole")
    assert holds(to)


def test_a_replica_takes_over_with_the_scripts_and_all_that_reached_it(cluster: RedisCluster) -> None:
    to = store(cluster.url)
    assert [commit(to, slot) for slot in range(STATE_SLOTS)] == [[]] * STATE_SLOTS
    with cluster.nodes[0].client() as client:
        assert client.wait(1, 5_000) == 1
    cluster.nodes[0].kill()
    until(lambda: answers(to), "the replica to be promoted")
    assert holds(to)
    assert [commit(to, slot, 0, 1) for slot in range(STATE_SLOTS)] == [[]] * STATE_SLOTS
    assert f"127.0.0.1:{cluster.nodes[3].port}" in to.inspect()


def test_a_slot_on_its_way_is_waited_for_and_then_followed(cluster: RedisCluster) -> None:
    """Half of its keys are on the new node: a script that went there would take what has not arrived for absent."""
    slot = tag_slot(7)
    old = owner_of(cluster, slot)
    new = next(node for node in cluster.nodes[:3] if node is not old)
    to = store(cluster.url)
    to.own([7], b"me").get()
    write = StateWrite(PROFILE, -1, bytes(8), 5)
    assert to.commit(7, [write], [], 0, b"me").get() == []

    with old.client() as source, new.client() as target:
        target.execute_command("CLUSTER SETSLOT", slot, "IMPORTING", node_id(old))
        source.execute_command("CLUSTER SETSLOT", slot, "MIGRATING", node_id(new))
        source.execute_command("MIGRATE", "127.0.0.1", new.port, f"aw:{{{SPACE}:s7}}:timers", 0, 5_000)
        with pytest.raises(StoreUnavailableError, match=f"slot {slot} is on its way"):
            to.commit(7, [write._replace(expected=0)], [], 0, b"me").get()
        with pytest.raises(StoreUnavailableError, match=f"slot {slot} is on its way"):
            to.due(7, 9, 9).get()
        assert to.load(7, [PROFILE]).get() == [bytes(8)]

        while keys := source.execute_command("CLUSTER GETKEYSINSLOT", slot, 10):
            source.execute_command("MIGRATE", "127.0.0.1", new.port, "", 0, 5_000, "KEYS", *keys)
        for node in (target, source):
            node.execute_command("CLUSTER SETSLOT", slot, "NODE", node_id(new))
    with pytest.raises(StoreUnavailableError, match=f"slot {slot} has moved to 127.0.0.1:{new.port}"):
        to.load(7, [PROFILE]).get()
    until(lambda: answers(to), "every node to know of the move")
    assert to.load(7, [PROFILE]).get() == [bytes(8)]
    assert to.due(7, 9, 9).get() == [(PROFILE, 5)]
    assert to.commit(7, [StateWrite(PROFILE, 0, bytes(7) + b"\x01", None)], [], 0, b"me").get() == []


def test_a_scan_that_slots_may_have_passed_by_begins_anew(cluster: RedisCluster) -> None:
    slot = tag_slot(7)
    old = owner_of(cluster, slot)
    new = next(node for node in cluster.nodes[:3] if node is not old)
    to = store(cluster.url)
    cursor, _ = to.scan(SCAN_START).get()
    assert cursor != SCAN_START, "three nodes take more than one step"
    with new.client() as target, old.client() as source:
        target.execute_command("CLUSTER SETSLOT", slot, "IMPORTING", node_id(old))
        for node in (target, source):
            node.execute_command("CLUSTER SETSLOT", slot, "NODE", node_id(new))
    with pytest.raises(StoreUnavailableError, match="has moved"):
        to.load(7, [PROFILE]).get()
    until(lambda: answers(to), "every node to know of the move")
    with pytest.raises(StoreUnavailableError, match="begin anew"):
        to.scan(cursor).get()


def test_what_is_no_cluster_is_the_users_mistake() -> None:
    with redis_process() as server:
        to = store(f"redis+cluster://127.0.0.1:{server.port}")
        with pytest.raises(InputError, match="no node of a cluster"):
            to.sizes().get()


def test_users_and_passwords_go_for_every_node() -> None:
    with redis_cluster() as cluster:
        for node in cluster.nodes:
            with node.client() as client:
                client.acl_setuser("worker", enabled=True, passwords=["+p@w:d"], keys=["aw:*"], categories=["+@all"])
        places = cluster.url.removeprefix("redis+cluster://")
        assert [commit(store(f"redis+cluster://worker:p%40w%3Ad@{places}"), slot) for slot in (1, 2, 3)] == [[]] * 3
        with pytest.raises(StoreUnavailableError):
            store(f"redis+cluster://worker:no@{places}").sizes().get()
