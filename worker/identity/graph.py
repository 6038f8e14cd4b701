"""The identity graph as the store keeps it. All keys live in the space's identity slot.

    i:HASH      identifier -> the profile that has it
    p:PROFILE   a live profile: born, identifiers, profiles merged into it
    r:PROFILE   a profile that was merged away -> the live one that has it now, however many merges lie between
    g:HASH      group_id -> the account that has it
    a:ACCOUNT   an account: born, its group_id
    u:ACCOUNT   the profiles that are linked to an account, a set

Keys of identifiers are hashes: a graph of a billion identifiers has two with one 80-bit hash with a probability of
about 4e-7.
"""

from collections.abc import Sequence
from hashlib import blake2b

import msgspec

from worker.errors import InvariantError
from worker.identity.resolve import Candidate
from worker.identity.rules import Identifier


class Mapping(msgspec.Struct, array_like=True, gc=False):
    """One identifier of a profile: when it was first seen there, and which message brought it."""

    type: str
    value: str
    first_seen_ms: int
    message_id: str


class Merged(msgspec.Struct, array_like=True, gc=False):
    """One profile that was merged away, by the event ``message_id``. ``parent``: into which, at that time.

    ``open``: the note. The mailboxes may not have been told yet, or the parent has not taken the history in.
    """

    child: bytes
    parent: bytes
    at_ms: int
    message_id: str
    open: bool = True


class Link(msgspec.Struct, array_like=True, gc=False):
    """A profile belongs to an account since the group call ``message_id``."""

    account: bytes
    at_ms: int
    message_id: str


class ProfileRecord(msgspec.Struct, array_like=True, gc=False):
    """A live profile. ``born_ms``: the time of the record that created it.

    ``merged``: everybody who has been merged into it, directly or by way of others, oldest merge first. ``accounts``:
    those that it is linked to, in the order of the links.
    """

    born_ms: int
    identifiers: list[Mapping]
    merged: list[Merged] = []
    accounts: list[Link] = []


class Account(msgspec.Struct, array_like=True, gc=False):
    """An account. ``born_ms``, ``message_id``: time and name of the group call that created it."""

    born_ms: int
    group_id: str
    message_id: str


class Owed(msgspec.Struct, array_like=True, gc=False):
    """A merge whose messages may not have been sent: ``child`` is to be sealed, ``waits`` is to wait for it."""

    child: bytes
    parent: bytes
    waits: bytes
    at_ms: int
    message_id: str


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(ProfileRecord).decode
_decode_account = msgspec.msgpack.Decoder(Account).decode


def identifier_key(identifier: Identifier) -> bytes:
    """Where the store keeps the profile of an identifier."""
    kind, value = identifier
    return b"i:" + blake2b(f"{len(kind)}:{kind}{value}".encode(), digest_size=10).digest()


def profile_key(profile: bytes) -> bytes:
    """Where the store keeps the record of a live profile."""
    return b"p:" + profile


def redirect_key(profile: bytes) -> bytes:
    """Where the store keeps who has a profile that was merged away."""
    return b"r:" + profile


def group_key(group_id: str) -> bytes:
    """Where the store keeps the account of a group_id."""
    return b"g:" + blake2b(group_id.encode(), digest_size=10).digest()


def account_key(account: bytes) -> bytes:
    """Where the store keeps the record of an account."""
    return b"a:" + account


def users_key(account: bytes) -> bytes:
    """Where the store keeps the profiles that are linked to an account."""
    return b"u:" + account


def encode_account(account: Account) -> bytes:
    return _encode(account)


def decode_account(blob: bytes) -> Account:
    """
    Raises:
        InvariantError: the bytes are none of ours.
    """
    try:
        return _decode_account(blob)
    except msgspec.DecodeError as error:
        raise InvariantError(f"a stored account cannot be read: {error}") from error


def encode_record(record: ProfileRecord) -> bytes:
    return _encode(record)


def decode_record(blob: bytes) -> ProfileRecord:
    """
    Raises:
        InvariantError: the bytes are none of ours.
    """
    try:
        return _decode(blob)
    except msgspec.DecodeError as error:
        raise InvariantError(f"a stored profile record cannot be read: {error}") from error


def candidate_of(profile: bytes, record: ProfileRecord) -> Candidate:
    """The profile as resolution looks at it."""
    identifiers = {Identifier(kept.type, kept.value): kept.first_seen_ms for kept in record.identifiers}
    return Candidate(profile, record.born_ms, len(record.merged), identifiers)


def extended(record: ProfileRecord, mapped: Sequence[Identifier], *, at_ms: int, message_id: str) -> ProfileRecord:
    """The record with more identifiers."""
    added = [Mapping(kind, value, at_ms, message_id) for kind, value in mapped]
    return ProfileRecord(record.born_ms, record.identifiers + added, record.merged, record.accounts)


def linked(record: ProfileRecord, link: Link) -> ProfileRecord:
    """The record with one more account."""
    return ProfileRecord(record.born_ms, record.identifiers, record.merged, [*record.accounts, link])


def united(
    parent: tuple[bytes, ProfileRecord], child: tuple[bytes, ProfileRecord], *, at_ms: int, message_id: str
) -> ProfileRecord:
    """The parent's record with all that the child had, and a note that the child is still to be told."""
    (parent_id, record), (child_id, other) = parent, child
    merge = Merged(child_id, parent_id, at_ms, message_id)
    known = {link.account for link in record.accounts}
    return ProfileRecord(
        record.born_ms,
        record.identifiers + other.identifiers,
        [*record.merged, *other.merged, merge],
        record.accounts + [link for link in other.accounts if link.account not in known],
    )


def owed_into(profile: bytes, record: ProfileRecord) -> list[Owed]:
    """Merges below a profile that are done in the graph but perhaps not in the mailboxes, deepest first.

    Who waits is the next ancestor that may still be alive: one that is itself waiting to be sealed, or the profile.
    """
    parents = {merge.child: merge.parent for merge in record.merged}
    unsettled = {merge.child for merge in record.merged if merge.open}
    owed = []
    for merge in record.merged:
        if not merge.open:
            continue
        line = [merge.parent]
        while line[-1] in parents:
            line.append(parents[line[-1]])
        waits = next((ancestor for ancestor in line if ancestor in unsettled), profile)
        owed.append((len(line), Owed(merge.child, merge.parent, waits, merge.at_ms, merge.message_id)))
    owed.sort(key=lambda entry: entry[0], reverse=True)
    return [merge for _, merge in owed]


def settled(record: ProfileRecord, child: bytes) -> ProfileRecord:
    """The record without the note of a child."""
    merged = [
        Merged(merge.child, merge.parent, merge.at_ms, merge.message_id, merge.open and merge.child != child)
        for merge in record.merged
    ]
    return ProfileRecord(record.born_ms, record.identifiers, merged, record.accounts)
