"""Who is in an audience, and from when to when: pages, visitors, absence, other audiences, order."""

import pytest

from tests.acceptance.conftest import Simulate
from tests.acceptance.lines import (
    Output,
    audience,
    audiences,
    call,
    changes,
    group,
    identify,
    line,
    moves,
    of_topic,
    page,
    screen,
    seen,
    track,
)

pytestmark = pytest.mark.acceptance


def reasons(outputs: list[Output]) -> list[str]:
    return [change["value"]["context"]["audience"]["reason"] for change in changes(outputs)]


# --- P-05: pages and screens --------------------------------------------------------------------------------

PRICING_FAN = audiences(pricing_fan="event('Page Viewed').where(property('page_name') = 'Pricing').count() >= 2")


def test_p_05_pages_are_events_named_page_viewed(simulate: Simulate) -> None:
    """The moment of entering is the receipt of the second view, a second after it happened."""
    lines = [
        page("2025-01-10T10:00:01Z", "Pricing", user="u1", ts="2025-01-10T10:00:00Z"),
        page("2025-01-10T10:00:31Z", "Home", user="u1", ts="2025-01-10T10:00:30Z"),
        page("2025-01-10T10:01:01Z", "Pricing", user="u1", ts="2025-01-10T10:01:00Z"),
    ]

    outputs = simulate(PRICING_FAN, lines, "2025-02-01T00:00:00Z")

    assert seen(outputs) == ["ENTER pricing_fan [u1] @2025-01-10T10:01:01Z"]


def test_p_05_screens_are_not_pages(simulate: Simulate) -> None:
    lines = [screen("2025-01-10T10:00:00Z", "Pricing", user="u2") for _ in range(2)]

    assert seen(simulate(PRICING_FAN, lines, "2025-02-01T00:00:00Z")) == []


def test_p_05_screens_are_events_named_screen_viewed(simulate: Simulate) -> None:
    fans = audiences(pricing_fan="event('Screen Viewed').where(property('screen_name') = 'Pricing').count() >= 2")
    lines = [screen("2025-01-10T10:00:00Z", "Pricing", user="u2") for _ in range(2)]

    outputs = simulate(fans, lines, "2025-02-01T00:00:00Z")

    assert seen(outputs) == ["ENTER pricing_fan [u2] @2025-01-10T10:00:00Z"]


# --- P-08: anonymous, then known ----------------------------------------------------------------------------


def test_p_08_what_was_done_anonymously_counts_once_the_visitor_is_known(simulate: Simulate) -> None:
    lines = [
        page("2025-01-01T09:00:00Z", anonymous="anon_123"),
        track("2025-01-01T09:05:00Z", "User Signup", user="use_123", anonymous="anon_123"),
        page("2025-01-01T09:10:00Z", anonymous="anon_123"),
    ]

    outputs = simulate(audiences(visited="event('Page Viewed').count() >= 1"), lines, "2025-02-01T00:00:00Z")

    assert seen(outputs) == ["ENTER visited [use_123] @2025-01-01T09:05:00Z"]
    assert len({output["key"] for output in of_topic(outputs, "resolved-events")}) == 1
    assert of_topic(outputs, "profile-merges") == []


PHONE = {"id": "5", "type": "phone", "collection": "users", "encoding": "none"}
TRACKED_PHONE = {"id": "i1", "type": "ios", "advertisingId": "ad1", "adTrackingEnabled": True}


@pytest.mark.parametrize(
    ("context", "expected"),
    [
        ({"traits": {"email": "a@x.io"}}, ["ENTER visited"]),
        ({"device": TRACKED_PHONE}, ["ENTER visited"]),
        ({"device": {**TRACKED_PHONE, "adTrackingEnabled": False}}, []),
        ({"device": {"id": "d1", "type": "android"}}, []),
        ({"externalIds": [PHONE]}, []),
    ],
    ids=["email", "ios_idfa", "ios_idfa_not_allowed", "android_id", "phone"],
)
def test_p_08_who_is_known(simulate: Simulate, context: dict[str, object], expected: list[str]) -> None:
    """An e-mail or an advertising id makes a person; a device id or a phone number does not."""
    outputs = simulate(
        audiences(visited="event('Page Viewed').count() >= 1"),
        [page("2025-01-01T09:00:00Z", anonymous="a1", context=context)],
        "2025-02-01T00:00:00Z",
    )

    assert moves(outputs) == expected


