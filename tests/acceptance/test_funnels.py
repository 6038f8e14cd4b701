"""Funnels: an event that another one follows, or does not, in time or ever."""

from typing import Any

import pytest

from tests.acceptance.conftest import Simulate
from tests.acceptance.lines import Line, Output, audiences, changes, of_topic, seen, track

pytestmark = pytest.mark.acceptance

EVALUATED = "2025-05-10T12:00:00Z"
NEVER = "2025-07-01T00:00:00Z"

ADDED, ORDERED = "Product Added", "Order Completed"
FOLLOWED = f"event('{ADDED}').where(event('{ORDERED}').within(parent: 1 day).count() %s).within(7 days).count() >= 1"
DID, DID_NOT = FOLLOWED % ">= 1", FOLLOWED % "= 0"


def reasons(outputs: list[Output]) -> list[str]:
    return [change["value"]["context"]["audience"]["reason"] for change in changes(outputs)]


def added(at: str, product: str = "p", **fields: Any) -> Line:
    return track(at, ADDED, {"product_id": product}, user="u1", **fields)


def ordered(at: str, product: str = "p", **fields: Any) -> Line:
    return track(at, ORDERED, {"product_id": product}, user="u1", **fields)


def is_member(simulate: Simulate, query: str, lines: list[Line], *, at: str = EVALUATED) -> bool:
    outputs = simulate(audiences(cart=query), lines, at)
    return bool(seen(outputs)) and seen(outputs)[-1].startswith("ENTER")


# --- P-32: "and then did not", "and then did" ----------------------------------------------------------------
P_32 = {
    "U1: added, no order": ([("05-09T09", ADDED)], True, False),
    "U2: ordered eleven hours later": ([("05-08T09", ADDED), ("05-08T20", ORDERED)], False, True),
    "U3: the second one is left": ([("05-07T09", ADDED), ("05-07T10", ORDERED), ("05-08T09", ADDED)], True, True),
    "U4: the order came before": ([("05-07T08", ORDERED), ("05-07T09", ADDED)], True, False),
    "U5: ordered 25 hours later": ([("05-08T09", ADDED), ("05-09T10", ORDERED)], True, False),
    "U6: longer than seven days ago": ([("05-01T09", ADDED)], False, False),
    "U7: both at one moment": ([("05-08T09", ORDERED), ("05-08T09", ADDED)], True, False),
}


@pytest.mark.parametrize("name", P_32)
def test_p_32_funnel(simulate: Simulate, name: str) -> None:
    """As they are at 2025-05-10T12:00Z; any instance of the parent will do."""
    steps, did_not, did = P_32[name]
    lines = [track(f"2025-{hour}:00:00Z", event, user="u1") for hour, event in steps]

    assert is_member(simulate, DID_NOT, lines) is did_not
    assert is_member(simulate, DID, lines) is did


def test_p_32_did_not_is_decided_when_the_window_is_over(simulate: Simulate) -> None:
    """Not before; and it holds until the parent leaves its own window."""
    outputs = simulate(audiences(cart=DID_NOT), [added("2025-05-01T09:00:00Z")], NEVER)

    assert seen(outputs) == ["ENTER cart [u1] @2025-05-02T09:00:00Z", "EXIT cart [u1] @2025-05-08T09:00:00Z"]
    assert reasons(outputs) == ["time", "time"]


def test_p_32_did_is_decided_by_the_first_child(simulate: Simulate) -> None:
    lines = [added("2025-05-01T09:00:00Z"), ordered("2025-05-01T10:00:00Z")]

    outputs = simulate(audiences(buyers=DID), lines, NEVER)

    assert seen(outputs) == ["ENTER buyers [u1] @2025-05-01T10:00:00Z", "EXIT buyers [u1] @2025-05-08T09:00:00Z"]
    assert reasons(outputs) == ["event", "time"]


@pytest.mark.parametrize(("after", "expected"), [("09:59:59.999", True), ("10:00:00", False)])
def test_p_32_a_child_exactly_at_the_end_is_too_late(simulate: Simulate, after: str, *, expected: bool) -> None:
    query = DID.replace("1 day", "1 hour")

    assert is_member(simulate, query, [added("2025-05-10T09:00:00Z"), ordered(f"2025-05-10T{after}Z")]) is expected


