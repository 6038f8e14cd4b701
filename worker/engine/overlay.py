"""The part of the identity graph that a batch touches: as it was read, and as the batch has changed it since.

All of it is read first and written last, in one compare-and-set of everything that was read: a decision never rests
on what somebody else has changed meanwhile.
"""

from collections.abc import Callable, Iterable, Sequence

from worker.identity.graph import (
    Account,
    Link,
    ProfileRecord,
    account_key,
    candidate_of,
    decode_record,
    encode_account,
    encode_record,
    extended,
    group_key,
    identifier_key,
    linked,
    profile_key,
    redirect_key,
    united,
    users_key,
)
from worker.identity.resolve import Candidate
from worker.identity.rules import Identifier
from worker.ports import Lists, Store, Swap


class Overlay:
    """``owners``: the profile of each identifier that has one. ``merged``: profiles that the batch has merged away."""

    def __init__(
        self,
        owners: dict[Identifier, bytes | None],
        blobs: dict[bytes, bytes],
        accounts: dict[str, bytes | None],
    ) -> None:
        self._owners_read = owners
        self._blobs_read = blobs
        self._accounts_read = accounts
        self._accounts_made: dict[bytes, Account] = {}
        self._links: dict[tuple[bytes, bytes], bool] = {}
        self._redirects_read: dict[bytes, bytes | None] = {}
        self._redirects: dict[bytes, bytes] = {}
        self._changed: set[bytes] = set()
        self.owners = {identifier: owner for identifier, owner in owners.items() if owner is not None}
        self.records = {profile: decode_record(blob) for profile, blob in blobs.items()}
        self.accounts = {group_id: account for group_id, account in accounts.items() if account is not None}
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
        for link in record.accounts:
            self._links[link.account, child] = False
            self._links[link.account, parent] = True
        self.merged[child] = at_ms
        self._changed |= {parent, child}

    def open_account(self, account: bytes, group_id: str, *, at_ms: int, message_id: str) -> None:
        """A new account, of a group_id that none has."""
        self._accounts_made[account] = Account(at_ms, group_id, message_id)
        self.accounts[group_id] = account

    def link(self, profile: bytes, account: bytes, *, at_ms: int, message_id: str) -> None:
        """Note that a profile belongs to an account."""
        self.records[profile] = linked(self.records[profile], Link(account, at_ms, message_id))
        self._links[account, profile] = True
        self._changed.add(profile)

    def write(self, store: Store) -> bool:
        """Write what has changed, if nothing that was read has changed meanwhile; else nothing. Whether it was so.

        Raises:
            StoreUnavailableError: whether it was written is unknown.
        """
        if not self._changed:
            return True
        swaps = [
            *self._profile_swaps(),
            *self._identifier_swaps(),
            *self._redirect_swaps(),
            *self._account_swaps(),
        ]
        links = [(users_key(account), profile, is_linked) for (account, profile), is_linked in self._links.items()]
        lists = Lists(
            noted=list(self.merged.items()),
            added=[(key, profile) for key, profile, is_linked in links if is_linked],
            removed=[(key, profile) for key, profile, is_linked in links if not is_linked],
        )
        return store.swap(swaps, lists).get()

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

    def _account_swaps(self) -> Iterable[Swap]:
        for group_id, before in self._accounts_read.items():
            yield Swap(group_key(group_id), before, self.accounts.get(group_id))
        for account, record in self._accounts_made.items():
            yield Swap(account_key(account), None, encode_account(record))


def read_overlay(store: Store, identifiers: Sequence[Identifier], group_ids: Sequence[str]) -> Overlay | None:
    """Read what identifiers lead to; None when a merge came between the two reads: try again.

    Raises:
        StoreUnavailableError: the store did not answer.
    """
    keys = [identifier_key(one) for one in identifiers] + [group_key(group_id) for group_id in group_ids]
    values = store.read(keys).get()
    owners = dict(zip(identifiers, values, strict=False))
    accounts = dict(zip(group_ids, values[len(identifiers) :], strict=True))
    profiles = list(dict.fromkeys(owner for owner in owners.values() if owner is not None))
    blobs = dict(zip(profiles, store.read([profile_key(one) for one in profiles]).get(), strict=True))
    present = {profile: blob for profile, blob in blobs.items() if blob is not None}
    return Overlay(owners, present, accounts) if len(present) == len(blobs) else None


DrawProfile = Callable[[], bytes]
"""Gives 16 fresh random bytes. Never made of the record that creates the profile: redelivered after a deletion, that
record would come to the dead profile again."""
