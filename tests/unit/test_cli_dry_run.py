"""Other rules over the same events: what counts as going elsewhere."""

import json
from typing import Any

import pytest

from schemas.codec import AvroDecoder
from tests.acceptance.lines import Line, as_text, identify, line, page, track
from worker.cli.assembly import Options
from worker.cli.definition_files import documents_of
from worker.cli.dry_run import DryRun, dry_run, dry_run_view, people_view
from worker.cli.recorded import read_recorded
from worker.errors import InputError
from worker.identity.rules import Identifier

pytestmark = pytest.mark.unit

Settings = dict[str, Any]

T = [f"2025-01-01T00:00:0{second}Z" for second in range(10)]
ONE_EACH: Settings = {"identifiers": [{"type": "user_id", "limit": 1}]}
TWO_USERS: Settings = {"identifiers": [{"type": "user_id", "limit": 2}]}


def compared(*lines: Line, present: Settings = ONE_EACH, proposed: Settings) -> DryRun:
    documents = documents_of({"present": json.dumps({"identity": present})})
    (rules,) = documents_of({"proposed": json.dumps({"identity": proposed})})
    recorded = read_recorded(as_text(lines).splitlines(), topic_prefix="")
    return dry_run(documents, rules, recorded, Options(), AvroDecoder())


def moved(run: DryRun) -> list[str]:
    """``e2: u2 -> u1``: by the value of each profile's name, or the outcome."""
    return [f"{one.message_id}: {_where(*one.present)} -> {_where(*one.proposed)}" for one in run.comparison.moved]


def _where(outcome: str, name: str | None) -> str:
    return outcome if name is None else name.partition(":")[2]


SHARED_DEVICE = [
    track(T[0], "X", user="u1", anonymous="tablet", message_id="e1"),
    track(T[1], "X", user="u2", anonymous="tablet", message_id="e2"),
    track(T[2], "X", user="u2", message_id="e3"),
    track(T[3], "X", anonymous="tablet", message_id="e4"),
]


def test_people_who_would_become_one_go_to_the_older() -> None:
    run = compared(*SHARED_DEVICE, proposed=TWO_USERS)

    assert moved(run) == ["e2: u2 -> u1", "e3: u2 -> u1"]
    view = dry_run_view(run, examples=1)
    assert (view["present"]["profiles"], view["proposed"]["profiles"]) == (2, 1)
    assert view["present"]["left_out"] == {"Identifier value limit exceeded": 1}
    assert view["proposed"]["left_out"] == {}
    assert view["proposed"]["largest"] == [
        {"profile": "user_id:u1", "identifiers": 3, "events": 4, "merges": 0},
    ]
    assert view["elsewhere"] == {
        "events": 2,
        "examples": [
            {
                "at": "2025-01-01T00:00:01.000Z",
                "message_id": "e2",
                "present": {"outcome": "resolved", "profile": "user_id:u2"},
                "proposed": {"outcome": "resolved", "profile": "user_id:u1"},
            }
        ],
    }


def test_people_who_would_come_apart_leave_the_one_whose_name_stays() -> None:
    run = compared(*SHARED_DEVICE, present=TWO_USERS, proposed=ONE_EACH)

    assert moved(run) == ["e2: u1 -> u2", "e3: u1 -> u2"]


def test_where_an_event_is_at_the_end_counts() -> None:
    """Before the merge the second visitor was somebody else under both rules."""
    lines = [
        identify(T[0], {"email": "jane@x.io"}, anonymous="a1", message_id="e1"),
        page(T[1], anonymous="a2", message_id="e2"),
        identify(T[2], {"email": "jane@x.io"}, anonymous="a2", message_id="e3"),
    ]

    run = compared(*lines, proposed={"blocked_values": ["jane@x.io"]})

    assert moved(run) == ["e2: a1 -> a2", "e3: a1 -> a2"]
    assert (run.present.merges, run.proposed.merges) == (1, 0)


def test_a_profile_with_another_name_and_the_same_events_is_the_same() -> None:
    """Its best identifier would be blocked: it keeps what it has, under its next best."""
    lines = [
        track(T[0], "X", user="u1", anonymous="a1", message_id="e1"),
        track(T[1], "X", anonymous="a1", message_id="e2"),
        track(T[2], "X", user="u9", anonymous="a9", message_id="e3"),
    ]

    run = compared(*lines, proposed={"blocked_values": ["u1"]})

    assert moved(run) == []
    assert [person.name for person in run.comparison.people[1]] == ["anonymous_id:a1", "user_id:u9"]


