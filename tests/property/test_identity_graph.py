"""The identity graph under routers that race and stores that fail: whatever happens, it stays one graph."""

from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw

from schemas.events import TrackingEvent
from worker.adapters.memory_store import MemoryStore
from worker.clock import VirtualClock
from worker.engine.directory import Directory, Resolved
from worker.engine.intake import Accepted
from worker.errors import DependencyError, StoreUnavailableError
from worker.identity.graph import (
    ProfileRecord,
    decode_account,
    decode_record,
    group_key,
    identifier_key,
    profile_key,
    redirect_key,
    users_key,
)
from worker.identity.graph import account_key as key_of_account
from worker.identity.rules import Caps, Identifier, Limit, Rules
from worker.ports import Record

pytestmark = pytest.mark.property

RULES = Rules(
    limits={"user_id": Limit(1, None), "email": Limit(2, None), "anonymous_id": Limit(6, None)},
    caps=Caps(merges_max=4, mappings_max=7),
)
VALUES = {"user_id": "uv", "email": "ef", "anonymous_id": "abcdefgh"}
IDENTIFIERS = [Identifier(kind, value) for kind, values in VALUES.items() for value in values]
GROUPS = ["g1", "g2"]

Visit = tuple[frozenset[Identifier], str | None]
# Strangers first, two identifiers at most: so that there is something to be merged, and merged again.
VISITS = st.tuples(
    st.frozensets(st.sampled_from(IDENTIFIERS), min_size=1, max_size=2), st.none() | st.sampled_from(GROUPS)
)
STRANGERS = [(frozenset([identifier]), None) for identifier in IDENTIFIERS]
BATCHES = st.lists(st.lists(VISITS, min_size=1, max_size=3), min_size=1, max_size=10).map(
    lambda batches: [STRANGERS, *batches]
)


class World:
    """Two routers over one store. ``disturb`` is called before each of the store's calls and after it."""

    def __init__(self, disturb: Callable[[str], None] = lambda _: None) -> None:
        self.disturb = disturb
        self.store = MemoryStore(VirtualClock(0), on_io=self._io)
        self.profiles: list[bytes] = []
        self.routers = [
            Directory(self.store, draw_profile=self._draw, cached_identifiers=100),
            Directory(self.store, draw_profile=self._draw, cached_identifiers=100),
        ]
        self._offset = count()

    def _io(self, label: str) -> None:
        self.disturb(label)

    def _draw(self) -> bytes:
        self.profiles.append(len(self.profiles).to_bytes(16, "big"))
        return self.profiles[-1]

    def route(self, router: int, visits: Sequence[Visit]) -> Resolved:
        """A batch; begun anew with nothing in memory, as the loop does, as long as the store fails."""
        batch = [self._accepted(*visit) for visit in visits]
        while True:
            try:
                return self.routers[router].resolve(batch, RULES)
            except DependencyError:
                self.routers[router].forget()

    def _accepted(self, identifiers: frozenset[Identifier], group_id: str | None) -> tuple[Record, Accepted]:
        offset = next(self._offset)
        event = Accepted(
            f"m{offset}",
            TrackingEvent(type="track"),
            RULES.ordered(sorted(identifiers)),
            Raw(b"[]"),
            offset,
            group_id=group_id,
        )
        return Record("tracking-events", 0, offset, offset, None, b"", ()), event

    def read(self, key: bytes) -> bytes | None:
        (value,) = self.store.read([key]).get()
        return value

    def check(self) -> None:
        """Both directions agree, limits and caps hold, nobody walks a chain, every open merge is on the list."""
        self.disturb = lambda _: None
        records = {
            profile: decode_record(blob) for profile in self.profiles if (blob := self.read(profile_key(profile)))
        }
        self._check_identifiers(records)
        self._check_merges(records)
        self._check_accounts(records)

    def _check_identifiers(self, records: dict[bytes, ProfileRecord]) -> None:
        held = [
            (Identifier(kept.type, kept.value), profile)
            for profile, record in records.items()
            for kept in record.identifiers
        ]
        known = {one: owner for one in IDENTIFIERS if (owner := self.read(identifier_key(one))) is not None}
        assert len(held) == len(known)
        assert dict(held) == known
        for record in records.values():
            kinds = [kept.type for kept in record.identifiers]
            assert all(kinds.count(kind) <= RULES.limit(kind).values for kind in kinds)
            assert len(record.merged) <= RULES.caps.merges_max
            assert 0 < len(kinds) <= RULES.caps.mappings_max

    def _check_merges(self, records: dict[bytes, ProfileRecord]) -> None:
        merged = {merge.child: profile for profile, record in records.items() for merge in record.merged}
        assert not merged.keys() & records.keys()
        redirects = {profile: parent for profile in self.profiles if (parent := self.read(redirect_key(profile)))}
        assert redirects == merged
        opened = {merge.child for record in records.values() for merge in record.merged if merge.open}
        assert {child for child, _ in self.store.notes(1 << 60, 1_000).get()} == opened

    def _check_accounts(self, records: dict[bytes, ProfileRecord]) -> None:
        accounts = {account: group for group in GROUPS if (account := self.read(group_key(group))) is not None}
        linked = {(link.account, profile) for profile, record in records.items() for link in record.accounts}
        users = {(account, user) for account in accounts for user in self.store.members(users_key(account)).get()}
        assert linked == users
        for account, group in accounts.items():
            assert decode_account(self.read(key_of_account(account)) or b"").group_id == group


