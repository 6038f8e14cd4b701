"""Windows: entering by an event, leaving by time, late events, and how far back an audience looks."""

import pytest

from tests.acceptance.conftest import Simulate
from tests.acceptance.lines import (
    Line,
    Output,
    audiences,
    changes,
    definition,
    identify,
    moves,
    seen,
    track,
)
from tests.acceptance.moments import DAY, after

pytestmark = pytest.mark.acceptance


def reasons(outputs: list[Output]) -> list[str]:
    return [change["value"]["context"]["audience"]["reason"] for change in changes(outputs)]


SHOE7_QUERY = "event('Shoes Bought').where(property('price') >= 100).within(7 days).count() >= 1"
SHOE7 = audiences(shoe7=SHOE7_QUERY)
NEVER = "2025-06-01T00:00:00Z"


def bought(at: str, price: float, *, ts: str | None = None) -> Line:
    return track(at, "Shoes Bought", {"price": price}, user="u1", ts=ts)


FIRST = bought("2025-03-01T10:15:01Z", 120, ts="2025-03-01T10:15:00Z")
CHEAP = bought("2025-03-05T08:00:01Z", 99.99, ts="2025-03-05T08:00:00Z")


def test_p_29_exit_by_time_without_traffic(simulate: Simulate) -> None:
    """Exact to the millisecond, seven days after the purchase happened, not after its receipt."""
    outputs = simulate(SHOE7, [FIRST, CHEAP], NEVER)

    assert seen(outputs) == [
        "ENTER shoe7 [u1] @2025-03-01T10:15:01Z",
        "EXIT shoe7 [u1] @2025-03-08T10:15:00Z",
    ]
    assert reasons(outputs) == ["event", "time"]


def test_p_29_not_a_millisecond_early(simulate: Simulate) -> None:
    outputs = simulate(SHOE7, [FIRST], "2025-03-08T10:14:59.999Z")

    assert moves(outputs) == ["ENTER shoe7"]


def test_p_29_a_late_event_enters_at_its_receipt_and_leaves_by_its_own_time(simulate: Simulate) -> None:
    late = bought("2025-03-08T12:00:00Z", 150, ts="2025-03-02T00:00:00Z")

    assert seen(simulate(SHOE7, [FIRST, CHEAP, late], NEVER)) == [
        "ENTER shoe7 [u1] @2025-03-01T10:15:01Z",
        "EXIT shoe7 [u1] @2025-03-08T10:15:00Z",
        "ENTER shoe7 [u1] @2025-03-08T12:00:00Z",
        "EXIT shoe7 [u1] @2025-03-09T00:00:00Z",
    ]


def test_p_29_a_late_event_while_a_member_moves_the_exit_only_when_newer(
    simulate: Simulate,
) -> None:
    older = bought("2025-03-03T00:00:00Z", 150, ts="2025-02-25T00:00:00Z")
    newer = bought("2025-03-04T00:00:00Z", 150, ts="2025-03-02T00:00:00.001Z")

    assert seen(simulate(SHOE7, [FIRST, older, newer], NEVER)) == [
        "ENTER shoe7 [u1] @2025-03-01T10:15:01Z",
        "EXIT shoe7 [u1] @2025-03-09T00:00:00.001Z",
    ]


def test_p_29_a_late_event_whose_window_is_over_changes_nothing(simulate: Simulate) -> None:
    """Received exactly seven days after it happened: out of the window already."""
    late = bought("2025-03-08T10:15:00.000Z", 150, ts="2025-03-01T10:15:00.000Z")

    assert seen(simulate(SHOE7, [late], NEVER)) == []


def test_p_29_a_late_event_in_the_last_millisecond_of_its_window(simulate: Simulate) -> None:
    late = bought("2025-03-08T10:14:59.999Z", 150, ts="2025-03-01T10:15:00.000Z")

    assert seen(simulate(SHOE7, [late], NEVER)) == [
        "ENTER shoe7 [u1] @2025-03-08T10:14:59.999Z",
        "EXIT shoe7 [u1] @2025-03-08T10:15:00Z",
    ]


def created(at: str, **options: object) -> Line:
    return definition(at, "shoe7", {"query": SHOE7_QUERY, **options})


@pytest.mark.parametrize("option", [{}, {"history": True}], ids=["default", "true"])
def test_p_29_an_audience_with_history_counts_what_came_before_it(
    simulate: Simulate, option: dict[str, object]
) -> None:
    outputs = simulate({"audiences": []}, [FIRST, created("2025-03-03T00:00:00Z", **option)], NEVER)

    assert seen(outputs) == [
        "ENTER shoe7 [u1] @2025-03-03T00:00:00Z",
        "EXIT shoe7 [u1] @2025-03-08T10:15:00Z",
    ]
    assert reasons(outputs) == ["definition", "time"]


def test_p_29_an_audience_without_history_counts_from_its_creation(simulate: Simulate) -> None:
    lines = [
        FIRST,
        created("2025-03-03T00:00:00Z", history=False),
        bought("2025-03-04T00:00:00Z", 100),
    ]

    assert seen(simulate({"audiences": []}, lines, NEVER)) == [
        "ENTER shoe7 [u1] @2025-03-04T00:00:00Z",
        "EXIT shoe7 [u1] @2025-03-11T00:00:00Z",
    ]


