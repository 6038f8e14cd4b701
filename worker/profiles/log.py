"""The records of ``profile-states``: states as batches have left them, each with the outputs that it has kept."""

from collections.abc import Sequence

from worker.ports import Headers, LoggedState, LogTail, PendingOutputs, Record
from worker.profiles.ids import profile_bytes, profile_text

KEPT_HEADER = "kept"
"""One for each kept output: eight bytes of its mailbox offset, big-endian, then the outputs as the store keeps them."""

SINCE_HEADER = "since"
"""How far back states had been looked at that were put back shortly before, in broker time (ms, in digits)."""

OFFSET_BYTES = 8


def key_of(profile: bytes) -> bytes:
    return profile_text(profile).encode()


def headers_of(state: LoggedState, since_ms: int | None = None) -> Headers:
    """What is logged beside the blob, which is the value."""
    kept = [(KEPT_HEADER, kept.offset.to_bytes(OFFSET_BYTES, "big") + kept.outputs) for kept in state.kept]
    return kept if since_ms is None else [*kept, (SINCE_HEADER, b"%d" % since_ms)]


def reach(records: Sequence[Record], horizon_ms: int) -> int:
    """How far back to look, in broker time: the horizon before the last record, or what one within it says.

    At least one record, in offset order, and all within the horizon.
    """
    horizon = records[-1].timestamp_ms - horizon_ms
    told = [
        int(value)
        for record in records
        if record.timestamp_ms >= horizon
        for name, value in record.headers
        if name == SINCE_HEADER
    ]
    return min([horizon, *told])


def tail(records: Sequence[Record], since_ms: int) -> LogTail:
    """The newest state of each profile from a time on. In offset order."""
    newest = {record.key: record for record in records if record.timestamp_ms >= since_ms}
    states = {
        profile: LoggedState(record.value, _kept(profile, record.headers))
        for key, record in newest.items()
        if key is not None and record.value is not None
        for profile in [profile_bytes(key.decode())]
    }
    return LogTail(states, since_ms)


def _kept(profile: bytes, headers: Headers) -> tuple[PendingOutputs, ...]:
    return tuple(
        PendingOutputs(int.from_bytes(value[:OFFSET_BYTES], "big"), profile, value[OFFSET_BYTES:])
        for name, value in headers
        if name == KEPT_HEADER
    )
