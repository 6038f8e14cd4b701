"""Two states into one: as if all that was folded into either had been one profile's from the start.

Pure. What an accumulator is made of is its leaf's business, so that uniting two of them is handed in.
Source: Segment, "Unify FAQs" (merged profiles); docs/decisions.md, "Identity".
"""

from collections.abc import Callable
from typing import Any

from worker.profiles.state import ProfileState

Union = Callable[[bytes, Any, Any], Any]
"""(leaf id, one accumulator, the other) -> what the leaf would have kept of the events of both."""


def absorb(state: ProfileState, child: ProfileState, union: Union) -> None:
    """Take all that a child was into a state, but for its memberships: the child has left its audiences itself.

    Of a trait, and of a passthrough membership, the newest word of both wins.
    """
    for identifier, mapped_ms in child.identifiers.items():
        state.identifiers[identifier] = min(mapped_ms, state.identifiers.get(identifier, mapped_ms))
    state.identifiers_changed()
    for key, theirs in child.traits.items():
        ours = state.traits.get(key)
        if ours is None or (theirs.at_ms, theirs.received_ms) > (ours.at_ms, ours.received_ms):
            state.traits[key] = theirs
    for external_id, entry in child.externals.items():
        known = state.externals.get(external_id)
        if known is None or (entry.at_s, entry.arrived_ms) > (known.at_s, known.arrived_ms):
            state.externals[external_id] = entry
    for leaf_id, accumulator in child.accumulators.items():
        own = state.accumulators.get(leaf_id)
        state.accumulators[leaf_id] = accumulator if own is None else union(leaf_id, own, accumulator)
    for key, computed in child.computations.items():
        if state.computed(key) is None and computed.value is not None:
            state.compute(key, computed.value)  # a counter that only the child had does not become absent


def empty(state: ProfileState) -> None:
    """What is left of a profile that was merged away: how often it was told of what, and who has the rest."""
    state.identifiers.clear()
    state.identifiers_changed()
    for part in (state.traits, state.externals, state.accumulators, state.dues):
        part.clear()
    for key in state.computations:
        state.compute(key, None)
    state.awaiting = frozenset()
