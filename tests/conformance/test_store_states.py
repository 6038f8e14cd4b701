"""States, timers and kept outputs: the same answers from a real Redis, from memory, and from two dicts."""

from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conformance.conftest import DAY_MS, NewStore
from worker.clock import VirtualClock
from worker.ports import SCAN_START, PendingOutputs, StateWrite, Store

SLOT, ANOTHER_SLOT = 5, 50
ABSENT = -1


@pytest.fixture
def store(new_store: NewStore) -> Store:
    return new_store(VirtualClock(0), DAY_MS)


def profile(number: int) -> bytes:
    return b"\r\n*?[\0]{" + number.to_bytes(8, "big")


def blob(applied: int, rest: bytes = b"") -> bytes:
    return applied.to_bytes(8, "big") + rest


def write(number: int, expected: int, applied: int, due_ms: int | None = None, rest: bytes = b"") -> StateWrite:
    return StateWrite(profile(number), expected, blob(applied, rest), due_ms)


def outputs(offset: int, number: int, what: bytes = b"out") -> PendingOutputs:
    return PendingOutputs(offset, profile(number), what)


def commit(
    store: Store, *writes: StateWrite, pending: tuple[PendingOutputs, ...] = (), trim_below: int = 0
) -> list[int]:
    return store.commit(SLOT, writes, pending, trim_below).get()


def due(store: Store, until_ms: int = 2**50, limit: int = 100) -> list[tuple[bytes, int]]:
    return store.due(SLOT, until_ms, limit).get()


def pending(store: Store, first: int = 0, last: int = 2**50) -> list[PendingOutputs]:
    return store.load_pending(SLOT, first, last).get()


def test_states_come_in_the_order_asked_for(store: Store) -> None:
    assert commit(store, write(1, ABSENT, 0, rest=bytes(range(256))), write(2, ABSENT, 2**40)) == []
    asked = [profile(2), profile(9), profile(1), profile(2)]
    assert store.load(SLOT, asked).get() == [blob(2**40), None, blob(0, bytes(range(256))), blob(2**40)]


def test_loading_nothing_gives_nothing(store: Store) -> None:
    assert store.load(SLOT, []).get() == []


def test_slots_are_apart(store: Store) -> None:
    commit(store, write(1, ABSENT, 7, 10), pending=(outputs(7, 1),))
    assert store.load(ANOTHER_SLOT, [profile(1)]).get() == [None]
    assert store.due(ANOTHER_SLOT, 10, 10).get() == []
    assert store.load_pending(ANOTHER_SLOT, 7, 7).get() == []


@pytest.mark.parametrize("stored", [None, 0, 6, 8], ids=["absent", "zero", "older", "newer"])
@pytest.mark.parametrize("expected", [ABSENT, 0, 7], ids=["expects-none", "expects-0", "expects-7"])
def test_a_state_is_written_only_over_the_expected_one(store: Store, *, stored: int | None, expected: int) -> None:
    before = None
    if stored is not None:
        commit(store, write(1, ABSENT, stored))
        before = blob(stored)
    wins = expected == (ABSENT if stored is None else stored)
    assert commit(store, write(1, expected, 9)) == ([] if wins else [0])
    assert store.load(SLOT, [profile(1)]).get() == [blob(9) if wins else before]


def test_of_a_loser_nothing_is_written_and_of_the_others_everything(store: Store) -> None:
    commit(store, write(1, ABSENT, 3, due_ms=30), write(3, ABSENT, 3, due_ms=33))
    lost = commit(
        store,
        write(0, ABSENT, 4, due_ms=40),
        write(1, 2, 4, due_ms=41),
        write(2, ABSENT, 5, due_ms=50),
        write(3, ABSENT, 5, due_ms=None),
        pending=(outputs(4, 0), outputs(5, 1), outputs(6, 2), outputs(7, 3)),
    )
    assert lost == [1, 3]
    assert store.load(SLOT, [profile(n) for n in range(4)]).get() == [blob(4), blob(3), blob(5), blob(3)]
    assert due(store) == [(profile(1), 30), (profile(3), 33), (profile(0), 40), (profile(2), 50)]
    assert pending(store) == [outputs(4, 0), outputs(6, 2)]


def test_a_profile_has_one_timer(store: Store) -> None:
    commit(store, write(1, ABSENT, 1, due_ms=10), write(2, ABSENT, 1, due_ms=20))
    commit(store, write(1, 1, 2, due_ms=30))
    assert due(store) == [(profile(2), 20), (profile(1), 30)]
    commit(store, write(1, 2, 3, due_ms=None), write(2, 1, 3, due_ms=None))
    assert due(store) == []


