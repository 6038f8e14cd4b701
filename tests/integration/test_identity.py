"""Profiles of running workers: looked at from outside, and counted."""

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.acceptance.lines import Line, audience, identify, page, track
from tests.integration.broker import Broker
from tests.integration.process import until
from tests.integration.world import World

IDENTITY = (Path(__file__).parents[2] / "docs/identity.md").read_text(encoding="utf-8")
PROFILE_ID = re.compile("use_[0-9a-f]{32}")
VIOLATIONS = "audience_worker_identity_violations_total"

DEFINITIONS: dict[str, Any] = {
    "identity": {"identifiers": [{"type": "user_id", "limit": 1}, {"type": "email", "limit": 3}]},
    "audiences": [audience("visitors", "event('Page Viewed').count() >= 1", include_anonymous=True)],
}
LINES = [
    page("2025-05-01T10:00:00Z", anonymous="a1", message_id="m1"),
    page("2025-05-01T10:01:00Z", anonymous="a2", message_id="m2"),
    identify("2025-05-01T10:02:00Z", {"email": "Jane@x.io"}, user="u1", anonymous="a1", message_id="m3"),
    identify("2025-05-01T10:03:00Z", {"email": "jane@x.io"}, anonymous="a2", message_id="m4"),
    track("2025-05-01T10:04:00Z", "X", user="u2", anonymous="a2", message_id="m5"),
    track("2025-05-01T10:05:00Z", "X", user="u2", anonymous="null", message_id="m6"),
]


def file_of_page(name: str) -> str:
    (text,) = re.findall(rf"<!-- file: {re.escape(name)} -->\n```\w*\n(.*?)```", IDENTITY, re.DOTALL)
    return str(text)


def masked(text: str) -> list[str]:
    """Without the ids that are drawn at random, and spaces at the ends of lines."""
    return [PROFILE_ID.sub("use_…", line).rstrip() for line in text.splitlines()]


def in_order(lines: Iterable[Line]) -> list[Line]:
    """With one key: events of several keys lie on several partitions, between which there is no order."""
    return [{**line, "key": "jane"} for line in lines]


def test_the_page_on_identity_shows_a_live_profile_as_it_is(world: World) -> None:
    (shown,) = re.findall(r"<!-- output: live -->\n```\n(.*?)```", IDENTITY, re.DOTALL)
    definitions = world.folder / "identity.yaml"
    definitions.write_text(file_of_page("identity.yaml"), encoding="utf-8")
    world.settings["AW_DEFINITIONS"] = str(definitions)
    with world.worker():
        world.write(in_order(json.loads(line) for line in file_of_page("visits.ndjson").splitlines()))
        world.settle()
        done = world.command("profile", "email:jane@x.io")

    assert done.returncode == 0, done.stderr
    assert masked(done.stdout) == masked(shown)


@pytest.fixture(scope="module")
def settled(kafka: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A world in which ``LINES`` have been dealt with, and counted; no worker is left. For looking at only."""
    world = World(Broker(kafka), redis_url, run=f"t{uuid4().hex[:10]}", folder=tmp_path_factory.mktemp("identity"))
    with closing(world):
        world.create_topics()
        world.define(DEFINITIONS)
        with world.worker() as worker:
            world.write(in_order(LINES))
            wanted = {("Identifier value limit exceeded",): 1.0, ("ID value blocked",): 1.0}
            until(lambda: worker.metrics(VIOLATIONS) == wanted, f"{wanted}")
            world.settle()
        yield world


def test_what_a_running_worker_knows_is_what_a_replay_says(settled: World) -> None:
    """But for the ids; a live profile does not know what was left out."""
    profile = said(settled, "profile", "email: JANE@x.io")
    live = said(settled, "explain", "--identity", "--profile", "user_id:u1")

    parent, child = (event["profile_id"] for event in by_message(settled, "m1", "m2"))
    assert profile["profile_id"] == live["profile_id"] == parent
    assert [(merge["profile_id"], merge["into"], merge["message_id"]) for merge in profile["merges"]] == [
        (child, parent, "m4")
    ]
    assert [one["value"] for one in profile["identifiers"]] == ["a1", "u1", "jane@x.io", "a2"]
    assert profile["memberships"] == {
        "visitors": {"member": True, "since": "2025-05-01T10:00:00.000Z", "transition": 1},
    }
    assert profile["traits"] == {"email": {"value": "jane@x.io", "at": "2025-05-01T10:03:00.000Z"}}
    assert live["violations"] is None
    replay = settled.folder / "events.ndjson"
    replay.write_text("".join(json.dumps(line) + "\n" for line in LINES), encoding="utf-8")
    arguments = ("-d", settled.settings["AW_DEFINITIONS"], "--events", str(replay))
    replayed = said(settled, "explain", "--identity", "--profile", "user_id:u1", *arguments)
    assert masked(json.dumps({**replayed, "violations": None})) == masked(json.dumps(live))


def test_a_merged_profile_says_into_which(settled: World) -> None:
    (parent, child) = (event["profile_id"] for event in by_message(settled, "m1", "m2"))

    done = settled.command("profile", child)

    assert (done.returncode, done.stdout) == (
        0,
        f"{child} was merged into {parent} at 2025-05-01T10:03:00.000Z by the event m4\n",
    )
    gone = said(settled, "profile", child)
    assert gone["merged_into"]["profile_id"] == parent
    assert said(settled, "explain", "--identity", "--profile", child) == gone


def test_limits_are_those_in_force_or_those_given(settled: World) -> None:
    other = settled.definitions_file({"identity": {"identifiers": [{"type": "email", "limit": 9}]}}, name="other")

    in_force = said(settled, "explain", "--identity", "--profile", "user_id:u1")["limits"]
    given = said(settled, "explain", "--identity", "--profile", "user_id:u1", "-d", str(other))["limits"]

    assert [(one["type"], one["limit"]) for one in in_force] == [("user_id", 1), ("email", 3), ("anonymous_id", 5)]
    assert [(one["type"], one["limit"]) for one in given] == [("email", 9), ("anonymous_id", 5), ("user_id", 5)]


def test_nobody_is_one_line_and_exit_code_1(settled: World) -> None:
    for command in (("profile", "email:joe@x.io"), ("explain", "--identity", "--profile", "email:joe@x.io")):
        done = settled.command(*command)

        assert (done.returncode, done.stdout, done.stderr) == (1, "", "nobody has email:joe@x.io\n")


def said(world: World, *arguments: str) -> Any:
    done = world.command(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def by_message(world: World, *message_ids: str) -> list[dict[str, Any]]:
    events = {event["messageId"]: event for event in world.events()}
    return [events[message_id] for message_id in message_ids]
