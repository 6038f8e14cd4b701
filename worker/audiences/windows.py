"""Accumulators: what a profile remembers of the events that one leaf has selected.

A leaf without a window keeps a number. A leaf with ``within(W)`` keeps the times of its newest events, ascending,
as many as any count that is compared with it can need (``capacity``), so that memory is bounded by the definition
and not by the visitor: with more than ``capacity`` events inside, the newest ones alone still tell every count up
to ``capacity`` exactly, now and at every later time, because the oldest leave the window first.
Source: docs/decisions.md, "Windows"; Segment, "Query Language Reference" (within).
"""

from array import array
from bisect import bisect_right
from typing import TypeAlias

Times: TypeAlias = "array[int]"
"""Of type code ``q``: milliseconds, ascending."""

Accumulator: TypeAlias = "int | bytes | array[int]"
"""A count, or times; times come from the store as bytes and stay so until they are needed."""


def times_of(accumulator: "Accumulator | None") -> Times:
    """The times of a windowed leaf, decoded."""
    if isinstance(accumulator, array):
        return accumulator
    times: Times = array("q")
    if isinstance(accumulator, bytes):
        times.frombytes(accumulator)
    return times


def add_time(times: Times, at_ms: int, *, now_ms: int, window_ms: int, capacity: int) -> bool:
    """Put one event into its place. False when it lies outside the window (nothing is kept of it).

    The window is ``now - W < t <= now``. What has left it by ``now`` is dropped on the way.
    """
    horizon = now_ms - window_ms
    if at_ms <= horizon:
        return False
    if not times or at_ms >= times[-1]:
        times.append(at_ms)
    else:
        times.insert(bisect_right(times, at_ms), at_ms)
    surplus = max(bisect_right(times, horizon), len(times) - capacity)
    if surplus > 0:
        del times[:surplus]
    return True
