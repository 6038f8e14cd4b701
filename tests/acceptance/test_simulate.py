"""The command itself: its clock, its input, its filters, its exit codes, its order, its sameness."""

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from tests.acceptance.conftest import Definitions, Simulate
from tests.acceptance.lines import (
    Line,
    as_text,
    audiences,
    changes,
    identify,
    line,
    moves,
    of_topic,
    passthrough,
    seen,
    track,
)
from tests.acceptance.moments import ms

pytestmark = pytest.mark.acceptance

Run = Callable[..., CompletedProcess[bytes]]
WriteDefinitions = Callable[[Definitions], str]

LATELY = audiences(lately="event('X').within(1 hour).count() >= 1")
T0 = "2025-01-01T00:00:00Z"
LATER = "2025-02-01T00:00:00Z"


def x(at: str, user: str = "u1", **fields: Any) -> Line:
    return track(at, "X", user=user, **fields)


# --- The clock ----------------------------------------------------------------------------------------------


def test_timers_due_before_a_line_fire_first_at_their_own_time(simulate: Simulate) -> None:
    """The timers of everybody, in order of time, whoever the line is about."""
    lines = [
        x("2025-01-01T00:20:00Z", "u2"),
        x("2025-01-01T00:30:00Z", "u1"),
        identify("2025-01-01T09:00:00Z", {"a": 1}, user="u3"),
    ]

    outputs = simulate(LATELY, lines, LATER)

    assert seen(outputs) == [
        "ENTER lately [u2] @2025-01-01T00:20:00Z",
        "ENTER lately [u1] @2025-01-01T00:30:00Z",
        "EXIT lately [u2] @2025-01-01T01:20:00Z",
        "EXIT lately [u1] @2025-01-01T01:30:00Z",
    ]
    assert [ms(output["at"]) for output in outputs] == sorted(ms(output["at"]) for output in outputs)
    assert outputs[-1]["topic"] == "resolved-events", "the third line comes after what was due before it"


def test_a_timer_due_a_millisecond_before_a_line_fires(simulate: Simulate) -> None:
    lines = [x("2025-01-01T00:00:00Z"), x("2025-01-01T01:00:00.001Z")]

    assert seen(simulate(LATELY, lines, "2025-01-01T01:30:00Z")) == [
        "ENTER lately [u1] @2025-01-01T00:00:00Z",
        "EXIT lately [u1] @2025-01-01T01:00:00Z",
        "ENTER lately [u1] @2025-01-01T01:00:00.001Z",
    ]


def test_a_timer_due_exactly_at_a_line_is_covered_by_its_evaluation(simulate: Simulate) -> None:
    """The old event leaves the window as the new one comes: nobody ever left."""
    lines = [x("2025-01-01T00:00:00Z"), x("2025-01-01T01:00:00Z")]

    assert seen(simulate(LATELY, lines, "2025-01-01T01:30:00Z")) == ["ENTER lately [u1] @2025-01-01T00:00:00Z"]


def test_a_timer_covered_by_a_line_that_changes_the_membership_too(simulate: Simulate) -> None:
    """Of an event that counts for nothing else, the evaluation still sees that the window has emptied."""
    definitions = audiences(lately="event('X').within(1 hour).count() >= 1", other="event('Y').count() >= 1")
    lines = [x("2025-01-01T00:00:00Z"), track("2025-01-01T01:00:00Z", "Y", user="u1", message_id="m-y")]

    outputs = simulate(definitions, lines, LATER)

    assert seen(outputs) == [
        "ENTER lately [u1] @2025-01-01T00:00:00Z",
        "EXIT lately [u1] @2025-01-01T01:00:00Z",
        "ENTER other [u1] @2025-01-01T01:00:00Z",
    ]
    exited = changes(outputs)[1]["value"]["context"]["audience"]
    assert (exited["reason"], exited["caused_by"]) == ("event", "m-y")


def test_a_timer_due_exactly_at_a_line_that_means_nothing_shows_once(simulate: Simulate) -> None:
    """Whether the line's evaluation or the timer says it: at that moment, and not again."""
    lines = [x("2025-01-01T00:00:00Z"), track("2025-01-01T01:00:00Z", "Unheard of", user="u1")]

    assert seen(simulate(LATELY, lines, LATER)) == [
        "ENTER lately [u1] @2025-01-01T00:00:00Z",
        "EXIT lately [u1] @2025-01-01T01:00:00Z",
    ]


