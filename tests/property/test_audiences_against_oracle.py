"""Random definitions over random logs: the engine's changes are those of the oracle, in order, to the millisecond.

A family of tests for each part of the language.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import assume, given, note, reject, settings
from hypothesis import strategies as st

from tests.acceptance.moments import iso, ms
from tests.property.audience_comparisons import Feature, Features
from tests.property.audience_definitions import as_the_oracle_reads, definition_sets
from tests.property.audience_logs import Log, logs
from tests.property.audience_oracle import AmbiguousError, TraitChange, Transition, changes
from tests.property.audience_oracle_values import as_json
from worker.cli.simulate import simulate_lines

pytestmark = pytest.mark.property

Change = Transition | TraitChange
F = Feature

ALL = frozenset(Feature)


def family(**cases: set[Feature]) -> pytest.MarkDecorator:
    """Parameters of a test: the features of which its definitions are made, by name."""
    parameters = [pytest.param(frozenset(features), id=name) for name, features in cases.items()]
    return pytest.mark.parametrize("features", parameters)


def compare_engine_and_oracle(features: Features) -> None:
    """Over definitions made of these features, and logs that they look at."""

    @settings(deadline=None, report_multiple_bugs=False)  # a run in a busy CI may take its time
    @given(documents=definition_sets(features), log=logs(features))
    def engine_and_oracle_agree(documents: dict[str, Any], log: Log) -> None:
        assert_agreement(documents, log, oracle_changes(documents, log))

    engine_and_oracle_agree()


def assert_agreement(documents: Mapping[str, Any], log: Log, expected: Sequence[Change]) -> None:
    note(json.dumps(documents, indent=1))
    note("\n".join(log.lines))
    found = engine_changes(documents, log)

    assert readable(found, expected) == readable(expected, expected)


def oracle_changes(documents: Mapping[str, Any], log: Log) -> list[Change]:
    try:
        return changes(as_the_oracle_reads(documents), log.records, until_ms=log.end_ms)
    except AmbiguousError:
        reject()


# --- The engine's answer ----------------------------------------------------------------------------------------


def engine_changes(documents: Mapping[str, Any], log: Log) -> list[Change]:
    """What the simulation prints, as the oracle says it; also that transitions are numbered from 1 without a gap."""
    numbers: dict[str, int] = {}
    found: list[Change] = []
    for output in simulate_lines(json.dumps(documents), log.lines, log.end_ms):
        value = output["value"]
        match output["topic"]:
            case "audience-changes":
                transition = transition_of(value)
                numbers[transition.key] = numbers.get(transition.key, 0) + 1
                assert value["context"]["audience"]["transition"] == numbers[transition.key]
                found.append(transition)
            case "trait-changes":
                found.append(trait_change_of(value))
            case "dead-letters":
                raise AssertionError(output)
    return found


def transition_of(value: Mapping[str, Any]) -> Transition:
    return Transition(
        key=value["properties"]["audience_key"],
        at_ms=ms(value["timestamp"]),
        entered=value["event"] == "Audience Entered",
        reason=value["context"]["audience"]["reason"],
    )


def trait_change_of(value: Mapping[str, Any]) -> TraitChange:
    key = value["properties"]["trait_key"]
    return TraitChange(key, ms(value["timestamp"]), value["properties"][key])


def readable(some: Sequence[Change], expected: Sequence[Change]) -> list[str]:
    """One line each; without the reason where the oracle leaves it open."""
    left_open = {one for one in expected if isinstance(one, Transition) and one.reason is None}
    return [text_of(one, left_open) for one in some]


def text_of(change: Change, left_open: set[Transition]) -> str:
    if isinstance(change, TraitChange):
        return f"{iso(change.at_ms)} {change.key} = {as_json(change.value)}"
    reason = "either" if change._replace(reason=None) in left_open else change.reason
    into = "" if change.merged_into is None else f" into {change.merged_into}"
    return f"{iso(change.at_ms)} {'enter' if change.entered else 'exit'} {change.key} ({reason}{into})"


# --- The families -----------------------------------------------------------------------------------------------


@family(
    plain={F.COUNTS},
    within={F.COUNTS, F.WITHIN},
    filtered={F.COUNTS, F.WITHIN, F.WHERE},
    context={F.COUNTS, F.WITHIN, F.WHERE, F.CONTEXT},
    sources={F.COUNTS, F.WITHIN, F.WHERE, F.SOURCES},
)
def test_counts(features: Features) -> None:
    compare_engine_and_oracle(features)


@family(values={F.TRAITS}, moving_dates={F.DATES}, both={F.TRAITS, F.DATES})
def test_traits(features: Features) -> None:
    compare_engine_and_oracle(features)


@family(
    alone={F.COUNTS, F.BETWEEN},
    with_within={F.COUNTS, F.WITHIN, F.BETWEEN, F.WHERE},
)
def test_between(features: Features) -> None:
    compare_engine_and_oracle(features)


@family(
    alone={F.COUNTS, F.SESSIONS},
    with_windows={F.COUNTS, F.SESSIONS, F.WITHIN, F.WHERE},
    traits={F.COUNTS, F.SESSIONS, F.WHERE, F.REDUCERS, F.COMPUTED_TRAITS},
)
def test_sessions(features: Features) -> None:
    compare_engine_and_oracle(features)


@family(
    plain={F.COUNTS, F.REDUCERS},
    within={F.COUNTS, F.REDUCERS, F.WITHIN, F.WHERE},
    between={F.COUNTS, F.REDUCERS, F.BETWEEN},
    dates={F.COUNTS, F.REDUCERS, F.WITHIN, F.DATES},
    traits={F.COUNTS, F.REDUCERS, F.WITHIN, F.WHERE, F.COMPUTED_TRAITS},
)
def test_reducers(features: Features) -> None:
    compare_engine_and_oracle(features)


FUNNELS = {F.COUNTS, F.WITHIN, F.WHERE, F.FUNNELS}


@family(
    counted=FUNNELS,
    with_windows={*FUNNELS, F.BETWEEN, F.SESSIONS},
    distinct={*FUNNELS, F.REDUCERS},
    reduced={*FUNNELS, F.REDUCERS, F.REDUCED_FUNNELS},
    traits={*FUNNELS, F.REDUCERS, F.REDUCED_FUNNELS, F.COMPUTED_TRAITS},
)
def test_funnels(features: Features) -> None:
    compare_engine_and_oracle(features)


@family(
    traits={F.COUNTS, F.WITHIN, F.WHERE, F.TRAITS, F.REFERENCES},
    moving_dates={F.COUNTS, F.WITHIN, F.WHERE, F.MOVING_PROPERTIES},
    reduced={F.COUNTS, F.WITHIN, F.WHERE, F.TRAITS, F.REDUCERS, F.REFERENCES},
    in_funnels={*FUNNELS, F.TRAITS, F.REFERENCES, F.MOVING_PROPERTIES},
)
def test_dynamic_references(features: Features) -> None:
    compare_engine_and_oracle(features)


@family(
    audiences={F.COUNTS, F.WITHIN, F.TRAITS, F.DATES, F.CHAINS},
    passthrough={F.COUNTS, F.WITHIN, F.TRAITS, F.CHAINS, F.PASSTHROUGH},
    computed={F.COUNTS, F.WITHIN, F.TRAITS, F.CHAINS, F.REDUCERS, F.COMPUTED_TRAITS},
    computed_from_traits={F.COUNTS, F.WHERE, F.TRAITS, F.CHAINS, F.REDUCERS, F.COMPUTED_TRAITS, F.REFERENCES},
)
def test_chains(features: Features) -> None:
    compare_engine_and_oracle(features)


@family(language=set(ALL))
def test_everything_together(features: Features) -> None:
    compare_engine_and_oracle(features)


@settings(deadline=None, max_examples=50)
@given(documents=definition_sets(ALL), log=logs(ALL), data=st.data())
def test_a_run_may_end_at_any_change_or_a_millisecond_beside_it(
    documents: dict[str, Any], log: Log, data: st.DataObject
) -> None:
    """What is due then has happened, what is due a millisecond later has not."""
    all_changes = oracle_changes(documents, log)
    assume(all_changes)
    change = data.draw(st.sampled_from(all_changes))
    shorter = log.until(change.at_ms + data.draw(st.sampled_from([0, -1, 1])))

    assert_agreement(documents, shorter, oracle_changes(documents, shorter))
