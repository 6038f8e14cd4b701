"""Comparisons with another value in place of a constant: traits of the profile, properties, other events."""

from typing import Any

import pytest

from tests.acceptance.conftest import Simulate
from tests.acceptance.lines import audiences, identify, seen, track

pytestmark = pytest.mark.acceptance

NEVER = "2025-06-01T00:00:00Z"
SPENDERS = "event('Shoes Bought').where(property('price') >= trait('avg_spend')).within(30 days).count() >= 1"


def bought(at: str, price: Any) -> Any:
    return track(at, "Shoes Bought", {"price": price}, user="u1")


def test_a_property_beside_a_trait_follows_the_trait(simulate: Simulate) -> None:
    """The trait's current value counts, for events that came before it changed too."""
    lines = [
        bought("2025-01-01T00:00:00Z", 100),
        identify("2025-01-02T00:00:00Z", {"avg_spend": 80}, user="u1"),
        identify("2025-01-03T00:00:00Z", {"avg_spend": 120}, user="u1"),
        bought("2025-01-04T00:00:00Z", 120),
        identify("2025-01-05T00:00:00Z", {"avg_spend": None}, user="u1"),
        identify("2025-01-06T00:00:00Z", {"avg_spend": 1}, user="u1"),
    ]

    assert seen(simulate(audiences(spenders=SPENDERS), lines, NEVER)) == [
        "ENTER spenders [u1] @2025-01-02T00:00:00Z",
        "EXIT spenders [u1] @2025-01-03T00:00:00Z",
        "ENTER spenders [u1] @2025-01-04T00:00:00Z",
        "EXIT spenders [u1] @2025-01-05T00:00:00Z",
        "ENTER spenders [u1] @2025-01-06T00:00:00Z",
        "EXIT spenders [u1] @2025-02-03T00:00:00Z",
    ]


def test_a_property_beside_a_computed_trait_of_the_same_events(simulate: Simulate) -> None:
    """The average moves with every purchase, and is computed first."""
    definitions = {
        "traits": [{"key": "avg_spend", "query": "event('Shoes Bought').avg(property('price'))"}],
        "audiences": [
            {"key": "above", "query": SPENDERS.replace(">=", ">", 1).replace("count() >= 1", "count() >= 2")}
        ],
    }
    lines = [bought(f"2025-01-0{day}T00:00:00Z", price) for day, price in enumerate([10, 20, 30, 5, 100], start=1)]

    assert seen(simulate(definitions, lines, "2025-01-06T00:00:00Z")) == [
        "ENTER above [u1] @2025-01-04T00:00:00Z",
        "EXIT above [u1] @2025-01-05T00:00:00Z",
    ]


def test_a_membership_inside_where(simulate: Simulate) -> None:
    definitions = audiences(
        vip="trait('plan') = 'pro'", vip_buyers="event('X').where(trait('vip') = true).count() >= 1"
    )
    lines = [
        track("2025-01-01T00:00:00Z", "X", user="u1"),
        identify("2025-01-02T00:00:00Z", {"plan": "pro"}, user="u1"),
    ]

    assert seen(simulate(definitions, lines, NEVER)) == [
        "ENTER vip [u1] @2025-01-02T00:00:00Z",
        "ENTER vip_buyers [u1] @2025-01-02T00:00:00Z",
    ]


def test_two_properties_of_one_event(simulate: Simulate) -> None:
    query = "event('X').where(property('paid') < property('price')).count() >= 1"
    lines = [
        track("2025-01-01T00:00:00Z", "X", {"paid": 5, "price": 5}, user="u1"),
        track("2025-01-02T00:00:00Z", "X", {"paid": 4, "price": "5"}, user="u1"),
    ]

    assert seen(simulate(audiences(a=query), lines, NEVER)) == ["ENTER a [u1] @2025-01-02T00:00:00Z"]


def test_two_counts(simulate: Simulate) -> None:
    """More this week than in the three weeks before it; time alone changes both sides."""
    query = "event('X').within(7 days).count() > event('X').between(7 days, 28 days).count()"
    lines = [track(f"2025-01-{day:02}T00:00:00Z", "X", user="u1") for day in (1, 10, 11)]

    assert seen(simulate(audiences(rising=query), lines, NEVER)) == [
        "ENTER rising [u1] @2025-01-01T00:00:00Z",
        "EXIT rising [u1] @2025-01-08T00:00:00Z",
        "ENTER rising [u1] @2025-01-11T00:00:00Z",
        "EXIT rising [u1] @2025-01-17T00:00:00Z",
    ]


def test_two_traits_and_texts(simulate: Simulate) -> None:
    query = "trait('city') != trait('billing.city') AND trait('tags.$').contains(trait('word'))"
    lines = [
        identify("2025-01-01T00:00:00Z", {"city": "Paris", "tags": ["a", "blue"], "word": "lu"}, user="u1"),
        identify("2025-01-02T00:00:00Z", {"billing": {"city": "Rome"}}, user="u1"),
        identify("2025-01-03T00:00:00Z", {"word": "lu!"}, user="u1"),
    ]

    assert seen(simulate(audiences(moved=query), lines, NEVER)) == [
        "ENTER moved [u1] @2025-01-02T00:00:00Z",
        "EXIT moved [u1] @2025-01-03T00:00:00Z",
    ]
