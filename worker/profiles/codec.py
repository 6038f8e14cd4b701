"""Profile state <-> bytes: eight bytes of ``applied``, big-endian, then a MessagePack array.

The prefix is what the store compares (``worker.ports.StateWrite``). Accumulators travel as a number or as bytes, which
are decoded when a leaf is touched, not with the state (``worker.audiences.kept``).
"""

from array import array
from typing import Any

import msgspec

from worker.errors import InvariantError
from worker.profiles.state import NO_RECORD, ComputedTrait, ExternalState, Membership, ProfileState, Sealed
from worker.profiles.traits import TraitValue

FORMAT = 3
"""First element of the array. Raise it with every change that an older worker could not read."""

PREFIX_BYTES = 8


class _Wire(msgspec.Struct, array_like=True, gc=False):
    format: int
    time_ms: int
    version: int
    identifiers: list[tuple[str, str, int]]
    traits: dict[str, tuple[Any, int, int]]
    accumulators: dict[bytes, int | bytes]
    memberships: dict[str, tuple[int, int]]
    externals: dict[str, tuple[float, bool, int]]
    dues: dict[str, int]
    computations: dict[str, list[Any]]
    awaiting: list[tuple[bytes, str]]
    sealed: tuple[int, bytes] | None


def _pack(value: Any) -> bytes:
    """An accumulator that somebody has touched; what it holds is its leaf's business."""
    if isinstance(value, array):
        return value.tobytes()
    if hasattr(value, "__bytes__"):  # asking whether it is a SupportsBytes takes longer than packing it
        return bytes(value)
    raise InvariantError(f"a state holds a {type(value).__name__}")


_encode = msgspec.msgpack.Encoder(enc_hook=_pack).encode
_decode = msgspec.msgpack.Decoder(_Wire).decode


def encode(state: ProfileState) -> bytes:
    """The blob that the store keeps."""
    identifiers = [(kind, value, at_ms) for (kind, value), at_ms in state.identifiers.items()]
    wire = (
        FORMAT,
        state.time_ms,
        state.version,
        identifiers,
        state.traits,
        state.accumulators,
        state.memberships,
        state.externals,
        state.dues,
        {key: _written(entry) for key, entry in state.computations.items()} if state.computations else {},
        state.awaiting,
        state.sealed,
    )
    return state.applied.to_bytes(PREFIX_BYTES, "big") + _encode(wire)


def _written(entry: ComputedTrait) -> tuple[Any, ...]:
    """What was told last is mostly the value itself, and that may be a long list."""
    value, told, number = entry
    return (value, number) if told is value else (value, number, told)


def applied_of(blob: bytes | None) -> int:
    """``applied`` of a state, without decoding it."""
    return NO_RECORD if blob is None else int.from_bytes(blob[:PREFIX_BYTES], "big")


def _read(value: Any, number: int, *told: Any) -> ComputedTrait:
    return ComputedTrait(value, told[0] if told else value, number)


def decode(blob: bytes | None) -> ProfileState:
    """A state from its blob; a fresh one from None.

    Raises:
        InvariantError: the blob is none of ours, or of a newer worker.
    """
    state = ProfileState()
    if blob is None:
        return state
    try:
        wire = _decode(memoryview(blob)[PREFIX_BYTES:])
    except msgspec.DecodeError as error:
        raise InvariantError(f"a stored profile state cannot be read: {error}") from error
    if wire.format != FORMAT:
        raise InvariantError(f"a stored profile state has format {wire.format}, this worker reads {FORMAT}")
    state.applied = applied_of(blob)
    state.time_ms, state.version = wire.time_ms, wire.version
    state.identifiers = {(kind, value): at_ms for kind, value, at_ms in wire.identifiers}
    state.traits = {key: TraitValue(*entry) for key, entry in wire.traits.items()}
    state.accumulators = dict(wire.accumulators)
    state.memberships = {key: Membership(*entry) for key, entry in wire.memberships.items()}
    state.externals = {key: ExternalState(*entry) for key, entry in wire.externals.items()}
    state.dues = wire.dues
    state.computations = {key: _read(*entry) for key, entry in wire.computations.items()}
    state.awaiting = frozenset(wire.awaiting)
    state.sealed = None if wire.sealed is None else Sealed(*wire.sealed)
    return state
