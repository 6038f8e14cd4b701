"""Every comparator on traits, properties and counts: values of every kind, absent ones, and case.

One simulation answers each table: one audience a question, one profile whose traits and event are below.
"""

from typing import Any

import pytest

from tests.acceptance.conftest import Simulate
from tests.acceptance.lines import audiences, changes, identify, moves, seen, track
from tests.acceptance.moments import DAY, after, iso, ms

pytestmark = pytest.mark.acceptance

NOW = "2025-01-10T12:00:00Z"

VALUES: dict[str, Any] = {
    "five": 5,
    "half": 2.5,
    "minus": -3,
    "five_text": "5",
    "ten_text": "10",
    "word": "Apple pie",
    "empty": "",
    "yes": True,
    "no": False,
    "nothing": None,
    "list": ["red", "green"],
    "numbers": [1, 20],
    "deep": {"city": "Paris", "geo": {"lat": 48.8}},
    "dotted.name": "dot",
    "items": [{"price": 5}, {"price": 50}],
}

# {} is the value: trait('five') or property('five')
ANSWERS: dict[str, bool] = {
    # equals, differs
    "{five} = 5": True,
    "{five} == 5.0": True,
    "{five}.equals(5)": True,
    "{five} = '5'": True,
    "{five} = '5.0'": True,
    "{five_text} = 5": True,
    "{five_text} = '5'": True,
    "{five_text} = '5.0'": False,
    "{five} = 6": False,
    "{five} = 'five'": False,
    "{word} = 'Apple pie'": True,
    "{word} = 'apple pie'": False,
    "{word} = 5": False,
    "{word} != 'apple pie'": True,
    "{word} != 5": True,
    "{word}.differs('Apple pie')": False,
    "{five} != 5": False,
    "{five} != '5.0'": False,
    "{five} != 6": True,
    "{half} = 2.5": True,
    "{empty} = ''": True,
    "{yes} = true": True,
    "{yes} = 'true'": True,
    "{yes} = false": False,
    "{yes} != false": True,
    "{no} = false": True,
    "{no} = 'false'": True,
    '{list} = \'["red","green"]\'': True,
    "{list} = 'red'": False,
    # of what is not there
    "{missing} = 'x'": False,
    "{missing} != 'x'": False,
    "{nothing} = 'x'": False,
    "{nothing} != 'x'": False,
    "NOT ({missing} = 'x')": True,
    "NOT {missing} = 'x'": True,
    "{missing} != 'x' OR {missing}.absent()": True,
    "{missing}.absent()": True,
    "{missing}.exists()": False,
    "{nothing}.absent()": True,
    "{nothing}.exists()": False,
    "{empty}.exists()": True,
    "{empty}.absent()": False,
    "{no}.exists()": True,
    "{missing} > 0": False,
    "{missing} <= 0": False,
    "{missing}.contains('x')": False,
    "{missing}.omits('x')": True,
    "{nothing}.omits('x')": True,
    "{missing}.starts_with('x')": False,
    "{missing}.ends_with('x')": False,
    "{missing}.one_of('x', 'y')": False,
    "{missing}.none_of('x', 'y')": False,
    "NOT {missing}.one_of('x', 'y')": True,
    # orderings
    "{five} > 4": True,
    "{five} > 5": False,
    "{five} >= 5": True,
    "{five} < 5": False,
    "{five} <= 5": True,
    "{five} < 5.01": True,
    "{minus} < 0": True,
    "{minus}.greater_than(-4)": True,
    "{five}.at_least(5)": True,
    "{five}.less_than(6)": True,
    "{five}.at_most(4)": False,
    "{five_text} > 4": True,
    "{ten_text} > 9": True,
    "{ten_text} > '9'": False,
    "{five} < '10'": True,
    "{word} > 4": False,
    "{word} < 4": False,
    "{five} > 'four'": False,
    "{five} < 'four'": False,
    "{word} > 'Aardvark'": True,
    "{word} < 'Banana'": True,
    "{word} >= 'Apple pie'": True,
    "{empty} > 0": False,
    "{empty} <= 0": False,
    # text
    "{word}.contains('ple p')": True,
    "{word}.contains('PLE')": False,
    "{word}.contains('x', 'pie')": True,
    "{word}.contains('x', 'y')": False,
    "{word}.omits('pie')": False,
    "{word}.omits('x')": True,
    "{word}.starts_with('Apple')": True,
    "{word}.starts_with('apple')": False,
    "{word}.starts_with('pie')": False,
    "{word}.ends_with('pie')": True,
    "{word}.ends_with('Apple')": False,
    "{word}.one_of('x', 'Apple pie')": True,
    "{word}.one_of('x', 'apple pie')": False,
    "{word}.none_of('x', 'y')": True,
    "{word}.none_of('x', 'Apple pie')": False,
    "{five}.one_of(4, 5)": True,
    "{five}.one_of('4', '5')": True,
    "{five}.none_of(4, 5)": False,
    # paths
    "{deep.city} = 'Paris'": True,
    "{deep.geo.lat} > 48": True,
    "{deep.street}.absent()": True,
    "{deep.city.street}.absent()": True,
    "{Deep.city}.absent()": True,
    # arrays
    "{list}.contains('green')": True,
    "{list}.omits('green')": False,
    "{list.$} = 'green'": True,
    "{list.$} = 'blue'": False,
    "{list.$}.omits('green')": False,
    "{list.$}.omits('blue')": True,
    "{numbers.$} > 10": True,
    "{numbers.$} > 20": False,
    "{items.$.price} > 10": True,
    "{items.$.price} > 50": False,
    "{items.$.price}.one_of(5, 6)": True,
    # junctions
    "{five} = 5 OR {word} = 'x' AND {word} = 'y'": True,
    "({five} = 5 OR {word} = 'x') AND {word} = 'y'": False,
    "NOT {five} = 6 AND {five} = 5": True,
    "{five} = 5 and not {five} = 6": True,
    "NOT ({five} = 5 AND {word} = 'y')": True,
}
QUESTIONS = list(ANSWERS)