@pytest.mark.parametrize(("largest", "leaves"), [("a1", "a2"), ("a2", "a1")])
def test_of_several_parts_without_the_name_the_largest_stays(largest: str, leaves: str) -> None:
    lines = [
        track(T[0], "X", user="u1", anonymous="a1", message_id="with a1"),
        track(T[1], "X", user="u1", anonymous="a2", message_id="with a2"),
        track(T[2], "X", anonymous=largest, message_id="one more"),
    ]

    run = compared(*lines, proposed={"blocked_values": ["u1"]})

    assert moved(run) == [f"with {leaves}: u1 -> {leaves}"]


def test_a_merge_of_a_replay_is_over() -> None:
    """There is no history that would have to come."""
    lines = [
        page(T[0], anonymous="a1", message_id="e1"),
        page(T[1], anonymous="a2", message_id="e2"),
        identify(T[2], {"email": "jane@x.io"}, anonymous="a1", message_id="e3"),
        identify(T[3], {"email": "jane@x.io"}, anonymous="a2", message_id="e4"),
    ]

    people = people_view(compared(*lines, proposed=TWO_USERS), Identifier("anonymous_id", "a2"))

    assert [(one["message_id"], one["open"]) for one in people["present"]["merges"]] == [("e4", False)]


def test_an_event_that_nobody_would_have_goes_elsewhere() -> None:
    lines = [track(T[0], "X", user="u1", message_id="e1"), track(T[1], "X", user="u2", message_id="e2")]

    run = compared(*lines, proposed={"blocked_values": ["u1"]})
    back = compared(*lines, present={"blocked_values": ["u1"]}, proposed=ONE_EACH)

    assert moved(run) == ["e1: u1 -> no_matching_identifiers"]
    assert moved(back) == ["e1: no_matching_identifiers -> u1"]
    assert dry_run_view(run, examples=0)["proposed"]["outcomes"] == {"resolved": 1, "no_matching_identifiers": 1}


def test_what_is_refused_takes_no_message_id() -> None:
    """So its corrected repeat is a duplicate under the one rules only."""
    lines = [track(T[0], "X", user="u1", message_id="e1"), track(T[1], "X", user="u2", message_id="e1")]

    run = compared(*lines, proposed={"blocked_values": ["u1"]})

    assert run.present.outcomes == ["resolved", "duplicate"]
    assert run.proposed.outcomes == ["no_matching_identifiers", "resolved"]
    assert moved(run) == ["e1: u1 -> no_matching_identifiers", "e1: duplicate -> u2"]


def test_blocked_identifiers_are_counted_as_left_out() -> None:
    run = compared(track(T[0], "X", user="u1", anonymous="test"), proposed={"blocked_values": ["test"]})

    assert dry_run_view(run, examples=0)["proposed"]["left_out"] == {"ID value blocked": 1}


def test_settings_among_the_lines_are_of_the_present() -> None:
    """The proposed ones hold all the time."""
    change = line(T[1], {"identifiers": [{"type": "user_id", "limit": 9}]}, topic="definitions", key="identity")

    run = compared(SHARED_DEVICE[0], change, *SHARED_DEVICE[1:], proposed=ONE_EACH)

    assert (len(run.comparison.people[0]), len(run.comparison.people[1])) == (1, 2)
    assert run.comparison.events == 4


def test_a_person_is_shown_under_both() -> None:
    run = compared(*SHARED_DEVICE, proposed=TWO_USERS)

    people = people_view(run, Identifier("user_id", "u2"))

    assert [one["value"] for one in people["present"]["identifiers"]] == ["u2"]
    assert [one["value"] for one in people["proposed"]["identifiers"]] == ["u1", "tablet", "u2"]
    assert [one["message_id"] for one in people["present"]["violations"]] == ["e2"]
    assert people["proposed"]["violations"] == []
    assert people["proposed"]["limits"][0] == {"type": "user_id", "values": 2, "limit": 2, "period": "ever"}


def test_a_person_that_only_one_side_has() -> None:
    run = compared(*SHARED_DEVICE, proposed={"blocked_values": ["u2"]})

    assert people_view(run, Identifier("user_id", "u2"))["proposed"] is None
    with pytest.raises(InputError, match="nobody has user_id:u3"):
        people_view(run, Identifier("user_id", "u3"))


def test_no_events_no_difference() -> None:
    view = dry_run_view(compared(proposed=TWO_USERS), examples=10)

    assert (view["events"], view["elsewhere"]) == (0, {"events": 0, "examples": []})
    assert view["present"]["outcomes"] == {"resolved": 0}
