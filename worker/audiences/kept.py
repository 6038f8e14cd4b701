"""What a leaf keeps of a profile's events, between the profile and the store.

A count is a number, times are packed integers (``worker.audiences.windows``); everything else is plain values that
travel as MessagePack and are decoded when a leaf is touched, not with the state.
"""

from collections.abc import MutableMapping
from typing import Any, TypeAlias

import msgspec

from worker.audiences.windows import Times

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder().decode


class Kept:
    """Decoded content. Say ``changed`` after changing it in place; ``bytes(kept)`` is what the store keeps."""

    __slots__ = ("_packed", "content")

    def __init__(self, content: Any, packed: bytes | None = None) -> None:
        self.content = content
        self._packed = packed

    def __bytes__(self) -> bytes:
        if self._packed is None:
            self._packed = _encode(self.content)
        return self._packed

    def changed(self) -> None:
        self._packed = None


Accumulator: TypeAlias = "int | bytes | Times | Kept"
"""Of one leaf and one profile; bytes are times or content that nobody has touched since it was loaded."""

Accumulators = MutableMapping[bytes, Accumulator]
"""By leaf id."""


def opened(accumulators: Accumulators, leaf_id: bytes) -> Kept | None:
    """The decoded content of a leaf; it stays decoded in its place."""
    accumulator = accumulators.get(leaf_id)
    if isinstance(accumulator, bytes):
        accumulator = accumulators[leaf_id] = Kept(_decode(accumulator), accumulator)
    return accumulator  # type: ignore[return-value]  # the leaf keeps nothing else


def content_of(accumulator: Accumulator) -> Any:
    """The decoded content by itself, not to be changed."""
    return accumulator.content if isinstance(accumulator, Kept) else _decode(accumulator)  # type: ignore[arg-type]
