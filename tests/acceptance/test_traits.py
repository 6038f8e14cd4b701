"""Computed traits: reducers, windows, what is told of them and when, and what is built on them."""

import json
from typing import Any

import pytest

from tests.acceptance.conftest import Simulate
from tests.acceptance.lines import Line, Output, a_second_apart, definition, identify, of_topic, page, seen, track
from tests.acceptance.moments import iso, ms

pytestmark = pytest.mark.acceptance

NEVER = "2025-06-01T00:00:00Z"
START = "2025-01-01T00:00:00Z"


def traits(**queries: str) -> dict[str, Any]:
    """A definitions file of plain computed traits: key = query."""
    return {"traits": [{"key": key, "query": query} for key, query in queries.items()]}


def told(outputs: list[Output]) -> list[str]:
    """The trait changes as ``key = value @time of day``; the day where it is another one than the first."""
    changes = of_topic(outputs, "trait-changes")
    return [_compact(change["value"]) for change in changes]


def _compact(value: dict[str, Any]) -> str:
    key = value["properties"]["trait_key"]
    moment = iso(ms(value["timestamp"])).replace(".000Z", "Z")
    shown = moment.removeprefix("2025-01-01T")
    return f"{key} = {json.dumps(value['properties'][key])} @{shown}"


def order(revenue: Any, category: str, **fields: Any) -> Line:
    return track(START, "Order Completed", {"revenue": revenue, "category": category}, user="u1", **fields)


# --- P-25: counts and aggregations ---------------------------------------------------------------------------
COSMETICS = "event('Order Completed').where(property('category') = 'cosmetics')"
REVENUE = traits(
    orders=f"{COSMETICS}.count()",
    total=f"{COSMETICS}.sum(property('revenue'))",
    average=f"{COSMETICS}.avg(property('revenue'))",
    least=f"{COSMETICS}.min(property('revenue'))",
    most=f"{COSMETICS}.max(property('revenue'))",
)
ORDERS = [order(20.00, "cosmetics"), order(30.50, "cosmetics"), order("abc", "cosmetics"), order(100, "games")]


def test_p_25_counter_and_aggregations(simulate: Simulate) -> None:
    """A value that is no number is counted and not aggregated."""
    outputs = simulate(REVENUE, a_second_apart(ORDERS, start=START), NEVER)

    last = {text.split(" @")[0].split(" = ")[0]: text.split(" @")[0].split(" = ")[1] for text in told(outputs)}
    assert last == {"orders": "3", "total": "50.5", "average": "25.25", "least": "20", "most": "30.5"}


def test_p_25_only_what_changes_is_told(simulate: Simulate) -> None:
    lines = a_second_apart([*ORDERS, order(25.25, "cosmetics")], start=START)

    outputs = simulate(REVENUE, lines, NEVER)

    assert [text for text in told(outputs) if text.endswith("@00:00:04Z")] == [
        "orders = 4 @00:00:04Z",
        "total = 75.75 @00:00:04Z",
    ]


def test_p_25_the_message_of_a_trait(simulate: Simulate) -> None:
    definitions = traits(sum_cosmetics_revenue=f"{COSMETICS}.sum(property('revenue'))")
    lines = [order(75.75, "cosmetics", traceparent=None)]

    (change,) = of_topic(simulate(definitions, lines, NEVER), "trait-changes")

    value = change["value"]
    assert (value["type"], value["event"], value["userId"]) == ("track", "Trait Computed", "u1")
    assert value["properties"] == {"trait_key": "sum_cosmetics_revenue", "sum_cosmetics_revenue": 75.75}
    personas = value["context"]["personas"]
    assert (personas["computation_class"], personas["computation_key"]) == ("trait", "sum_cosmetics_revenue")
    assert personas["computation_id"].startswith("tra_")
    assert change["key"].startswith("use_")
    assert {"event", "trait_key", "message_id", "space_id", "content-type"} <= set(change["headers"])


def test_a_sum_is_exact_whatever_the_order(simulate: Simulate) -> None:
    """Ten tenths are one; what is added first does not swallow what comes later."""
    tenths = [track(START, "X", {"n": 0.1}, user="u1") for _ in range(10)]
    swallowed = [track(START, "X", {"n": number}, user="u2") for number in (1e16, 1, -1e16)]

    outputs = simulate(traits(total="event('X').sum(property('n'))"), [*tenths, *swallowed], NEVER)

    by_user: dict[str, Any] = {}
    for change in of_topic(outputs, "trait-changes"):
        by_user[change["value"]["userId"]] = change["value"]["properties"]["total"]
    assert by_user == {"u1": 1, "u2": 1}


