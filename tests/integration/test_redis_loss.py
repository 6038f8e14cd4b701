"""Redis loses everything, has no room, or takes its time: what an operator sees, and that nothing goes wrong by it.

What is shown here is told in deploy/RUNBOOK.md, "Redis".
"""

from collections.abc import Iterator

import pytest
from redis.crc import key_slot

from tests.acceptance.lines import Output, audiences, seen
from tests.integration.process import Worker, lines_of, until
from tests.integration.test_start import bought, only_fault
from tests.integration.world import World
from tests.redis_processes import SLOTS, RedisCluster, RedisProcess, redis_cluster, redis_process

BEGIN_ANEW = "deploy/RUNBOOK.md says how to begin anew"
IMPATIENT = {"AW_REDIS_TIMEOUT_S": "0.5"}
USERS = 50


@pytest.fixture
def server() -> Iterator[RedisProcess]:
    with redis_process("--appendonly", "yes") as made:
        yield made


@pytest.fixture
def buyers(world: World, server: RedisProcess) -> World:
    """A world on a Redis of its own with one audience."""
    world.settings["AW_REDIS_URL"] = server.url
    world.define(audiences(buyers="event('Bought').count() >= 1", regulars="event('Bought').count() >= 2"))
    return world


def buy(world: World, first: int) -> None:
    """Every user buys something."""
    world.write(bought(first + number, user=f"u{number}") for number in range(USERS))


def entered(changes: list[Output]) -> list[str]:
    return sorted(line.split(" @")[0] for line in seen(changes))


def all_of(audience: str) -> list[str]:
    return [f"ENTER {audience} [u{number}]" for number in range(USERS)]


def ends_with_one_line(worker: Worker) -> str:
    """The line, beside those of the log, with which it ends by itself; its exit code is that of a dependency."""
    until(lambda: worker.ended() is not None, "the worker to end")
    assert worker.ended() == 3, worker.log()[-3_000:]
    [fault] = [line for line in lines_of(worker.log()) if not line.startswith("{")]
    return fault


def test_a_redis_that_is_wiped_ends_the_worker_before_it_says_anything_wrong(
    buyers: World, server: RedisProcess
) -> None:
    worker = buyers.start()
    buy(buyers, 0)
    buyers.changes(USERS)
    server.client().flushall()
    buy(buyers, 1_000)

    assert BEGIN_ANEW in ends_with_one_line(worker)
    again = only_fault(buyers.command("run"), code=3)
    assert again.startswith("Redis knows nothing of this space, but ")
    assert BEGIN_ANEW in again
    assert entered(buyers.outputs("audience-changes")) == sorted(all_of("buyers"))


def test_another_redis_is_refused_and_the_first_one_taken_back(buyers: World, server: RedisProcess) -> None:
    with buyers.worker():
        buy(buyers, 0)
        buyers.changes(USERS)
    with redis_process() as other:
        assert BEGIN_ANEW in only_fault(buyers.command("run", AW_REDIS_URL=other.url), code=3)
    server.kill()
    server.start()
    with buyers.worker():
        buy(buyers, 1_000)
        changes = buyers.changes(2 * USERS)

    assert entered(changes) == sorted(all_of("buyers") + all_of("regulars"))


def test_a_space_is_begun_anew_as_the_runbook_says(buyers: World) -> None:
    """With an empty Redis: the mailbox is made again and the groups have new names."""
    with buyers.worker():
        buy(buyers, 0)
        buyers.changes(USERS)
    with redis_process() as other:
        buyers.settings["AW_REDIS_URL"] = other.url
        buyers.settings["AW_CONSUMER_GROUP"] += "-2"
        mailbox = buyers.topic("resolved-events")
        buyers.broker.delete([mailbox])
        until(lambda: mailbox not in buyers.broker.topics(mailbox), "the topic to be gone")
        assert buyers.command("topics", "create").returncode == 0
        with buyers.worker():
            changes = buyers.changes(2 * USERS)

    assert entered(changes) == sorted(2 * all_of("buyers"))


def test_a_node_of_a_cluster_that_comes_back_empty_ends_the_worker(buyers: World) -> None:
    with redis_cluster() as cluster:
        buyers.settings["AW_REDIS_URL"] = cluster.url
        worker = buyers.start()
        buy(buyers, 0)
        buyers.changes(USERS)
        node = without_identities(cluster, buyers)
        node.kill()
        node.start()
        buy(buyers, 1_000)

        assert "Redis has lost state slots" in ends_with_one_line(worker)
        again = buyers.start("again")
        assert "Redis has lost state slots" in ends_with_one_line(again)
    assert entered(buyers.outputs("audience-changes")) == sorted(all_of("buyers"))


