"""Keys of the identity slot and the progress of inputs: the same answers from a real Redis and from memory."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conformance.conftest import DAY_MS, NewStore
from worker.clock import VirtualClock
from worker.ports import Lists, Store, Swap


@pytest.fixture
def store(new_store: NewStore) -> Store:
    return new_store(VirtualClock(0), DAY_MS)


def test_values_come_in_the_order_asked_for_and_empty_is_not_absent(store: Store) -> None:
    values = {b"": b"nameless", b"empty": b"", b"bytes": bytes(range(256)), b"=": b"=", b"a:b\r\n": b"-1"}
    assert store.swap([Swap(key, None, value) for key, value in values.items()]).get()
    asked = [b"=", b"nobody", b"empty", b"bytes", b"a:b\r\n", b"", b"="]
    assert store.read(asked).get() == [values.get(key) for key in asked]


def test_asking_for_nothing_gives_nothing(store: Store) -> None:
    assert store.read([]).get() == []
    assert store.swap([]).get() is True


@pytest.mark.parametrize("stored", [None, b"", b"old"], ids=["absent", "empty", "full"])
@pytest.mark.parametrize("expected", [None, b"", b"old"], ids=["expects-none", "expects-empty", "expects-full"])
@pytest.mark.parametrize("new", [None, b"", b"new"], ids=["removes", "empties", "fills"])
def test_a_key_is_written_only_over_the_expected_value(
    store: Store, *, stored: bytes | None, expected: bytes | None, new: bytes | None
) -> None:
    if stored is not None:
        store.swap([Swap(b"key", None, stored)]).get()
    assert store.swap([Swap(b"key", expected, new)]).get() is (stored == expected)
    assert store.read([b"key"]).get() == [new if stored == expected else stored]


def test_one_key_that_changed_stops_them_all(store: Store) -> None:
    store.swap([Swap(b"a", None, b"1"), Swap(b"b", None, b"1")]).get()
    assert not store.swap([Swap(b"a", b"1", b"2"), Swap(b"c", None, b"2"), Swap(b"b", b"0", b"0")]).get()
    assert store.read([b"a", b"b", b"c"]).get() == [b"1", b"1", None]


def test_a_key_may_be_compared_only(store: Store) -> None:
    store.swap([Swap(b"guard", None, b"1")]).get()
    assert store.swap([Swap(b"guard", b"1", b"1"), Swap(b"none", None, None), Swap(b"key", None, b"new")]).get()
    assert not store.swap([Swap(b"guard", b"2", b"2"), Swap(b"key", b"new", b"newer")]).get()
    assert store.read([b"guard", b"none", b"key"]).get() == [b"1", None, b"new"]


def test_a_swap_may_be_large(store: Store) -> None:
    keys = [number.to_bytes(3, "big") for number in range(10_000)]
    assert store.swap([Swap(key, None, key) for key in keys]).get()
    assert store.read(keys).get() == keys


VALUES = st.none() | st.sampled_from([b"", b"=", b"x"])
SWAPS = st.lists(
    st.dictionaries(st.sampled_from([b"a", b"b", b"c"]), st.tuples(VALUES, VALUES, st.booleans())), max_size=12
)


@settings(max_examples=60, deadline=None)
@given(calls=SWAPS)
def test_any_swaps_leave_what_a_dict_would_hold(
    new_store: NewStore, calls: list[dict[bytes, tuple[bytes | None, bytes | None, bool]]]
) -> None:
    store = new_store(VirtualClock(0), DAY_MS)
    held: dict[bytes, bytes | None] = {}
    for call in calls:
        # Half of the expectations are what is there, or hardly any call would change anything.
        swaps = [Swap(key, held.get(key) if right else guess, new) for key, (guess, new, right) in call.items()]
        holds = all(held.get(swap.key) == swap.expected for swap in swaps)
        if holds:
            held |= {swap.key: swap.new for swap in swaps}

        assert store.swap(swaps).get() is holds
        assert store.read([b"a", b"b", b"c"]).get() == [held.get(key) for key in (b"a", b"b", b"c")]


def test_progress_is_what_was_said_last_of_each_partition_by_whomever(store: Store) -> None:
    assert store.read_progress().get() == {}
    store.publish_progress({"tracking-events:0": (1_767_268_830_123, 5), "p.tracking-events:1": (-1, 0)}).get()
    store.publish_progress({}).get()
    store.publish_progress({"tracking-events:0": (3, 7), "passthrough-events:0": (0, 1)}).get()
    assert store.read_progress().get() == {
        "tracking-events:0": (3, 7),
        "p.tracking-events:1": (-1, 0),
        "passthrough-events:0": (0, 1),
    }


def test_the_list_of_open_merges_changes_with_the_keys_or_not_at_all(store: Store) -> None:
    one, two, three = b"1" * 16, b"2" * 16, b"\x00\xff" * 8
    assert store.swap([Swap(b"a", None, b"1")], Lists(noted=[(one, 30), (two, 10), (three, 20)])).get()
    assert not store.swap([Swap(b"a", None, b"2")], Lists(noted=[(b"4" * 16, 1)], settled=[one])).get()
    assert store.notes(30, 10).get() == [(two, 10), (three, 20), (one, 30)]

    assert store.swap([], Lists(noted=[(two, 25)], settled=[one, b"nobody".ljust(16)])).get()
    assert store.notes(24, 10).get() == [(three, 20)]
    assert store.notes(30, 1).get() == [(three, 20)]
    assert store.notes(30, 10).get() == [(three, 20), (two, 25)]


def test_sets_change_with_the_keys_or_not_at_all(store: Store) -> None:
    assert store.swap([Swap(b"a", None, b"1")], Lists(added=[(b"s", b"x"), (b"s", b"\x00-"), (b"t", b"x")])).get()
    assert not store.swap([Swap(b"a", None, b"2")], Lists(added=[(b"s", b"y")], removed=[(b"s", b"x")])).get()
    assert sorted(store.members(b"s").get()) == [b"\x00-", b"x"]

    assert store.swap(
        [], Lists(noted=[(b"1" * 16, 5)], added=[(b"s", b"x")], removed=[(b"s", b"\x00-"), (b"t", b"")])
    ).get()
    assert [store.members(key).get() for key in (b"s", b"t", b"none")] == [[b"x"], [b"x"], []]
