"""Audiences of audiences: one event brings the whole chain, in order, nothing twice; no chain bites its tail."""

from typing import Any

import pytest

from tests.acceptance.conftest import Simulate
from tests.acceptance.lines import (
    Line,
    audiences,
    definition,
    identify,
    of_topic,
    passthrough,
    refusals,
    seen,
    track,
)

pytestmark = pytest.mark.acceptance

NEVER = "2025-06-01T00:00:00Z"
BIG = audiences(
    big_spender="trait('total_revenue') > 1000", big_eu="trait('big_spender') = true AND trait('region') = 'EU'"
)


def revenue(at: str, amount: int, **traits: Any) -> Line:
    return identify(at, {"total_revenue": amount, **traits}, user="u1")


def test_p_35_one_event_brings_the_whole_chain(simulate: Simulate) -> None:
    lines = [
        revenue("2025-01-01T00:00:00Z", 1500, region="EU"),
        revenue("2025-01-02T00:00:00Z", 900),
    ]

    assert seen(simulate(BIG, lines, NEVER)) == [
        "ENTER big_spender [u1] @2025-01-01T00:00:00Z",
        "ENTER big_eu [u1] @2025-01-01T00:00:00Z",
        "EXIT big_spender [u1] @2025-01-02T00:00:00Z",
        "EXIT big_eu [u1] @2025-01-02T00:00:00Z",
    ]


def test_p_35_a_reference_back_is_refused_and_changes_nothing(simulate: Simulate) -> None:
    query = "trait('total_revenue') > 1000 OR trait('big_eu') = true"
    lines = [
        definition("2025-01-01T00:00:00Z", "big_spender", {"query": query}),
        revenue("2025-01-02T00:00:00Z", 1500),
    ]

    outputs = simulate(BIG, lines, NEVER)

    assert refusals(outputs) == ["invalid_definition"]
    (letter,) = of_topic(outputs, "dead-letters")
    message = "The audience would create a cycle by referencing another audience (big_spender -> big_eu -> big_spender)"
    assert letter["headers"]["__connect.errors.exception.message"].endswith(message)
    assert seen(outputs) == ["ENTER big_spender [u1] @2025-01-02T00:00:00Z"]


def test_p_35_a_passthrough_segment_starts_a_chain(simulate: Simulate) -> None:
    """A defined one by its key, another one by its own id; both in one evaluation with what follows from them."""
    definitions = {
        "audiences": [
            {"key": "vip", "definition": {"external": {"external_audience_id": "segment_1"}}},
            {"key": "a_vip_buyers", "query": "trait('vip') = true AND event('X').count() >= 1"},
            {"key": "b_loyal", "query": "trait('a_vip_buyers') = true AND trait('gold') = true"},
        ]
    }
    ids = {"user_id": "u1"}
    lines = [
        track("2025-01-01T00:00:00Z", "X", user="u1"),
        passthrough("2025-01-02T00:00:00Z", "qualify", "gold", ts=1, identifiers=ids),
        passthrough("2025-01-03T00:00:00Z", "qualify", "segment_1", ts=2, identifiers=ids),
        passthrough("2025-01-04T00:00:00Z", "disqualify", "segment_1", ts=3, identifiers=ids),
    ]

    assert seen(simulate(definitions, lines, NEVER)) == [
        "ENTER gold [u1] @2025-01-02T00:00:00Z",
        "ENTER vip [u1] @2025-01-03T00:00:00Z",
        "ENTER a_vip_buyers [u1] @2025-01-03T00:00:00Z",
        "ENTER b_loyal [u1] @2025-01-03T00:00:00Z",
        "EXIT vip [u1] @2025-01-04T00:00:00Z",
        "EXIT a_vip_buyers [u1] @2025-01-04T00:00:00Z",
        "EXIT b_loyal [u1] @2025-01-04T00:00:00Z",
    ]


def test_a_diamond_is_evaluated_once(simulate: Simulate) -> None:
    """Both sides change with the top: the bottom, which is false before and after, says nothing in between."""
    definitions = audiences(
        top="event('X').within(1 day).count() >= 1",
        left="trait('top') = true",
        right="trait('top') = false",
        bottom="trait('left') = true AND trait('right') = true",
    )
    lines = [identify("2025-01-01T00:00:00Z", {}, user="u1"), track("2025-01-02T00:00:00Z", "X", user="u1")]

    assert seen(simulate(definitions, lines, NEVER)) == [
        "ENTER right [u1] @2025-01-01T00:00:00Z",
        "ENTER top [u1] @2025-01-02T00:00:00Z",
        "ENTER left [u1] @2025-01-02T00:00:00Z",
        "EXIT right [u1] @2025-01-02T00:00:00Z",
        "EXIT top [u1] @2025-01-03T00:00:00Z",
        "EXIT left [u1] @2025-01-03T00:00:00Z",
        "ENTER right [u1] @2025-01-03T00:00:00Z",
    ]


# --- lint ----------------------------------------------------------------------------------------------------
def test_lint_finds_what_can_never_hold(run: Any, definitions_file: Any) -> None:
    path = definitions_file(audiences(a="trait('plan') = 'pro' AND trait('plan') = 'team'"))

    finished = run("lint", path)

    assert finished.returncode == 1
    assert b"definitions.json:1:" in finished.stderr
    assert b"audience 'a': trait('plan') = 'pro' AND trait('plan') = 'team' can never hold" in finished.stderr


def test_lint_warns_of_what_may_be_a_slip(run: Any, definitions_file: Any) -> None:
    """It may be a custom trait of that name: the definitions are good."""
    path = definitions_file(audiences(vip_buyers="event('X').count() > 1", b="trait('vip_buyer') = true"))

    finished = run("lint", path)

    assert finished.returncode == 0
    assert b"warning:" in finished.stderr
    assert b"did you mean 'vip_buyers'?" in finished.stderr
    assert b"2 definitions, no faults" in finished.stdout


def test_lint_counts_fifty_primary_expressions(run: Any, definitions_file: Any) -> None:
    def many(number: int) -> Any:
        return definitions_file(audiences(a=" AND ".join(f"trait('t{index}') = 1" for index in range(number))))

    assert run("lint", many(50)).returncode == 0
    finished = run("lint", many(51))
    assert finished.returncode == 1
    assert b"expected at most 50 comparisons outside 'where', found more" in finished.stderr