def test_due_profiles_come_by_time_then_profile_up_to_a_time_and_a_limit(store: Store) -> None:
    moment = 1_767_268_830_123
    times = {5: moment, 2: moment, 9: moment - 1, 1: moment + 1}
    commit(store, *[write(number, ABSENT, 1, due_ms=at) for number, at in times.items()])
    until = [(profile(9), moment - 1), (profile(2), moment), (profile(5), moment)]
    assert due(store, moment) == until
    assert due(store, moment, limit=2) == until[:2]
    assert due(store, moment - 2) == []


def test_kept_outputs_come_by_offset_within_bounds(store: Store) -> None:
    kept = [outputs(offset, offset % 3, bytes([offset])) for offset in (9, 4, 6, 12)]
    commit(store, pending=tuple(kept))
    assert pending(store, 4, 9) == [kept[1], kept[2], kept[0]]
    assert pending(store, 5, 5) == []


def test_outputs_kept_again_for_an_offset_replace_those_before(store: Store) -> None:
    commit(store, pending=(outputs(4, 1, b"first"), outputs(5, 1, b"same"), outputs(6, 2, b"")))
    commit(store, pending=(outputs(4, 1, b"second"), outputs(5, 1, b"same"), outputs(7, 2, b"")))
    assert pending(store) == [outputs(4, 1, b"second"), outputs(5, 1, b"same"), outputs(6, 2, b""), outputs(7, 2, b"")]


def test_outputs_below_the_trim_are_dropped_even_when_states_lose(store: Store) -> None:
    commit(store, pending=tuple(outputs(offset, 1) for offset in range(6)))
    assert commit(store, write(1, 99, 100), trim_below=4) == [0]
    assert pending(store) == [outputs(4, 1), outputs(5, 1)]


def scanned(store: Store) -> list[bytes]:
    """Every profile that a whole scan returns, ascending, repetitions left out."""
    found, cursor = set(), SCAN_START
    while True:
        cursor, profiles = store.scan(cursor).get()
        found.update(profiles)
        if cursor == SCAN_START:
            return sorted(found)


def test_a_scan_finds_every_profile_with_a_state_of_every_slot(store: Store) -> None:
    numbers = list(range(3_000, 0, -1))
    commit(store, *[write(number, ABSENT, 1, due_ms=number) for number in numbers], pending=(outputs(1, 1),))
    store.commit(ANOTHER_SLOT, [write(5_000, ABSENT, 1)], [], 0).get()
    assert scanned(store) == [profile(number) for number in [*sorted(numbers), 5_000]]


def test_a_scan_of_nothing_finds_nothing(store: Store) -> None:
    assert scanned(store) == []


def test_sizes_add_up_over_slots_and_leave_out_who_lost(store: Store) -> None:
    def sized(number: int, expected: int, *sizes: tuple[str, int]) -> StateWrite:
        return write(number, expected, 2)._replace(sizes=sizes)

    assert store.sizes().get() == {}
    commit(store, sized(1, ABSENT, ("fans", 1), ("büyer", 1)), sized(2, ABSENT, ("fans", 1)))
    store.commit(ANOTHER_SLOT, [sized(3, ABSENT, ("fans", 1))], [], 0).get()
    assert commit(store, sized(1, 99, ("fans", 1)), sized(2, 2, ("fans", -1))) == [0]
    assert store.sizes().get() == {"fans": 2, "büyer": 1}
    commit(store, sized(1, 2, ("büyer", -1)))
    assert store.sizes().get() == {"fans": 2}


def test_only_who_took_a_slot_over_last_can_commit_to_it(store: Store) -> None:
    assert commit(store, write(1, ABSENT, 1)) == []
    assert store.own([SLOT, ANOTHER_SLOT], b"first").get() == [SLOT, ANOTHER_SLOT]
    assert store.own([SLOT], b"second").get() == []
    for nobody in (b"", b"first"):
        late = [write(number, expected, 2)._replace(sizes=(("fans", 1),)) for number, expected in ((1, 1), (2, ABSENT))]
        assert store.commit(SLOT, late, [outputs(1, 1)], 9, nobody).get() == [0, 1]
    assert (pending(store), store.sizes().get()) == ([], {})
    assert store.load(SLOT, [profile(1), profile(2)]).get() == [blob(1), None]

    assert store.commit(SLOT, [write(1, 1, 2, due_ms=5)], [outputs(2, 1)], 0, b"second").get() == []
    assert (due(store), pending(store)) == ([(profile(1), 5)], [outputs(2, 1)])
    assert store.commit(ANOTHER_SLOT, [write(3, ABSENT, 1)], [], 0, b"first").get() == []


