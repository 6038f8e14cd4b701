"""Records of ``profile-states``: what ``StateLog.latest`` picks of them."""

from collections.abc import Sequence

from worker.ports import Record
from worker.profiles.ids import profile_bytes


def newest_states(records: Sequence[Record], horizon_ms: int) -> dict[bytes, bytes]:
    """By profile, the last of those logged up to ``horizon_ms`` before the last of all. In offset order."""
    if not records:
        return {}
    since_ms = records[-1].timestamp_ms - horizon_ms
    return {
        profile_bytes(record.key.decode()): record.value
        for record in records
        if record.timestamp_ms >= since_ms and record.key is not None and record.value is not None
    }