def written(question: str, extractor: str) -> str:
    return question.replace("{", extractor + "('").replace("}", "')")


def asked(queries: list[str]) -> dict[str, Any]:
    return audiences(**{f"q{number}": query for number, query in enumerate(queries)})


def answered(simulate: Simulate, queries: list[str]) -> set[str]:
    """The keys of the audiences that the profile is in."""
    lines = [
        identify(NOW, VALUES, user="u1"),
        track(NOW, "X", VALUES, user="u1"),
    ]
    return {change["headers"]["audience_key"] for change in changes(simulate(asked(queries), lines, NOW))}


@pytest.fixture(scope="module")
def of_traits(simulate: Simulate) -> set[str]:
    return answered(simulate, [written(question, "trait") for question in QUESTIONS])


@pytest.fixture(scope="module")
def of_properties(simulate: Simulate) -> set[str]:
    wheres = [written(question, "property") for question in QUESTIONS]
    return answered(simulate, [f"event('X').where({where}).count() >= 1" for where in wheres])


@pytest.mark.parametrize("question", QUESTIONS)
def test_trait(of_traits: set[str], question: str) -> None:
    assert (f"q{QUESTIONS.index(question)}" in of_traits) is ANSWERS[question]


@pytest.mark.parametrize("question", QUESTIONS)
def test_property(of_properties: set[str], question: str) -> None:
    assert (f"q{QUESTIONS.index(question)}" in of_properties) is ANSWERS[question]


@pytest.mark.parametrize("dot", [r"\.", r"\\."], ids=["one_backslash", "two"])
def test_an_escaped_dot_is_part_of_the_name(simulate: Simulate, dot: str) -> None:
    query = f"trait('dotted{dot}name') = 'dot'"

    assert answered(simulate, [query, "trait('dotted.name').absent()"]) == {"q0", "q1"}


COUNTS: dict[str, bool] = {
    "= 2": True,
    "= '2'": True,
    "!= 2": False,
    "!= 3": True,
    "> 1": True,
    "> 2": False,
    ">= 2": True,
    "< 2": False,
    "< 3": True,
    "<= 2": True,
    "<= 1": False,
    ".equals(2)": True,
    ".differs(2)": False,
    ".at_least(3)": False,
    ".one_of(1, 2)": True,
    ".none_of(1, 2)": False,
    ".exists()": True,
    ".absent()": False,
}


def test_counts(simulate: Simulate) -> None:
    queries = [f"event('X').count(){comparison}" for comparison in COUNTS]
    lines = [track(NOW, "X", user="u1"), track(NOW, "X", user="u1")]

    outputs = simulate(asked(queries), lines, NOW)

    last = {change["headers"]["audience_key"]: change["headers"]["event"] for change in changes(outputs)}
    members = {key for key, event in last.items() if event == "Audience Entered"}
    assert {comparison: f"q{number}" in members for number, comparison in enumerate(COUNTS)} == COUNTS


