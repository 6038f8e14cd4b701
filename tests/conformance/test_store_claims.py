"""Claims: the same answers from a real Redis, from memory, and from a list that never forgets."""

from collections.abc import Sequence
from random import Random
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conformance.conftest import DAY_MS, NewStore
from worker.clock import VirtualClock
from worker.ports import Claim, Store

MINUTE_MS = 60_000
NOW_MS = 1_767_268_830_500  # 2026-01-01T12:00:30.5Z
TURN_MS = 2 * (2**24 - 1) * MINUTE_MS  # 2033-10-18: the minutes that Redis keeps in three bytes begin anew
AN_ID, ANOTHER_ID = b"\x07" * 16, b"\x08" * 16
HERE, THERE = b"here!", b"there"


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(NOW_MS)


@pytest.fixture
def store(new_store: NewStore, clock: VirtualClock) -> Store:
    return new_store(clock, DAY_MS)


def taken(store: Store, *claims: Claim, evict_before_ms: int = 0, epoch: int = 0) -> list[int] | None:
    return store.claim(claims, epoch=epoch, evict_before_ms=evict_before_ms).get()


def test_the_first_wins_and_others_are_told_by_their_indexes(store: Store) -> None:
    ids = [bytes([number]) * 16 for number in range(40)]
    assert taken(store, *[Claim(each, HERE, NOW_MS) for each in ids[::3]]) == []
    assert taken(store, *[Claim(each, THERE, NOW_MS) for each in ids]) == list(range(0, 40, 3))


def test_the_same_coordinates_again_are_a_redelivery(store: Store) -> None:
    assert taken(store, Claim(AN_ID, HERE, NOW_MS)) == []
    assert taken(store, Claim(AN_ID, HERE, NOW_MS), Claim(AN_ID, THERE, NOW_MS)) == [1]


def test_claims_of_one_call_meet_each_other(store: Store) -> None:
    claims = [Claim(AN_ID, HERE, NOW_MS), Claim(AN_ID, THERE, NOW_MS), Claim(ANOTHER_ID, THERE, NOW_MS)]
    assert taken(store, *claims) == [1]


@pytest.mark.parametrize("sign", [1, -1], ids=["later", "earlier"])
@pytest.mark.parametrize(
    ("apart_ms", "collides"),
    [(0, True), (DAY_MS - 1, True), (DAY_MS, True), (DAY_MS + 20 * MINUTE_MS, False), (9 * DAY_MS, False)],
    ids=["same-time", "within", "24-h", "24-h-20-min", "days"],
)
def test_the_window_is_24_hours_of_the_records_time(store: Store, *, sign: int, apart_ms: int, collides: bool) -> None:
    first_ms = NOW_MS - 10 * DAY_MS
    assert taken(store, Claim(AN_ID, HERE, first_ms)) == []
    assert taken(store, Claim(AN_ID, THERE, first_ms + sign * apart_ms)) == ([0] if collides else [])


def test_a_longer_window_is_as_long_as_it_says(new_store: NewStore, clock: VirtualClock) -> None:
    store = new_store(clock, 48 * 60 * MINUTE_MS)
    assert taken(store, Claim(AN_ID, HERE, NOW_MS - 5 * DAY_MS)) == []
    assert taken(store, Claim(AN_ID, THERE, NOW_MS - 3 * DAY_MS)) == [0]
    assert taken(store, Claim(AN_ID, THERE, NOW_MS - 3 * DAY_MS + 2 * MINUTE_MS)) == []


def test_a_duplicate_does_not_refresh_the_window(store: Store) -> None:
    first_ms = NOW_MS - 3 * DAY_MS
    assert taken(store, Claim(AN_ID, HERE, first_ms)) == []
    assert taken(store, Claim(AN_ID, THERE, first_ms + DAY_MS)) == [0]
    assert taken(store, Claim(AN_ID, THERE, first_ms + DAY_MS + 20 * MINUTE_MS)) == []


def test_a_redelivery_finds_its_claim_between_others(store: Store) -> None:
    """Claims more than 24 h apart both stand; what lies between them meets both."""
    early, late = NOW_MS - 3 * DAY_MS, NOW_MS - 3 * DAY_MS + DAY_MS + 60 * MINUTE_MS
    between = early + DAY_MS // 2
    assert taken(store, Claim(AN_ID, HERE, early), Claim(AN_ID, THERE, late)) == []
    assert taken(store, Claim(AN_ID, HERE, between), Claim(AN_ID, THERE, between)) == []
    assert taken(store, Claim(AN_ID, b"other", between)) == [0]


@pytest.mark.parametrize("timestamp_ms", [NOW_MS + 3 * DAY_MS, 2**62], ids=["days", "absurd"])
def test_a_claim_from_the_future_counts_as_now(store: Store, clock: VirtualClock, timestamp_ms: int) -> None:
    assert taken(store, Claim(AN_ID, HERE, timestamp_ms)) == []
    assert taken(store, Claim(AN_ID, THERE, NOW_MS)) == [0]
    clock.advance_to(NOW_MS + DAY_MS)
    assert taken(store, Claim(AN_ID, THERE, timestamp_ms)) == [0]
    clock.advance_to(NOW_MS + DAY_MS + 20 * MINUTE_MS)
    assert taken(store, Claim(AN_ID, THERE, timestamp_ms)) == []


