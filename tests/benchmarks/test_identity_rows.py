"""The rows of table D measure what they say, held in small over a real Redis."""

from contextlib import closing

import pytest
from redis import Redis

from consumers.definitions import interpret
from tests.benchmarks import identity_resolution, identity_turns
from tests.benchmarks.big_profiles import DEFINITIONS, IDENTIFIERS, STATE_BYTES, Place, write_pair
from tests.benchmarks.identity_resolution import CACHED, COLD, CREATED, EXTENDED, MERGED
from tests.benchmarks.store import draw_space
from worker.adapters.memory_store import MemoryStore
from worker.audiences.catalogue import build
from worker.cli.definition_files import documents_of
from worker.clock import VirtualClock
from worker.engine.overlay import read_overlay
from worker.identity.resolve import resolve
from worker.identity.rules import DEFAULT_CAPS, Identifier, Rules
from worker.profiles.codec import decode, encode
from worker.slots import slot_of

NOW_MS = 1_794_268_800_000
HOUR_MS = 3_600_000


INTERPRETED = [
    interpret(document.key, document.value, caps=DEFAULT_CAPS)
    for document in documents_of({"definitions": DEFINITIONS})
]
CATALOGUE = build([one for one in INTERPRETED if not isinstance(one, Rules)], version=1)
[RULES] = [one for one in INTERPRETED if isinstance(one, Rules)]


@pytest.fixture
def space() -> str:
    return draw_space()


def test_only_what_the_cache_cannot_answer_is_asked_and_only_two_profiles_are_merged(
    redis_url: str, space: str
) -> None:
    costs = identity_resolution.costs(redis_url, space=space, events=1_500)

    assert {row: (cost.asked, cost.merged) for row, cost in costs.items()} == {
        CACHED: (0, 0),
        COLD: (1_500, 0),
        EXTENDED: (1_500, 0),
        CREATED: (1_500, 0),
        MERGED: (1_500, 1_500),
    }
    assert all(cost.client_us > 0 for cost in costs.values())
    assert costs[CACHED].redis_us < costs[COLD].redis_us < costs[CREATED].redis_us < costs[MERGED].redis_us


def test_a_profile_weighs_its_record_and_its_identifiers_and_some_of_the_table_of_keys(
    redis_url: str, space: str
) -> None:
    memory = identity_resolution.memory(redis_url, space=space, profiles=20_000)

    parts = memory.record_bytes + 3 * memory.identifier_bytes
    assert parts < memory.bytes_per_profile < parts + 4 * 40
    assert memory.profiles_per_s > 0


def test_nothing_of_a_measurement_is_left_in_redis(redis_url: str, space: str) -> None:
    identity_resolution.memory(redis_url, space=space, profiles=1_000)
    identity_turns.measure(redis_url, space=space, merges=1)

    with closing(Redis.from_url(redis_url)) as client:
        assert client.keys(f"aw:{{{space}*") == []


def test_a_merge_takes_a_turn_of_the_router_and_two_of_each_owner(redis_url: str, space: str) -> None:
    """``measure`` refuses by itself when a merge is not over after these turns."""
    turns = identity_turns.measure(redis_url, space=space, merges=3)

    assert tuple(turns.seconds) == identity_turns.TURNS
    assert all(len(seconds) == turns.merges == 3 and min(seconds) > 0 for seconds in turns.seconds.values())
    assert turns.change_bytes > 0


# --- The large profiles -------------------------------------------------------------------------------------


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore(VirtualClock(NOW_MS), dedup_window_ms=24 * HOUR_MS)


def test_a_large_profile_is_the_same_in_the_graph_and_in_its_state(store: MemoryStore) -> None:
    parent, child = write_pair(Place(store, CATALOGUE), "pair", now_ms=NOW_MS)

    for big in (parent, child):
        overlay = read_overlay(store, [Identifier("user_id", big.user_id)], [])
        assert overlay is not None
        kept = overlay.records[big.profile].identifiers
        [blob] = store.load(slot_of(big.profile), [big.profile]).get()
        assert blob is not None
        assert len(blob) == big.state_bytes
        assert set(decode(blob).identifiers) == {(one.type, one.value) for one in kept}
        assert len(kept) == IDENTIFIERS


def test_without_its_identifiers_the_state_has_three_kilobytes_and_a_few_memberships(store: MemoryStore) -> None:
    big = write_pair(Place(store, CATALOGUE), "pair", now_ms=NOW_MS).parent
    [blob] = store.load(slot_of(big.profile), [big.profile]).get()

    state = decode(blob)
    state.identifiers.clear()

    assert abs(len(encode(state)) - STATE_BYTES) < 200
    assert 3 <= len([key for key in state.memberships if state.member(key)]) <= 8


def test_nothing_of_a_large_profile_falls_due_during_a_measurement(store: MemoryStore) -> None:
    big = write_pair(Place(store, CATALOGUE), "pair", slots=(0, 1), now_ms=NOW_MS).parent

    assert store.due(0, NOW_MS + 6 * HOUR_MS, 10).get() == []
    assert [profile for profile, _ in store.due(0, NOW_MS + 40 * 24 * HOUR_MS, 10).get()] == [big.profile]


def test_an_event_with_an_identifier_of_each_merges_the_child_into_the_parent(store: MemoryStore) -> None:
    parent, child = write_pair(Place(store, CATALOGUE), "pair", now_ms=NOW_MS)
    identifiers = [Identifier("user_id", parent.user_id), Identifier("anonymous_id", child.anonymous_id)]
    overlay = read_overlay(store, identifiers, [])
    assert overlay is not None

    resolution = resolve(identifiers, overlay.candidates(identifiers), RULES, at_ms=NOW_MS)

    assert resolution.profile is not None
    assert resolution.profile.profile == parent.profile
    assert [merged.profile for merged in resolution.children] == [child.profile]
    assert not resolution.violations


def test_profiles_are_born_where_they_are_wanted(store: MemoryStore) -> None:
    pair = write_pair(Place(store, CATALOGUE), "pair", slots=(3, 17), now_ms=NOW_MS)

    assert [slot_of(big.profile) for big in pair] == [3, 17]
