"""The oracle's computed traits, windows and sessions, on examples worked out by hand."""

from tests.acceptance.moments import ms
from tests.property.audience_oracle import state_at
from tests.property.audience_oracle_examples import audiences, holds, identify, seen, track, traits, value
from tests.property.audience_oracle_records import Record

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
