"""The records of ``profile-states``: states as batches have left them, each with the outputs that it has kept."""

from collections.abc import Sequence

from worker.ports import Headers, LoggedState, PendingOutputs, Record
from worker.profiles.ids import profile_bytes, profile_text

KEPT_HEADER = "kept"
"""One for each kept output: eight bytes of its mailbox offset, big-endian, then the outputs as the store keeps them."""

OFFSET_BYTES = 8


def key_of(profile: bytes) -> bytes:
    return profile_text(profile).encode()


def headers_of(state: LoggedState) -> Headers:
    """What is logged beside the blob, which is the value."""
    return [(KEPT_HEADER, kept.offset.to_bytes(OFFSET_BYTES, "big") + kept.outputs) for kept in state.kept]


def newest_states(records: Sequence[Record], horizon_ms: int) -> dict[bytes, LoggedState]:
    """By profile, the last of those logged up to ``horizon_ms`` before the last of all. In offset order."""
    if not records:
        return {}
    since_ms = records[-1].timestamp_ms - horizon_ms
    newest = {record.key: record for record in records if record.timestamp_ms >= since_ms}
    return {
        profile: LoggedState(record.value, _kept(profile, record.headers))
        for key, record in newest.items()
        if key is not None and record.value is not None
        for profile in [profile_bytes(key.decode())]
    }


def _kept(profile: bytes, headers: Headers) -> tuple[PendingOutputs, ...]:
    return tuple(
        PendingOutputs(int.from_bytes(value[:OFFSET_BYTES], "big"), profile, value[OFFSET_BYTES:])
        for name, value in headers
        if name == KEPT_HEADER
    )