NEVER = "2025-06-01T00:00:00Z"


# --- P-31: absence and exact counts -------------------------------------------------------------------------


def test_p_31_and_not_who(simulate: Simulate) -> None:
    query = (
        "event('Product Viewed').where(property('price') > 50).count() >= 1"
        " AND NOT event('Order Completed').count() >= 1"
    )
    lines = [
        track("2025-01-01T09:00:00Z", "Product Viewed", {"price": 60}, user="u1"),
        track("2025-01-01T09:30:00Z", "Product Viewed", {"price": 50}, user="u1"),
        track("2025-01-01T10:00:00Z", "Order Completed", user="u1"),
    ]

    assert seen(simulate(audiences(browse50=query), lines, NEVER)) == [
        "ENTER browse50 [u1] @2025-01-01T09:00:00Z",
        "EXIT browse50 [u1] @2025-01-01T10:00:00Z",
    ]


def test_p_31_zero_counts_hold_for_who_never_did_it_and_again_in_time(simulate: Simulate) -> None:
    lines = [
        identify("2025-01-01T00:00:00Z", {"plan": "free"}, user="u2"),
        page("2025-01-10T00:00:00Z", "Home", user="u2"),
    ]
    dormant = audiences(dormant="event('Page Viewed').within(60 days).count() = 0")

    outputs = simulate(dormant, lines, NEVER)

    assert seen(outputs) == [
        "ENTER dormant [u2] @2025-01-01T00:00:00Z",
        "EXIT dormant [u2] @2025-01-10T00:00:00Z",
        "ENTER dormant [u2] @2025-03-11T00:00:00Z",
    ]
    assert reasons(outputs) == ["event", "event", "time"]


def test_p_31_exactly_one(simulate: Simulate) -> None:
    lines = [track(f"2025-01-0{day}T00:00:00Z", "Order Completed", user="u1") for day in (1, 2, 3)]

    outputs = simulate(audiences(exactly_one="event('Order Completed').count() = 1"), lines, NEVER)

    assert seen(outputs) == [
        "ENTER exactly_one [u1] @2025-01-01T00:00:00Z",
        "EXIT exactly_one [u1] @2025-01-02T00:00:00Z",
    ]


# --- Audiences of audiences ---------------------------------------------------------------------------------

# Alphabetical order is the wrong one here: what is depended on has the later key.
SPENDERS = audiences(
    zz_big_spender="trait('total_revenue') > 1000",
    aa_big_eu="trait('zz_big_spender') = true AND trait('region') = 'EU'",
)


def test_an_audience_comes_after_those_that_it_is_made_of(simulate: Simulate) -> None:
    lines = [
        identify("2025-01-01T00:00:00Z", {"total_revenue": 1500, "region": "EU"}, user="u1"),
        identify("2025-01-02T00:00:00Z", {"total_revenue": 900}, user="u1"),
    ]

    assert seen(simulate(SPENDERS, lines, NEVER)) == [
        "ENTER zz_big_spender [u1] @2025-01-01T00:00:00Z",
        "ENTER aa_big_eu [u1] @2025-01-01T00:00:00Z",
        "EXIT zz_big_spender [u1] @2025-01-02T00:00:00Z",
        "EXIT aa_big_eu [u1] @2025-01-02T00:00:00Z",
    ]


def test_an_audience_of_audiences_leaves_by_time_with_them(simulate: Simulate) -> None:
    queries = audiences(
        zz_active="event('X').within(1 day).count() >= 1",
        aa_idle="trait('zz_active') = false",
    )
    lines = [identify("2025-01-01T00:00:00Z", {}, user="u1"), track("2025-01-02T00:00:00Z", "X", user="u1")]

    assert seen(simulate(queries, lines, NEVER)) == [
        "ENTER aa_idle [u1] @2025-01-01T00:00:00Z",
        "ENTER zz_active [u1] @2025-01-02T00:00:00Z",
        "EXIT aa_idle [u1] @2025-01-02T00:00:00Z",
        "EXIT zz_active [u1] @2025-01-03T00:00:00Z",
        "ENTER aa_idle [u1] @2025-01-03T00:00:00Z",
    ]


