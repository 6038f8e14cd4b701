"""How claims are spread: over slices, each in a slot of a cluster, and over buckets, each a key of its slice."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from worker.ports import Claim

MINUTE_MS: Final = 60_000
MINUTE_MAX: Final = 2**32 - 1

CLAIM_SLICES: Final = 16
"""Fixed for life: a change forgets the window. Fewer could not be spread over a cluster's nodes."""

IDS_PER_BUCKET: Final = 48
"""Claims in a bucket when the plan holds; up to twice as many, buckets being a power of two. More take less memory and
more of Redis's time: 30 take 21.5 bytes and 4.7 us an id, 61 take 18.2 and 5.0, 122 take 16.9 and 6.0."""

BUCKET_BITS_MIN: Final = 8
"""So many buckets a slice at least that a plan which is far too low costs time, but does not stop the worker."""

BUCKET_BITS_MAX: Final = 24


class Sliced(NamedTuple):
    """``touched``: the slices that have claims, the first one when none has; ``ids``, ``indexes``: of each slice, the
    claims as the script wants them (see ``lua/claim.lua``) and their places among all.
    """

    touched: list[int]
    ids: list[list[bytes]]
    indexes: list[list[int]]


def slice_claims(claims: Sequence[Claim]) -> Sliced:
    ids: list[list[bytes]] = [[] for _ in range(CLAIM_SLICES)]
    indexes: list[list[int]] = [[] for _ in range(CLAIM_SLICES)]
    minutes: dict[int, bytes] = {}
    for index, (digest, coordinates, timestamp_ms) in enumerate(claims):
        minute = timestamp_ms // MINUTE_MS
        minute_bytes = minutes.get(minute)
        if minute_bytes is None:
            minute_bytes = minutes[minute] = min(max(minute, 0), MINUTE_MAX).to_bytes(4, "big")
        number = digest[0] % CLAIM_SLICES
        ids[number].append(digest[1:10] + minute_bytes + coordinates)
        indexes[number].append(index)
    return Sliced([number for number in range(CLAIM_SLICES) if ids[number]] or [0], ids, indexes)


def bucket_divisors(ids_in_window: int) -> tuple[int, int, int]:
    """Divisors of the three bytes that number a bucket in its slice: a power of two of buckets, as the plan needs."""
    wanted = max(1, ids_in_window // (CLAIM_SLICES * IDS_PER_BUCKET))
    bits = min(max(wanted.bit_length() - 1, BUCKET_BITS_MIN), BUCKET_BITS_MAX)
    high, middle = max(bits - 16, 0), min(max(bits - 8, 0), 8)
    return 1 << high, 1 << middle, 1 << 8