# --- P-27: first, last, unique -------------------------------------------------------------------------------
def test_p_27_first_and_last_go_by_when_it_happened(simulate: Simulate) -> None:
    visits = [
        ("10:11:00", "10:05:00", "spring"),
        ("10:11:01", "10:00:00", "winter"),
        ("10:11:02", "10:10:00", "summer"),
    ]
    lines = [
        page(f"2025-01-01T{at}Z", user="u1", ts=f"2025-01-01T{ts}Z", properties={"campaign": campaign})
        for at, ts, campaign in visits
    ]
    definitions = traits(
        first_campaign="event('Page Viewed').first(property('campaign'))",
        last_campaign="event('Page Viewed').last(property('campaign'))",
    )

    assert told(simulate(definitions, lines, NEVER)) == [
        'first_campaign = "spring" @10:11:00Z',
        'last_campaign = "spring" @10:11:00Z',
        'first_campaign = "winter" @10:11:01Z',
        'last_campaign = "summer" @10:11:02Z',
    ]


def test_p_27_unique_list_and_count(simulate: Simulate) -> None:
    fruits = ["banana", "apple", "cherry", "apple"]
    lines = a_second_apart([track(START, "Eaten", {"fruit": fruit}, user="u1") for fruit in fruits], start=START)
    definitions = traits(
        fruits="event('Eaten').unique(property('fruit'))", kinds="event('Eaten').unique(property('fruit')).count()"
    )

    assert told(simulate(definitions, lines, NEVER)) == [
        'fruits = ["banana"] @00:00:00Z',
        "kinds = 1 @00:00:00Z",
        'fruits = ["apple", "banana"] @00:00:01Z',
        "kinds = 2 @00:00:01Z",
        'fruits = ["apple", "banana", "cherry"] @00:00:02Z',
        "kinds = 3 @00:00:02Z",
    ]


def test_the_most_frequent_value_is_there_twice_at_least(simulate: Simulate) -> None:
    """Of several the first in the alphabet."""
    brands = ["puma", "nike", "puma", "nike", "adidas", "nike"]
    lines = a_second_apart([track(START, "X", {"brand": brand}, user="u1") for brand in brands], start=START)
    definitions = traits(
        favourite="event('X').mode(property('brand'))", obsession="event('X').mode(property('brand'), 3)"
    )

    assert told(simulate(definitions, lines, NEVER)) == [
        'favourite = "puma" @00:00:02Z',
        'favourite = "nike" @00:00:03Z',
        'obsession = "nike" @00:00:05Z',
    ]


def test_elements_of_arrays_are_values_of_their_own(simulate: Simulate) -> None:
    products = [{"sku": "b", "price": 3}, {"sku": "a", "price": 4.5}, {"sku": "b"}]
    definitions = traits(
        skus="event('X').unique(property('products.$.sku'))",
        spent="event('X').sum(property('products.$.price'))",
        baskets="event('X').mode(property('products.$.sku') as array, 1)",
    )

    assert told(simulate(definitions, [track(START, "X", {"products": products}, user="u1")], NEVER)) == [
        'baskets = "[\\"b\\",\\"a\\",\\"b\\"]" @00:00:00Z',
        'skus = ["a", "b"] @00:00:00Z',
        "spent = 7.5 @00:00:00Z",
    ]


def test_the_least_text_where_the_query_asks_for_texts(simulate: Simulate) -> None:
    sizes = ["10", 9, "9", "XL"]
    lines = a_second_apart([track(START, "X", {"size": size}, user="u1") for size in sizes], start=START)
    definitions = traits(
        first_size="event('X').min(property('size') as string)", number="event('X').max(property('size'))"
    )

    assert told(simulate(definitions, lines, NEVER)) == ['first_size = "10" @00:00:00Z', "number = 9 @00:00:01Z"]