@pytest.mark.parametrize(
    "between",
    [
        pytest.param(x("2025-01-01T01:00:00Z", "u2"), id="of-somebody-else"),
        pytest.param(x("2025-01-01T01:00:00Z", "u1", message_id="m1"), id="a-duplicate"),
        pytest.param(line("2025-01-01T01:00:00Z", "nothing"), id="refused"),
    ],
)
def test_a_timer_due_exactly_at_a_line_waits_for_it_behind_others_of_that_time(
    simulate: Simulate, between: Line
) -> None:
    """Lines of one time: what is due then is covered by the profile's own, wherever that stands."""
    lines = [x(T0, "u1", message_id="m1"), between, x("2025-01-01T01:00:00Z", "u1")]

    assert [change for change in seen(simulate(LATELY, lines, LATER)) if "u1" in change] == [
        "ENTER lately [u1] @2025-01-01T00:00:00Z",
        "EXIT lately [u1] @2025-01-01T02:00:00Z",
    ]


def test_a_timer_due_exactly_at_somebody_else_s_line_still_fires(simulate: Simulate) -> None:
    lines = [x("2025-01-01T00:00:00Z"), x("2025-01-01T01:00:00Z", "u2")]

    outputs = simulate(LATELY, lines, "2025-01-01T01:00:00Z")

    assert sorted(seen(outputs)) == [
        "ENTER lately [u1] @2025-01-01T00:00:00Z",
        "ENTER lately [u2] @2025-01-01T01:00:00Z",
        "EXIT lately [u1] @2025-01-01T01:00:00Z",
    ]


@pytest.mark.parametrize(
    ("until", "expected"),
    [
        ("2025-01-01T00:59:59.999Z", ["ENTER lately"]),
        ("2025-01-01T01:00:00Z", ["ENTER lately", "EXIT lately"]),
    ],
    ids=["a_millisecond_before", "inclusive"],
)
def test_until_is_inclusive(simulate: Simulate, until: str, expected: list[str]) -> None:
    assert moves(simulate(LATELY, [x(T0)], until)) == expected


def test_each_line_is_evaluated_by_itself(simulate: Simulate) -> None:
    """Two lines of one moment are two evaluations: what held in between shows."""
    once = audiences(exactly_one="event('X').count() = 1")

    assert seen(simulate(once, [x(T0), x(T0)], LATER)) == [
        "ENTER exactly_one [u1] @2025-01-01T00:00:00Z",
        "EXIT exactly_one [u1] @2025-01-01T00:00:00Z",
    ]


def test_no_lines_no_outputs(simulate: Simulate) -> None:
    assert simulate(LATELY, [], LATER) == []


# --- Order and shape of the outputs -------------------------------------------------------------------------


def test_of_one_line_the_resolved_event_comes_first(simulate: Simulate) -> None:
    outputs = simulate(LATELY, [x(T0)], T0)

    assert [output["topic"] for output in outputs] == ["resolved-events", "audience-changes"]


def test_shape_of_an_output_line(simulate: Simulate) -> None:
    for output in simulate(LATELY, [x(T0), line(T0, {"type": "click"})], LATER):
        assert list(output) == ["at", "topic", "key", "value", "headers"]


def test_a_resolved_event_carries_its_profile_and_its_kind(simulate: Simulate) -> None:
    outputs = simulate(LATELY, [x(T0, anonymous="a1")], T0)

    (resolved,) = of_topic(outputs, "resolved-events")
    (change,) = changes(outputs)
    assert resolved["key"] == change["key"]
    assert resolved["headers"]["kind"] == "event"
    assert (resolved["value"]["event"], resolved["value"]["userId"]) == ("X", "u1")


def test_internal_records_are_not_shown(simulate: Simulate) -> None:
    outputs = simulate(LATELY, [x(T0)], LATER)

    assert moves(outputs) == ["ENTER lately", "EXIT lately"]
    assert len(of_topic(outputs, "resolved-events")) == 1, "no tick for the exit by time"


def test_passthrough_on_the_tracking_topic(simulate: Simulate) -> None:
    """A message is what its shape says, on whichever topic it comes."""
    definitions = {"audiences": [], "identity": {"high_confidence": ["customer_id"]}}
    event = passthrough(T0, "qualify", "a", ts=1735689600, identifiers={"customer_id": "c1"}, topic="tracking-events")

    assert seen(simulate(definitions, [event], LATER)) == ["ENTER a [customer_id c1] @2025-01-01T00:00:00Z"]


