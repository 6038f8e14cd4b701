"""A record to be produced, and its form while it is kept beside the state that made it (``pending``)."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from worker.ports import Headers


class Output(NamedTuple):
    """``topic`` is the name before the prefix. ``partition`` None: by the key."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    partition: int | None = None


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(
    list[tuple[str, bytes | None, bytes | None, list[tuple[str, bytes]], int | None]]
).decode


def pack(outputs: Sequence[Output]) -> bytes:
    """Outputs as the store keeps them."""
    return _encode(outputs)


def unpack(blob: bytes) -> list[Output]:
    return [Output(*fields) for fields in _decode(blob)]
