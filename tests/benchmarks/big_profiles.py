"""Profiles as large as they get: 500 identifiers, and a state to match. Written straight into Redis.

With the project's own encoders, as a worker would have left them; half a thousand events for each of thousands of
profiles would take longer than all that is measured.
"""

from collections.abc import Mapping as Map
from collections.abc import Sequence
from secrets import token_bytes
from types import MappingProxyType
from typing import Any, NamedTuple
from uuid import UUID

from consumers import catalog
from schemas.codec import AvroDecoder
from tests.benchmarks.wide_job import DEFINITIONS as TWENTY_AUDIENCES
from worker.audiences.catalogue import Catalogue
from worker.audiences.evaluate import evaluate_all
from worker.engine.control import Control
from worker.engine.judge import fire
from worker.identity.graph import Mapping, ProfileRecord, encode_record, identifier_key, profile_key
from worker.identity.rules import DEFAULT_CAPS, Identifier
from worker.ports import StateWrite, Store, Swap
from worker.profiles.codec import encode
from worker.profiles.state import ProfileState
from worker.profiles.traits import apply_traits
from worker.slots import slot_of

IDENTIFIERS = 500
EMAILS = 50
STATE_BYTES = 3_000  # of traits, event times and memberships; the identifiers come on top
DONE = frozenset({"Product Added", "Cart Viewed", "Order Completed"})  # by each of these profiles
TIMES_PER_LEAF = 3
BORN_BEFORE_MS = 12 * 3_600_000  # short windows are over, and nothing of the long ones falls due meanwhile
IDENTITY_RULES = """
identity:
  identifiers:
    - {type: user_id, limit: 1000}
    - {type: email, limit: 1000}
    - {type: anonymous_id, limit: 1000}
"""
DEFINITIONS = TWENTY_AUDIENCES.read_text(encoding="utf-8") + IDENTITY_RULES
"""Table B's audiences, and limits that let two of these profiles become one."""


OwnersBySlot = Map[int, bytes]
NOBODY: OwnersBySlot = MappingProxyType({})


class Place(NamedTuple):
    """A space, what is in force there, and in whose name its state slots are written to (nobody's, left out)."""

    store: Store
    catalogue: Catalogue
    owners: OwnersBySlot = NOBODY


class _Done(NamedTuple):
    """An event as leaves see it; all of them take it, whatever they filter by."""

    at_ms: int
    received_ms: int
    arrival: int
    sources: frozenset[str] = frozenset()
    properties: Map[str, Any] = MappingProxyType({})
    context: Map[str, Any] = MappingProxyType({})


class Big(NamedTuple):
    """A profile that is there. ``state_bytes``: of its state as it is stored."""

    profile: bytes
    user_id: str
    anonymous_id: str
    state_bytes: int


class Pair(NamedTuple):
    """Two profiles to be merged; the parent is the older one."""

    parent: Big
    child: Big


def catalogue_of(store: Store) -> Catalogue:
    """The definitions in force, as a replica reads them."""
    control = Control(store, catalog.documents(AvroDecoder(), DEFAULT_CAPS), topic="", interval_ms=0)
    control.refresh()
    return control.catalogue


def write_pair(place: Place, name: str, *, slots: tuple[int | None, int | None] = (None, None), now_ms: int) -> Pair:
    """Two profiles that nobody else has seen. Nothing of theirs falls due within some hours.

    Their states say that the first record of their mailbox partition has been folded: there must be one by now.

    Args:
        place: where.
        name: as no other pair of the space has it.
        slots: state slots of parent and child, any when None.
        now_ms: a time before the first event that they will get.
    """
    parent, child = (token_bytes(15) + (token_bytes(1) if slot is None else bytes([slot])) for slot in slots)
    older = _Writer(place, born_ms=now_ms - BORN_BEFORE_MS - 1, now_ms=now_ms)
    younger = _Writer(place, born_ms=now_ms - BORN_BEFORE_MS, now_ms=now_ms)
    return Pair(older.write(parent, f"{name}-parent"), younger.write(child, f"{name}-child"))


class _Writer:
    """Makes profiles that were born at one time and did all that they did then."""

    def __init__(self, place: Place, *, born_ms: int, now_ms: int) -> None:
        self._store, self._catalogue, self._owners = place
        self._born_ms = born_ms
        self._now_ms = now_ms

    def write(self, profile: bytes, name: str) -> Big:
        identifiers = _identifiers(name)
        self._write_graph(profile, identifiers)
        blob = self._write_state(profile, identifiers)
        return Big(profile, name, identifiers[-1].value, len(blob))

    def _write_graph(self, profile: bytes, identifiers: Sequence[Identifier]) -> None:
        mappings = [Mapping(kind, value, self._born_ms, _uuid()) for kind, value in identifiers]
        record = encode_record(ProfileRecord(self._born_ms, mappings))
        swaps = [Swap(identifier_key(identifier), None, profile) for identifier in identifiers]
        if not self._store.swap([Swap(profile_key(profile), None, record), *swaps]).get():
            raise RuntimeError("an identifier of a fresh profile has one already")

    def _write_state(self, profile: bytes, identifiers: Sequence[Identifier]) -> bytes:
        state = self._state(identifiers)
        blob = encode(state)
        sizes = tuple([(key, 1) for key in state.memberships if state.member(key)])
        slot = slot_of(profile)
        write = StateWrite(profile, -1, blob, state.due_ms, sizes)
        if self._store.commit(slot, [write], [], 0, self._owners.get(slot, b"")).get():
            raise RuntimeError("a fresh profile has a state already")
        return blob

    def _state(self, identifiers: Sequence[Identifier]) -> ProfileState:
        """As events would have left it: a few of some kinds, and traits until it is large enough."""
        state, at_ms = ProfileState(), self._born_ms
        state.applied, state.version, state.time_ms = 0, self._catalogue.version, at_ms
        state.add_identifiers(identifiers[:1], at_ms)
        for leaf in self._catalogue.leaves.values():
            if leaf.selection.event in DONE:
                for arrival in range(TIMES_PER_LEAF):
                    leaf.add(state.accumulators, _Done(at_ms, at_ms, arrival), at_ms)
        evaluate_all(state, self._catalogue, "event")
        fire(state, self._catalogue, self._now_ms)
        number = 0
        while len(encode(state)) < STATE_BYTES:
            number += 1
            apply_traits(state.traits, {f"trait_{number}": f"value {number}"}, at_ms=at_ms, received_ms=at_ms)
        state.add_identifiers(identifiers[1:], at_ms)
        return state


def _identifiers(name: str) -> list[Identifier]:
    devices = IDENTIFIERS - EMAILS - 1
    return [
        Identifier("user_id", name),
        *[Identifier("email", f"{name}.{number}@shop.example") for number in range(EMAILS)],
        *[Identifier("anonymous_id", _uuid()) for _ in range(devices)],
    ]


def _uuid() -> str:
    return str(UUID(bytes=token_bytes(16)))
