"""The oracle's funnels and undecided conditions, on examples worked out by hand."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.property.audience_oracle_examples import audiences, holds, seen, track, traits
from tests.property.audience_oracle_records import Record

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
        ("count() = 1.5", 1, None),
        ("count() = 1.5", 2, False),
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
        ("first(property('d')).before_date('2025-01-03')", 0, None),
        ("first(property('d')).within_last(1 day)", 0, None),
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