def test_a_tracking_call_on_the_passthrough_topic(simulate: Simulate) -> None:
    event = {**x(T0), "topic": "passthrough-events"}

    assert moves(simulate(LATELY, [event], T0)) == ["ENTER lately"]


def test_the_word_passthrough_alone_makes_no_passthrough_event(simulate: Simulate) -> None:
    event = x(T0, properties={"type": "passthrough", "action": "qualify", "operation": "UPDATE"})

    assert moves(simulate(LATELY, [event], T0)) == ["ENTER lately"]


def test_topic_filters_and_repeats(simulate: Simulate) -> None:
    lines = [x(T0), line(T0, {"type": "click"})]
    whole = simulate(LATELY, lines, LATER)

    assert {output["topic"] for output in whole} == {"resolved-events", "audience-changes", "dead-letters"}
    for topics in (["audience-changes"], ["dead-letters", "audience-changes"]):
        filtered = simulate(LATELY, lines, LATER, topics=topics)
        assert filtered == [output for output in whole if output["topic"] in topics]


# --- Sameness -----------------------------------------------------------------------------------------------


def test_the_same_input_gives_the_same_bytes(run: Run, definitions_file: WriteDefinitions) -> None:
    """Profile ids included, which are drawn at random elsewhere; and whatever order a hash would give."""
    queries = audiences(**{f"a{n}": "event('X').within(1 hour).count() >= 1" for n in range(20)})
    command = ["simulate", "-d", definitions_file(queries), "--until", LATER, "-"]
    stdin = as_text(x(T0, f"u{n}", anonymous=f"a{n}") for n in range(10))

    runs = [run(*command, stdin=stdin, settings={"PYTHONHASHSEED": seed}) for seed in ("1", "2")]

    assert runs[0].returncode == 0
    assert runs[0].stdout.count(b"\n") == 10 + 10 * 20 * 2
    assert runs[0].stdout == runs[1].stdout


def test_events_from_a_file(run: Run, definitions_file: WriteDefinitions, tmp_path: Path) -> None:
    events = tmp_path / "events.ndjson"
    events.write_text(as_text([x(T0)]), encoding="utf-8")
    command = ["simulate", "-d", definitions_file(LATELY), "--until", LATER]

    from_file = run(*command, str(events))
    from_stdin = run(*command, "-", stdin=as_text([x(T0)]))

    assert from_file.returncode == 0
    assert from_file.stdout
    assert from_file.stdout == from_stdin.stdout


def test_events_from_standard_input_when_no_file_is_named(run: Run, definitions_file: WriteDefinitions) -> None:
    command = ["simulate", "-d", definitions_file(LATELY), "--until", LATER]

    unnamed = run(*command, stdin=as_text([x(T0)]))

    assert unnamed.stdout
    assert unnamed.stdout == run(*command, "-", stdin=as_text([x(T0)])).stdout


def test_a_topic_that_is_no_output_is_a_slip(run: Run, definitions_file: WriteDefinitions) -> None:
    """Nothing printed would look as if nothing had come out."""
    command = ["simulate", "-d", definitions_file(LATELY), "--until", LATER, "--topic", "audience-change", "-"]

    finished = run(*command, stdin=as_text([x(T0)]))

    assert (finished.returncode, finished.stdout) == (2, b"")
    (fault,) = finished.stderr.decode().splitlines()
    assert "'audience-change' is no output topic" in fault
    assert "audience-changes" in fault


def test_definitions_in_yaml(simulate: Simulate) -> None:
    definitions = """
audiences:
  - key: lately   # a comment
    name: Lately
    query: >
      event('X').within(1 hour)
      .count() >= 1
"""
    assert moves(simulate(definitions, [x(T0)], T0)) == ["ENTER lately"]


def test_definitions_in_json_may_escape_any_character(simulate: Simulate) -> None:
    """A trolley is two escapes in JSON, as most programs write it."""
    event = "\N{LATIN SMALL LETTER E WITH ACUTE}\N{SHOPPING TROLLEY}"

    outputs = simulate(audiences(trolley=f"event('{event}').count() >= 1"), [track(T0, event, user="u1")], T0)

    assert moves(outputs) == ["ENTER trolley"]


def test_a_fault_behind_an_escaped_character_is_found_where_it_is_written(
    run: Run, definitions_file: WriteDefinitions
) -> None:
    broken = audiences(trolley="event('\N{SHOPPING TROLLEY}').cuont() >= 1")
    path = definitions_file(broken)
    column = Path(path).read_text("utf-8").index("cuont") + 1

    assert run("lint", path).stderr.decode().startswith(f"{path}:1:{column}: ")