def test_independent_audiences_come_by_key(simulate: Simulate) -> None:
    queries = audiences(**dict.fromkeys(("c", "a", "b"), "event('X').count() >= 1"))

    outputs = simulate(queries, [track("2025-01-01T00:00:00Z", "X", user="u1")], NEVER)

    assert moves(outputs) == ["ENTER a", "ENTER b", "ENTER c"]


def test_the_key_of_an_audience_shadows_a_trait_of_that_name(simulate: Simulate) -> None:
    queries = audiences(vip="trait('points') >= 10", invited="trait('vip') = true")

    outputs = simulate(queries, [identify("2025-01-01T00:00:00Z", {"vip": True, "points": 1}, user="u1")], NEVER)

    assert moves(outputs) == []


# --- Other profiles, and order ------------------------------------------------------------------------------


def test_people_are_counted_apart(simulate: Simulate) -> None:
    lines = [track("2025-01-01T00:00:00Z", "X", user=user) for user in ("u1", "u2", "u3", "u2")]

    outputs = simulate(audiences(twice="event('X').count() >= 2"), lines, NEVER)

    assert seen(outputs) == ["ENTER twice [u2] @2025-01-01T00:00:00Z"]


def test_a_late_value_of_a_trait_does_not_overwrite_a_newer_one(simulate: Simulate) -> None:
    lines = [
        identify("2025-01-03T00:00:00Z", {"plan": "pro"}, user="u1", ts="2025-01-03T00:00:00Z"),
        identify("2025-01-04T00:00:00Z", {"plan": "free"}, user="u1", ts="2025-01-02T00:00:00Z"),
    ]

    outputs = simulate(audiences(pros="trait('plan') = 'pro'"), lines, NEVER)

    assert seen(outputs) == ["ENTER pros [u1] @2025-01-03T00:00:00Z"]


def test_a_null_removes_a_trait_and_a_late_value_does_not_bring_it_back(simulate: Simulate) -> None:
    lines = [
        identify("2025-01-02T00:00:00Z", {"plan": "pro", "seats": 3}, user="u1"),
        identify("2025-01-03T00:00:00Z", {"plan": None}, user="u1"),
        identify("2025-01-04T00:00:00Z", {"plan": "pro"}, user="u1", ts="2025-01-01T00:00:00Z"),
    ]
    queries = audiences(pros="trait('plan') = 'pro'", seated="trait('seats') = 3")

    assert seen(simulate(queries, lines, NEVER)) == [
        "ENTER pros [u1] @2025-01-02T00:00:00Z",
        "ENTER seated [u1] @2025-01-02T00:00:00Z",
        "EXIT pros [u1] @2025-01-03T00:00:00Z",
    ]


def test_traits_in_the_context_of_a_track_are_not_the_profile_s(simulate: Simulate) -> None:
    event = track("2025-01-01T00:00:00Z", "X", user="u1", context={"traits": {"plan": "pro"}})

    assert moves(simulate(audiences(pros="trait('plan') = 'pro'"), [event], NEVER)) == []


@pytest.mark.parametrize("kind", ["track", "page", "screen", "alias"])
def test_traits_of_any_call_but_a_group_s_are_the_profile_s(simulate: Simulate, kind: str) -> None:
    event = {"event": "X"} if kind == "track" else {}
    lines = [
        line("2025-01-01T00:00:00Z", call(kind, user="u1", traits={"plan": "pro"}, **event)),
        line("2025-01-02T00:00:00Z", call(kind, user="u1", traits={"plan": None}, **event)),
        group("2025-01-03T00:00:00Z", "g1", {"plan": "pro"}, user="u1"),
    ]

    assert seen(simulate(audiences(pros="trait('plan') = 'pro'"), lines, "2025-02-01T00:00:00Z")) == [
        "ENTER pros [u1] @2025-01-01T00:00:00Z",
        "EXIT pros [u1] @2025-01-02T00:00:00Z",
    ]