# --- Case -------------------------------------------------------------------------------------------------


def test_event_names_are_exact(simulate: Simulate) -> None:
    queries = {
        "q0": "event('Order Completed').count() >= 1",
        "q1": "event('order completed').count() >= 1",
        "q2": "event('Order Completed ').count() >= 1",
    }

    outputs = simulate(audiences(**queries), [track(NOW, "Order Completed", user="u1")], NOW)

    assert moves(outputs) == ["ENTER q0"]


def test_user_ids_are_exact_but_for_space_and_addresses_have_no_case(simulate: Simulate) -> None:
    lines = [
        track(NOW, "X", user="U1"),
        track(NOW, "X", user="u1"),
        track(NOW, "X", user=" u1 "),
        track(NOW, "Y", anonymous="a1", context={"traits": {"email": "Jane@X.io"}}),
        track(NOW, "Y", anonymous="a2", context={"traits": {"email": " jane@x.IO"}}),
    ]
    queries = audiences(x="event('X').count() >= 2", y="event('Y').count() >= 2")

    entered = changes(simulate(queries, lines, NOW))

    assert [change["headers"]["audience_key"] for change in entered] == ["x", "y"]
    assert entered[0]["value"]["userId"] == "u1"
    assert entered[1]["value"]["context"]["traits"]["email"] == "jane@x.io"


# --- Comparators of time: exact, and moving with the clock --------------------------------------------------


def at(moment_ms: int) -> str:
    """Milliseconds as they are shown in the compact view."""
    return iso(moment_ms).replace(".000Z", "Z")


def test_dates(simulate: Simulate) -> None:
    queries = {
        "{when}.before_date('2025-01-06')": True,
        "{when}.before_date(2025-01-05)": False,
        "{when}.before_date(2025-01-05T08:00:00.001Z)": True,
        "{when}.after_date(2025-01-05)": True,
        "{when}.after_date(2025-01-06)": False,
        "{when}.after_date('2025-01-05T09:00:00+01:00')": False,
        "{when}.after_date('2025-01-05T08:59:59+01:00')": True,
        "{zoneless}.before_date(2025-01-06)": False,
        "{zoneless}.after_date(2025-01-01)": False,
        "{zoneless} = '2025-01-05T08:00:00'": True,
        "{word}.before_date(2025-01-06)": False,
        "{missing}.before_date(2025-01-06)": False,
        "{missing}.within_last(5 days)": False,
        "{missing}.before_last(5 days)": False,
        "{zoneless}.within_last(30 days)": False,
        "{zoneless}.before_last(1 day)": False,
    }
    traits = {"when": "2025-01-05T08:00:00Z", "zoneless": "2025-01-05T08:00:00", "word": "soon"}
    written_queries = [written(question, "trait") for question in queries]

    outputs = simulate(asked(written_queries), [identify(NOW, traits, user="u1")], NOW)

    members = {change["headers"]["audience_key"] for change in changes(outputs)}
    assert {question: f"q{number}" in members for number, question in enumerate(queries)} == queries


@pytest.mark.parametrize(
    ("comparator", "enters_ms", "exits_ms"),
    [
        ("within_last", 0, 2 * DAY + 1),
        ("before_last", 2 * DAY, None),
        ("within_next", -2 * DAY, 1),
        ("after_next", None, -2 * DAY + 1),
    ],
)
def test_comparators_of_now_move_with_the_clock_and_hold_at_their_edge(
    simulate: Simulate, comparator: str, enters_ms: int | None, exits_ms: int | None
) -> None:
    """``enters_ms``, ``exits_ms``: from the date in the trait; None: was in from the start, or stays."""
    date = "2025-01-20T00:00:00Z"
    known = after(date, -10 * DAY)
    query = f"trait('when').{comparator}(2 days)"

    outputs = simulate(audiences(moving=query), [identify(known, {"when": date}, user="u1")], after(date, 90 * DAY))

    entered = ms(known) if enters_ms is None else ms(date) + enters_ms
    expected = [f"ENTER moving [u1] @{at(entered)}"]
    if exits_ms is not None:
        expected.append(f"EXIT moving [u1] @{at(ms(date) + exits_ms)}")
    assert seen(outputs) == expected
