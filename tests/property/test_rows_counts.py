"""Rows that nothing is asked of are counted without being looked at: it says what looking at them says."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.audiences.comparisons import RowsCount
from worker.audiences.kept import Kept
from worker.audiences.populations import FromParent, Population, Window
from worker.audiences.windows import Rolling
from worker.profiles.state import ProfileState

pytestmark = pytest.mark.property

LEAF = b"leaf"
WINDOWS: list[Window] = [None, Rolling(0, 10), Rolling(3, 10), Rolling(9, 10), FromParent(5), FromParent(1)]


def profile(times_ms: Sequence[int], now_ms: int) -> ProfileState:
    state = ProfileState()
    state.time_ms = now_ms
    state.accumulators[LEAF] = Kept([[at_ms] for at_ms in sorted(times_ms)])
    return state


@settings(max_examples=500)
@given(
    times_ms=st.lists(st.integers(0, 30), max_size=12),
    now_ms=st.integers(0, 40),
    parent_ms=st.none() | st.integers(0, 30),
    window=st.sampled_from(WINDOWS),
    truth=st.lists(st.booleans(), min_size=1, max_size=5),
)
def test_a_count_of_all_rows_is_that_of_a_look_at_each(
    times_ms: list[int], now_ms: int, parent_ms: int | None, window: Window, truth: list[bool]
) -> None:
    around: tuple[Any, ...] = () if parent_ms is None else ({}, [parent_ms])
    if isinstance(window, FromParent) and parent_ms is None:
        window = None
    count = RowsCount(Population(LEAF, window, None, nested=parent_ms is not None), truth)
    state = profile(times_ms, now_ms)

    assert count._judge_all(state, around) == count._judge_some(state, around)
