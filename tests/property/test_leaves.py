"""What leaves keep of events: the same in any order of arrival, united as if one profile had done it all, stored."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st

from worker.audiences.compile import Compiled, Keys, compile_trait
from worker.audiences.kept import Accumulator
from worker.audiences.language.parser import parse
from worker.audiences.leaves import selects
from worker.audiences.outcomes import Undecided
from worker.audiences.windows import NEVER, Rolling, add_time, inside_at, join_times, times_max, times_of
from worker.profiles.codec import decode, encode
from worker.profiles.state import ProfileState
from worker.profiles.traits import TraitValue

pytestmark = pytest.mark.property

MINUTE = 60_000
HOUR = 60 * MINUTE

WINDOWS = ["", ".within(1 hour)", ".between(30 minutes, 1 hour)", ".between(50 minutes, 1 hour)"]
WINDOWS.append(".expires_after(30 minutes)")
REDUCERS = [
    "count()",
    "sum(property('n'))",
    "avg(property('n'))",
    "min(property('n'))",
    "max(property('n'))",
    "min(property('w') as string)",
    "mode(property('w'), 1)",
    "first(property('w'))",
    "last(property('w'))",
    "unique(property('w'))",
    "unique(property('words.$')).count()",
]
STATIC = [f"event('X'){window}.{reducer}" for window in WINDOWS for reducer in REDUCERS]
LOOKED_UP = [
    "event('X').where(property('n') >= trait('least')).count()",
    "event('X').where(property('n') >= trait('least')).within(1 hour).last(property('w'))",
    "event('X').where(event('X').within(parent: 30 minutes).count() = 0).within(1 hour).sum(property('n'))",
    "event('X').where(event('X').where(property('w') = property(parent: 'w')).count() >= 1).count()",
]


@dataclass(frozen=True)
class Event:
    """``theirs``: it came to the profile that is merged away."""

    at_ms: int
    received_ms: int
    arrival: int
    properties: Mapping[str, Any]
    theirs: bool
    context: Mapping[str, Any] = field(default_factory=dict)
    sources: frozenset[str] = frozenset()


NOW_MS = 10 * HOUR
LATE_MS = st.integers(0, 4).map(lambda steps: steps * 10 * MINUTE) | st.sampled_from(
    [0, 1, 30 * MINUTE - 1, 30 * MINUTE, HOUR - 1, HOUR, HOUR + 1, 5 * HOUR]
)
PROPERTIES = st.fixed_dictionaries(
    {},
    optional={
        "n": st.sampled_from([0, 1, 2.5, -3, 0.1, 1e17, "1", None]),
        "w": st.sampled_from(["a", "b", "c", "", 2, None]),
        "words": st.lists(st.sampled_from(["a", "b", None]), max_size=2),
    },
)


@st.composite
def histories(draw: st.DrawFn) -> list[Event]:
    """In order of arrival, all received by ``NOW_MS``."""
    drawn = draw(st.lists(st.tuples(LATE_MS, st.sampled_from([0, 0, MINUTE]), PROPERTIES, st.booleans()), max_size=14))
    events = []
    for arrival, (late_ms, since_ms, properties, theirs) in enumerate(drawn):
        received_ms = NOW_MS - (len(drawn) - arrival) * MINUTE + since_ms
        events.append(Event(received_ms - late_ms, received_ms, arrival, properties, theirs))
    return events


def profile() -> ProfileState:
    state = ProfileState()
    state.applied = 0
    state.traits["least"] = TraitValue(1, 0, 0)
    return state


def fold(compiled: Compiled, events: Sequence[Event]) -> ProfileState:
    """A profile that has got these events, each at its receipt."""
    state = profile()
    for event in events:
        state.time_ms = max(state.time_ms, event.received_ms)
        for leaf in compiled.leaves.values():
            if selects(leaf, event, state.time_ms):
                leaf.add(state.accumulators, event, state.time_ms)
    state.time_ms = NOW_MS + MINUTE
    return state


def values(compiled: Compiled, state: ProfileState) -> list[tuple[int, Any]]:
    """The value now and after each time at which it says it may change."""
    assert compiled.value is not None
    found: list[tuple[int, Any]] = []
    while True:
        value, due_ms = compiled.value.read(state)
        value = value.value if isinstance(value, Undecided) else value
        if not found or found[-1][1] != value:
            found.append((state.time_ms, value))
        if due_ms == NEVER:
            return found
        assert due_ms > state.time_ms
        state.time_ms = due_ms


def stored(state: ProfileState) -> ProfileState:
    return decode(encode(state))


@pytest.mark.parametrize("query", [*STATIC, *LOOKED_UP])
@settings(max_examples=40, deadline=None)
@given(events=histories(), data=st.data())
def test_two_profiles_united_are_one_that_did_it_all(query: str, events: list[Event], data: st.DataObject) -> None:
    """Also when either comes out of the store, and whichever is the parent."""
    compiled = compile_trait(parse(query), Keys())
    together = fold(compiled, events)
    ours = stored(fold(compiled, [event for event in events if not event.theirs]))
    theirs = fold(compiled, [event for event in events if event.theirs])
    one, other = data.draw(st.permutations([ours.accumulators, theirs.accumulators]))

    merged = profile()
    merged.time_ms = NOW_MS + MINUTE
    merged.accumulators = dict(one)
    for leaf_id, accumulator in other.items():
        own = one.get(leaf_id)
        leaf = compiled.leaves[leaf_id]
        merged.accumulators[leaf_id] = accumulator if own is None else leaf.union(own, accumulator, merged.time_ms)

    note(merged.accumulators)
    assert values(compiled, stored(merged)) == values(compiled, together)


@pytest.mark.parametrize("query", STATIC)
@settings(max_examples=30, deadline=None)
@given(events=histories(), data=st.data())
def test_the_order_of_arrival_does_not_matter(query: str, events: list[Event], data: st.DataObject) -> None:
    """Of events that are told apart by their times, when all of them come in time for their windows."""
    compiled = compile_trait(parse(query), Keys())
    arrived = data.draw(st.permutations(events))

    assert values(compiled, fold(compiled, arrived)) == values(compiled, fold(compiled, events))


@settings(max_examples=300, deadline=None)
@given(
    steps=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 60)), max_size=60),
    capacity=st.integers(1, 4),
    window=st.sampled_from([Rolling(0, 20), Rolling(5, 20), Rolling(15, 20), Rolling(30, 31), Rolling(10, 40)]),
)
def test_thinned_times_tell_every_count_up_to_their_capacity(
    steps: list[tuple[int, int]], capacity: int, window: Rolling
) -> None:
    """At every later time, of late events too; and never more times than the bound says."""
    times, every = times_of(None), []
    halves = [times_of(None), times_of(None)]
    now_ms = 1_000
    for index, (gap_ms, late_ms) in enumerate(steps):
        now_ms += gap_ms
        every.append(now_ms - late_ms)
        add_time(times, now_ms - late_ms, now_ms=now_ms, window=window, capacity=capacity)
        add_time(halves[index % 2], now_ms - late_ms, now_ms=now_ms, window=window, capacity=capacity)
        assert len(times) <= times_max(window, capacity)
    united = join_times(*halves, now_ms=now_ms, window=window, capacity=capacity)

    for later_ms in range(now_ms, now_ms + window.far_ms + 1):
        inside = sum(later_ms - window.far_ms < at_ms <= later_ms - window.near_ms for at_ms in every)
        for kept in (times, united):
            count, _ = inside_at(kept, window, later_ms)
            assert min(count, capacity) == min(inside, capacity)


def test_an_accumulator_that_nobody_touches_is_stored_as_it_came() -> None:
    compiled = compile_trait(parse("event('X').sum(property('n'))"), Keys())
    state = fold(compiled, [Event(1, 1, 0, {"n": 1}, theirs=False)])
    loaded = stored(state)
    kept: list[Accumulator] = list(loaded.accumulators.values())

    assert [type(one) for one in kept] == [bytes]
    assert encode(loaded) == encode(state)