def test_p_32_a_late_child_counts_in_its_place(simulate: Simulate) -> None:
    """It comes when "did not" has been decided, and undoes it."""
    lines = [added("2025-05-01T09:00:00Z"), ordered("2025-05-03T00:00:00Z", ts="2025-05-01T12:00:00Z")]

    assert seen(simulate(audiences(cart=DID_NOT), lines, NEVER)) == [
        "ENTER cart [u1] @2025-05-02T09:00:00Z",
        "EXIT cart [u1] @2025-05-03T00:00:00Z",
    ]


def test_p_32_a_late_parent_counts_in_its_place(simulate: Simulate) -> None:
    lines = [ordered("2025-05-01T12:00:00Z"), added("2025-05-01T13:00:00Z", ts="2025-05-01T09:00:00Z")]

    assert seen(simulate(audiences(buyers=DID), lines, NEVER)) == [
        "ENTER buyers [u1] @2025-05-01T13:00:00Z",
        "EXIT buyers [u1] @2025-05-08T09:00:00Z",
    ]


# --- Not decided yet -----------------------------------------------------------------------------------------
def test_not_of_undecided_is_undecided(simulate: Simulate) -> None:
    """NOT (did) waits for the end of the window, as "did not" does."""
    query = f"event('{ADDED}').where(NOT event('{ORDERED}').within(parent: 1 day).count() >= 1).count() >= 1"

    assert seen(simulate(audiences(cart=query), [added("2025-05-01T09:00:00Z")], NEVER)) == [
        "ENTER cart [u1] @2025-05-02T09:00:00Z"
    ]


def test_not_of_an_undecided_count_of_parents_is_undecided(simulate: Simulate) -> None:
    query = f"NOT event('{ADDED}').where(event('{ORDERED}').within(parent: 1 day).count() = 0).count() >= 1"
    lines = [added("2025-05-01T09:00:00Z"), ordered("2025-05-01T10:00:00Z")]

    assert seen(simulate(audiences(none=query), lines[:1], NEVER)) == []
    assert seen(simulate(audiences(none=query), lines, NEVER)) == ["ENTER none [u1] @2025-05-01T10:00:00Z"]


def test_a_count_that_undecided_parents_cannot_change_is_decided(simulate: Simulate) -> None:
    """One has been abandoned for sure: whatever becomes of the other, it is one at least."""
    lines = [added("2025-05-01T09:00:00Z"), added("2025-05-02T08:00:00Z")]
    query = DID_NOT.replace("within(7 days).", "")

    assert seen(simulate(audiences(cart=query), lines, "2025-05-02T10:00:00Z")) == [
        "ENTER cart [u1] @2025-05-02T09:00:00Z"
    ]
    assert seen(simulate(audiences(one=query.replace(">= 1", "= 1")), lines, NEVER)) == []


@pytest.mark.parametrize(
    ("test", "orders", "expected"),
    [
        (">= 2", 2, "2025-05-01T11:00:00Z"),
        ("= 1", 1, "2025-05-02T09:00:00Z"),
        ("<= 1", 1, "2025-05-02T09:00:00Z"),
        ("!= 1", 2, "2025-05-01T11:00:00Z"),
        ("< 1", 1, None),
        ("= 1", 2, None),
    ],
)
def test_what_comes_decides_as_soon_as_it_can(simulate: Simulate, test: str, orders: int, expected: str | None) -> None:
    query = f"event('{ADDED}').where(event('{ORDERED}').within(parent: 1 day).count() {test}).count() >= 1"
    lines = [added("2025-05-01T09:00:00Z"), *(ordered(f"2025-05-01T1{hour}:00:00Z") for hour in range(orders))]

    assert seen(simulate(audiences(a=query), lines, NEVER)) == ([f"ENTER a [u1] @{expected}"] if expected else [])


def test_without_a_window_did_not_holds_until_it_did(simulate: Simulate) -> None:
    query = f"event('{ADDED}').where(event('{ORDERED}').count() = 0).count() >= 1"
    lines = [added("2025-05-01T09:00:00Z"), ordered("2025-05-20T09:00:00Z"), added("2025-05-21T09:00:00Z")]

    assert seen(simulate(audiences(cart=query), lines, NEVER)) == [
        "ENTER cart [u1] @2025-05-01T09:00:00Z",
        "EXIT cart [u1] @2025-05-20T09:00:00Z",
        "ENTER cart [u1] @2025-05-21T09:00:00Z",
    ]


