"""Random definitions over random logs of several people who turn out to be one: the engine's changes are the oracle's.

In order of each profile, to the millisecond; and who is merged away is told before who takes it in. A family of tests
for each part of the language, as without merges.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, note, reject, settings

from tests.property.audience_comparisons import Feature, Features
from tests.property.audience_definitions import as_the_oracle_reads, definition_sets
from tests.property.audience_logs import SOMEBODY, Log, logs
from tests.property.audience_oracle import AmbiguousError
from tests.property.audience_oracle_merges import Fates, fates
from tests.property.test_audiences_against_oracle import (
    ALL,
    FUNNELS,
    Change,
    family,
    readable,
    trait_change_of,
    transition_of,
)
from worker.cli.simulate import simulate_lines

pytestmark = pytest.mark.property

F = Feature

NO_LIMITS = {"identifiers": [{"type": kind, "limit": 20} for kind in ("user_id", "customer_id", "anonymous_id")]}
"""However many values a profile has, nothing keeps two apart: whose an event is, is not the matter here."""


def compare_engine_and_oracle(features: Features) -> None:
    """Over definitions made of these features, and logs that they look at."""

    @settings(deadline=None, report_multiple_bugs=False)  # a run in a busy CI may take its time
    @given(documents=definition_sets(features), log=logs(features, SOMEBODY))
    def engine_and_oracle_agree(documents: dict[str, Any], log: Log) -> None:
        assert_agreement({**documents, "identity": NO_LIMITS}, log)

    engine_and_oracle_agree()


def assert_agreement(documents: Mapping[str, Any], log: Log) -> None:
    note(json.dumps(documents, indent=1))
    note("\n".join(log.lines))
    expected = oracle_fates(documents, log)
    found = engine_fates(documents, log)

    assert found.resolved == expected.resolved
    for name, changes in expected.changes.items():
        assert readable(found.changes[name], changes) == readable(changes, changes), f"profile {name}"


def oracle_fates(documents: Mapping[str, Any], log: Log) -> Fates:
    try:
        return fates(as_the_oracle_reads(documents), log.records, until_ms=log.end_ms)
    except AmbiguousError:
        reject()


# --- The engine's answer ----------------------------------------------------------------------------------------


def engine_fates(documents: Mapping[str, Any], log: Log) -> Fates:
    """What the simulation prints, profile by profile, each named by the record that created it."""
    outputs = list(simulate_lines(json.dumps(documents), log.lines, log.end_ms))
    assert not [output for output in outputs if output["topic"] == "dead-letters"]
    profiles = [output["key"] for output in outputs if output["topic"] == "resolved-events"]
    names = {profile: number for number, profile in reversed(list(enumerate(profiles)))}
    assert_numbered_and_in_order([output["value"] for output in outputs if output["topic"] == "audience-changes"])
    changes: dict[int, list[Change]] = {name: [] for name in names.values()}
    for output in outputs:
        if output["topic"] == "audience-changes":
            into = output["value"]["context"]["audience"]["merged_into"]
            transition = transition_of(output["value"])
            changes[names[output["key"]]].append(transition._replace(merged_into=names.get(into)))
        elif output["topic"] == "trait-changes":
            changes[names[output["key"]]].append(trait_change_of(output["value"]))
    return Fates([names[profile] for profile in profiles], changes)


def assert_numbered_and_in_order(values: Sequence[Mapping[str, Any]]) -> None:
    """From 1 without a gap; of one merge the exits first, which name nobody any more."""
    numbers: dict[tuple[str, str], int] = {}
    judged: set[tuple[str, str]] = set()
    for value in values:
        about, key = value["context"]["audience"], value["properties"]["audience_key"]
        place = about["profile_id"], key
        numbers[place] = numbers.get(place, 0) + 1
        assert about["transition"] == numbers[place]
        if about["merged_into"] is not None:
            assert (about["merged_into"], about["caused_by"]) not in judged
            assert (value["userId"], value["context"]["externalIds"]) == (None, [])
        elif about["reason"] == "merge":
            judged.add((about["profile_id"], about["caused_by"]))


# --- The families -----------------------------------------------------------------------------------------------


@family(
    plain={F.COUNTS},
    within={F.COUNTS, F.WITHIN, F.WHERE, F.CONTEXT, F.SOURCES},
    between={F.COUNTS, F.WITHIN, F.BETWEEN, F.WHERE},
    sessions={F.COUNTS, F.SESSIONS, F.WITHIN, F.WHERE},
)
def test_counts(features: Features) -> None:
    compare_engine_and_oracle(features)


@family(
    values={F.TRAITS},
    moving_dates={F.TRAITS, F.DATES},
    references={F.COUNTS, F.WITHIN, F.WHERE, F.TRAITS, F.REFERENCES},
    moving_properties={F.COUNTS, F.WITHIN, F.WHERE, F.MOVING_PROPERTIES},
)
def test_traits(features: Features) -> None:
    compare_engine_and_oracle(features)


@family(
    plain={F.COUNTS, F.REDUCERS, F.COMPUTED_TRAITS},
    windows={F.COUNTS, F.REDUCERS, F.WITHIN, F.BETWEEN, F.WHERE},
    sessions={F.COUNTS, F.SESSIONS, F.WHERE, F.REDUCERS, F.COMPUTED_TRAITS},
    dates={F.COUNTS, F.REDUCERS, F.WITHIN, F.DATES},
)
def test_reducers(features: Features) -> None:
    compare_engine_and_oracle(features)


@family(
    counted=FUNNELS,
    with_windows={*FUNNELS, F.BETWEEN, F.SESSIONS},
    reduced={*FUNNELS, F.REDUCERS, F.REDUCED_FUNNELS, F.COMPUTED_TRAITS},
    with_references={*FUNNELS, F.TRAITS, F.REFERENCES, F.MOVING_PROPERTIES},
)
def test_funnels(features: Features) -> None:
    compare_engine_and_oracle(features)


@family(
    audiences={F.COUNTS, F.WITHIN, F.TRAITS, F.DATES, F.CHAINS},
    passthrough={F.COUNTS, F.WITHIN, F.TRAITS, F.CHAINS, F.PASSTHROUGH},
    computed={F.COUNTS, F.WHERE, F.TRAITS, F.CHAINS, F.REDUCERS, F.COMPUTED_TRAITS, F.REFERENCES},
)
def test_chains(features: Features) -> None:
    compare_engine_and_oracle(features)


@family(language=set(ALL))
def test_everything_together(features: Features) -> None:
    compare_engine_and_oracle(features)
