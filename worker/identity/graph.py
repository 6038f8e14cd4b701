"""The identity graph as the store keeps it: identifier -> profile, and one record per profile.

All keys live in the space's identity slot. Keys of identifiers are hashes: a graph of a billion identifiers has two
with one 80-bit hash with a probability of about 4e-7.
"""

from collections.abc import Sequence
from hashlib import blake2b

import msgspec

from worker.errors import InvariantError
from worker.identity.rules import Identifier


class Mapping(msgspec.Struct, array_like=True, gc=False):
    """One identifier of a profile: when it was first seen there, and which message brought it."""

    type: str
    value: str
    first_seen_ms: int
    message_id: str


class ProfileRecord(msgspec.Struct, array_like=True, gc=False):
    """A profile in the graph. ``born_ms``: the time of the record that created it."""

    born_ms: int
    identifiers: list[Mapping]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(ProfileRecord).decode


def identifier_key(identifier: Identifier) -> bytes:
    """Where the store keeps the profile of an identifier."""
    return b"i:" + blake2b(f"{identifier.type}\0{identifier.value}".encode(), digest_size=10).digest()


def profile_key(profile: bytes) -> bytes:
    """Where the store keeps the record of a profile."""
    return b"p:" + profile


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


def extended(
    record: ProfileRecord | None, mapped: Sequence[Identifier], *, at_ms: int, message_id: str
) -> ProfileRecord:
    """The record with more identifiers; a new one from None."""
    before = ProfileRecord(at_ms, []) if record is None else record
    added = [Mapping(kind, value, at_ms, message_id) for kind, value in mapped]
    return ProfileRecord(before.born_ms, before.identifiers + added)
