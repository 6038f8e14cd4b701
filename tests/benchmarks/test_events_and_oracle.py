"""The benchmarks' stream and oracle: what they claim to be is held here, since every figure rests on them."""

import hashlib
from collections.abc import Sequence

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from tests.benchmarks.events import DAY_MS, Event, introductions, iso, reference_stream, wide_stream
from tests.benchmarks.expected import (
    COUNT_NEEDED,
    COUNTED_EVENT,
    WINDOW_MS,
    Transition,
    Verdict,
    judge,
    transitions,
)

BASE_MS = 1_794_268_800_000  # 2026-11-10T00:00:00Z


def order(user: str, at_ms: int, *, message_id: str = "") -> Event:
    return Event(message_id or f"{user}@{at_ms}", user, COUNTED_EVENT, at_ms, b"")


def inside_at(orders: Sequence[int], moment: int) -> bool:
    return len([at_ms for at_ms in orders if moment - WINDOW_MS < at_ms <= moment]) >= COUNT_NEEDED


def test_the_stream_is_the_same_bytes_on_every_machine() -> None:
    digest = hashlib.sha256()
    for event in reference_stream(5_000, base_ms=BASE_MS):
        digest.update(event.value + b"\n")

    assert digest.hexdigest() == "cdc8f18a345f49d001b2f26734ded1737c08469d2552ffc90aacd6a26fd82653"


def test_an_event_says_what_its_bytes_say() -> None:
    for event in wide_stream(500, users=100_000, base_ms=BASE_MS, step_ms=264):
        call = msgspec.json.decode(event.value)
        found = (call["messageId"], call["userId"], call["event"], call["timestamp"])
        assert found == (event.message_id, event.user, event.name, iso(event.at_ms))


def test_about_one_record_in_a_hundred_is_sent_twice() -> None:
    events = list(reference_stream(20_000, base_ms=BASE_MS))

    repeated = len(events) - len({event.message_id for event in events})

    assert 100 < repeated < 300


def test_everybody_is_introduced_once_with_three_identifiers() -> None:
    calls = [msgspec.json.decode(event.value) for event in introductions(1_000, base_ms=BASE_MS, step_ms=36)]

    for path in ("userId", "anonymousId"):
        assert len({call[path] for call in calls}) == 1_000
    assert len({call["traits"]["email"] for call in calls}) == 1_000


def test_a_moved_event_differs_in_its_time_only() -> None:
    event = next(reference_stream(1, base_ms=BASE_MS))

    moved = event.moved_to(event.at_ms + 12_345)

    before, after = msgspec.json.decode(event.value), msgspec.json.decode(moved.value)
    assert after.pop("timestamp") == iso(event.at_ms + 12_345)
    assert before.pop("timestamp") == iso(event.at_ms)
    assert before == after


def test_the_third_order_enters_and_its_predecessors_ageing_exits() -> None:
    events = [order("u", BASE_MS + day * DAY_MS) for day in (0, 1, 2)]

    changes = transitions(events, until_ms=BASE_MS + 30 * DAY_MS)

    assert changes == [
        Transition("u", entered=True, at_ms=BASE_MS + 2 * DAY_MS),
        Transition("u", entered=False, at_ms=BASE_MS + 7 * DAY_MS),
    ]


def test_a_repeated_message_does_not_count() -> None:
    events = [order("u", BASE_MS + minute * 60_000, message_id="same") for minute in range(5)]

    assert not transitions(events, until_ms=BASE_MS + 30 * DAY_MS)


@given(
    days=st.lists(st.integers(0, 20 * 24), max_size=30, unique=True),
    moments=st.lists(st.integers(-1, 30 * 24 * 2), min_size=1, max_size=20),
)
def test_the_last_transition_before_any_moment_says_who_is_inside(days: list[int], moments: list[int]) -> None:
    orders = [BASE_MS + hour * 3_600_000 for hour in sorted(days)]
    changes = transitions([order("u", at_ms) for at_ms in orders], until_ms=BASE_MS + 60 * DAY_MS)

    assert [change.entered for change in changes] == [index % 2 == 0 for index in range(len(changes))]
    for half_hours in moments:
        moment = BASE_MS + half_hours * 1_800_000
        so_far = [change.entered for change in changes if change.at_ms <= moment]
        assert (so_far[-1] if so_far else False) == inside_at(orders, moment)


def test_the_verdict_counts_what_is_missing_repeated_and_wrong() -> None:
    events = [
        *(order("a", BASE_MS + day * DAY_MS) for day in (0, 1, 2)),
        *(order("b", BASE_MS + day * DAY_MS) for day in (0, 1, 2)),
        order("c", BASE_MS + 8 * DAY_MS),
    ]
    enters_a = Transition("a", entered=True, at_ms=BASE_MS + 2 * DAY_MS)
    unexplained = Transition("c", entered=True, at_ms=BASE_MS + 8 * DAY_MS)

    verdict = judge([enters_a, enters_a, unexplained], events, observed_until_ms=BASE_MS + 9 * DAY_MS)

    assert verdict == Verdict(entries=1, entries_expected=2, exits=0, exits_expected=2, repeated=1, wrong=1)


def test_an_exit_due_after_the_stream_may_come_or_not() -> None:
    events = [order("a", BASE_MS + day * DAY_MS) for day in (0, 1, 2)]
    enters = Transition("a", entered=True, at_ms=BASE_MS + 2 * DAY_MS)
    leaves = Transition("a", entered=False, at_ms=BASE_MS + 7 * DAY_MS)
    until_ms = BASE_MS + 8 * DAY_MS

    assert judge([enters], events, observed_until_ms=until_ms).flawless
    assert judge([enters, leaves], events, observed_until_ms=until_ms).flawless
    assert not judge([enters, leaves], events, observed_until_ms=until_ms - 2 * DAY_MS).flawless
