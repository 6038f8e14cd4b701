"""Mailbox records that carry a merge of two profiles: ``seal``, ``expect``, ``absorb``, ``absorbed``.

Internal to the worker; readers of ``resolved-events`` skip them by their ``kind``. What each of them does is told in
ARCHITECTURE.md, "Merging two profiles".
"""

from msgspec import Struct, msgpack


class Seal(Struct, frozen=True, array_like=True, gc=False):
    """To the child: it ends here. ``at``: the time of the event that joined the two (ms).

    ``token``: names the pair of this seal and the ``expect`` that went with it; None when the seal was sent again
    without one. ``message_id``: of the event that joined the two.
    """

    profile_id: str
    at: int
    parent: str
    token: str | None
    message_id: str


class Expect(Struct, frozen=True, array_like=True, gc=False):
    """To the parent: the history of a child is on its way; judge nothing before it is here."""

    profile_id: str
    at: int
    child: str
    token: str


class Absorb(Struct, frozen=True, array_like=True, gc=False):
    """To the parent: all that the child was.

    ``data``: the child's state as it is stored, empty when it was sent before; ``version``: of the definitions that it
    was evaluated under. ``awaiting``: (child, token) of the histories that the child itself was still waiting for.
    """

    profile_id: str
    at: int
    child: str
    token: str | None
    message_id: str
    data: bytes = b""
    version: int = 0
    awaiting: list[tuple[str, str]] = []


class Absorbed(Struct, frozen=True, array_like=True, gc=False):
    """To the child: the parent has it all; the merge is over."""

    profile_id: str
    at: int


_encode = msgpack.Encoder().encode
_decode_seal = msgpack.Decoder(Seal).decode
_decode_expect = msgpack.Decoder(Expect).decode
_decode_absorb = msgpack.Decoder(Absorb).decode
_decode_absorbed = msgpack.Decoder(Absorbed).decode


def encode_merging(record: Seal | Expect | Absorb | Absorbed) -> bytes:
    """The value of a record; its kind goes into the header."""
    return _encode(record)


def decode_seal(value: bytes) -> Seal:
    """
    Raises:
        msgspec.DecodeError: not written by a worker; so in the other three.
    """
    return _decode_seal(value)


def decode_expect(value: bytes) -> Expect:
    return _decode_expect(value)


def decode_absorb(value: bytes) -> Absorb:
    return _decode_absorb(value)


def decode_absorbed(value: bytes) -> Absorbed:
    return _decode_absorbed(value)