def test_who_takes_slots_over_again_learns_of_those_that_have_lost_their_owner(store: Store) -> None:
    """They stay without one, so that it is noticed as often as somebody asks."""
    store.own([SLOT], b"first").get()
    for _ in range(2):
        assert store.own([SLOT, ANOTHER_SLOT], b"me", again=True).get() == [ANOTHER_SLOT]
    assert store.commit(SLOT, [write(1, ABSENT, 0)], [], 0, b"me").get() == []
    assert store.commit(ANOTHER_SLOT, [write(1, ABSENT, 0)], [], 0, b"me").get() == [0]


def test_a_refused_owner_drops_no_outputs(store: Store) -> None:
    commit(store, write(1, ABSENT, 1), pending=(outputs(1, 1),))
    store.own([SLOT], b"heir").get()
    assert store.commit(SLOT, [write(1, 1, 9)], [], 9, b"zombie").get() == [0]
    assert pending(store) == [outputs(1, 1)]


def test_a_commit_may_be_large(store: Store) -> None:
    writes = [write(number, ABSENT, 1, due_ms=number) for number in range(9_000)]
    kept = tuple(outputs(number, number) for number in range(9_000))
    assert commit(store, *writes, pending=kept) == []
    assert len(due(store, limit=10_000)) == len(pending(store)) == 9_000
    assert commit(store, *[write(number, 1, 2) for number in range(9_000)], trim_below=9_000) == []
    assert (due(store), pending(store)) == ([], [])


def test_calls_take_effect_in_the_order_sent_whatever_the_order_of_reading(store: Store) -> None:
    before = store.load(SLOT, [profile(1)])
    first = store.commit(SLOT, [write(1, ABSENT, 1)], [], 0)
    between = store.load(SLOT, [profile(1)])
    second = store.commit(SLOT, [write(1, 1, 2)], [], 0)
    too_late = store.commit(SLOT, [write(1, 1, 3)], [], 0)
    after = store.load(SLOT, [profile(1)])
    assert [reply.get() for reply in (after, between, before)] == [[blob(2)], [blob(1)], [None]]
    assert [reply.get() for reply in (too_late, first, second)] == [[0], [], []]


class Commit(NamedTuple):
    """``states``: profile's number -> (is the expectation right?, due time, outputs if any)."""

    states: dict[int, tuple[bool, int | None, bytes | None]]
    trim_to: int


COMMITS = st.lists(
    st.builds(
        Commit,
        states=st.dictionaries(
            st.integers(0, 6),
            st.tuples(
                st.sampled_from([True, True, True, False]),
                st.none() | st.integers(0, 5),
                st.none() | st.binary(max_size=3),
            ),
        ),
        trim_to=st.integers(0, 60),
    ),
    max_size=10,
)


@settings(max_examples=60, deadline=None)
@given(commits=COMMITS)
def test_any_commits_leave_what_plain_dicts_would_hold(new_store: NewStore, commits: list[Commit]) -> None:
    store = new_store(VirtualClock(0), DAY_MS)
    applied: dict[int, int] = {}
    timers: dict[int, int] = {}
    kept: dict[int, PendingOutputs] = {}
    offset = 0
    for states, trim_to in commits:
        trim_below = min(trim_to, offset + 1)  # a batch never trims its own
        writes, made, lost = [], [], []
        for number, (right, due_ms, what) in states.items():
            offset += 1
            expected = applied.get(number, ABSENT) + (0 if right else 1)
            writes.append(write(number, expected, offset, due_ms))
            if what is not None:
                made.append(outputs(offset, number, what))
            if not right:
                lost.append(len(writes) - 1)
                continue
            applied[number] = offset
            timers.pop(number, None)
            if due_ms is not None:
                timers[number] = due_ms
            if what is not None:
                kept[offset] = made[-1]
        kept = {at: entry for at, entry in kept.items() if at >= trim_below}

        assert commit(store, *writes, pending=tuple(made), trim_below=trim_below) == lost

        assert due(store) == sorted(((profile(n), at) for n, at in timers.items()), key=lambda t: (t[1], t[0]))
        assert pending(store) == [kept[at] for at in sorted(kept)]
        assert scanned(store) == [profile(number) for number in sorted(applied)]
        assert store.load(SLOT, [profile(n) for n in applied]).get() == [blob(at) for at in applied.values()]
