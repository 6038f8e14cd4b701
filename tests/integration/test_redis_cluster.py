"""Workers over a Redis Cluster of which a node dies in the middle, and nobody can tell from what was committed."""

from collections.abc import Iterator

import pytest

from tests.integration.crowd import DEFINITIONS, crowd
from tests.integration.process import until
from tests.integration.test_kill import DONE_TIMEOUT_S, INPUTS, SLOWLY, nobody_can_tell, routed_by_all
from tests.integration.world import World
from tests.redis_processes import RedisCluster, redis_cluster

EVENTS = 12_000
SEED = 20_250_302
DONE_BEFORE = 2_000


@pytest.fixture
def cluster() -> Iterator[RedisCluster]:
    """It writes its log each second; a process that is killed has handed it to the operating system before."""
    with redis_cluster("--appendonly", "yes", "--appendfsync", "everysec") as made:
        yield made


def test_a_node_that_is_killed_and_comes_back_is_not_noticed(world: World, cluster: RedisCluster) -> None:
    world.settings["AW_REDIS_URL"] = cluster.url
    world.define(DEFINITIONS)
    records = list(crowd([world.topic(name) for name in INPUTS], EVENTS, seed=SEED))
    world.broker.write(records)

    workers = [world.start(instance, **SLOWLY) for instance in ("one", "two")]
    until(lambda: routed_by_all(world) >= DONE_BEFORE, "both workers to be at work")
    cluster.nodes[1].kill()
    until(lambda: all("batch_abandoned" in worker.log() for worker in workers), "both to have noticed")
    done = routed_by_all(world)
    cluster.nodes[1].start()
    world.settle(timeout_s=DONE_TIMEOUT_S)

    assert DONE_BEFORE <= done < EVENTS, "it was not killed in the middle"
    nobody_can_tell(world, records)
    assert [worker.stop() for worker in workers] == [0, 0]
    assert all(each.client().dbsize() > 0 for each in cluster.nodes), "it was not spread"


def test_a_cluster_is_named_as_one(world: World, cluster: RedisCluster) -> None:
    ended = world.command("run", AW_REDIS_URL=cluster.nodes[0].url)

    assert ended.returncode == 1
    assert f"name it as redis+cluster://127.0.0.1:{cluster.nodes[0].port}" in ended.stderr


def test_commands_read_what_workers_have_written(world: World, cluster: RedisCluster) -> None:
    world.settings["AW_REDIS_URL"] = cluster.url
    world.define(DEFINITIONS)
    with world.worker():
        listed = world.command("definitions", "list")

    assert listed.returncode == 0, listed.stderr
    assert len(listed.stdout.splitlines()) == len(DEFINITIONS["audiences"])
