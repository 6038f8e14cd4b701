"""Audiences of running workers: explained, listed, and their members, from outside."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.acceptance.lines import Line, audience, identify, page, track
from tests.integration.broker import Broker
from tests.integration.test_identity import in_order, masked, said
from tests.integration.world import World

DEFINITIONS: dict[str, Any] = {
    "audiences": [
        audience("visitors", "event('Page Viewed').within(3650 days).count() >= 2", name="Came twice"),
        audience(
            "left_cart",
            "event('Product Added').where(NOT event('Order Completed').where(property('sku') = property(parent: 'sku'))"
            ".within(parent: 1 hour).count() >= 1).within(3650 days).count() >= 1 AND trait('plan') = 'pro'",
        ),
        audience("both", "trait('visitors') = true AND trait('left_cart') = true AND trait('spent') >= 10"),
    ],
    "traits": [{"key": "spent", "query": "event('Order Completed').sum(property('total'))"}],
}
LINES: list[Line] = [
    page("2025-05-01T10:00:00Z", "Home", user="u1"),
    page("2025-05-01T10:01:00Z", "Home", user="u1"),
    page("2025-05-01T10:02:00Z", "Home", user="u2"),
    page("2025-05-01T10:03:00Z", "Home", user="u2"),
    track("2025-05-01T10:04:00Z", "Product Added", {"sku": "mug"}, user="u1"),
    track("2025-05-01T10:05:00Z", "Product Added", {"sku": "tea"}, user="u1"),
    track("2025-05-01T10:06:00Z", "Order Completed", {"sku": "mug", "total": 12}, user="u1"),
    identify("2025-05-01T10:07:00Z", {"plan": "pro"}, user="u1"),
    page("2025-05-01T10:08:00Z", "Home", user="u3"),
]


@pytest.fixture(scope="module")
def settled(kafka: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A world in which ``LINES`` have been dealt with and all that was due has been told; no worker is left."""
    world = World(Broker(kafka), redis_url, run=f"t{uuid4().hex[:10]}", folder=tmp_path_factory.mktemp("explain"))
    with closing(world):
        world.create_topics()
        world.define(DEFINITIONS)
        with world.worker():
            world.write(in_order(LINES))
            world.changes(4)
            world.settle()
        yield world


def replay(world: World, until: str) -> tuple[str, ...]:
    events: Path = world.folder / "events.ndjson"
    events.write_text("".join(json.dumps(line) + "\n" for line in LINES), encoding="utf-8")
    return ("-d", world.settings["AW_DEFINITIONS"], "--events", str(events), "--until", until)


@pytest.mark.parametrize("user", ["u1", "u2", "u3"])
def test_a_live_profile_is_explained_as_a_replay_is(settled: World, user: str) -> None:
    """But for the ids."""
    live = said(settled, "explain", "--profile", f"user_id:{user}")

    replayed = said(settled, "explain", "--profile", f"user_id:{user}", *replay(settled, live["at"]))

    assert masked(json.dumps(live)) == masked(json.dumps(replayed))
    assert [view["audience"] for view in live["audiences"] if view["member"]] == {
        "u1": ["both", "left_cart", "visitors"],
        "u2": ["visitors"],
        "u3": [],
    }[user]


def test_other_definitions_are_tried_on_a_live_profile(settled: World) -> None:
    """Conditions on what has been counted already are warm."""
    query = "event('Page Viewed').within(3650 days).count() >= 3 OR event('Nobody').count() = 0"
    other = settled.definitions_file({"audiences": [audience("visitors", query)]}, name="other")

    (view,) = said(settled, "explain", "--profile", "user_id:u1", "--audience", "visitors", "-d", str(other))[
        "audiences"
    ]

    assert (view["member"], view["value"], view["revision"]) == (True, True, 2)
    assert [part["sides"][0]["value"] for part in view["explanation"]["parts"]] == [2, 0]


def test_audiences_are_listed_with_their_sizes(settled: World) -> None:
    done = settled.command("audiences", "--json")

    listed = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(view["key"], view["name"], view["members"], view["revision"]) for view in listed] == [
        ("both", None, 1, 1),
        ("left_cart", None, 1, 1),
        ("visitors", "Came twice", 2, 1),
    ]
    assert [view["last_change"] for view in listed] == [
        "2025-05-01T11:05:00.000Z",
        "2025-05-01T11:05:00.000Z",
        "2025-05-01T10:03:00.000Z",
    ]
    assert "last change" in settled.command("audiences").stdout
    assert "last change" not in settled.command("audiences", "--quick").stdout


def test_members_are_listed_one_a_line(settled: World) -> None:
    done = settled.command("members", "visitors", "--json")

    members = [json.loads(line) for line in done.stdout.splitlines()]
    assert sorted((one["identifiers"][0]["value"], one["since"], one["transition"]) for one in members) == [
        ("u1", "2025-05-01T10:01:00.000Z", 1),
        ("u2", "2025-05-01T10:03:00.000Z", 1),
    ]
    assert len(settled.command("members", "visitors", "--limit", "1").stdout.splitlines()) == 1
    assert settled.command("members", "left_cart").stdout.endswith("  2025-05-01T11:05:00.000Z  1  user_id:u1\n")


@pytest.mark.parametrize(
    "command", [("members", "visitor"), ("explain", "--profile", "user_id:u1", "--audience", "visitor")]
)
def test_a_key_that_is_no_audiences_has_the_nearest(settled: World, command: tuple[str, ...]) -> None:
    done = settled.command(*command)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "there is no audience 'visitor'; did you mean 'visitors'?\n"
