"""Starting and stopping: what a worker refuses to start with, and that stopping it loses nothing."""

import contextlib
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from tests.acceptance.lines import Line, audiences, seen, track
from tests.acceptance.moments import SECOND, after
from tests.integration.process import lines_of, until
from tests.integration.world import World
from tests.services import free_ports

START = "2025-01-01T00:00:00Z"


@pytest.fixture
def evicting(redis_url: str) -> Iterator[None]:
    """The session's Redis would evict keys if it were full; it never is."""
    with contextlib.closing(redis.Redis.from_url(redis_url, decode_responses=True)) as client:
        before = str(client.config_get("maxmemory-policy")["maxmemory-policy"])
        client.config_set("maxmemory-policy", "allkeys-lru")
        try:
            yield
        finally:
            client.config_set("maxmemory-policy", before)


def test_a_redis_that_evicts_is_refused(world: World, evicting: None) -> None:
    fault = only_fault(world.command("run"), code=1)

    assert "maxmemory-policy allkeys-lru" in fault
    assert "noeviction" in fault


def test_missing_topics_are_named_with_the_command_that_makes_them(bare_world: World) -> None:
    fault = only_fault(bare_world.command("run"), code=1)

    assert bare_world.topic("tracking-events") in fault
    assert "audience-worker topics create" in fault


def test_redis_that_does_not_answer(world: World) -> None:
    [port] = free_ports(1)

    ended = world.command("run", AW_REDIS_URL=f"redis://:secret@127.0.0.1:{port}/0", AW_START_WAIT_MAX_S="1")

    fault = only_fault(ended, code=3)
    assert "Redis" in fault
    assert f"127.0.0.1:{port}" in fault
    assert "secret" not in ended.stderr


def test_kafka_that_does_not_answer(world: World) -> None:
    [port] = free_ports(1)

    ended = world.command("run", AW_KAFKA_BOOTSTRAP_SERVERS=f"127.0.0.1:{port}", AW_START_WAIT_MAX_S="1")

    assert f"127.0.0.1:{port}" in only_fault(ended, code=3)


def test_an_unknown_setting_is_named_with_the_nearest_one(bare_world: World) -> None:
    fault = only_fault(bare_world.command("run", AW_CONSUMER_GROPU="x"), code=1)

    assert fault == "AW_CONSUMER_GROPU is not a setting; did you mean AW_CONSUMER_GROUP?"


def test_a_definition_with_a_fault_is_named_by_its_place(world: World) -> None:
    file = world.define(audiences(broken="event('Bought').count() >="))

    fault = only_fault(world.command("run"), code=1)

    assert fault.startswith(f"{file}:1:")
    assert world.read("definitions") == []


def test_a_mailbox_that_was_made_again_is_refused(world: World) -> None:
    with world.worker():
        world.write([bought(1)])
        world.settle()
    mailbox = world.topic("resolved-events")
    world.broker.delete([mailbox])
    until(lambda: mailbox not in world.broker.topics(mailbox), "the topic to be gone")
    assert world.command("topics", "create").returncode == 0

    fault = only_fault(world.command("run"), code=1)

    assert fault.startswith(f"{mailbox} is not the topic that the states in Redis were made from")


def test_another_file_of_definitions_is_added_at_the_next_start(world: World) -> None:
    world.define(audiences(buyers="event('Bought').count() >= 1"), name="first")
    with world.worker():
        world.write([bought(1)])
        world.changes(1)
    world.define(audiences(fans="event('Bought').count() >= 1"), name="second")
    with world.worker():
        changes = world.changes(2)
        listed = world.command("definitions", "list")

    assert sorted(change["value"]["properties"]["audience_key"] for change in changes) == ["buyers", "fans"]
    assert lines_of(listed.stdout) == ["audience:buyers  revision 1", "audience:fans  revision 1"]


def test_no_event_is_folded_without_the_definitions_of_the_start(world: World) -> None:
    """The events are there first: every one of them must count."""
    world.define(audiences(regulars="event('Bought').count() >= 3"))
    world.write(bought(number) for number in range(3))

    with world.worker():
        changes = world.changes(1)

    assert seen(changes) == ["ENTER regulars [u0] @2025-01-01T00:00:02Z"]


def test_sigterm_under_load_loses_nothing(world: World) -> None:
    world.define(audiences(regulars="event('Bought').count() >= 3"))
    inputs = world.group("route"), world.topic("tracking-events")
    stopped = threading.Event()
    lines: list[Line] = []

    def keep_writing() -> None:  # so that the worker has work whenever it is stopped, however fast it is
        while not stopped.is_set():
            more = [bought(len(lines) + number, user=f"u{number % 100}") for number in range(500)]
            world.write(more)
            lines.extend(more)

    with ThreadPoolExecutor() as threads:
        writing = threads.submit(keep_writing)
        try:
            with world.worker(AW_BATCH_RECORDS_MAX="200"):
                until(lambda: world.broker.committed(*inputs) >= 1_000, "some thousand events")
        finally:
            stopped.set()
        writing.result()
    world.write([bought(len(lines), user="the last")])
    lines.append(bought(len(lines), user="the last"))
    with world.worker():
        world.settle()

    ids = Counter(event["messageId"] for event in world.events())
    assert ids == Counter(line["value"]["messageId"] for line in lines)
    assert Counter(seen(world.outputs("audience-changes"))) == Counter(
        f"ENTER regulars [u{user}] @{after(START, (200 + user) * SECOND).replace('.000Z', 'Z')}" for user in range(100)
    )


def bought(number: int, *, user: str = "u0") -> Line:
    return track(after(START, number * SECOND), "Bought", user=user, message_id=f"m{number}")


def only_fault(ended: subprocess.CompletedProcess[str], *, code: int) -> str:
    """The one line, beside those of the log, that says why a program ended; it ended with that code."""
    assert ended.returncode == code, ended.stderr
    assert ended.stdout == ""
    [fault] = [line for line in lines_of(ended.stderr) if not line.startswith("{")]
    return fault
