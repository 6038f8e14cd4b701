"""All that the store knows of one profile, read while workers go on.

What the graph says and what the profile's state says are read one after the other: an event that comes in between
shows in the second only.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from worker.cli.subject import Subject
from worker.errors import StateConflictError
from worker.identity.graph import (
    Merged,
    ProfileRecord,
    account_key,
    decode_account,
    decode_record,
    identifier_key,
    profile_key,
    redirect_key,
)
from worker.ports import Store
from worker.profiles.codec import decode
from worker.profiles.state import ProfileState
from worker.slots import slot_of

ATTEMPTS = 20
"""At reading a profile that is merged away meanwhile. More would wait for a graph that nobody could keep still."""

MERGED_MEANWHILE = "the profile is being merged over and over: try again"


@dataclass(frozen=True, slots=True)
class Dossier:
    """A live profile. ``group_ids``: by account, of the accounts that it is linked to.

    ``state`` is a fresh one as long as nothing has been folded into the profile.
    """

    profile: bytes
    record: ProfileRecord
    state: ProfileState
    group_ids: Mapping[bytes, str]


class Gone(NamedTuple):
    """A profile that was merged away, by ``merge``; ``survivor`` has all of it now, however many merges lie between."""

    profile: bytes
    merge: Merged
    survivor: bytes


def find(store: Store, subject: Subject) -> Dossier | Gone | None:
    """Who has an identifier, or what has become of a profile id; None when nobody has it.

    Raises:
        StoreUnavailableError: the store did not answer.
        StateConflictError: whoever has it kept being merged away.
    """
    if isinstance(subject, bytes):
        return _of_profile(store, subject)
    for _ in range(ATTEMPTS):
        (owner,) = store.read([identifier_key(subject)]).get()
        found = None if owner is None else _of_profile(store, owner)
        if owner is None or isinstance(found, Dossier):
            return found
    raise StateConflictError(MERGED_MEANWHILE)


def survivors(store: Store, profiles: Iterable[bytes]) -> dict[bytes, bytes]:
    """Who has each of some profiles now: itself, unless it was merged away."""
    asked = list(dict.fromkeys(profiles))
    redirects = store.read([redirect_key(profile) for profile in asked]).get()
    return {profile: redirect or profile for profile, redirect in zip(asked, redirects, strict=True)}


def _of_profile(store: Store, profile: bytes) -> Dossier | Gone | None:
    record, survivor = store.read([profile_key(profile), redirect_key(profile)]).get()
    if record is not None:
        return _dossier(store, profile, decode_record(record))
    return None if survivor is None else _gone(store, profile)


def _gone(store: Store, child: bytes) -> Gone:
    """Whoever has a merged profile may be merged away itself between the two reads."""
    for _ in range(ATTEMPTS):
        (survivor,) = store.read([redirect_key(child)]).get()
        (blob,) = store.read([profile_key(survivor or child)]).get()
        merges = [] if blob is None else decode_record(blob).merged
        merge = next((merge for merge in merges if merge.child == child), None)
        if survivor is not None and merge is not None:
            return Gone(child, merge, survivor)
    raise StateConflictError(MERGED_MEANWHILE)


def _dossier(store: Store, profile: bytes, record: ProfileRecord) -> Dossier:
    accounts = [link.account for link in record.accounts]
    blobs = store.read([account_key(account) for account in accounts]).get()
    group_ids = {
        account: decode_account(blob).group_id
        for account, blob in zip(accounts, blobs, strict=True)
        if blob is not None
    }
    (state,) = store.load(slot_of(profile), [profile]).get()
    return Dossier(profile, record, decode(state), group_ids)