# --- P-28 and windows ----------------------------------------------------------------------------------------
def test_p_28_session_window(simulate: Simulate) -> None:
    """A session ends exactly 30 minutes after its last view; what the scenario leaves out is that it then is 0."""
    views = [page(f"2025-01-01T{at}:00Z", user="u1") for at in ("10:00", "10:20", "10:45", "11:20")]
    definitions = traits(views_session="event('Page Viewed').expires_after(1800 seconds).count()")

    assert told(simulate(definitions, views, NEVER)) == [
        "views_session = 1 @10:00:00Z",
        "views_session = 2 @10:20:00Z",
        "views_session = 3 @10:45:00Z",
        "views_session = 0 @11:15:00Z",
        "views_session = 1 @11:20:00Z",
        "views_session = 0 @11:50:00Z",
    ]


@pytest.mark.parametrize("span", ["60 seconds", "91 days"])
def test_p_28_a_session_window_has_limits(run: Any, definitions_file: Any, span: str) -> None:
    path = definitions_file(traits(views=f"event('Page Viewed').expires_after({span}).count()"))

    finished = run("lint", path)

    assert finished.returncode == 1
    assert b"'expires_after' takes 30 minutes to 90 days" in finished.stderr


WINDOWED = {
    "count()": ["1 @00:00:00Z", "2 @10:00:00Z", "1 @2025-01-02T00:00:00Z", "0 @2025-01-02T10:00:00Z"],
    "sum(property('n'))": ["5 @00:00:00Z", "8 @10:00:00Z", "3 @2025-01-02T00:00:00Z", "null @2025-01-02T10:00:00Z"],
    "avg(property('n'))": ["5 @00:00:00Z", "4 @10:00:00Z", "3 @2025-01-02T00:00:00Z", "null @2025-01-02T10:00:00Z"],
    "min(property('n'))": ["5 @00:00:00Z", "3 @10:00:00Z", "null @2025-01-02T10:00:00Z"],
    "max(property('n'))": ["5 @00:00:00Z", "3 @2025-01-02T00:00:00Z", "null @2025-01-02T10:00:00Z"],
    "first(property('n'))": ["5 @00:00:00Z", "3 @2025-01-02T00:00:00Z", "null @2025-01-02T10:00:00Z"],
    "last(property('n'))": ["5 @00:00:00Z", "3 @10:00:00Z", "null @2025-01-02T10:00:00Z"],
    "mode(property('n'), 1)": ['"5" @00:00:00Z', '"3" @10:00:00Z', "null @2025-01-02T10:00:00Z"],
    "unique(property('n')).count()": [
        "1 @00:00:00Z",
        "2 @10:00:00Z",
        "1 @2025-01-02T00:00:00Z",
        "0 @2025-01-02T10:00:00Z",
    ],
    "unique(property('n'))": [
        '["5"] @00:00:00Z',
        '["3", "5"] @10:00:00Z',
        '["3"] @2025-01-02T00:00:00Z',
        "null @2025-01-02T10:00:00Z",
    ],
}


@pytest.mark.parametrize("reducer", WINDOWED)
def test_a_window_moves_by_itself(simulate: Simulate, reducer: str) -> None:
    """When nothing is left a counter is 0, anything else is removed."""
    lines = [track(START, "X", {"n": 5}, user="u1"), track("2025-01-01T10:00:00Z", "X", {"n": 3}, user="u1")]

    outputs = simulate(traits(t=f"event('X').within(1 day).{reducer}"), lines, NEVER)

    assert [text.removeprefix("t = ") for text in told(outputs)] == WINDOWED[reducer]


def test_a_window_in_the_past_opens_and_closes_by_time(simulate: Simulate) -> None:
    lines = [track(START, "X", {"n": 5}, user="u1"), track("2025-01-01T10:00:00Z", "X", {"n": 3}, user="u1")]

    assert told(simulate(traits(t="event('X').between(1 day, 2 days).max(property('n'))"), lines, NEVER)) == [
        "t = 5 @2025-01-02T00:00:00Z",
        "t = 3 @2025-01-03T00:00:00Z",
        "t = null @2025-01-03T10:00:00Z",
    ]


def test_a_counter_is_absent_before_its_first_event(simulate: Simulate) -> None:
    """And an event that was out of its window when it came is none."""
    late = track("2025-01-03T00:00:00Z", "X", user="u1", ts=START)

    assert told(simulate(traits(t="event('X').within(1 day).count()"), [late], NEVER)) == []


# --- Who is told, and in which form --------------------------------------------------------------------------
VIEWS = "event('Page Viewed').count()"


