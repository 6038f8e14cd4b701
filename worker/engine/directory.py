"""The router's way into the identity graph: batches of lookups, decisions in record order, one compare-and-set.

What a failed attempt has resolved is invisible (its transaction is aborted), so that resolving need not be
repeatable: profile ids are drawn by chance and never from the record that creates them. A stale cache is safe.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from worker.cache import TwoGenerations
from worker.engine.intake import Accepted
from worker.errors import StateConflictError
from worker.identity.graph import decode_record, encode_record, extended, identifier_key, profile_key
from worker.identity.rules import Identifier
from worker.ports import Record, Store, Swap

ATTEMPTS = 20
"""Conflicts in a row before the batch is given up and begun anew. Every conflict means that another router won."""


UNKNOWN = b""
"""Stands for the profile of an event until it has been found."""


class Request(NamedTuple):
    """Whose profile is wanted. ``extends``: whether identifiers that are new are added to it."""

    identifiers: Sequence[Identifier]
    extends: bool
    at_ms: int
    message_id: str


class Directory:
    def __init__(self, store: Store, *, draw_profile: Callable[[], bytes], cached_identifiers: int) -> None:
        """``draw_profile`` gives 16 fresh random bytes."""
        self._store = store
        self._draw_profile = draw_profile
        self._cache: TwoGenerations[Identifier, bytes] = TwoGenerations(cached_identifiers)

    def forget(self) -> None:
        """Drop the cache: a new assignment, an abort, a doubt."""
        self._cache.clear()

    def resolve(self, accepted: Sequence[tuple[Record, Accepted]]) -> list[bytes]:
        """The profile of each event, in order; creates and extends profiles as the rules say.

        Raises:
            StoreUnavailableError, StateConflictError: nothing of the batch may be relied on.
        """
        owners: list[bytes] = []
        missing: dict[int, Request] = {}
        cache, add = self._cache, owners.append
        for record, event in accepted:
            identifiers = event.identifiers
            owner = cache[identifiers[0]]
            for identifier in identifiers[1:]:
                if cache[identifier] != owner:
                    owner = None
                    break
            if owner is None:
                missing[len(owners)] = Request(identifiers, event.extends, record.timestamp_ms, event.message_id)
                owner = UNKNOWN
            add(owner)
        if missing:
            for index, owner in zip(missing, self._resolve_all(list(missing.values())), strict=True):
                owners[index] = owner
        return owners

    def _resolve_all(self, requests: list[Request]) -> list[bytes]:
        for _ in range(ATTEMPTS):
            plan = _Plan(self._store, requests, self._draw_profile)
            if plan.write():
                for request, owner in zip(requests, plan.owners, strict=True):
                    for identifier in request.identifiers:
                        # Only what leads to this very profile: an identifier may belong to somebody else.
                        if plan.known.get(identifier) == owner:
                            self._cache.put(identifier, owner)
                return plan.owners
        raise StateConflictError("the identity graph keeps changing under this router")


class _Plan:
    """One attempt: read, decide in order as if each decision were written at once, then write all or nothing."""

    def __init__(self, store: Store, requests: list[Request], draw_profile: Callable[[], bytes]) -> None:
        self._store = store
        self.known = self._read_known(requests)
        self.owners: list[bytes] = []
        self._created: set[bytes] = set()
        self._additions: dict[bytes, list[tuple[Request, tuple[Identifier, ...]]]] = {}
        for request in requests:
            self._decide(request, draw_profile)

    def _read_known(self, requests: list[Request]) -> dict[Identifier, bytes]:
        identifiers = list(dict.fromkeys(i for request in requests for i in request.identifiers))
        values = self._store.read([identifier_key(identifier) for identifier in identifiers]).get()
        return {i: owner for i, owner in zip(identifiers, values, strict=True) if owner is not None}

    def _decide(self, request: Request, draw_profile: Callable[[], bytes]) -> None:
        known, mapped = self.known, tuple([i for i in request.identifiers if i not in self.known])
        owner = next((known[identifier] for identifier in request.identifiers if identifier in known), None)
        if owner is None:
            owner = draw_profile()
            self._created.add(owner)
        elif not request.extends:
            mapped = ()
        if mapped:
            self.known.update(dict.fromkeys(mapped, owner))
            self._additions.setdefault(owner, []).append((request, mapped))
        self.owners.append(owner)

    def write(self) -> bool:
        """Whether nothing that the plan rests on had changed meanwhile."""
        if not self._additions:
            return True
        extending = [owner for owner in self._additions if owner not in self._created]
        blobs = self._store.read([profile_key(owner) for owner in extending]).get() if extending else []
        before = dict(zip(extending, blobs, strict=True))
        swaps = []
        for owner, additions in self._additions.items():
            blob = before.get(owner)
            record = None if blob is None else decode_record(blob)
            for request, mapped in additions:
                record = extended(record, mapped, at_ms=request.at_ms, message_id=request.message_id)
                swaps += [Swap(identifier_key(identifier), None, owner) for identifier in mapped]
            if record is not None:
                swaps.append(Swap(profile_key(owner), blob, encode_record(record)))
        return self._store.swap(swaps).get()
