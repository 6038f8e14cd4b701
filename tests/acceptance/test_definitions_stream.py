"""Definitions that change while events come: created, edited, deleted, wrong."""

from typing import Any

import pytest

from tests.acceptance.conftest import Simulate
from tests.acceptance.lines import (
    Line,
    Output,
    changes,
    definition,
    identify,
    line,
    moves,
    refusals,
    seen,
    track,
)

pytestmark = pytest.mark.acceptance

EMPTY: dict[str, Any] = {"audiences": []}
LATER = "2025-02-01T00:00:00Z"


def at(day: int) -> str:
    return f"2025-01-{day:02}T00:00:00Z"


def buyers(day: int, least: int) -> Line:
    return definition(at(day), "buyers", {"query": f"event('Bought').count() >= {least}"})


def bought(day: int, user: str = "u1") -> Line:
    return track(at(day), "Bought", user=user)


def facts(outputs: list[Output], name: str) -> list[Any]:
    return [change["value"]["context"]["audience"][name] for change in changes(outputs)]


def test_creation_tells_the_members(simulate: Simulate) -> None:
    lines = [bought(1, "u1"), bought(2, "u2"), identify(at(3), {}, user="u3"), buyers(4, least=1)]

    outputs = simulate(EMPTY, lines, LATER)

    assert sorted(seen(outputs)) == [f"ENTER buyers [{user}] @2025-01-04T00:00:00Z" for user in ("u1", "u2")]
    assert facts(outputs, "reason") == ["definition", "definition"]
    assert facts(outputs, "transition") == [1, 1]


def test_an_edit_re_evaluates_its_members_under_the_next_revision(simulate: Simulate) -> None:
    lines = [buyers(1, least=1), bought(2), buyers(3, least=2), bought(4)]

    outputs = simulate(EMPTY, lines, LATER)

    assert seen(outputs) == [
        "ENTER buyers [u1] @2025-01-02T00:00:00Z",
        "EXIT buyers [u1] @2025-01-03T00:00:00Z",
        "ENTER buyers [u1] @2025-01-04T00:00:00Z",
    ]
    assert facts(outputs, "reason") == ["event", "definition", "event"]
    assert facts(outputs, "transition") == [1, 2, 3]
    first = facts(outputs, "revision")[0]
    assert facts(outputs, "revision") == [first, first + 1, first + 1]


def test_an_edit_that_changes_no_membership_says_nothing(simulate: Simulate) -> None:
    renamed = definition(at(3), "buyers", {"query": "event('Bought').count() >= 1", "name": "Those who bought"})

    assert moves(simulate(EMPTY, [buyers(1, least=1), bought(2), renamed], LATER)) == ["ENTER buyers"]


def test_an_edit_reaches_the_audiences_made_of_it(simulate: Simulate) -> None:
    made_of_it = definition(at(1), "a_friend", {"query": "trait('buyers') = true"})
    lines = [buyers(1, least=1), made_of_it, bought(2), buyers(3, least=2)]

    outputs = simulate(EMPTY, lines, LATER)

    assert moves(outputs) == ["ENTER buyers", "ENTER a_friend", "EXIT buyers", "EXIT a_friend"]
    assert facts(outputs, "reason")[2:] == ["definition", "definition"]


def test_a_deletion_is_an_exit_for_every_member(simulate: Simulate) -> None:
    lines = [buyers(1, least=1), bought(2), definition(at(3), "buyers", None), bought(4, "u2")]

    outputs = simulate(EMPTY, lines, LATER)

    assert seen(outputs) == [
        "ENTER buyers [u1] @2025-01-02T00:00:00Z",
        "EXIT buyers [u1] @2025-01-03T00:00:00Z",
    ]
    assert facts(outputs, "reason") == ["event", "definition"]


def test_a_key_used_again_goes_on_counting(simulate: Simulate) -> None:
    """Transitions and revisions of a key never start again: its readers compare them."""
    lines = [buyers(1, least=1), bought(2), definition(at(3), "buyers", None), buyers(4, least=1)]

    outputs = simulate(EMPTY, lines, LATER)

    assert moves(outputs) == ["ENTER buyers", "EXIT buyers", "ENTER buyers"]
    assert facts(outputs, "transition") == [1, 2, 3]
    assert facts(outputs, "revision") == [1, 1, 2], "a deletion is no revision"


def test_a_key_that_was_deleted_before_it_was_used_begins_at_one(simulate: Simulate) -> None:
    outputs = simulate(EMPTY, [definition(at(1), "buyers", None), buyers(2, least=1), bought(3)], LATER)

    assert facts(outputs, "revision") == [1]


def test_deleting_what_was_never_defined_says_nothing(simulate: Simulate) -> None:
    assert simulate(EMPTY, [definition(at(1), "nobody", None)], LATER) == []


WRONG = {
    "unknown_function": {"query": "event('Bought').cuont() >= 1"},
    "no_boolean": {"query": "event('Bought').count()"},
    "no_query": {"name": "Buyers"},
    "unknown_field": {"query": "event('Bought').count() >= 3", "hystory": True},
    "a_circle": {"query": "trait('buyers') = true"},
    "another_key": {"key": "sellers", "query": "event('Bought').count() >= 3"},
}


@pytest.mark.parametrize("document", WRONG.values(), ids=WRONG)
def test_what_does_not_compile_is_refused_and_the_last_good_one_stays(
    simulate: Simulate, document: dict[str, Any]
) -> None:
    lines = [buyers(1, least=1), definition(at(2), "buyers", document), bought(3)]

    outputs = simulate(EMPTY, lines, LATER)

    assert refusals(outputs) == ["invalid_definition"]
    assert seen(outputs) == ["ENTER buyers [u1] @2025-01-03T00:00:00Z"]


def test_a_circle_closed_by_an_edit_is_refused(simulate: Simulate) -> None:
    lines = [
        definition(at(1), "first", {"query": "trait('plan') = 'pro'"}),
        definition(at(1), "second", {"query": "trait('first') = true"}),
        definition(at(2), "first", {"query": "trait('second') = true"}),
        identify(at(3), {"plan": "pro"}, user="u1"),
    ]

    outputs = simulate(EMPTY, lines, LATER)

    assert refusals(outputs) == ["invalid_definition"]
    assert moves(outputs) == ["ENTER first", "ENTER second"]


def test_a_record_without_a_key_is_refused(simulate: Simulate) -> None:
    document = {"key": "buyers", "query": "event('Bought').count() >= 1"}

    outputs = simulate(EMPTY, [line(at(1), document, topic="definitions")], LATER)

    assert refusals(outputs) == ["invalid_definition"]


def test_definitions_from_the_file_can_be_edited(simulate: Simulate) -> None:
    definitions = {"audiences": [{"key": "buyers", "query": "event('Bought').count() >= 1"}]}

    outputs = simulate(definitions, [bought(1), buyers(2, least=2)], LATER)

    assert moves(outputs) == ["ENTER buyers", "EXIT buyers"]
    before, since = facts(outputs, "revision")
    assert since == before + 1