def test_a_trait_is_computed_for_everyone_and_told_of_the_known(simulate: Simulate) -> None:
    lines = a_second_apart(
        [page(START, anonymous="a1"), page(START, anonymous="a1"), page(START, user="u1", anonymous="a1")], start=START
    )

    assert told(simulate(traits(views=VIEWS), lines, NEVER)) == ["views = 3 @00:00:02Z"]


def test_a_trait_is_told_when_somebody_becomes_known_without_a_new_value(simulate: Simulate) -> None:
    lines = a_second_apart([page(START, anonymous="a1"), identify(START, user="u1", anonymous="a1")], start=START)

    assert told(simulate(traits(views=VIEWS), lines, NEVER)) == ["views = 1 @00:00:01Z"]


def test_a_trait_may_ask_for_anonymous_visitors(simulate: Simulate) -> None:
    definitions = {"traits": [{"key": "views", "query": VIEWS, "include_anonymous": True}]}

    (change,) = of_topic(simulate(definitions, [page(START, anonymous="a1")], NEVER), "trait-changes")

    assert change["value"]["anonymousId"] == "a1"


def test_forms_and_names_of_the_messages(simulate: Simulate) -> None:
    definitions = {
        "traits": [{"key": "views", "query": VIEWS, "emit": ["identify", "track"], "event": "Views Counted"}]
    }

    first, second = of_topic(simulate(definitions, [page(START, user="u1")], NEVER), "trait-changes")

    assert (first["value"]["type"], first["value"]["traits"]) == ("identify", {"views": 1})
    assert "event" not in first["value"]
    assert (second["value"]["type"], second["value"]["event"]) == ("track", "Views Counted")
    assert first["value"]["messageId"] != second["value"]["messageId"]


def test_every_change_has_an_id_of_its_own(simulate: Simulate) -> None:
    lines = [page(START, user="u1") for _ in range(3)]

    changes = of_topic(simulate(traits(views=VIEWS), lines, NEVER), "trait-changes")

    assert len({change["value"]["messageId"] for change in changes}) == 3


# --- What is built on traits ---------------------------------------------------------------------------------
def test_an_audience_over_a_computed_trait_follows_in_the_same_evaluation(simulate: Simulate) -> None:
    definitions = {
        **traits(total="event('Order').sum(property('revenue'))"),
        "audiences": [
            {"key": "big", "query": "trait('total') > 100"},
            {"key": "a_big_idle", "query": "trait('big') = true AND event('Order').within(1 day).count() = 0"},
        ],
    }
    lines = [
        track(START, "Order", {"revenue": 60}, user="u1"),
        track("2025-01-01T01:00:00Z", "Order", {"revenue": 60}, user="u1"),
    ]

    outputs = simulate(definitions, lines, NEVER)

    assert seen(outputs) == [
        "ENTER big [u1] @2025-01-01T01:00:00Z",
        "ENTER a_big_idle [u1] @2025-01-02T01:00:00Z",
    ]
    assert told(outputs) == ["total = 60 @00:00:00Z", "total = 120 @01:00:00Z"]


def test_a_computed_trait_hides_a_custom_trait_of_its_name(simulate: Simulate) -> None:
    definitions = {**traits(total="event('X').count()"), "audiences": [{"key": "a", "query": "trait('total') = 7"}]}

    assert seen(simulate(definitions, [identify(START, {"total": 7}, user="u1")], NEVER)) == []


def test_elements_of_a_computed_list_are_compared_one_by_one(simulate: Simulate) -> None:
    definitions = {
        **traits(brands="event('X').unique(property('brand'))"),
        "audiences": [{"key": "a", "query": "trait('brands.$') = 'nike'"}],
    }
    lines = a_second_apart([track(START, "X", {"brand": brand}, user="u1") for brand in ("puma", "nike")], start=START)

    assert seen(simulate(definitions, lines, NEVER)) == ["ENTER a [u1] @2025-01-01T00:00:01Z"]


def test_a_trait_may_be_another_ones_value_or_a_constant(simulate: Simulate) -> None:
    definitions = traits(b="trait('plan')", a="trait('b')", one="1")

    assert told(simulate(definitions, [identify(START, {"plan": "pro"}, user="u1")], NEVER)) == [
        'b = "pro" @00:00:00Z',
        'a = "pro" @00:00:00Z',
        "one = 1 @00:00:00Z",
    ]


