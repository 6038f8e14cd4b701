"""The control plane beside a running worker."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.lines import Line, audiences, line, moves, seen, track
from tests.integration.process import lines_of
from tests.integration.world import World

NO_DEFINITIONS: dict[str, Any] = {"audiences": []}


def test_an_applied_audience_works_at_once(world: World) -> None:
    with world.worker():
        applied = world.command("definitions", "apply", str(buyers_file(world, least=1)))
        world.settle()
        world.write([bought("2025-01-01T00:00:00Z", "m1")])
        changes = world.changes(1)

    assert (applied.returncode, lines_of(applied.stdout)) == (0, ["applied audience:buyers", "1 applied, 0 unchanged"])
    assert seen(changes) == ["ENTER buyers [u1] @2025-01-01T00:00:00Z"]


def test_a_deleted_audience_says_goodbye_to_its_members(world: World) -> None:
    world.command("definitions", "apply", str(buyers_file(world, least=1)))
    with world.worker():
        world.write([bought("2025-01-01T00:00:00Z", "m1")])
        world.changes(1)
        deleted = world.command("definitions", "delete", "buyers")
        changes = world.changes(2)
        gone = world.command("definitions", "show", "buyers")

    assert (deleted.returncode, deleted.stdout) == (0, "deleted audience:buyers\n")
    assert moves(changes) == ["ENTER buyers", "EXIT buyers"]
    assert [change["value"]["context"]["audience"]["reason"] for change in changes] == ["event", "definition"]
    assert (gone.returncode, gone.stderr) == (1, "there is no definition audience:buyers\n")


def test_an_edit_is_the_next_revision(world: World) -> None:
    world.command("definitions", "apply", str(buyers_file(world, least=1)))
    with world.worker():
        world.write([bought("2025-01-01T00:00:00Z", "m1")])
        world.changes(1)
        world.command("definitions", "apply", str(buyers_file(world, least=2)))
        changes = world.changes(2)

    assert moves(changes) == ["ENTER buyers", "EXIT buyers"]
    assert [change["value"]["context"]["audience"]["revision"] for change in changes] == [1, 2]


def test_what_is_in_force_is_listed_and_shown(world: World) -> None:
    file = buyers_file(world, least=1)
    with world.worker():
        first = world.command("definitions", "apply", str(file))
        world.settle()
        again = world.command("definitions", "apply", str(file))
        listed = world.command("definitions", "list")
        as_json = world.command("definitions", "list", "--json")
        shown = world.command("definitions", "show", "audience:buyers")

    assert lines_of(first.stdout)[-1] == "1 applied, 0 unchanged"
    assert lines_of(again.stdout) == ["0 applied, 1 unchanged"]
    assert lines_of(listed.stdout) == ["audience:buyers  revision 1"]
    [entry] = map(json.loads, lines_of(as_json.stdout))
    assert (entry["key"], entry["revision"]) == ("audience:buyers", 1)
    assert entry["document"] == json.loads(shown.stdout)
    assert entry["document"]["query"] == "event('Bought').count() >= 1"


def test_a_bad_document_is_one_dead_letter_and_the_last_good_one_stays(world: World) -> None:
    world.command("definitions", "apply", str(buyers_file(world, least=1)))
    bad = line(
        "2025-01-01T00:00:00Z",
        {"key": "buyers", "query": "event('Bought').cuont() >= 1"},
        topic="definitions",
        key="audience:buyers",
    )
    with world.worker():
        world.write([bad])
        world.settle()
        shown = world.command("definitions", "show", "buyers")
        world.write([bought("2025-01-02T00:00:00Z", "m1")])
        changes = world.changes(1)

    [letter] = world.outputs("dead-letters")
    assert (letter["headers"]["reason"], letter["key"], letter["value"]) == (
        "invalid_definition",
        "audience:buyers",
        bad["value"],
    )
    assert json.loads(shown.stdout)["query"] == "event('Bought').count() >= 1"
    assert seen(changes) == ["ENTER buyers [u1] @2025-01-02T00:00:00Z"]


def test_a_bad_document_that_was_there_before_the_start_is_one_dead_letter_too(world: World) -> None:
    bad = line("2025-01-01T00:00:00Z", {"key": "other", "query": "event("}, topic="definitions", key="audience:buyers")
    world.write([bad])
    for _ in range(2):
        with world.worker():
            world.settle()

    assert [letter["headers"]["reason"] for letter in world.outputs("dead-letters")] == ["invalid_definition"]


def test_nothing_is_published_of_a_file_with_a_fault(world: World) -> None:
    definitions = audiences(buyers="event('Bought').count() >= 1", broken="event('Bought').count() >=")
    file = world.definitions_file(definitions, name="broken")

    applied = world.command("definitions", "apply", str(file))

    assert applied.returncode == 1
    assert len(lines_of(applied.stderr)) == 1
    assert world.read("definitions") == []


@pytest.mark.parametrize(
    ("text", "code", "faults"),
    [
        pytest.param("audiences:\n  - {key: a, query: \"event('E').count() >= 1\"}\n", 0, 0, id="good"),
        pytest.param("audiences:\n  - {key: a, query: \"event('E').count() >\"}\n", 1, 1, id="does not parse"),
        pytest.param("audiences:\n  - {key: a}\n  - {key: B, query: \"trait('x') = 1\"}\n", 1, 2, id="two faults"),
    ],
)
def test_lint_says_whether_definitions_are_good(bare_world: World, text: str, code: int, faults: int) -> None:
    """Offline: there is neither a topic nor a worker, nor would it matter if there were no servers."""
    file = bare_world.folder / "definitions.yaml"
    file.write_text(text, encoding="utf-8")

    linted = bare_world.command("lint", str(file), AW_KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:1")

    assert linted.returncode == code, linted.stderr
    said = lines_of(linted.stderr)
    assert len(said) == faults
    assert all(fault.startswith(f"{file}:") for fault in said)


def test_lint_without_a_file_is_a_wrong_usage(bare_world: World) -> None:
    assert bare_world.command("lint").returncode == 2


def test_lint_of_a_file_that_is_not_there(bare_world: World) -> None:
    linted = bare_world.command("lint", "nowhere.yaml")

    assert (linted.returncode, len(lines_of(linted.stderr))) == (1, 1)


def buyers_file(world: World, *, least: int) -> Path:
    return world.definitions_file(audiences(buyers=f"event('Bought').count() >= {least}"), name=f"buyers-{least}")


def bought(at: str, message_id: str) -> Line:
    return track(at, "Bought", user="u1", message_id=message_id)
