"""Evaluation of a whole profile: by its timers, under new definitions, at its end. Pure."""

from worker.audiences.catalogue import Catalogue
from worker.audiences.evaluate import Change, Reason, Recomputed, Transition, due_numbers, evaluate, evaluate_all
from worker.profiles.state import ProfileState


def fire(state: ProfileState, catalogue: Catalogue, until_ms: int) -> list[Change] | None:
    """What is due up to and including a time, each at its own due time; None when nothing is."""
    fired: list[Change] | None = None
    while (due := state.due_ms) is not None and due <= until_ms:
        state.time_ms = max(state.time_ms, due)
        numbers = due_numbers(state, catalogue, due)
        for key in [key for key, at_ms in state.dues.items() if at_ms <= due]:
            del state.dues[key]  # evaluation sets it again; a key that has no definition any more must not stay
        fired = (fired or []) + evaluate(state, catalogue, numbers, "time")
    return fired


def renew(state: ProfileState, catalogue: Catalogue, reason: Reason = "definition") -> list[Change]:
    """Evaluate everything, at the profile's present time: under definitions that are new to it, or after a merge."""
    for leaf_id in [leaf_id for leaf_id in state.accumulators if leaf_id not in catalogue.leaves]:
        del state.accumulators[leaf_id]
    for key in [key for key in state.dues if key not in catalogue.by_key]:
        del state.dues[key]
    changes = [*_undefined(state, catalogue), *_unregistered(state, catalogue, reason)]
    state.version = catalogue.version
    return changes + evaluate_all(state, catalogue, reason)


def _undefined(state: ProfileState, catalogue: Catalogue) -> list[Change]:
    """The end of memberships and computed traits that have no definition any more."""
    at_ms = state.time_ms
    left = [key for key in sorted(state.memberships) if state.member(key) and not _is_wanted(state, catalogue, key)]
    changes: list[Change] = [Transition(key, state.transit(key, at_ms), at_ms, "definition") for key in left]
    for key in [key for key in sorted(state.computations) if not catalogue.defines("trait", key)]:
        state.compute(key, None)
        if state.told(key) is not None:
            changes.append(Recomputed(key, state.tell(key), at_ms, "definition", None))
    return changes


def _is_wanted(state: ProfileState, catalogue: Catalogue, key: str) -> bool:
    """Whether a membership still has a definition, or is an unregistered passthrough segment's."""
    if catalogue.defines("audience", key):
        return True
    return state.external(key) is not None and key not in catalogue.key_by_external


def _unregistered(state: ProfileState, catalogue: Catalogue, reason: Reason) -> list[Change]:
    """Changes of passthrough segments that have no definition, or none any more: they go by their own id."""
    changed = [
        external_id
        for external_id, entry in sorted(state.externals.items())
        if external_id not in catalogue.key_by_external and state.member(external_id) != entry.qualified
    ]
    return [Transition(key, state.transit(key, state.time_ms), state.time_ms, reason) for key in changed]


def leave(state: ProfileState, catalogue: Catalogue) -> list[Change]:
    """Leave every audience, and tell of every computed trait that it has gone: in the order in which readers see it.

    What nobody has defined depends on nothing, and others may depend on it: it comes first.
    """
    ranks = {key: one.rank for key, one in catalogue.by_key.items()}
    order = lambda key: (ranks.get(key, -1), key)  # noqa: E731
    inside = sorted((key for key in state.memberships if state.member(key)), key=order)
    told = sorted((key for key, computed in state.computations.items() if computed.told is not None), key=order)
    at_ms = state.time_ms
    return [
        *(Transition(key, state.transit(key, at_ms), at_ms, "merge") for key in inside),
        *(Recomputed(key, state.retract(key), at_ms, "merge", None) for key in told),
    ]