@pytest.mark.parametrize(("age_days", "expected"), [(91, []), (89, ["ENTER ever"])])
def test_p_29_limited_history_goes_back_as_far_as_it_says(
    simulate: Simulate, age_days: int, expected: list[str]
) -> None:
    creation = "2025-05-01T00:00:00Z"
    lines = [
        bought(after(creation, -age_days * DAY), 100),
        definition(creation, "ever", {"query": "event('Shoes Bought').count() >= 1", "history": "90 days"}),
    ]

    assert moves(simulate({"audiences": []}, lines, NEVER)) == expected


def test_p_29_traits_are_current_whatever_the_history(simulate: Simulate) -> None:
    """The setting is about events: a trait that is there counts for an audience without history."""
    lines = [
        identify("2025-03-01T00:00:00Z", {"plan": "pro"}, user="u1"),
        definition("2025-03-03T00:00:00Z", "pros", {"query": "trait('plan') = 'pro'", "history": False}),
    ]

    assert seen(simulate({"audiences": []}, lines, NEVER)) == ["ENTER pros [u1] @2025-03-03T00:00:00Z"]


def test_p_29_between_opens_and_closes_by_time(simulate: Simulate) -> None:
    """``between(1 day, 2 days)``: in exactly one day after the event, out exactly two days after it."""
    outputs = simulate(
        audiences(yesterday="event('X').between(1 day, 2 days).count() >= 1"),
        [track("2025-03-01T10:00:00Z", "X", user="u1")],
        NEVER,
    )

    assert seen(outputs) == [
        "ENTER yesterday [u1] @2025-03-02T10:00:00Z",
        "EXIT yesterday [u1] @2025-03-03T10:00:00Z",
    ]
    assert reasons(outputs) == ["time", "time"]


def test_p_29_active_before_and_not_since(simulate: Simulate) -> None:
    """The documented use: active 30 to 90 days ago, and not in the last 30."""
    query = "event('X').between(30 days, 90 days).count() >= 1 AND NOT event('X').within(30 days).count() >= 1"
    lines = [track("2025-01-01T00:00:00Z", "X", user="u1"), track("2025-02-10T00:00:00Z", "X", user="u1")]

    assert seen(simulate(audiences(lapsed=query), lines, NEVER)) == [
        "ENTER lapsed [u1] @2025-01-31T00:00:00Z",
        "EXIT lapsed [u1] @2025-02-10T00:00:00Z",
        "ENTER lapsed [u1] @2025-03-12T00:00:00Z",
        "EXIT lapsed [u1] @2025-05-11T00:00:00Z",
    ]


def test_a_late_event_enters_between_in_its_place(simulate: Simulate) -> None:
    """Received when it would be on its way out already; an event of before the window changes nothing."""
    lines = [
        track("2025-03-05T12:00:00Z", "X", user="u1", ts="2025-03-03T13:00:00Z"),
        track("2025-03-05T12:00:00Z", "X", user="u2", ts="2025-03-03T12:00:00Z"),
    ]

    assert seen(simulate(audiences(yesterday="event('X').between(1 day, 2 days).count() >= 1"), lines, NEVER)) == [
        "ENTER yesterday [u1] @2025-03-05T12:00:00Z",
        "EXIT yesterday [u1] @2025-03-05T13:00:00Z",
    ]


# --- Sessions -----------------------------------------------------------------------------------------------
BINGE = audiences(binge="event('Viewed').expires_after(30 minutes).count() >= 3")


def viewed(at: str, *, ts: str | None = None) -> Line:
    return track(at, "Viewed", user="u1", ts=ts)


def test_a_session_lasts_until_its_gap_has_passed_without_an_event(simulate: Simulate) -> None:
    lines = [viewed(f"2025-03-01T10:{minute}:00Z") for minute in ("00", "20", "45")]

    assert seen(simulate(BINGE, lines, NEVER)) == [
        "ENTER binge [u1] @2025-03-01T10:45:00Z",
        "EXIT binge [u1] @2025-03-01T11:15:00Z",
    ]


@pytest.mark.parametrize(("third", "expected"), [("10:49:59.999", ["ENTER binge", "EXIT binge"]), ("10:50:00", [])])
def test_a_gap_of_exactly_that_length_ends_a_session(simulate: Simulate, third: str, expected: list[str]) -> None:
    lines = [viewed(f"2025-03-01T{time}Z") for time in ("10:00:00", "10:20:00", third)]

    assert moves(simulate(BINGE, lines, NEVER)) == expected


def test_late_events_make_one_session_of_two(simulate: Simulate) -> None:
    """10:00 and 11:10 are two sessions until 10:25 and 10:50 come to lie between them."""
    lines = [
        viewed("2025-03-01T10:00:00Z"),
        viewed("2025-03-01T11:10:00Z"),
        viewed("2025-03-01T11:11:00Z", ts="2025-03-01T10:25:00Z"),
        viewed("2025-03-01T11:12:00Z", ts="2025-03-01T10:50:00Z"),
    ]

    assert seen(simulate(BINGE, lines, NEVER)) == [
        "ENTER binge [u1] @2025-03-01T11:12:00Z",
        "EXIT binge [u1] @2025-03-01T11:40:00Z",
    ]
