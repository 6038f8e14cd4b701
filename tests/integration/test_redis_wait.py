"""``AW_REDIS_DURABILITY=wait``: no transaction before what its batch has written is on disk, or with a replica."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.acceptance.lines import audiences, seen
from tests.integration.crowd import DEFINITIONS, crowd
from tests.integration.process import until
from tests.integration.test_kill import DONE_TIMEOUT_S, INPUTS, SLOWLY, nobody_can_tell, routed_by_all
from tests.integration.test_redis_loss import says_no
from tests.integration.test_start import bought, only_fault
from tests.integration.world import World
from tests.redis_processes import RedisProcess, redis_process
from worker.adapters.redis import RedisStore
from worker.errors import StoreUnavailableError
from worker.ports import Swap
from worker.redis_facts import Keeping, keeping, keeping_faults

EVERY_SECOND = ("--appendonly", "yes", "--appendfsync", "everysec")
ALWAYS = ("--appendonly", "yes", "--appendfsync", "always")
WITH_REPLICA = {"AW_REDIS_DURABILITY": "wait", "AW_REDIS_WAIT_REPLICAS": "1", "AW_REDIS_TIMEOUT_S": "1"}
EVENTS = 12_000
SEED = 20_250_303
DONE_BEFORE = 2_000


class Pair(NamedTuple):
    master: RedisProcess
    replica: RedisProcess


@pytest.fixture
def pair() -> Iterator[Pair]:
    """A master that writes nothing to disk, and its replica."""
    with redis_process() as master, redis_process("--replicaof", "127.0.0.1", str(master.port)) as replica:
        until(lambda: master.client().info("replication")["connected_slaves"] == 1, "the replica to be there")
        until(lambda: replica.client().info("replication")["master_link_status"] == "up", "the replica to have all")
        yield Pair(master, replica)


def store(server: RedisProcess, kept: Keeping, *, timeout_s: float = 1) -> RedisStore:
    made = RedisStore(server.url, space="s", dedup_expected_ids_per_day=1_000, timeout_s=timeout_s)
    made.wait_for(kept)
    return made


def test_what_is_kept_is_with_the_replica(pair: Pair) -> None:
    with contextlib.closing(store(pair.master, Keeping(disk=False, replicas=1))) as to:
        assert to.swap([Swap(b"key", None, b"value")]).get()
        to.keep().get()
        assert pair.replica.client().get("aw:{s}:key") == "value"


def test_without_the_replica_nothing_is_kept_until_it_is_back(pair: Pair) -> None:
    with contextlib.closing(store(pair.master, Keeping(disk=False, replicas=1))) as to:
        pair.replica.pause()
        assert to.swap([Swap(b"key", None, b"value")]).get()
        with pytest.raises(StoreUnavailableError, match="has not reached its replicas in time"):
            to.keep().get()
        pair.replica.resume()
        to.keep().get()


def test_what_is_kept_is_on_disk_or_the_server_cannot_tell() -> None:
    """A server without WAITAOF (before 7.2) is refused at the start; should one get by, nothing counts as kept."""
    with (
        redis_process(*EVERY_SECOND) as server,
        contextlib.closing(store(server, Keeping(disk=True, replicas=0), timeout_s=10)) as to,
    ):
        assert to.swap([Swap(b"key", None, b"value")]).get()
        if version(server) >= (7, 2):
            to.keep().get()
            assert b"value" in written(server)
            server.client().config_set("appendonly", "no")
        with pytest.raises(StoreUnavailableError, match="WAITAOF"):
            to.keep().get()


def test_a_server_that_answers_from_the_disk_need_not_be_asked_again() -> None:
    with redis_process(*ALWAYS) as server:
        facts = store(server, Keeping(disk=False, replicas=0)).inspect()
    assert keeping_faults(facts, replicas=0) == []
    assert keeping(facts, replicas=0) == Keeping(disk=False, replicas=0)


def test_a_server_that_cannot_say_what_is_on_disk_is_refused(world: World) -> None:
    with redis_process() as server:
        fault = only_fault(world.command("run", AW_REDIS_URL=server.url, AW_REDIS_DURABILITY="wait"), code=1)
        assert "set appendonly yes" in fault
        fault = only_fault(world.command("run", AW_REDIS_URL=server.url, **WITH_REPLICA), code=1)
        assert "has 0 replicas" in fault
    with redis_process(*EVERY_SECOND) as server:
        if version(server) < (7, 2):
            fault = only_fault(world.command("run", AW_REDIS_URL=server.url, AW_REDIS_DURABILITY="wait"), code=1)
            assert "use 7.2 or newer, set appendfsync always, or AW_REDIS_WAIT_REPLICAS" in fault


def test_a_replica_is_no_server_to_write_to(world: World, pair: Pair) -> None:
    fault = only_fault(world.command("run", AW_REDIS_URL=pair.replica.url), code=1)

    assert fault.endswith("is a replica, which takes no writes; name its master")


def test_a_replica_that_is_gone_holds_up_everything_and_loses_nothing(world: World, pair: Pair) -> None:
    world.settings |= {"AW_REDIS_URL": pair.master.url, **WITH_REPLICA}
    world.define(audiences(buyers="event('Bought').count() >= 1"))
    with world.worker() as worker:
        world.write([bought(1, user="before")])
        world.changes(1)
        pair.replica.pause()
        world.write([bought(2, user="meanwhile")])
        until(lambda: "has not reached its replicas in time" in worker.log(), "the worker to notice")
        until(lambda: says_no(worker, "has not reached its replicas"), "/readyz to say so")
        assert len(world.outputs("audience-changes")) == 1
        pair.replica.resume()
        changes = world.changes(2)

    assert sorted(line.split(" @")[0] for line in seen(changes)) == [
        "ENTER buyers [before]",
        "ENTER buyers [meanwhile]",
    ]


def test_a_replica_that_takes_over_has_all_that_readers_know_of(world: World, pair: Pair) -> None:
    """The master dies in the middle, with all that it had; the replica comes in its place."""
    world.settings |= {"AW_REDIS_URL": pair.master.url, **WITH_REPLICA}
    world.define(DEFINITIONS)
    records = list(crowd([world.topic(name) for name in INPUTS], EVENTS, seed=SEED))
    world.broker.write(records)
    workers = [world.start(instance, **SLOWLY) for instance in ("one", "two")]
    until(lambda: routed_by_all(world) >= DONE_BEFORE, "both workers to be at work")
    pair.master.kill()
    done = routed_by_all(world)
    pair.replica.client().execute_command("REPLICAOF", "NO", "ONE")
    successor = took_over(pair.replica, pair.master.port)
    with redis_process("--replicaof", "127.0.0.1", str(successor.port)):
        world.settle(timeout_s=DONE_TIMEOUT_S)
        assert DONE_BEFORE <= done < EVENTS, "it was not killed in the middle"
        nobody_can_tell(world, records)
        assert [worker.stop() for worker in workers] == [0, 0]
    successor.kill()


def took_over(replica: RedisProcess, port: int) -> RedisProcess:
    """The replica's data behind the address that clients know, as a proxy or a name would bring about."""
    replica.client().save()
    replica.kill()
    successor = RedisProcess(replica.folder, port=port)
    successor.start()
    return successor


def version(server: RedisProcess) -> tuple[int, ...]:
    return tuple(int(part) for part in str(server.client().info("server")["redis_version"]).split(".")[:2])


def written(server: RedisProcess) -> bytes:
    """Its log, as it is on disk or about to be."""
    return b"".join(path.read_bytes() for path in Path(server.folder).rglob("*.aof"))
