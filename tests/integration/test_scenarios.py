"""Scenarios on the real thing: what is committed is what ``simulate`` says of the same lines."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from tests.acceptance.lines import Line, Output, audiences, of_topic, passthrough, seen, track
from tests.integration.world import World

BY_CHANCE_OR_CLOCK = frozenset({"messageId", "sentAt", "message_id", "profile_id"})
"""Fields of changes that two runs do not share: profile ids are drawn at random, message ids are made of them."""


def test_p_06_deduplication(world: World) -> None:
    definitions = world.define(audiences(two_logins="event('Login').count() >= 2"))
    lines = [
        login("2025-01-01T00:00:00Z", "m1", n=1),
        login("2025-01-01T23:59:59Z", "m1", n=2),
        login("2025-01-02T00:10:00Z", "m2", n=3),
        login("2025-01-02T00:30:00Z", "m1", n=4),
    ]

    with world.worker() as worker:
        world.write(lines)
        world.settle()
        counted = worker.metrics("audience_worker_records_total")

    outputs = world.outputs("audience-changes")
    assert seen(outputs) == ["ENTER two_logins [u1] @2025-01-02T00:10:00Z"]
    assert comparable(outputs) == comparable(
        of_topic(world.simulated(definitions, lines, to="2025-01-03T00:00:00Z"), "audience-changes")
    )
    assert accepted(world) == [("m1", 1), ("m2", 3), ("m1", 4)]
    assert counted["resolved", "tracking-events"] == 3
    assert counted["duplicate", "tracking-events"] == 1


def test_p_06_the_window_outlives_the_worker(world: World) -> None:
    with world.worker():
        world.write([login("2025-01-01T00:00:00Z", "m1", n=1)])
        world.settle()
    with world.worker("another"):
        world.write([login("2025-01-01T12:00:00Z", "m1", n=2)])
        world.settle()

    assert accepted(world) == [("m1", 1)]


def test_p_19_passthrough(world: World) -> None:
    definitions = world.define({"audiences": []})
    lines = [
        segment("2025-06-02T07:57:50Z", "qualify", "c42", ts=1_748_851_070),
        segment("2025-06-02T07:57:51Z", "qualify", "c42", ts=1_748_851_070),
        segment("2025-06-02T08:57:50Z", "disqualify", "c42", ts=1_748_854_670),
        segment("2025-06-02T08:57:51Z", "qualify", "c42", ts=1_748_852_000),
        segment("2025-06-02T08:57:52Z", "disqualify", "c43", ts=1_748_854_670),
        segment("2025-06-02T09:57:50Z", "qualify", "c42", ts=1_748_858_270),
    ]

    with world.worker():
        world.write(lines)
        world.settle()

    outputs = world.outputs("audience-changes")
    assert seen(outputs) == [
        "ENTER audience_1 [customer_id c42] @2025-06-02T07:57:50Z",
        "EXIT audience_1 [customer_id c42] @2025-06-02T08:57:50Z",
        "ENTER audience_1 [customer_id c42] @2025-06-02T09:57:50Z",
    ]
    assert comparable(outputs) == comparable(
        of_topic(world.simulated(definitions, lines, to="2025-06-03T00:00:00Z"), "audience-changes")
    )


def test_p_29_exit_by_time(world: World) -> None:
    query = "event('Shoes Bought').where(property('price') >= 100).within(7 days).count() >= 1"
    definitions = world.define(audiences(shoe7=query))
    first = [
        bought("2025-03-01T10:15:00Z", price=120),
        bought("2025-03-05T08:00:00Z", price=99.99),
    ]
    late = bought("2025-03-08T12:00:00Z", price=150, ts="2025-03-02T00:00:00Z")
    expected = [
        "ENTER shoe7 [u1] @2025-03-01T10:15:00Z",
        "EXIT shoe7 [u1] @2025-03-08T10:15:00Z",
        "ENTER shoe7 [u1] @2025-03-08T12:00:00Z",
        "EXIT shoe7 [u1] @2025-03-09T00:00:00Z",
    ]

    with world.worker():
        world.write(first)
        assert seen(world.changes(2)) == expected[:2]  # nothing was sent that could have caused the exit
        world.write([late])
        outputs = world.changes(4)
        world.settle()

    assert seen(outputs) == expected
    assert [output["value"]["context"]["audience"]["reason"] for output in outputs] == ["event", "time"] * 2
    simulated = world.simulated(definitions, [*first, late], to="2025-03-10T00:00:00Z")
    assert comparable(world.outputs("audience-changes")) == comparable(of_topic(simulated, "audience-changes"))


def test_an_exit_that_fell_due_while_nobody_ran_comes_with_its_due_time(world: World) -> None:
    world.define(audiences(recent="event('Shoes Bought').within(7 days).count() >= 1"))
    with world.worker(AW_TIMER_SCAN_INTERVAL_MS="10000"):  # has looked once, and will not again before it ends
        world.write([bought("2025-03-01T10:15:00Z", price=120)])
        world.changes(1)
    with world.worker():
        assert seen(world.changes(2)) == [
            "ENTER recent [u1] @2025-03-01T10:15:00Z",
            "EXIT recent [u1] @2025-03-08T10:15:00Z",
        ]


def login(at: str, message_id: str, *, n: int) -> Line:
    return track(at, "Login", {"n": n}, user="u1", message_id=message_id)


def segment(at: str, action: str, customer: str, *, ts: int) -> Line:
    return passthrough(at, action, "audience_1", ts=ts, identifiers={"customer_id": customer})


def bought(at: str, *, price: float, ts: str | None = None) -> Line:
    return track(at, "Shoes Bought", {"price": price}, user="u1", ts=ts, message_id=f"bought {price}")


def accepted(world: World) -> list[tuple[str, int]]:
    """Message id and ``n`` of each accepted event, in order."""
    return [(event["messageId"], event["properties"]["n"]) for event in world.events()]


def comparable(changes: Iterable[Output]) -> list[list[Any]]:
    """The changes of each profile in order, without what two runs cannot share; profiles in the order of their text."""
    by_profile: defaultdict[str, list[Any]] = defaultdict(list)
    for change in changes:
        by_profile[change["key"]].append([_shared(change["value"]), _shared(change["headers"])])
    return sorted(by_profile.values(), key=str)


def _shared(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {name: _shared(inner) for name, inner in value.items() if name not in BY_CHANCE_OR_CLOCK}