# --- What is wrong with the input ---------------------------------------------------------------------------

GOOD = json.dumps(x("2025-01-01T00:00:01Z"))
BAD_LINES = {
    "no_json": "{nope",
    "no_object": "[1]",
    "no_at": '{"topic": "tracking-events", "value": {}}',
    "at_a_word": '{"at": "soon", "topic": "tracking-events", "value": {}}',
    "no_topic": '{"at": "2025-01-01T00:00:02Z", "value": {}}',
    "neither_value_nor_bytes": '{"at": "2025-01-01T00:00:02Z", "topic": "tracking-events"}',
    "no_base64": '{"at": "2025-01-01T00:00:02Z", "topic": "tracking-events", "value_base64": "%"}',
    "back_in_time": json.dumps(x("2025-01-01T00:00:00.999Z")),
}


def assert_refused(finished: CompletedProcess[bytes], *, line_number: int) -> None:
    errors = finished.stderr.decode()
    assert finished.returncode == 1, errors
    assert f"line {line_number}" in errors
    assert "Traceback" not in errors
    assert len(errors.strip().splitlines()) == 1


@pytest.mark.parametrize("bad", BAD_LINES.values(), ids=BAD_LINES)
def test_a_line_that_is_none_ends_the_run_with_its_number(
    run: Run, definitions_file: WriteDefinitions, bad: str
) -> None:
    stdin = f"{GOOD}\n{GOOD}\n{bad}\n"

    finished = run("simulate", "-d", definitions_file(LATELY), "--until", LATER, "-", stdin=stdin)

    assert_refused(finished, line_number=3)


def test_lines_of_one_moment_are_in_order(simulate: Simulate) -> None:
    assert moves(simulate(LATELY, [x(T0), x(T0)], T0)) == ["ENTER lately"]


def test_a_definition_that_does_not_compile_is_refused(run: Run, definitions_file: WriteDefinitions) -> None:
    broken = audiences(broken="event('X').cuont() >= 1")

    finished = run("simulate", "-d", definitions_file(broken), "--until", LATER, "-")

    assert finished.returncode == 1
    assert b"Traceback" not in finished.stderr
    assert b"count" in finished.stderr


def test_definitions_in_a_circle_are_refused(run: Run, definitions_file: WriteDefinitions) -> None:
    circle = audiences(a="trait('b') = true", b="trait('a') = true")

    finished = run("simulate", "-d", definitions_file(circle), "--until", LATER, "-")

    assert finished.returncode == 1
    assert b"would create a cycle by referencing another audience" in finished.stderr


def test_two_definitions_of_one_key_are_refused(run: Run, definitions_file: WriteDefinitions) -> None:
    twice = {"audiences": [{"key": "a", "query": f"event('{name}').count() >= 1"} for name in "XY"]}

    finished = run("simulate", "-d", definitions_file(twice), "--until", LATER, "-")

    assert finished.returncode == 1
    assert b"Traceback" not in finished.stderr


@pytest.mark.parametrize("missing", ["--until", "-d"])
def test_usage_is_exit_code_2(run: Run, definitions_file: WriteDefinitions, missing: str) -> None:
    options = {"--until": LATER, "-d": definitions_file(LATELY)}
    del options[missing]

    finished = run("simulate", *(word for pair in options.items() for word in pair), "-")

    assert finished.returncode == 2


@pytest.mark.parametrize("arguments", [("-d", "nowhere.yaml", "-"), ("nowhere.ndjson",)])
def test_a_file_that_is_not_there(run: Run, definitions_file: WriteDefinitions, arguments: tuple[str, ...]) -> None:
    definitions = () if "-d" in arguments else ("-d", definitions_file(LATELY))

    finished = run("simulate", "--until", LATER, *definitions, *arguments)

    assert finished.returncode in {1, 2}
    assert b"nowhere" in finished.stderr
    assert b"Traceback" not in finished.stderr


def test_a_file_that_is_not_utf_8_is_a_mistake_of_its_line(
    run: Run, definitions_file: WriteDefinitions, tmp_path: Path
) -> None:
    """It has ended in a traceback, from a file and from standard input."""
    text = as_text([x(T0)]).encode() + b'{"at": "\xff"}\n'
    path = tmp_path / "events.ndjson"
    path.write_bytes(text)

    for events in (str(path), "-"):
        finished = run("simulate", "-d", definitions_file(LATELY), "--until", LATER, events, stdin=text)

        assert (finished.returncode, finished.stderr) == (1, b"line 2: not UTF-8\n")
