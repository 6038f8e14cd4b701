"""Evaluation of a whole profile: by its timers, under new definitions, at its end. Pure."""

from worker.audiences.catalogue import Catalogue
from worker.audiences.evaluate import Reason, Transition, due_numbers, evaluate, evaluate_all
from worker.profiles.state import ProfileState


def fire(state: ProfileState, catalogue: Catalogue, until_ms: int) -> list[Transition] | None:
    """What is due up to and including a time, each at its own due time; None when nothing is."""
    fired: list[Transition] | None = None
    while (due := state.due_ms) is not None and due <= until_ms:
        state.time_ms = max(state.time_ms, due)
        numbers = due_numbers(state, catalogue, due)
        for key in [key for key, at_ms in state.dues.items() if at_ms <= due]:
            del state.dues[key]  # evaluation sets it again; a key that has no definition any more must not stay
        fired = (fired or []) + evaluate(state, catalogue, numbers, "time")
    return fired


def renew(state: ProfileState, catalogue: Catalogue, reason: Reason = "definition") -> list[Transition]:
    """Evaluate everything, at the profile's present time: under definitions that are new to it, or after a merge."""
    for leaf_id in [leaf_id for leaf_id in state.accumulators if leaf_id not in catalogue.leaves]:
        del state.accumulators[leaf_id]
    for key in [key for key in state.dues if key not in catalogue.by_key]:
        del state.dues[key]
    gone = [key for key in sorted(state.memberships) if state.member(key) and not _wanted_key(state, catalogue, key)]
    exits = [Transition(key, state.transit(key, state.time_ms), state.time_ms, "definition") for key in gone]
    state.version = catalogue.version
    return exits + _unregistered(state, catalogue, reason) + evaluate_all(state, catalogue, reason)


def _wanted_key(state: ProfileState, catalogue: Catalogue, key: str) -> bool:
    """Whether a membership still has a definition, or is an unregistered passthrough segment's."""
    if key in catalogue.by_key:
        return True
    return state.external(key) is not None and key not in catalogue.key_by_external


def _unregistered(state: ProfileState, catalogue: Catalogue, reason: Reason) -> list[Transition]:
    """Changes of passthrough segments that have no definition, or none any more: they go by their own id."""
    changed = [
        external_id
        for external_id, entry in sorted(state.externals.items())
        if external_id not in catalogue.key_by_external and state.member(external_id) != entry.qualified
    ]
    return [Transition(key, state.transit(key, state.time_ms), state.time_ms, reason) for key in changed]


def leave(state: ProfileState, catalogue: Catalogue) -> list[Transition]:
    """Leave every audience: dependencies first, then by key."""
    order = {audience.key: audience.number for audience in catalogue.audiences}
    inside = sorted([key for key in state.memberships if state.member(key)])
    inside.sort(key=lambda key: order.get(key, len(order)))
    return [Transition(key, state.transit(key, state.time_ms), state.time_ms, "merge") for key in inside]