NAMES: dict[str, tuple[dict[str, object], list[str]]] = {
    "both_halves": ({"firstName": "Ada", "lastName": "Byron"}, ["ENTER ada"]),
    "both_halves_in_snake_case": ({"first_name": "Ada", "last_name": "Byron"}, ["ENTER ada"]),
    "one_half": ({"firstName": "Ada Byron"}, []),
    "an_empty_half": ({"firstName": "Ada Byron", "lastName": ""}, []),
    "a_name_of_its_own": ({"firstName": "Ada", "lastName": "Byron", "name": "Countess of Lovelace"}, []),
}


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_filled_in_where_only_its_halves_come(simulate: Simulate, name: str) -> None:
    traits, expected = NAMES[name]
    lines = [identify("2025-01-01T00:00:00Z", traits, user="u1")]

    assert moves(simulate(audiences(ada="trait('name') = 'Ada Byron'"), lines, "2025-02-01T00:00:00Z")) == expected


def test_an_audience_can_be_entered_again(simulate: Simulate) -> None:
    definitions = {"audiences": [audience("lately", "event('X').within(1 hour).count() >= 1")]}
    lines = [track(f"2025-01-01T{hour}:00:00Z", "X", user="u1") for hour in ("00", "05")]

    outputs = simulate(definitions, lines, NEVER)

    assert moves(outputs) == ["ENTER lately", "EXIT lately", "ENTER lately", "EXIT lately"]
    numbers = [change["value"]["context"]["audience"]["transition"] for change in changes(outputs)]
    assert numbers == [1, 2, 3, 4]


@pytest.mark.parametrize("number", [2**64, -(2**63) - 1, 10**30])
def test_an_integer_of_more_than_64_bits_is_the_nearest_double(simulate: Simulate, number: int) -> None:
    """It stopped the worker: a stored state cannot hold such an integer."""
    lines = [identify("2025-01-01T00:00:00Z", {"amount": number, "deep": [{"amount": number}]}, user="u1")]

    outputs = simulate(
        audiences(rich="trait('amount') >= 1e18 OR trait('amount') <= -9e18"), lines, "2025-02-01T00:00:00Z"
    )

    assert moves(outputs) == ["ENTER rich"]


# --- Where events come from, and dates in them ---------------------------------------------------------------
def test_events_of_an_excluded_source_do_not_count(simulate: Simulate) -> None:
    """A source goes by its write key or its project id; an event that names neither is from no excluded one."""
    buyers = audiences(buyers="event('X').sources({exclude: 'wk1', 'p1'}).count() >= 2")
    lines = [
        track("2025-01-01T00:00:00Z", "X", user="u1", writeKey="wk1"),
        track("2025-01-01T00:00:01Z", "X", user="u1", projectId="p1", writeKey="wk2"),
        track("2025-01-01T00:00:02Z", "X", user="u1", writeKey="wk2"),
        track("2025-01-01T00:00:03Z", "X", user="u1"),
    ]

    assert seen(simulate(buyers, lines, NEVER)) == ["ENTER buyers [u1] @2025-01-01T00:00:03Z"]


def test_a_date_of_an_event_moves_with_the_clock(simulate: Simulate) -> None:
    """A trip that begins within three days, booked long before: in when it comes near, out when it has begun."""
    soon = audiences(soon="event('Trip Booked').where(property('starts').within_next(3 days)).count() >= 1")
    lines = [track("2025-01-01T00:00:00Z", "Trip Booked", {"starts": "2025-01-10T00:00:00Z"}, user="u1")]

    outputs = simulate(soon, lines, NEVER)

    assert seen(outputs) == ["ENTER soon [u1] @2025-01-07T00:00:00Z", "EXIT soon [u1] @2025-01-10T00:00:00.001Z"]
    assert reasons(outputs) == ["time", "time"]


def test_a_path_of_the_context_filters_and_reduces(simulate: Simulate) -> None:
    query = "event('X').where(context('page.url').contains('pricing')).last(context('page.referrer')) = 'ads'"
    pages = [("/pricing", "mail"), ("/home", "ads"), ("/pricing?a", "ads")]
    lines = [
        track(f"2025-01-01T00:00:0{second}Z", "X", user="u1", context={"page": {"url": url, "referrer": referrer}})
        for second, (url, referrer) in enumerate(pages)
    ]

    assert seen(simulate(audiences(ads=query), lines, NEVER)) == ["ENTER ads [u1] @2025-01-01T00:00:02Z"]
