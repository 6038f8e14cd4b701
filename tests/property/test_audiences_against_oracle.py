"""Random audiences over random logs: the engine's transitions are those of the oracle, to the millisecond."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st

from tests.property.audience_cases import (
    COUNTS_BETWEEN,
    DATED_LOGS,
    DATED_TRAITS,
    DYNAMIC_COUNTS,
    EPOCH,
    FILTERED_COUNTS,
    LOGS,
    PLAIN_COUNTS,
    TRAITS,
    Log,
    audience_sets,
    iso,
)
from tests.property.audience_oracle import Audience, Transition, transitions
from worker.audiences.language.parser import parse
from worker.cli.simulate import simulate_lines

pytestmark = pytest.mark.property


def engine_transitions(definitions: Mapping[str, Any], log: Log) -> list[Transition]:
    """What the simulation prints, as the oracle says it; also that they are numbered from 1 without a gap."""
    outputs = simulate_lines(json.dumps(definitions), log.lines, log.end_ms)
    values = [output["value"] for output in outputs if output["topic"] == "audience-changes"]
    numbers: dict[str, int] = {}
    for value in values:
        key = value["properties"]["audience_key"]
        numbers[key] = numbers.get(key, 0) + 1
        assert value["context"]["audience"]["transition"] == numbers[key]
    return [transition_of(value) for value in values]


def transition_of(value: Mapping[str, Any]) -> Transition:
    moment = datetime.fromisoformat(value["timestamp"])
    return Transition(
        key=value["properties"]["audience_key"],
        at_ms=(moment - EPOCH) // timedelta(milliseconds=1),
        entered=value["event"] == "Audience Entered",
        reason=value["context"]["audience"]["reason"],
    )


def assert_as_the_oracle_says(definitions: dict[str, Any], log: Log) -> None:
    """Per audience, in order: which of several audiences comes first at one moment is told by examples."""
    note(json.dumps(definitions, indent=1))
    note("\n".join(log.lines))
    audiences = {
        document["key"]: Audience(parse(document["query"]), include_anonymous=document["include_anonymous"])
        for document in definitions["audiences"]
    }

    expected = transitions(audiences, log.records, until_ms=log.end_ms)
    found = without_reasons_of(engine_transitions(definitions, log), expected)

    assert by_key(found) == by_key(expected)


def without_reasons_of(found: Sequence[Transition], expected: Sequence[Transition]) -> list[Transition]:
    """Without the reason where the oracle leaves it open."""
    left_open = {one for one in expected if one.reason is None}
    return [open_one if (open_one := one._replace(reason=None)) in left_open else one for one in found]


def by_key(found: Sequence[Transition]) -> dict[str, list[tuple[str, bool, str | None]]]:
    """Transitions of each audience, their times readable in a failure."""
    keys = sorted({one.key for one in found})
    return {key: [(iso(one.at_ms), one.entered, one.reason) for one in found if one.key == key] for key in keys}


THOROUGH = settings(max_examples=60, deadline=None)  # a run in a busy CI may take its time


@THOROUGH
@given(definitions=audience_sets(PLAIN_COUNTS), log=LOGS)
def test_counts_and_windows(definitions: dict[str, Any], log: Log) -> None:
    assert_as_the_oracle_says(definitions, log)


@THOROUGH
@given(definitions=audience_sets(FILTERED_COUNTS), log=LOGS)
def test_counts_of_filtered_events(definitions: dict[str, Any], log: Log) -> None:
    assert_as_the_oracle_says(definitions, log)


@THOROUGH
@given(definitions=audience_sets(TRAITS), log=LOGS)
def test_traits(definitions: dict[str, Any], log: Log) -> None:
    assert_as_the_oracle_says(definitions, log)


@THOROUGH
@given(definitions=audience_sets(DATED_TRAITS), log=DATED_LOGS)
def test_dates_move_with_the_clock(definitions: dict[str, Any], log: Log) -> None:
    assert_as_the_oracle_says(definitions, log)


@THOROUGH
@given(definitions=audience_sets(st.one_of(PLAIN_COUNTS, TRAITS), nested=True), log=LOGS)
def test_audiences_of_audiences(definitions: dict[str, Any], log: Log) -> None:
    assert_as_the_oracle_says(definitions, log)


@THOROUGH
@given(definitions=audience_sets(st.one_of(FILTERED_COUNTS, TRAITS), nested=True), log=LOGS)
def test_everything_together(definitions: dict[str, Any], log: Log) -> None:
    assert_as_the_oracle_says(definitions, log)


@THOROUGH
@given(definitions=audience_sets(COUNTS_BETWEEN), log=LOGS)
def test_counts_between(definitions: dict[str, Any], log: Log) -> None:
    assert_as_the_oracle_says(definitions, log)


@THOROUGH
@given(definitions=audience_sets(DYNAMIC_COUNTS), log=LOGS)
def test_properties_compared_with_the_traits_of_now(definitions: dict[str, Any], log: Log) -> None:
    assert_as_the_oracle_says(definitions, log)