def test_traits_and_audiences_make_no_cycle(run: Any, definitions_file: Any) -> None:
    definitions = {
        "audiences": [{"key": "a", "query": "trait('t') >= 1"}],
        "traits": [{"key": "t", "query": "event('X').where(trait('a') = true).count()"}],
    }

    finished = run("lint", definitions_file(definitions))

    assert finished.returncode == 1
    assert b"The audience would create a cycle by referencing another audience (a -> t -> a)" in finished.stderr
    assert b"The trait would create a cycle by referencing another trait or audience (t -> a -> t)" in finished.stderr


def test_a_trait_and_an_audience_have_different_keys(run: Any, definitions_file: Any) -> None:
    definitions = {"audiences": [{"key": "a", "query": "trait('t') >= 1"}], "traits": [{"key": "a", "query": VIEWS}]}

    finished = run("lint", definitions_file(definitions))

    assert finished.returncode == 1
    assert b"trait 'a': the key 'a' is that of an audience" in finished.stderr


# --- Definitions that come and go ----------------------------------------------------------------------------
def trait_definition(at: str, document: dict[str, Any] | None) -> Line:
    return {**definition(at, "views", document), "key": "trait:views"}


def test_a_trait_sees_what_came_before_it_and_is_removed_with_its_definition(simulate: Simulate) -> None:
    lines = [
        page("2025-01-01T00:00:00Z", user="u1"),
        trait_definition("2025-01-01T01:00:00Z", {"query": VIEWS}),
        page("2025-01-01T02:00:00Z", user="u1"),
        trait_definition("2025-01-01T03:00:00Z", None),
        page("2025-01-01T04:00:00Z", user="u1"),
        trait_definition("2025-01-01T05:00:00Z", {"query": VIEWS}),
    ]

    outputs = simulate({"audiences": []}, lines, NEVER)

    assert told(outputs) == [
        "views = 1 @01:00:00Z",
        "views = 2 @02:00:00Z",
        "views = null @03:00:00Z",
        "views = 3 @05:00:00Z",
    ]
    assert len({change["value"]["messageId"] for change in of_topic(outputs, "trait-changes")}) == 4


def test_an_edited_trait_tells_its_new_value(simulate: Simulate) -> None:
    lines = [
        page("2025-01-01T00:00:00Z", user="u1"),
        trait_definition("2025-01-01T01:00:00Z", {"query": VIEWS}),
        trait_definition("2025-01-01T02:00:00Z", {"query": "event('Page Viewed').within(30 minutes).count()"}),
    ]

    assert told(simulate({"audiences": []}, lines, NEVER)) == ["views = 1 @01:00:00Z", "views = 0 @02:00:00Z"]


# --- Merges --------------------------------------------------------------------------------------------------
def test_a_merged_profile_has_what_both_have_done(simulate: Simulate) -> None:
    """The child's value goes with it, then the parent has the value of both."""
    definitions = {
        **traits(
            views=VIEWS,
            first_page="event('Page Viewed').first(property('page_name'))",
            recent="event('Page Viewed').within(1 hour).count()",
        ),
        "identity": {"identifiers": [{"type": "user_id", "limit": 1}, {"type": "email"}]},
    }
    lines = [
        page("2025-01-01T00:00:00Z", "Home", anonymous="a1"),
        identify("2025-01-01T00:00:01Z", {"email": "x@y.z"}, anonymous="a1"),
        page("2025-01-01T02:00:00Z", "Pricing", anonymous="a2"),
        page("2025-01-01T02:00:01Z", "Docs", anonymous="a2"),
        identify("2025-01-01T04:00:00Z", {"email": "x@y.z"}, anonymous="a2"),
    ]

    outputs = simulate(definitions, lines, NEVER)

    assert told(outputs) == [
        'first_page = "Home" @00:00:01Z',
        "recent = 1 @00:00:01Z",
        "views = 1 @00:00:01Z",
        "recent = 0 @01:00:00Z",
        "views = 3 @04:00:00Z",
    ]


def test_a_counter_that_only_the_child_had_is_zero_on_the_parent(simulate: Simulate) -> None:
    definitions = traits(recent="event('Page Viewed').within(1 hour).count()")
    lines = [
        identify("2025-01-01T00:00:00Z", {"email": "x@y.z"}, user="u1"),
        page("2025-01-01T01:00:00Z", "Home", anonymous="a2"),
        identify("2025-01-01T03:00:00Z", {"email": "x@y.z"}, anonymous="a2"),
    ]

    assert told(simulate(definitions, lines, NEVER)) == ["recent = 0 @03:00:00Z"]