def raced(world: World, at: int, router: int, visits: Sequence[Visit]) -> Callable[[str], None]:
    """In the middle of somebody's batch, at one of its calls, another router does a whole one."""
    calls = count()

    def disturb(_: str) -> None:
        if next(calls) == at:
            world.route(router, visits)

    return disturb


def failing(at: set[int]) -> Callable[[str], None]:
    """Some calls fail: before they took effect, or after it, which the caller cannot tell."""
    calls = count()

    def disturb(label: str) -> None:
        if next(calls) in at:
            raise StoreUnavailableError(label)

    return disturb


@settings(max_examples=200, deadline=None)
@given(batches=BATCHES)
def test_one_router_leaves_one_graph(batches: list[list[Visit]]) -> None:
    world = World()
    for batch in batches:
        world.route(0, batch)
    world.check()


@settings(max_examples=300, deadline=None)
@given(batches=BATCHES, other=st.lists(VISITS, min_size=1, max_size=3), at=st.integers(2, 50))
def test_two_routers_that_race_leave_one_graph(batches: list[list[Visit]], other: list[Visit], at: int) -> None:
    world = World()
    world.disturb = raced(world, at, 1, other)
    for number, batch in enumerate(batches):
        world.route(number % 2, batch)
    world.check()


@settings(max_examples=300, deadline=None)
@given(batches=BATCHES, at=st.sets(st.integers(2, 50), max_size=4))
def test_a_store_that_fails_at_any_call_leaves_one_graph(batches: list[list[Visit]], at: set[int]) -> None:
    world = World()
    world.disturb = failing(at)
    for batch in batches:
        world.route(0, batch)
    world.check()


@settings(max_examples=200, deadline=None)
@given(batches=BATCHES, at=st.sets(st.integers(2, 50), max_size=4))
def test_a_merge_that_an_abandoned_batch_has_made_is_told_by_the_next(batches: list[list[Visit]], at: set[int]) -> None:
    """What failed after it was written is found as owed when the events come again."""
    world = World()
    world.disturb = failing(at)
    told: set[bytes] = set()
    for batch in batches:
        found = world.route(0, batch).found.values()
        told |= {merge.child for one in found for merge in one.owed}
    world.disturb = lambda _: None
    assert {child for child, _ in world.store.notes(1 << 60, 1_000).get()} == told


def test_events_behind_a_merge_in_the_batch_go_to_the_parent() -> None:
    """Though the cache knew the child: what it said was right before the merge."""
    world = World()
    first, second = Identifier("user_id", "u"), Identifier("anonymous_id", "a")
    parent, child = world.route(0, [(frozenset([first]), None), (frozenset([second]), None)]).owners
    batch: list[Any] = [(frozenset([second]), None), (frozenset([first, second]), None), (frozenset([second]), None)]

    assert world.route(0, batch).owners == [child, parent, parent]
