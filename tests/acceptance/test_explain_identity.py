"""``explain --identity``: who somebody is to the worker, why, and what other rules would change."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import Definitions, Run, Simulate
from tests.acceptance.lines import Line, as_text, call, identify, line, page, track

pytestmark = pytest.mark.acceptance

Explain = Callable[..., Any]

JANE, KIM = "jane@example1.com", "jane.kim@segment.com"
NO_RULES: dict[str, Any] = {"audiences": []}
UNTIL = "2025-02-01T00:00:00Z"

COLLISION = [
    identify("2025-01-01T00:00:00Z", {"email": JANE}, user="abc123", message_id="e1"),
    identify("2025-01-02T00:00:00Z", {"email": JANE}, user="abc456", message_id="e2"),
    track("2025-01-03T00:00:00Z", "X", anonymous="z9", context={"traits": {"email": JANE}}, message_id="e3"),
]
MERGING = [
    page("2022-05-02T14:01:00Z", anonymous="v1", message_id="e1"),
    identify("2022-05-02T14:01:47Z", {"email": KIM}, anonymous="v1", message_id="e2"),
    page("2022-06-22T10:47:15Z", anonymous="v2", message_id="e3"),
    identify("2022-06-22T10:48:00Z", {"email": KIM}, anonymous="v2", message_id="e4"),
]
TWO_USERS = {"identity": {"identifiers": [{"type": "user_id", "limit": 2}]}}


@pytest.fixture(scope="session")
def finished(run: Run, definitions_file: Callable[[Definitions], str]) -> Explain:
    """The finished command over events; ``-d`` and ``--events`` are given to it."""

    def finish(lines: list[Line], *arguments: str, definitions: Definitions = NO_RULES) -> Any:
        replay = ["-d", definitions_file(definitions), "--events", "-"]
        return run("explain", "--identity", *replay, *arguments, stdin=as_text(lines))

    return finish


@pytest.fixture(scope="session")
def explain(finished: Explain) -> Explain:
    """What the command prints with ``--json``."""

    def explained(lines: list[Line], *arguments: str, **options: Any) -> Any:
        done = finished(lines, *arguments, "--json", **options)
        assert done.returncode == 0, done.stderr.decode()
        return json.loads(done.stdout)

    return explained


# --- Who and why --------------------------------------------------------------------------------------------


def test_each_identifier_has_its_time_and_the_event_that_brought_it(explain: Explain, simulate: Simulate) -> None:
    """The profile id is that of ``simulate`` over the same lines."""
    said = explain(COLLISION, "--profile", f"email: {JANE.upper()}")

    first = simulate(NO_RULES, COLLISION, UNTIL, ["resolved-events"])[0]
    assert said["profile_id"] == first["key"]
    assert (said["created"], said["merged_into"]) == ("2025-01-01T00:00:00.000Z", None)
    assert [(one["type"], one["value"], one["first_seen"], one["message_id"]) for one in said["identifiers"]] == [
        ("user_id", "abc123", "2025-01-01T00:00:00.000Z", "e1"),
        ("email", JANE, "2025-01-01T00:00:00.000Z", "e1"),
        ("anonymous_id", "z9", "2025-01-03T00:00:00.000Z", "e3"),
    ]
    assert said["merges"] == []


def test_a_violation_is_told_to_both_whom_it_kept_apart(explain: Explain) -> None:
    """The one whose address it is, and the one who sent it."""
    owner = explain(COLLISION, "--profile", "user_id:abc123")
    sender = explain(COLLISION, "--profile", "user_id:abc456")

    assert owner["violations"] == sender["violations"]
    assert sender["violations"] == [
        {
            "at": "2025-01-02T00:00:00.000Z",
            "message_id": "e2",
            "profile_id": sender["profile_id"],
            "type": "email",
            "value": JANE,
            "violation": "Identifier value limit exceeded",
        }
    ]


def test_a_violation_that_concerns_others_is_not_told(explain: Explain) -> None:
    lines = [*COLLISION, page("2025-01-05T00:00:00Z", anonymous="other", message_id="e5")]

    assert explain(lines, "--profile", "anonymous_id:other")["violations"] == []


def test_a_merge_has_its_time_and_its_cause(explain: Explain, simulate: Simulate) -> None:
    said = explain(MERGING, "--profile", "anonymous_id:v2")

    outputs = simulate(NO_RULES, MERGING, "2022-07-01T00:00:00Z", ["resolved-events"])
    parent, child = outputs[0]["key"], outputs[2]["key"]
    assert said["profile_id"] == parent
    assert said["merges"] == [
        {"at": "2022-06-22T10:48:00.000Z", "profile_id": child, "into": parent, "message_id": "e4", "open": False}
    ]
    assert [one["message_id"] for one in said["identifiers"]] == ["e1", "e2", "e3"]

    gone = explain(MERGING, "--profile", child)
    assert gone == {
        "profile_id": child,
        "merged_into": {
            "profile_id": parent,
            "first_into": parent,
            "at": "2022-06-22T10:48:00.000Z",
            "message_id": "e4",
            "open": False,
        },
    }


def test_violations_of_a_profile_that_was_merged_are_its_survivors(explain: Explain) -> None:
    lines = [
        *MERGING[:3],
        page("2022-06-22T10:47:30Z", user="null", anonymous="v2", message_id="blocked"),
        MERGING[3],
    ]

    said = explain(lines, "--profile", f"email:{KIM}")

    assert [(one["message_id"], one["profile_id"]) for one in said["violations"]] == [("blocked", said["profile_id"])]


def test_limits_say_how_much_room_there_is(explain: Explain) -> None:
    """By priority; of a period only what was seen in it, up to the last event."""
    rules = [{"type": "email", "limit": 2, "period": "weekly"}, {"type": "user_id", "limit": 1}]
    lines = [
        identify("2025-01-01T00:00:00Z", {"email": "a@x.io"}, user="u1"),
        identify("2025-01-06T00:00:00Z", {"email": "b@x.io"}, user="u1"),
        identify("2025-01-08T00:00:00Z", {"email": "b@x.io"}, user="u1"),
    ]

    said = explain(lines, "--profile", "user_id:u1", definitions={"identity": {"identifiers": rules}})

    assert said["limits"] == [
        {"type": "email", "values": 1, "limit": 2, "period": "weekly"},
        {"type": "user_id", "values": 1, "limit": 1, "period": "ever"},
    ]
    assert (said["identifiers_max"], said["merges_max"]) == (1000, 100)


def test_for_people_it_is_a_page(finished: Explain) -> None:
    done = finished(COLLISION, "--profile", f"email:{JANE}")

    text = done.stdout.decode()
    assert done.returncode == 0
    for words in ("identifiers, 3 of at most 1000", "z9", "e3", "merged into it, 0 of at most 100: none"):
        assert words in text
    assert "Identifier value limit exceeded" in text


# --- What if ------------------------------------------------------------------------------------------------


@pytest.fixture
def rules_file(tmp_path: Path) -> Callable[[dict[str, Any]], str]:
    def write(definitions: dict[str, Any]) -> str:
        path = tmp_path / "rules.json"
        path.write_text(json.dumps(definitions), encoding="utf-8")
        return str(path)

    return write


def test_other_rules_are_compared_with_the_present_ones(
    explain: Explain, rules_file: Callable[[dict[str, Any]], str]
) -> None:
    said = explain(COLLISION, "--dry-run-rules", rules_file(TWO_USERS))

    assert (said["events"], said["passed_over"]) == (3, 0)
    assert [said[side]["profiles"] for side in ("present", "proposed")] == [2, 1]
    assert [said[side]["left_out"] for side in ("present", "proposed")] == [{"Identifier value limit exceeded": 1}, {}]
    assert said["elsewhere"]["events"] == 1
    (example,) = said["elsewhere"]["examples"]
    assert example["message_id"] == "e2"
    assert example["present"]["profile"] == "user_id:abc456"
    assert example["proposed"]["profile"] == "user_id:abc123"
    assert "profile" not in said


def test_the_archive_will_do_and_examples_are_as_many_as_asked(
    explain: Explain, simulate: Simulate, rules_file: Callable[[dict[str, Any]], str]
) -> None:
    """All outputs of a simulation, of which the others are passed over; and a person under both."""
    outputs = simulate(NO_RULES, [*COLLISION, line(UNTIL, call("dance", user="u1"))], UNTIL)

    said = explain(
        outputs,
        "--dry-run-rules",
        rules_file(TWO_USERS),
        *("--examples", "0"),
        *("--profile", "user_id:abc456"),
    )

    assert (said["events"], said["passed_over"]) == (3, 1)
    assert said["elsewhere"] == {"events": 1, "examples": []}
    assert len(said["profile"]["present"]["identifiers"]) == 1
    assert len(said["profile"]["proposed"]["identifiers"]) == 4


def test_a_comparison_for_people_is_a_page(finished: Explain, rules_file: Callable[[dict[str, Any]], str]) -> None:
    done = finished(COLLISION, "--dry-run-rules", rules_file(TWO_USERS), "--profile", "user_id:abc456")

    text = done.stdout.decode()
    assert done.returncode == 0
    for words in ("3 events", "1 of 3 events would go elsewhere", "under the present rules:"):
        assert words in text.splitlines()
    assert "lines that are none" not in text


# --- Mistakes -----------------------------------------------------------------------------------------------


def fault(done: subprocess.CompletedProcess[bytes]) -> tuple[int, str]:
    """Exit code and what was said, which is one line."""
    (said,) = done.stderr.decode().splitlines()
    assert done.stdout == b""
    return done.returncode, said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "--profile TYPE:VALUE is missing"),
        (("--profile", "jane"), "neither TYPE:VALUE nor a profile id"),
        (("--profile", "user_id:u1", "--events", "-"), "--events needs -d"),
        (("--dry-run-rules", "x"), "--dry-run-rules needs --events and -d"),
    ],
)
def test_a_wrong_usage_is_one_line(run: Run, arguments: tuple[str, ...], words: str) -> None:
    code, said = fault(run("explain", "--identity", *arguments))

    assert code == 2
    assert words in said


def test_profile_ids_mean_nothing_in_a_comparison(
    finished: Explain, rules_file: Callable[[dict[str, Any]], str]
) -> None:
    done = finished(COLLISION, "--dry-run-rules", rules_file(TWO_USERS), "--profile", "use_" + "0" * 32)

    assert fault(done)[0] == 2


@pytest.mark.parametrize("who", ["email:nobody@x.io", "use_" + "0" * 32, "group_id:acme"])
def test_nobody_is_one_line_too(finished: Explain, who: str) -> None:
    code, said = fault(finished(COLLISION, "--profile", who))

    assert code == 1
    assert who in said


def test_other_rules_need_to_be_rules(finished: Explain, rules_file: Callable[[dict[str, Any]], str]) -> None:
    path = rules_file({"audiences": []})

    assert fault(finished(COLLISION, "--dry-run-rules", path)) == (1, f"{path}: there are no identity settings in it")


@pytest.mark.parametrize("more", [(), ("--dry-run-rules", "rules")])
def test_events_that_are_not_text_are_a_fault_with_a_line(
    run: Run,
    definitions_file: Callable[[Definitions], str],
    rules_file: Callable[[dict[str, Any]], str],
    more: tuple[str, ...],
) -> None:
    arguments = [rules_file(TWO_USERS) if word == "rules" else word for word in more]
    replay = ["-d", definitions_file(NO_RULES), "--events", "-", "--profile", "user_id:u1"]

    done = run("explain", "--identity", *replay, *arguments, stdin=as_text(COLLISION).encode() + b"\xff\n")

    assert fault(done) == (1, "line 4: not UTF-8")


def test_redis_that_does_not_answer_is_a_missing_dependency(run: Run) -> None:
    nowhere = {"AW_REDIS_URL": "redis://127.0.0.1:1/0"}

    for command in (("explain", "--identity", "--profile", "user_id:u1"), ("profile", "user_id:u1")):
        code, said = fault(run(*command, settings=nowhere))
        assert code == 3
        assert "Redis" in said
