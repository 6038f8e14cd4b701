"""The oracle itself, on examples worked out by hand: those of Segment's documentation, and the finer points of ours."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from tests.acceptance.moments import DAY, HOUR, MINUTE, iso, ms
from tests.property.audience_oracle import TraitChange, Transition, changes, instants, output_order, state_at
from tests.property.audience_oracle_records import Computation, Definitions, Record
from worker.audiences.language.parser import parse

NEVER = ms("2026-01-01T00:00:00Z")


def track(event: str, at: str, properties: Mapping[str, Any] | None = None, *, ts: str | None = None) -> Record:
    return Record(ms(at), ms(ts or at), event=event, properties=properties or {})


def identify(at: str, traits: Mapping[str, Any], *, ts: str | None = None) -> Record:
    return Record(ms(at), ms(ts or at), traits=traits)


def qualify(at: str, segment: str, *, qualified: bool = True, ts: str | None = None) -> Record:
    return Record(ms(at), ms(ts or at), segment=segment, qualified=qualified)


def audiences(**queries: str) -> Definitions:
    return Definitions(audiences={key: Computation(parse(query)) for key, query in queries.items()})


def traits(**queries: str) -> Definitions:
    return Definitions(traits={key: Computation(parse(query)) for key, query in queries.items()})


def seen(definitions: Definitions, records: Sequence[Record], *, until: str | None = None) -> list[str]:
    """Changes as ``ENTER key @t`` and ``key = value @t``."""
    return [_compact(change) for change in changes(definitions, records, until_ms=ms(until) if until else NEVER)]


def _compact(change: Transition | TraitChange) -> str:
    at = iso(change.at_ms).replace(":00.000Z", "")
    if isinstance(change, TraitChange):
        return f"{change.key} = {change.value!r} @{at}"
    return f"{'ENTER' if change.entered else 'EXIT'} {change.key} @{at}"


def holds(query: str, records: Sequence[Record], *, at: str) -> bool:
    """Whether the profile is in an audience of this query at that moment."""
    return bool(state_at(audiences(it=query), records, now_ms=ms(at)).members)


def value(query: str, records: Sequence[Record], *, at: str = "2025-12-31T00:00:00Z") -> Any:
    """What a computed trait of this query is at that moment."""
    return state_at(traits(it=query), records, now_ms=ms(at)).traits.get("it")


# --- P-25, P-27: computed traits --------------------------------------------------------------------------------

COSMETICS = "event('Order Completed').where(property('category') = 'cosmetics')"
REVENUE = traits(
    counter=f"{COSMETICS}.count()",
    total=f"{COSMETICS}.sum(property('revenue'))",
    average=f"{COSMETICS}.avg(property('revenue'))",
    least=f"{COSMETICS}.min(property('revenue'))",
    most=f"{COSMETICS}.max(property('revenue'))",
)


def order(at: str, revenue: object, category: str = "cosmetics") -> Record:
    return track("Order Completed", at, {"revenue": revenue, "category": category})


ORDERS = [
    order("2025-01-01T09:00:00Z", 20.00),
    order("2025-01-01T09:01:00Z", 30.50),
    order("2025-01-01T09:02:00Z", "abc"),
    order("2025-01-01T09:03:00Z", 100, "games"),
]


def test_p_25_counter_and_aggregations() -> None:
    state = state_at(REVENUE, ORDERS, now_ms=ms("2025-01-02T00:00:00Z"))

    assert state.traits == {"counter": 3, "total": 50.5, "average": 25.25, "least": 20.0, "most": 30.5}


def test_p_25_only_what_changed_is_told() -> None:
    told = seen(REVENUE, [*ORDERS, order("2025-01-01T10:00:00Z", 25.25)])

    assert [one for one in told if one.endswith("@2025-01-01T10:00")] == [
        "counter = 4 @2025-01-01T10:00",
        "total = 75.75 @2025-01-01T10:00",
    ]
    assert [one for one in told if one.endswith("@2025-01-01T09:02")] == ["counter = 3 @2025-01-01T09:02"]
    assert [one for one in told if one.endswith("@2025-01-01T09:03")] == []


def test_p_27_first_and_last_are_by_the_time_of_the_event() -> None:
    views = [
        track("Page Viewed", "2025-01-01T10:05:00Z", {"campaign": "spring"}),
        track("Page Viewed", "2025-01-01T10:06:00Z", {"campaign": "winter"}, ts="2025-01-01T10:00:00Z"),
        track("Page Viewed", "2025-01-01T10:10:00Z", {"campaign": "summer"}),
        track("Page Viewed", "2025-01-01T10:11:00Z", {"other": 1}),
    ]

    assert value("event('Page Viewed').first(property('campaign'))", views) == "winter"
    assert value("event('Page Viewed').last(property('campaign'))", views) == "summer"


def test_p_27_unique_list() -> None:
    fruits = [
        track("Ate", f"2025-01-01T10:0{minute}:00Z", {"fruit": fruit})
        for minute, fruit in enumerate(["banana", "apple", "cherry", "apple"])
    ]
    definitions = traits(
        fruits="event('Ate').unique(property('fruit'))",
        kinds="event('Ate').unique(property('fruit')).count()",
    )

    assert seen(definitions, [*fruits, track("Ate", "2025-01-01T11:00:00Z", {"fruit": "apple"})]) == [
        "fruits = ['banana'] @2025-01-01T10:00",
        "kinds = 1 @2025-01-01T10:00",
        "fruits = ['apple', 'banana'] @2025-01-01T10:01",
        "kinds = 2 @2025-01-01T10:01",
        "fruits = ['apple', 'banana', 'cherry'] @2025-01-01T10:02",
        "kinds = 3 @2025-01-01T10:02",
    ]


def test_the_most_frequent_value_must_be_there_often_enough_and_of_several_is_the_first() -> None:
    def bought(*brands: object) -> list[Record]:
        return [
            track("X", f"2025-01-01T10:0{minute}:00Z", {"brand": brand, "list": [brand, "z"]})
            for minute, brand in enumerate(brands)
        ]

    assert value("event('X').mode(property('brand'), 2)", bought("b", "a", None)) is None
    assert value("event('X').mode(property('brand'), 2)", bought("b", "a", "b", "a", "c")) == "a"
    assert value("event('X').mode(property('brand'), 2)", bought("b", "a", "b")) == "b"
    assert value("event('X').mode(property('list.$'), 2)", bought("b", "a", "b")) == "z"
    assert value("event('X').mode(property('list.$') as array, 2)", bought("b", "a", "b")) == '["b","z"]'


def test_least_and_greatest_as_numbers_and_as_texts() -> None:
    events = [
        track("X", "2025-01-01T10:00:00Z", {"value": value, "items": [{"n": value}, {"n": 5}]})
        for value in (10, 9, "10", "9", True, None)
    ]

    assert value("event('X').min(property('value'))", events) == 9
    assert value("event('X').max(property('value') as number)", events) == 10
    assert value("event('X').min(property('value') as string)", events) == "10"
    assert value("event('X').max(property('value') as string)", events) == "9"
    assert value("event('X').sum(property('items.$.n'))", events) == 10 + 9 + 6 * 5


def test_counters_are_absent_before_the_first_match_and_zero_after_others_are_removed() -> None:
    definitions = traits(
        a="event('X').within(1 hour).count()",
        b="event('X').within(1 hour).unique(property('n')).count()",
        c="event('X').within(1 hour).sum(property('n'))",
        d="event('Y').within(1 hour).count()",
    )
    late = track("Y", "2025-01-01T11:30:00Z", ts="2025-01-01T10:30:00Z")

    assert seen(definitions, [track("X", "2025-01-01T10:00:00Z", {"n": 7}), late]) == [
        "a = 1 @2025-01-01T10:00",
        "b = 1 @2025-01-01T10:00",
        "c = 7 @2025-01-01T10:00",
        "a = 0 @2025-01-01T11:00",
        "b = 0 @2025-01-01T11:00",
        "c = None @2025-01-01T11:00",
    ]


def test_a_trait_is_told_once_there_is_somebody_to_tell_it_of() -> None:
    definitions = traits(views="event('X').count()")
    anonymous = Record(ms("2025-01-01T10:00:00Z"), ms("2025-01-01T10:00:00Z"), event="X", user=False, anonymous=True)

    assert seen(definitions, [anonymous]) == []
    assert seen(definitions, [anonymous, identify("2025-01-01T11:00:00Z", {})]) == ["views = 1 @2025-01-01T11:00"]


# --- P-28: sessions ---------------------------------------------------------------------------------------------


def views(*times: str) -> list[Record]:
    return [track("Page Viewed", f"2025-01-01T{time}:00Z") for time in times]


VIEWS_SESSION = traits(views="event('Page Viewed').expires_after(1800 seconds).count()")


def test_p_28_a_session_grows_ends_and_starts_again() -> None:
    assert seen(VIEWS_SESSION, views("10:00", "10:20", "10:45", "11:20")) == [
        "views = 1 @2025-01-01T10:00",
        "views = 2 @2025-01-01T10:20",
        "views = 3 @2025-01-01T10:45",
        "views = 0 @2025-01-01T11:15",
        "views = 1 @2025-01-01T11:20",
        "views = 0 @2025-01-01T11:50",
    ]


def test_p_28_a_gap_of_exactly_the_length_is_too_long() -> None:
    assert seen(VIEWS_SESSION, views("10:00", "10:30"), until="2025-01-01T10:40:00Z") == ["views = 1 @2025-01-01T10:00"]


def test_p_28_a_late_event_joins_two_sessions() -> None:
    late = track("Page Viewed", "2025-01-01T10:41:00Z", ts="2025-01-01T10:20:00Z")

    assert seen(VIEWS_SESSION, [*views("10:00", "10:40"), late], until="2025-01-01T10:41:00Z")[-1] == (
        "views = 3 @2025-01-01T10:41"
    )


# --- P-29, P-31: windows, absence -------------------------------------------------------------------------------

SHOE7 = audiences(shoe7="event('Shoes Bought').where(property('price') >= 100).within(7 days).count() >= 1")


def test_p_29_within_and_exit_by_time() -> None:
    bought = [
        track("Shoes Bought", "2025-03-01T10:15:00Z", {"price": 120}),
        track("Shoes Bought", "2025-03-05T08:00:00Z", {"price": 99.99}),
        track("Shoes Bought", "2025-03-08T12:00:00Z", {"price": 150}, ts="2025-03-02T00:00:00Z"),
    ]

    assert seen(SHOE7, bought) == [
        "ENTER shoe7 @2025-03-01T10:15",
        "EXIT shoe7 @2025-03-08T10:15",
        "ENTER shoe7 @2025-03-08T12:00",
        "EXIT shoe7 @2025-03-09T00:00",
    ]


def test_p_29_between_opens_and_closes_exactly() -> None:
    definitions = audiences(lapsed="event('X').between(1 day, 2 days).count() >= 1")
    event = track("X", "2025-03-01T10:00:00Z")

    assert seen(definitions, [event]) == ["ENTER lapsed @2025-03-02T10:00", "EXIT lapsed @2025-03-03T10:00"]
    query = "event('X').between(1 day, 2 days).count() >= 1"
    assert not holds(query, [event], at="2025-03-02T09:59:59.999Z")
    assert holds(query, [event], at="2025-03-03T09:59:59.999Z")


def test_p_31_and_not_who_zero_and_exact_counts() -> None:
    definitions = audiences(
        browse50=(
            "event('Product Viewed').where(property('price') > 50).count() >= 1"
            " AND NOT event('Order Completed').count() >= 1"
        ),
        dormant="event('Page Viewed').within(60 days).count() = 0",
        exactly_one="event('Order Completed').count() = 1",
    )
    records = [
        track("Product Viewed", "2025-01-01T09:00:00Z", {"price": 60}),
        track("Product Viewed", "2025-01-01T09:30:00Z", {"price": 50}),
        *(track("Order Completed", f"2025-01-0{day}T10:00:00Z") for day in (1, 2, 3)),
        track("Page Viewed", "2025-01-10T00:00:00Z"),
    ]

    assert seen(definitions, records) == [
        "ENTER browse50 @2025-01-01T09:00",
        "ENTER dormant @2025-01-01T09:00",
        "EXIT browse50 @2025-01-01T10:00",
        "ENTER exactly_one @2025-01-01T10:00",
        "EXIT exactly_one @2025-01-02T10:00",
        "EXIT dormant @2025-01-10T00:00",
        "ENTER dormant @2025-03-11T00:00",
    ]


def test_sources_that_are_left_out() -> None:
    def of(source: str | None) -> Record:
        return Record(ms("2025-01-01T00:00:00Z"), ms("2025-01-01T00:00:00Z"), event="X", source=source)

    events = [of("web"), of("app"), of(None)]

    assert value("event('X').sources({exclude: 'web', 'other'}).count()", events) == 2


# --- P-32: funnels ----------------------------------------------------------------------------------------------

CART = "event('Product Added').where(event('Order Completed').within(parent: 1 day).count() = 0).within(7 days)"
BOUGHT = "event('Product Added').where(event('Order Completed').within(parent: 1 day).count() >= 1).within(7 days)"
AT = "2025-05-10T12:00:00Z"


def added(at: str) -> Record:
    return track("Product Added", f"2025-{at}:00Z")


def completed(at: str) -> Record:
    return track("Order Completed", f"2025-{at}:00Z")


USERS = {
    "U1": [added("05-09T09:00")],
    "U2": [added("05-08T09:00"), completed("05-08T20:00")],
    "U3": [added("05-07T09:00"), completed("05-07T10:00"), added("05-08T09:00")],
    "U4": [completed("05-07T08:00"), added("05-07T09:00")],
    "U5": [added("05-08T09:00"), completed("05-09T10:00")],
    "U6": [added("05-01T09:00")],
    "U7": [completed("05-08T09:00"), added("05-08T09:00")],
}


@pytest.mark.parametrize(
    ("user", "is_in_cart", "is_buyer"),
    [
        ("U1", True, False),
        ("U2", False, True),
        ("U3", True, True),
        ("U4", True, False),
        ("U5", True, False),
        ("U6", False, False),
        ("U7", True, False),
    ],
)
def test_p_32_and_then_did_and_did_not(user: str, is_in_cart: bool, is_buyer: bool) -> None:
    assert holds(f"{CART}.count() >= 1", USERS[user], at=AT) is is_in_cart
    assert holds(f"{BOUGHT}.count() >= 1", USERS[user], at=AT) is is_buyer


def test_p_32_did_not_is_said_when_the_window_has_elapsed() -> None:
    definitions = audiences(cart=f"{CART}.count() >= 1", bought=f"{BOUGHT}.count() >= 1")

    assert seen(definitions, USERS["U1"]) == ["ENTER cart @2025-05-10T09:00", "EXIT cart @2025-05-16T09:00"]
    assert seen(definitions, USERS["U2"]) == ["ENTER bought @2025-05-08T20:00", "EXIT bought @2025-05-15T09:00"]


def test_p_32_a_child_at_the_very_end_of_the_window_is_too_late() -> None:
    records = [added("05-08T09:00"), completed("05-09T09:00")]

    assert holds(f"{CART}.count() >= 1", records, at="2025-05-09T09:00:00Z")
    assert not holds(f"{BOUGHT}.count() >= 1", records, at="2025-05-09T09:00:00Z")


PARENT = track("P", "2025-01-01T00:00:00Z", {"n": 1, "sku": "a"})


def child(time: str, properties: Mapping[str, Any] | None = None) -> Record:
    return track("C", f"2025-01-01T{time}:00Z", properties)


UNDECIDED = "event('C').within(parent: 1 hour)"


@pytest.mark.parametrize(
    ("condition", "children", "truth"),
    [
        # decided by what has come
        ("count() >= 1", 1, True),
        ("count() >= 2", 1, None),
        ("count() = 1", 1, None),
        ("count() = 1", 2, False),
        ("count() <= 1", 1, None),
        ("count() <= 1", 2, False),
        ("count() < 2", 2, False),
        ("count() != 1", 2, True),
        ("count() != 1", 0, None),
        ("count() >= 0", 0, True),
        ("count().one_of(1, 2)", 3, False),
        ("count().none_of(1, 2)", 3, True),
        ("min(property('n')) <= 1", 1, True),
        ("min(property('n')) >= 1", 1, None),
        ("min(property('n')) > 1", 1, False),
        ("max(property('n')) >= 1", 1, True),
        ("max(property('n')) < 1", 1, False),
        ("max(property('n')) < 5", 1, None),
        ("sum(property('n')) = 1", 1, None),
        ("sum(property('n')).exists()", 1, True),
        ("sum(property('n')).exists()", 0, None),
        ("first(property('n')).absent()", 1, False),
        ("last(property('n')) = 1", 1, None),
        ("unique(property('n')).count() >= 1", 2, True),
        ("unique(property('n')).count() = 1", 2, None),
    ],
)
def test_kleene_a_condition_on_a_window_that_has_not_elapsed(condition: str, children: int, truth: bool | None) -> None:
    """Undecided is no member, whether it is asked for or its opposite; decided, one of the two is."""
    records = [PARENT, *(child("00:30", {"n": 1}) for _ in range(children))]

    def is_in(where: str) -> bool:
        return holds(f"event('P').where({where}).count() >= 1", records, at="2025-01-01T00:59:59.999Z")

    assert is_in(f"{UNDECIDED}.{condition}") is (truth is True)
    assert is_in(f"NOT {UNDECIDED}.{condition}") is (truth is False)


@pytest.mark.parametrize(
    ("where", "truth"),
    [
        ("{undecided} AND property('n') = 1", None),
        ("{undecided} AND property('n') = 2", False),
        ("{undecided} OR property('n') = 1", True),
        ("{undecided} OR property('n') = 2", None),
        ("NOT ({undecided} AND property('n') = 2)", True),
        ("{undecided} OR NOT {undecided}", None),
        ("event('C').count() = 0", True),
        ("event('C').within(1 minute).count() = 0", True),
    ],
)
def test_kleene_junctions_and_windows_that_are_decided_now(where: str, truth: bool | None) -> None:
    condition = where.format(undecided=f"{UNDECIDED}.count() = 0")

    for query, expected in ((condition, True), (f"NOT ({condition})", False)):
        is_in = holds(f"event('P').where({query}).count() >= 1", [PARENT], at="2025-01-01T00:30:00Z")
        assert is_in is (truth is expected)


def test_kleene_a_count_over_undecided_events_is_a_range() -> None:
    """One parent is decided, two are not: the count is something from one to three."""
    parents = [PARENT, *(track("P", f"2025-01-01T00:{minute}:00Z") for minute in (10, 20))]
    records = [*parents, child("00:05")]

    def counted(comparison: str) -> bool:
        query = f"event('P').where({UNDECIDED}.count() >= 1).count(){comparison}"
        return holds(query, records, at="2025-01-01T00:30:00Z")

    assert counted(" >= 1")
    assert not counted(" = 1")
    assert not counted(" < 2")
    assert counted(" < 4")
    assert counted(" != 0")
    assert counted(" != 4")


def test_kleene_a_trait_counts_what_is_decided() -> None:
    definitions = traits(abandoned="event('P').where(event('C').within(parent: 1 hour).count() = 0).count()")

    assert seen(definitions, [PARENT, track("P", "2025-01-01T00:30:00Z")]) == [
        "abandoned = 1 @2025-01-01T01:00",
        "abandoned = 2 @2025-01-01T01:30",
    ]


def test_a_funnel_inside_a_funnel_is_relative_to_the_event_around_it() -> None:
    query = (
        "event('P').where(event('C').where("
        "event('D').where(property('sku') = property(parent: 'sku')).within(parent: 1 hour).count() >= 1"
        ").within(parent: 1 day).count() >= 1).count() >= 1"
    )
    step = child("20:00", {"sku": "b"})

    def followed_by(sku: str, at: str) -> bool:
        records = [PARENT, step, track("D", at, {"sku": sku})]
        return holds(query, records, at="2025-01-03T00:00:00Z")

    assert followed_by("b", "2025-01-01T20:59:59.999Z")
    assert not followed_by("a", "2025-01-01T20:59:59.999Z"), "the sku of the grandparent is not asked for"
    assert not followed_by("b", "2025-01-01T21:00:00Z")
    assert not followed_by("b", "2025-01-01T20:00:00Z"), "not strictly after"


# --- Traits, dates, references ----------------------------------------------------------------------------------


def test_a_property_is_compared_with_the_trait_of_now() -> None:
    definitions = audiences(big="event('X').where(property('price') >= trait('avg_spend')).count() >= 1")
    records = [
        track("X", "2025-01-01T00:00:00Z", {"price": 50}),
        identify("2025-01-02T00:00:00Z", {"avg_spend": 40}),
        identify("2025-01-03T00:00:00Z", {"avg_spend": 60}),
        identify("2025-01-04T00:00:00Z", {"avg_spend": 10}, ts="2025-01-02T12:00:00Z"),
        identify("2025-01-05T00:00:00Z", {"avg_spend": None}),
    ]

    assert seen(definitions, records) == ["ENTER big @2025-01-02T00:00", "EXIT big @2025-01-03T00:00"]


@pytest.mark.parametrize(
    ("comparator", "first_ms", "last_ms"),
    [
        ("within_last", 0, 2 * DAY),
        ("before_last", 2 * DAY, None),
        ("within_next", -2 * DAY, 0),
        ("after_next", None, -2 * DAY),
    ],
)
def test_dates_of_properties_move_and_hold_at_both_edges(
    comparator: str, first_ms: int | None, last_ms: int | None
) -> None:
    date = "2025-02-01T00:00:00Z"
    records = [track("X", "2025-01-01T00:00:00Z", {"when": date})]
    definitions = audiences(it=f"event('X').where(property('when').{comparator}(2 days)).count() >= 1")
    expected = ["ENTER it @2025-01-01T00:00"] if first_ms is None else [f"ENTER it @{_at(ms(date) + first_ms)}"]
    if last_ms is not None:
        expected.append(f"EXIT it @{_at(ms(date) + last_ms + 1)}")

    assert seen(definitions, records) == expected


def _at(moment_ms: int) -> str:
    return iso(moment_ms).replace(":00.000Z", "")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("trait('list.$') = 'b'", True),
        ("trait('list.$') != 'b'", True),
        ("trait('list.$').omits('b')", False),
        ("trait('nothing.$').omits('b')", True),
        ("trait('nothing.$').exists()", False),
        ("trait('items.$.n') > 1", True),
        ("trait('items.$.n').exists()", True),
        ("trait('items.$.n').absent()", False),
        ("trait('items.$.tags.$') = 'x'", True),
        ("trait('list').contains('\"b\"')", True),
        ("trait('n') != trait('unknown')", False),
        ("trait('n') = trait('text')", True),
        ("trait('text') = '2.0'", False),
        ("trait('text').contains(trait('n'))", True),
        ("trait('day').before_date(2025-01-02T00:00:00)", True),
        ("trait('day').before_date('2025-01-01')", False),
    ],
)
def test_values(query: str, expected: bool) -> None:
    record = identify(
        "2025-01-01T00:00:00Z",
        {
            "n": 2,
            "text": "2",
            "list": ["a", "b"],
            "nothing": [],
            "items": [{"n": 1}, {"n": 2, "tags": ["x"]}, {}],
            "day": "2025-01-01T12:00:00Z",
        },
    )

    assert holds(query, [record], at="2025-01-01T00:00:00Z") is expected


# --- P-35: audiences of audiences, order, external audiences ----------------------------------------------------


def test_p_35_audiences_of_audiences_follow_what_they_are_made_of() -> None:
    definitions = audiences(
        big_eu="trait('big_spender') = true AND trait('region') = 'EU'",
        big_spender="trait('total_revenue') > 1000",
    )
    records = [
        identify("2025-01-01T00:00:00Z", {"total_revenue": 1500, "region": "EU"}),
        identify("2025-01-02T00:00:00Z", {"total_revenue": 900}),
    ]

    assert seen(definitions, records) == [
        "ENTER big_spender @2025-01-01T00:00",
        "ENTER big_eu @2025-01-01T00:00",
        "EXIT big_spender @2025-01-02T00:00",
        "EXIT big_eu @2025-01-02T00:00",
    ]


def test_what_is_depended_on_comes_first_then_the_smaller_key_and_traits_last() -> None:
    definitions = Definitions(
        audiences={
            "b": Computation(parse("trait('t') > 1")),
            "a": Computation(parse("trait('z') = true AND trait('b') = true")),
            "m": Computation(parse("event('X').count() >= 1")),
            "z": Computation(parse("event('X').count() >= 1")),
        },
        traits={
            "s": Computation(parse("event('X').where(property('n') > trait('t')).count()")),
            "t": Computation(parse("event('X').where(trait('m') = true).count()")),
        },
    )

    assert output_order(definitions) == ["m", "b", "z", "a", "t", "s"]


def test_external_audiences_go_by_their_own_times() -> None:
    definitions = Definitions(
        audiences={
            "was_in": Computation(parse("trait('known') = false AND trait('unknown') = false")),
            "without": Computation(parse("trait('unknown').absent()")),
        },
        segments=frozenset({"known"}),
    )
    records = [
        identify("2025-01-01T00:00:00Z", {"known": True, "unknown": "a trait of that name"}),
        qualify("2025-01-02T00:00:00Z", "known"),
        qualify("2025-01-03T00:00:00Z", "unknown", qualified=False, ts="2025-01-01T00:00:00Z"),
        qualify("2025-01-04T00:00:00Z", "known", qualified=False, ts="2025-01-01T00:00:00Z"),
        qualify("2025-01-05T00:00:00Z", "known", qualified=False, ts="2025-01-02T00:00:00Z"),
    ]

    assert seen(definitions, records) == [
        "ENTER known @2025-01-02T00:00",
        "EXIT known @2025-01-05T00:00",
        "ENTER was_in @2025-01-05T00:00",
    ]


# --- When something may change ----------------------------------------------------------------------------------


def test_instants_are_all_edges_of_windows_sessions_and_dates() -> None:
    definitions = audiences(
        it=(
            "event('X').where(event('Y').within(parent: 1 minute).count() = 0).between(1 hour, 2 hours).count() >= 1"
            " OR event('X').expires_after(30 minutes).count() >= 1 OR trait('day').within_next(1 day)"
        )
    )
    at, day = "2025-01-01T00:00:00Z", "2025-03-01T00:00:00Z"
    records = [track("X", at), identify(at, {"deep": [{"day": day}]})]

    due = {ms(at) + span for span in (MINUTE, 30 * MINUTE, HOUR, 2 * HOUR)} | {
        ms(day) + span for span in (-DAY, 0, DAY)
    }
    assert instants(definitions, records) == sorted({time + near for time in due for near in (-1, 0, 1)})
