"""Random rules over random events: whose each event is, what merges, and who is a member, as the oracle says.

The engine draws profile ids, so profiles are named on both sides by the first event that resolved to them.
"""

import itertools
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, note, settings

from tests.property.identity_cases import (
    CAPPED_CASES,
    CAPPED_LINKED_CASES,
    CASES,
    CHANGED_CASES,
    COUNTS,
    EDGE_CASES,
    LATE_CASES,
    LINKED_CASES,
    SLIDING_CASES,
    STRANGERS,
    Case,
    iso,
    settings_of,
)
from tests.property.identity_oracle import NO_CAPS_NEAR, Caps, Outcome, outcomes
from tests.property.identity_oracle_memberships import Count, Transition, transitions
from tests.property.identity_oracle_values import Identifier
from worker.cli.assembly import Options
from worker.cli.simulate import simulate_lines
from worker.identity.rules import Caps as IdentityCaps

pytestmark = pytest.mark.property

Output = Mapping[str, Any]


@dataclass(frozen=True)
class Seen:
    """What the simulation printed for one event. ``changes``: audience changes, in order."""

    profile: int | None
    refusals: Sequence[str]
    merged: frozenset[tuple[int, int]]
    violations: Sequence[str]
    promoted: frozenset[Identifier]
    changes: Sequence[Transition]


@dataclass
class Reader:
    """Reads outputs event by event; learns which profile was first met with which event."""

    names: dict[str, int] = field(default_factory=dict)

    def read(self, number: int, outputs: Sequence[Output]) -> Seen:
        resolved = [output for output in outputs if output["topic"] == "resolved-events"]
        for output in resolved:
            self.names.setdefault(output["value"]["profile_id"], number)
            assert output["key"] == output["value"]["profile_id"]
        values = [output["value"] for output in resolved]
        return Seen(
            profile=self.names[values[0]["profile_id"]] if values else None,
            refusals=[output["headers"]["reason"] for output in outputs if output["topic"] == "dead-letters"],
            merged=frozenset(self._merge(output) for output in outputs if output["topic"] == "profile-merges"),
            violations=[kind for value in values for kind in violation_kinds(value)],
            promoted=frozenset(one for value in values for one in identifiers_of(value["external_ids"])),
            changes=[self._transition(output) for output in outputs if output["topic"] == "audience-changes"],
        )

    def _merge(self, output: Output) -> tuple[int, int]:
        value = output["value"]
        assert output["key"] == value["child"]
        assert value["at"] == output["at"]
        return self.names[value["child"]], self.names[value["parent"]]

    def _transition(self, output: Output) -> Transition:
        value = output["value"]
        about = value["context"]["audience"]
        assert output["key"] == about["profile_id"]
        assert value["timestamp"] == output["at"]
        merged_into = about["merged_into"]
        return Transition(
            profile=self.names[about["profile_id"]],
            key=value["properties"]["audience_key"],
            number=about["transition"],
            entered=value["event"] == "Audience Entered",
            reason=about["reason"],
            merged_into=None if merged_into is None else self.names[merged_into],
            identifiers=identifiers_of(value["context"]["externalIds"]),
        )


def identifiers_of(external_ids: Sequence[Mapping[str, Any]]) -> frozenset[Identifier]:
    return frozenset(Identifier(one["type"], one["id"]) for one in external_ids)


def violation_kinds(resolved: Mapping[str, Any]) -> list[str]:
    violations = resolved.get("context", {}).get("identity", {}).get("violations", [])
    return sorted(in_words(violation["violation"]) for violation in violations)


def in_words(kind: str) -> str:
    """Segment's name of a violation, whether it is written as words or as an identifier."""
    return re.sub(r"[^a-z]+", " ", kind.lower())


def told(case: Case, audiences: Mapping[str, Count]) -> list[Seen]:
    """What the simulation prints, event by event; nothing comes at any other time."""
    definitions = {
        "identity": settings_of(case.rules),
        "audiences": [
            {"key": key, "query": count.query, "include_anonymous": count.include_anonymous}
            for key, count in audiences.items()
        ],
    }
    lines = case.lines()
    note(json.dumps(definitions, indent=1))
    note("\n".join(lines))
    note(str(case.caps))
    outputs = list(simulate_lines(json.dumps(definitions), lines, case.end_ms, options=options_of(case.caps)))
    moments = [iso(event.at_ms) for event in case.events]
    assert {output["at"] for output in outputs} <= set(moments)
    reader = Reader()
    return [
        reader.read(number, [output for output in outputs if output["at"] == moment])
        for number, moment in enumerate(moments)
    ]


