"""Times: what a profile remembers of the events that a counting leaf with a window has selected.

``within(W)`` keeps the times of its newest events, ascending, as many as any count that is compared with it can need
(``capacity``): with more than ``capacity`` events inside, the newest ones alone still tell every count up to
``capacity`` exactly, now and at every later time, because the oldest leave the window first.

``between(A, B)`` does that with the events that are inside already; those that wait to enter it are thinned: a time is
dropped when every window of the length ``B - A`` around it holds ``capacity`` others. Memory is bounded by the
definition and not by the visitor in both.

Source: docs/decisions.md, "Windows"; Segment, "Query Language Reference" (within, between).
"""

from array import array
from bisect import bisect_right
from typing import NamedTuple, TypeAlias

NEVER = 1 << 62
"""A moment that does not come."""

Times: TypeAlias = "array[int]"
"""Of type code ``q``: milliseconds, ascending."""


class Rolling(NamedTuple):
    """The window ``now - far < t <= now - near``; ``within(W)`` is from 0 to W."""

    near_ms: int
    far_ms: int


def times_of(accumulator: object) -> Times:
    """The times of a windowed leaf, decoded; they come from the store as bytes and stay so until they are needed."""
    if isinstance(accumulator, array):
        return accumulator
    times: Times = array("q")
    if isinstance(accumulator, bytes):
        times.frombytes(accumulator)
    return times


def times_max(window: Rolling, capacity: int) -> int:
    """How many times a leaf keeps at most."""
    if not window.near_ms:
        return capacity
    # Inside: ``capacity``. Waiting: fewer than 2 x capacity + 1 in each length of the window.
    lengths = -(-window.near_ms // (window.far_ms - window.near_ms)) + 1
    return capacity + 2 * capacity * lengths


def add_time(times: Times, at_ms: int, *, now_ms: int, window: Rolling, capacity: int) -> bool:
    """Put one event into its place. False when it has left the window already (nothing is kept of it).

    What has left it by ``now`` is dropped on the way.
    """
    if at_ms <= now_ms - window.far_ms:
        return False
    if not times or at_ms >= times[-1]:
        index = len(times)
        times.append(at_ms)
    else:
        index = bisect_right(times, at_ms)
        times.insert(index, at_ms)
    if window.near_ms:
        _thin(times, index - capacity, index + capacity + 1, window=window, capacity=capacity)
    _trim(times, now_ms=now_ms, window=window, capacity=capacity)
    return True


def join_times(one: Times, other: Times, *, now_ms: int, window: Rolling, capacity: int) -> Times:
    """The times of the events of two profiles, as one profile would have kept them."""
    times = array("q", sorted([*one, *other]))
    if window.near_ms:
        _thin(times, 0, len(times), window=window, capacity=capacity)
    _trim(times, now_ms=now_ms, window=window, capacity=capacity)
    return times


def inside_at(times: Times, window: Rolling, now_ms: int) -> tuple[int, int]:
    """How many times are inside at a time, and when that changes next without an event."""
    first = bisect_right(times, now_ms - window.far_ms)
    last = bisect_right(times, now_ms - window.near_ms) if window.near_ms else len(times)
    leaves_ms = times[first] + window.far_ms if first < last else NEVER
    enters_ms = times[last] + window.near_ms if last < len(times) else NEVER
    return last - first, min(leaves_ms, enters_ms)


def _trim(times: Times, *, now_ms: int, window: Rolling, capacity: int) -> None:
    """Drop what has left the window, and of what is inside all but the newest."""
    inside = bisect_right(times, now_ms - window.near_ms) if window.near_ms else len(times)
    surplus = max(bisect_right(times, now_ms - window.far_ms), inside - capacity)
    if surplus > 0:
        del times[:surplus]


def _thin(times: Times, first: int, last: int, *, window: Rolling, capacity: int) -> None:
    """Drop, of the times from ``first`` to ``last``, those that no window can tell from their neighbours.

    A window that holds a time reaches back to the ``capacity``-th before it or on to the ``capacity``-th after it
    when these are no further apart than the window is long. Either way it holds ``capacity`` others.
    """
    length_ms = window.far_ms - window.near_ms
    index = max(first, capacity)
    while index < min(last, len(times) - capacity):
        if times[index + capacity] - times[index - capacity] <= length_ms:
            del times[index]
            last -= 1
        else:
            index += 1