def says_no(worker: Worker, why: str) -> bool:
    """Whether it calls itself not ready, for that reason; between two attempts it may look well for a moment."""
    page = worker.page("/readyz")
    return page is not None and page.status == 503 and why in page.body


def without_identities(cluster: RedisCluster, world: World) -> RedisProcess:
    """A node that has states, and not the list of what belongs to the space."""
    slot, nodes = key_slot(f"aw:{{{world.settings['AW_SPACE_ID']}}}:topics".encode()), cluster.nodes
    return next(
        node for number, node in enumerate(nodes) if slot < SLOTS * number // 3 or slot >= SLOTS * (number + 1) // 3
    )


def test_writes_that_redis_had_acknowledged_and_lost_are_told_of(buyers: World, server: RedisProcess) -> None:
    """As when a machine stops: the last second of the log has not reached the disk."""
    worker = buyers.start()
    buy(buyers, 0)
    buyers.changes(USERS)
    log = next(server.folder.rglob("*.incr.aof"))
    on_disk = log.stat().st_size
    buy(buyers, 1_000)
    buyers.changes(2 * USERS)
    buyers.settle()
    server.kill()
    with log.open("r+b") as file:
        file.truncate(on_disk)
    server.start()

    until(lambda: '"redis_lost_writes"' in worker.log(), "the worker to notice")
    until(lambda: worker.metrics("audience_worker_redis_lost_slots_total").get((), 0) > 0, "the metric")
    assert worker.stop() == 0


def test_states_that_a_node_has_lost_are_brought_back(buyers: World) -> None:
    """As when its machine stops. Without that, who had bought twice would have bought once, and enter again."""
    buyers.settings["AW_REDIS_DURABILITY"] = "rebuild"
    assert buyers.command("topics", "create").stdout.startswith(f"created {buyers.topic('profile-states')}, ")
    assert buyers.command("topics", "check").stdout == "11 topics are as they must be\n"
    bought_at_least = {"buyers": 1, "regulars": 2, "friends": 3}
    buyers.define(audiences(**{key: f"event('Bought').count() >= {least}" for key, least in bought_at_least.items()}))
    with redis_cluster("--appendonly", "yes") as cluster:
        buyers.settings["AW_REDIS_URL"] = cluster.url
        worker = buyers.start()
        buy(buyers, 0)
        buyers.changes(USERS)
        buyers.settle()
        node = without_identities(cluster, buyers)
        log = next(node.folder.rglob("*.incr.aof"))
        on_disk = log.stat().st_size
        buy(buyers, 1_000)
        buyers.changes(2 * USERS)
        buyers.settle()
        node.kill()
        with log.open("r+b") as file:
            file.truncate(on_disk)
        node.start()
        until(lambda: '"redis_states_restored"' in worker.log(), "the worker to notice")
        buy(buyers, 2_000)
        changes = buyers.changes(3 * USERS)

        assert entered(changes) == sorted(all_of("buyers") + all_of("regulars") + all_of("friends"))
        assert worker.metrics("audience_worker_redis_restored_states_total")[()] > 0
        assert worker.metrics("audience_worker_redis_lost_slots_total").get((), 0) == 0
        assert worker.stop() == 0


def test_a_redis_that_is_full_is_waited_for(buyers: World, server: RedisProcess) -> None:
    worker = buyers.start()
    buy(buyers, 0)
    buyers.changes(USERS)
    server.client().config_set("maxmemory", 1)
    buy(buyers, 1_000)
    until(lambda: "maxmemory" in worker.log(), "the worker to notice")
    until(lambda: says_no(worker, "maxmemory"), "/readyz to say so")
    server.client().config_set("maxmemory", 0)
    changes = buyers.changes(2 * USERS)

    assert entered(changes) == sorted(all_of("buyers") + all_of("regulars"))
    assert worker.stop() == 0


def test_a_redis_that_takes_its_time_is_asked_again(buyers: World, server: RedisProcess) -> None:
    worker = buyers.start(**IMPATIENT)
    buy(buyers, 0)
    buyers.changes(USERS)
    server.pause()
    buy(buyers, 1_000)
    until(lambda: "Timeout reading" in worker.log(), "the worker to notice")
    server.resume()
    changes = buyers.changes(2 * USERS)

    assert entered(changes) == sorted(all_of("buyers") + all_of("regulars"))
    assert worker.metrics("audience_worker_redis_reconnects_total")[()] >= 1
    assert worker.stop() == 0