def options_of(caps: Caps) -> Options:
    if caps == NO_CAPS_NEAR:
        return Options()
    return Options(identity_caps=IdentityCaps(caps.merges, caps.mappings))


def assert_as_the_oracle_says(case: Case, audiences: Mapping[str, Count] | None = None) -> None:
    expected = outcomes(case.rules, case.log, case.caps)
    note("\n".join(f"{number}: {in_short(outcome)}" for number, outcome in enumerate(expected)))
    found = told(case, audiences or {})

    assert [one.profile for one in found] == [outcome.profile for outcome in expected]
    assert [one.refusals for one in found] == [
        ["no_matching_identifiers"] if outcome.profile is None else [] for outcome in expected
    ]
    assert [one.merged for one in found] == [outcome.merged for outcome in expected]
    for number, (one, outcome) in enumerate(zip(found, expected, strict=True)):
        assert_violations(number, one, outcome)
        assert_promoted(number, one, outcome)
    assert_changes(found, transitions(audiences or {}, [event.call for event in case.events], expected))


def in_short(outcome: Outcome) -> str:
    kinds = [" or ".join(sorted(kinds)) for kinds in outcome.violations]
    merged = [f"{child} into {parent}" for child, parent in sorted(outcome.merged)]
    return "; ".join([f"profile {outcome.profile}", *merged, *kinds])


def assert_violations(number: int, one: Seen, outcome: Outcome) -> None:
    """An event that is refused has none that could be seen."""
    if outcome.profile is None:
        return
    choices = itertools.product(*(sorted(kinds) for kinds in outcome.violations))
    right = {tuple(sorted(in_words(kind) for kind in choice)) for choice in choices}
    assert tuple(one.violations) in right, f"event {number}"


def assert_promoted(number: int, one: Seen, outcome: Outcome) -> None:
    """What the event says of itself: all that it gave to its profile, and nothing that the profile has not."""
    if outcome.profile is None:
        return
    held = set(outcome.resolved().identifiers)
    assert held & set(outcome.kept) <= one.promoted <= held, f"event {number}"


def assert_changes(found: Sequence[Seen], expected: Sequence[tuple[list[Transition], list[Transition]]]) -> None:
    """First the exits of the merged-away, which of several children first being open; then the profile's, by key."""
    for number, (one, (exits, changes)) in enumerate(zip(found, expected, strict=True)):
        assert sorted(one.changes[: len(exits)]) == sorted(exits), f"event {number}"
        assert list(one.changes[len(exits) :]) == changes, f"event {number}"


THOROUGH = settings(max_examples=100, deadline=None)  # a run in a busy CI may take its time


@settings(THOROUGH, max_examples=60)
@given(case=STRANGERS, audiences=COUNTS)
def test_strangers_who_share_nothing(case: Case, audiences: dict[str, Count]) -> None:
    """Where there is nothing to decide: every event goes to the person that it names."""
    assert_as_the_oracle_says(case, audiences)


@THOROUGH
@given(case=CASES)
def test_limits_and_merges(case: Case) -> None:
    assert_as_the_oracle_says(case)


@THOROUGH
@given(case=LINKED_CASES)
def test_merges_of_the_merged(case: Case) -> None:
    """With no limit near, profiles merge into profiles that merge in their turn."""
    assert_as_the_oracle_says(case)


@THOROUGH
@given(case=SLIDING_CASES)
def test_limits_of_a_sliding_period(case: Case) -> None:
    assert_as_the_oracle_says(case)


@THOROUGH
@given(case=EDGE_CASES)
def test_edges_of_a_sliding_period(case: Case) -> None:
    assert_as_the_oracle_says(case)


@THOROUGH
@given(case=LATE_CASES)
def test_limits_seen_from_a_late_event(case: Case) -> None:
    assert_as_the_oracle_says(case)


@THOROUGH
@given(case=CAPPED_CASES)
def test_caps(case: Case) -> None:
    assert_as_the_oracle_says(case)


@THOROUGH
@given(case=CAPPED_LINKED_CASES)
def test_caps_on_merges_of_the_merged(case: Case) -> None:
    assert_as_the_oracle_says(case)


@THOROUGH
@given(case=CHANGED_CASES)
def test_rules_that_change(case: Case) -> None:
    """What the old rules made stays; the new ones only refuse additions."""
    assert_as_the_oracle_says(case)


@THOROUGH
@given(case=CASES | LINKED_CASES, audiences=COUNTS)
def test_memberships_of_merged_profiles(case: Case, audiences: dict[str, Count]) -> None:
    """A merged profile is in what it would be in if all events had been its own; nothing flaps on the way."""
    assert_as_the_oracle_says(case, audiences)