@pytest.mark.parametrize("timestamp_ms", [-1, 0, MINUTE_MS], ids=["none", "epoch", "a-minute"])
def test_a_record_without_a_proper_timestamp_is_claimed_too(store: Store, timestamp_ms: int) -> None:
    before_ms = timestamp_ms - DAY_MS
    assert taken(store, Claim(AN_ID, HERE, timestamp_ms), evict_before_ms=before_ms) == []
    assert taken(store, Claim(AN_ID, THERE, timestamp_ms), evict_before_ms=before_ms) == [0]
    assert taken(store, Claim(AN_ID, THERE, NOW_MS), evict_before_ms=NOW_MS - DAY_MS) == []


def crowded(number: int) -> bytes:
    """Digests that begin alike, so that they meet in one bucket of a real Redis."""
    return b"\x05bkt" + number.to_bytes(6, "big") + bytes(6)


def test_what_is_newer_than_the_bound_is_never_forgotten(store: Store, clock: VirtualClock) -> None:
    """However many come, and though they lie outside the window of those that come later."""
    ids = [crowded(number) for number in range(600)]
    bound_ms = NOW_MS - DAY_MS
    assert taken(store, *[Claim(each, HERE, bound_ms) for each in ids], evict_before_ms=bound_ms) == []
    clock.advance_to(NOW_MS + 5 * DAY_MS)
    later = [Claim(crowded(number), HERE, NOW_MS + 5 * DAY_MS) for number in range(600, 1_200)]
    assert taken(store, *later, evict_before_ms=bound_ms) == []
    assert taken(store, *[Claim(each, THERE, bound_ms) for each in ids], evict_before_ms=bound_ms) == list(range(600))


def test_what_is_within_the_window_is_kept_whatever_the_bound(store: Store) -> None:
    ids = [crowded(number) for number in range(600)]
    too_late_ms = NOW_MS + 9 * DAY_MS
    assert taken(store, *[Claim(each, HERE, NOW_MS) for each in ids], evict_before_ms=too_late_ms) == []
    again = [Claim(each, THERE, NOW_MS) for each in ids]
    assert taken(store, *again, evict_before_ms=too_late_ms) == list(range(600))


def test_an_older_epoch_claims_nothing(store: Store) -> None:
    claims = [Claim(bytes([number]) * 16, HERE, NOW_MS) for number in range(20)]
    assert taken(store, epoch=0) == []
    store.raise_epoch(3).get()
    assert taken(store, *claims, epoch=2) is None
    assert taken(store, epoch=2) is None
    assert taken(store, *[claim._replace(coordinates=THERE) for claim in claims], epoch=3) == []


def test_the_epoch_never_falls(store: Store) -> None:
    store.raise_epoch(10).get()
    store.raise_epoch(9).get()
    assert taken(store, Claim(AN_ID, HERE, NOW_MS), epoch=9) is None
    assert taken(store, Claim(AN_ID, HERE, NOW_MS), epoch=11) == []
    assert taken(store, Claim(AN_ID, HERE, NOW_MS), epoch=10) == []


class Ledger:
    """The oracle: every claim that was ever accepted, one after the other."""

    def __init__(self) -> None:
        self._accepted: list[tuple[bytes, int, bytes]] = []

    def taken(self, claims: Sequence[Claim], now_ms: int) -> list[int]:
        return [index for index, claim in enumerate(claims) if not self._accepts(claim, now_ms)]

    def _accepts(self, claim: Claim, now_ms: int) -> bool:
        minute = min(claim.timestamp_ms, now_ms) // MINUTE_MS
        rivals = {
            coordinates
            for digest, at, coordinates in self._accepted
            if digest == claim.digest and -1440 <= minute - at <= 1440
        }
        if not rivals:
            self._accepted.append((claim.digest, minute, claim.coordinates))
        return not rivals or claim.coordinates in rivals


class Step(NamedTuple):
    """A call some time after the one before. ``claims``: digest, coordinates, and time since the bound."""

    wait_ms: int
    claims: list[tuple[bytes, bytes, int]]


# Fourteen ids of one bucket, two that differ from it in their bucket or in their slice only.
DIGESTS = [crowded(number) for number in range(14)]
DIGESTS += [b"\x05bku" + bytes(12), b"\x06bkt" + bytes(12)]
STEPS = st.lists(
    st.builds(
        Step,
        wait_ms=st.integers(0, 30 * 60 * MINUTE_MS),
        claims=st.lists(
            st.tuples(st.sampled_from(DIGESTS), st.binary(min_size=5, max_size=5), st.integers(0, 50 * 60 * MINUTE_MS)),
            max_size=12,
        ),
    ),
    max_size=12,
)


@settings(max_examples=60, deadline=None)
@given(
    steps=STEPS,
    repeats=st.randoms(use_true_random=False),
    start_ms=st.sampled_from([NOW_MS, TURN_MS - DAY_MS, TURN_MS]),
)
def test_any_claims_are_answered_as_if_nothing_were_forgotten(
    new_store: NewStore, steps: list[Step], repeats: Random, start_ms: int
) -> None:
    """The bound follows the slowest input; what comes is at most a day behind the clock, or ahead of it."""
    clock, ledger = VirtualClock(start_ms), Ledger()
    seen: list[Claim] = []
    store = new_store(clock, DAY_MS)
    for step in steps:
        clock.advance_to(clock.now_ms() + step.wait_ms)
        reached_ms = clock.now_ms() - DAY_MS
        claims = [Claim(digest, coordinates, reached_ms + at) for digest, coordinates, at in step.claims]
        claims += [claim for claim in seen if claim.timestamp_ms >= reached_ms and repeats.random() < 0.3]
        seen += claims

        answer = store.claim(claims, epoch=0, evict_before_ms=reached_ms - DAY_MS).get()

        assert answer == ledger.taken(claims, clock.now_ms())