def test_a_plain_window_of_a_child_is_relative_to_now(simulate: Simulate) -> None:
    query = f"event('{ADDED}').where(event('{ORDERED}').within(1 day).count() >= 1).count() >= 1"
    lines = [added("2025-05-01T09:00:00Z"), ordered("2025-05-20T09:00:00Z")]

    assert seen(simulate(audiences(fresh=query), lines, NEVER)) == [
        "ENTER fresh [u1] @2025-05-20T09:00:00Z",
        "EXIT fresh [u1] @2025-05-21T09:00:00Z",
    ]


# --- Conditions on the child, and on its parent --------------------------------------------------------------
SAME_PRODUCT = (
    f"event('{ADDED}').where(event('{ORDERED}').where(property('product_id') = property(parent: 'product_id'))"
    ".within(parent: 1 day).count() = 0).count() >= 1"
)


def test_the_child_is_about_what_its_parent_was_about(simulate: Simulate) -> None:
    """Two products in the cart, one ordered: the other one is left."""
    lines = [
        added("2025-05-01T09:00:00Z", "p1"),
        added("2025-05-01T09:00:01Z", "p2"),
        ordered("2025-05-01T10:00:00Z", "p1"),
    ]

    assert seen(simulate(audiences(cart=SAME_PRODUCT), lines, NEVER)) == ["ENTER cart [u1] @2025-05-02T09:00:01Z"]
    assert seen(simulate(audiences(cart=SAME_PRODUCT), [lines[0], lines[2]], NEVER)) == []


def test_a_funnel_of_three_steps(simulate: Simulate) -> None:
    """Viewed, within an hour added, within an hour of that ordered: of one product."""
    query = (
        "event('Viewed').where(event('Product Added').where(property('product_id') = property(parent: 'product_id')"
        " AND event('Order Completed').where(property('product_id') = property(parent: 'product_id'))"
        ".within(parent: 1 hour).count() >= 1).within(parent: 1 hour).count() >= 1).count() >= 1"
    )

    def viewed(at: str, product: str) -> Line:
        return track(at, "Viewed", {"product_id": product}, user="u1")

    bought = [
        viewed("2025-05-01T09:00:00Z", "p1"),
        added("2025-05-01T09:59:00Z", "p1"),
        ordered("2025-05-01T10:58:00Z", "p1"),
    ]
    other = [
        viewed("2025-05-01T09:00:00Z", "p1"),
        added("2025-05-01T09:59:00Z", "p2"),
        ordered("2025-05-01T10:58:00Z", "p2"),
    ]

    assert seen(simulate(audiences(a=query), bought, NEVER)) == ["ENTER a [u1] @2025-05-01T10:58:00Z"]
    assert seen(simulate(audiences(a=query), other, NEVER)) == []


def test_a_funnel_over_what_the_children_amount_to(simulate: Simulate) -> None:
    query = "event('Trial').where(event('Paid').within(parent: 7 days).sum(property('n')) >= 100).count() >= 1"
    lines = [
        track("2025-05-01T00:00:00Z", "Trial", user="u1"),
        track("2025-05-02T00:00:00Z", "Paid", {"n": 150}, user="u1"),
        track("2025-05-03T00:00:00Z", "Paid", {"n": -40}, user="u1"),
    ]

    assert seen(simulate(audiences(paid=query), lines, NEVER)) == ["ENTER paid [u1] @2025-05-08T00:00:00Z"]


def test_a_trait_over_a_funnel_counts_what_is_decided(simulate: Simulate) -> None:
    query = f"event('{ADDED}').where(event('{ORDERED}').within(parent: 1 day).count() = 0).count()"
    lines = [added("2025-05-01T09:00:00Z"), added("2025-05-01T10:00:00Z"), ordered("2025-05-02T09:30:00Z")]

    outputs = simulate({"traits": [{"key": "abandoned", "query": query}]}, lines, NEVER)

    told = [change["value"] for change in of_topic(outputs, "trait-changes")]
    assert [(one["properties"]["abandoned"], one["timestamp"]) for one in told] == [(1, "2025-05-02T09:00:00.000Z")]


def test_a_window_between_two_times_after_the_parent_is_refused(run: Any, definitions_file: Any) -> None:
    query = f"event('{ADDED}').where(event('{ORDERED}').between(parent: 1 day, 2 days).count() >= 1).count() >= 1"

    finished = run("lint", definitions_file(audiences(a=query)))

    assert finished.returncode == 1
    assert b"between(parent: \xe2\x80\xa6) is not supported; within(parent: \xe2\x80\xa6) is" in finished.stderr
