"""The part of the identity graph that a batch touches: as it was read, and as the batch has changed it since.

All of it is read first and written last, in one compare-and-set of everything that was read: a decision never rests
on what somebody else has changed meanwhile.
"""

from collections.abc import Callable, Iterable, Sequence

from worker.identity.graph import (
    ProfileRecord,
    candidate_of,
    decode_record,
    encode_record,
    extended,
    identifier_key,
    profile_key,
    redirect_key,
    united,
)
from worker.identity.resolve import Candidate
from worker.identity.rules import Identifier
from worker.ports import Store, Swap


class Overlay:
    """``owners``: the profile of each identifier that has one. ``merged``: profiles that the batch has merged away."""

    def __init__(self, owners: dict[Identifier, bytes | None], blobs: dict[bytes, bytes]) -> None:
        self._owners_read = owners
        self._blobs_read = blobs
        self._redirects_read: dict[bytes, bytes | None] = {}
        self._redirects: dict[bytes, bytes] = {}
        self._changed: set[bytes] = set()
        self.owners = {identifier: owner for identifier, owner in owners.items() if owner is not None}
        self.records = {profile: decode_record(blob) for profile, blob in blobs.items()}
        self.merged: dict[bytes, int] = {}

    def candidates(self, identifiers: Iterable[Identifier]) -> dict[Identifier, Candidate]:
        """The live profiles that identifiers lead to; each profile is one candidate, however many lead to it."""
        found: dict[bytes, Candidate] = {}
        candidates = {}
        for identifier in identifiers:
            owner = self.owners.get(identifier)
            if owner is None:
                continue
            if owner not in found:
                found[owner] = candidate_of(owner, self.records[owner])
            candidates[identifier] = found[owner]
        return candidates

    def create(self, profile: bytes, *, at_ms: int) -> None:
        """A new profile without identifiers; ``at_ms``: the time of the record that creates it."""
        self.records[profile] = ProfileRecord(at_ms, [])
        self._changed.add(profile)

    def map(self, profile: bytes, identifiers: Sequence[Identifier], *, at_ms: int, message_id: str) -> None:
        """Give identifiers that nobody has to a profile."""
        self.records[profile] = extended(self.records[profile], identifiers, at_ms=at_ms, message_id=message_id)
        self.owners.update(dict.fromkeys(identifiers, profile))
        self._changed.add(profile)

    def merge(self, parent: bytes, child: bytes, *, at_ms: int, message_id: str) -> None:
        """Move all that a profile has to another, redirect it and leave a note that it is still to be told."""
        record = self.records.pop(child)
        self.records[parent] = united(
            (parent, self.records[parent]), (child, record), at_ms=at_ms, message_id=message_id
        )
        for kept in record.identifiers:
            identifier = Identifier(kept.type, kept.value)
            self._owners_read.setdefault(identifier, child)
            self.owners[identifier] = parent
        # Whoever was merged into the child is redirected past it: nobody ever walks a chain.
        for gone, before in ((child, None), *[(merge.child, child) for merge in record.merged]):
            self._redirects_read.setdefault(gone, before)
            self._redirects[gone] = parent
        self.merged[child] = at_ms
        self._changed |= {parent, child}

    def write(self, store: Store) -> bool:
        """Write what has changed, if nothing that was read has changed meanwhile; else nothing. Whether it was so.

        Raises:
            StoreUnavailableError: whether it was written is unknown.
        """
        if not self._changed:
            return True
        swaps = [*self._profile_swaps(), *self._identifier_swaps(), *self._redirect_swaps()]
        return store.swap(swaps, noted=list(self.merged.items())).get()

    def _profile_swaps(self) -> Iterable[Swap]:
        for profile in {**self._blobs_read, **self.records}:
            before, record = self._blobs_read.get(profile), self.records.get(profile)
            if profile not in self._changed:
                yield Swap(profile_key(profile), before, before)
            elif before is not None or record is not None:  # else it came and went within the batch
                yield Swap(profile_key(profile), before, None if record is None else encode_record(record))

    def _identifier_swaps(self) -> Iterable[Swap]:
        for identifier, before in self._owners_read.items():
            yield Swap(identifier_key(identifier), before, self.owners.get(identifier))

    def _redirect_swaps(self) -> Iterable[Swap]:
        for profile, parent in self._redirects.items():
            yield Swap(redirect_key(profile), self._redirects_read[profile], parent)


def read_overlay(store: Store, identifiers: Sequence[Identifier]) -> Overlay | None:
    """Read what identifiers lead to; None when a merge came between the two reads: try again.

    Raises:
        StoreUnavailableError: the store did not answer.
    """
    owners = dict(zip(identifiers, store.read([identifier_key(one) for one in identifiers]).get(), strict=True))
    profiles = list(dict.fromkeys(owner for owner in owners.values() if owner is not None))
    blobs = dict(zip(profiles, store.read([profile_key(one) for one in profiles]).get(), strict=True))
    present = {profile: blob for profile, blob in blobs.items() if blob is not None}
    return Overlay(owners, present) if len(present) == len(blobs) else None


DrawProfile = Callable[[], bytes]
"""Gives 16 fresh random bytes. Never made of the record that creates the profile: redelivered after a deletion, that
record would come to the dead profile again."""
