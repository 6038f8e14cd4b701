"""One mailbox record into one profile's state. Pure: no I/O, no clock, no chance.

Order of what happens (docs/decisions.md, "Time of evaluation"): timers due before the record fire first, each at its
due time; then the record is folded; then everything it touched is evaluated once, at the record's time. A record
that touches nothing changes nothing, not even the state's time, in this attempt and in every other.
"""

from collections.abc import Sequence

from worker.audiences.catalogue import Catalogue
from worker.audiences.evaluate import Change, Reason, Transition, due_numbers, evaluate, evaluate_all
from worker.engine.judge import fire, renew
from worker.engine.mail import (
    Absorbed,
    Absorption,
    Activate,
    EventMail,
    Expectation,
    Mail,
    Qualification,
    Sealing,
    Tick,
)
from worker.engine.merge_steps import expect, seal, take_in
from worker.engine.outcome import NOTHING, Step
from worker.profiles.state import NO_RECORD, ProfileState
from worker.profiles.traits import apply_traits


def step(state: ProfileState, mail: Mail, catalogue: Catalogue) -> Step:
    """Fold one record into a state, which is changed in place (``applied`` included)."""
    match mail:
        case Tick():
            return _tick(state, mail, catalogue)
        case Activate():
            return _activate(state, mail, catalogue)
        case Sealing():
            return seal(state, mail, catalogue)
        case Expectation():
            return expect(state, mail, catalogue)
        case Absorption():
            return take_in(state, mail, catalogue)
        case Absorbed():
            return NOTHING  # it is the note in the graph that goes
    return _event(state, mail, catalogue)  # type: ignore[arg-type]


def _tick(state: ProfileState, tick: Tick, catalogue: Catalogue) -> Step:
    """A repeated or early tick finds nothing due. The state's time moves to the due times only."""
    if state.awaiting:
        return NOTHING
    changes = fire(state, catalogue, tick.at_ms)
    if changes is None:
        return NOTHING
    state.applied = tick.offset
    return Step(changed=True, changes=changes)


def _event(state: ProfileState, mail: EventMail, catalogue: Catalogue) -> Step:
    at_ms = mail.at_ms
    now_ms = max(state.time_ms, at_ms)
    selector = catalogue.selectors.get(mail.name) if mail.name is not None else None
    leaves = () if selector is None else selector.select(mail.occurrence(), now_ms)
    identifiers = _new_identifiers(state, mail)
    traits, qualification = mail.traits(), mail.qualification
    fresh = state.applied == NO_RECORD
    if not (leaves or identifiers or traits or qualification or fresh) and state.version == catalogue.version:
        return NOTHING
    changes = _catch_up(state, catalogue, now_ms)
    reason: Reason = "event" if qualification is None else "passthrough"

    due = state.due_ms
    touched = set() if due is None or due > now_ms else set(due_numbers(state, catalogue, now_ms))
    eligibility = state.eligibility
    state.add_identifiers(identifiers, at_ms)
    for leaf in leaves:
        leaf.add(state.accumulators, mail.occurrence(), now_ms)
        touched.update(catalogue.numbers_by_leaf[leaf.leaf_id])
    for key in apply_traits(state.traits, traits, at_ms=mail.event_at_ms, received_ms=mail.received_ms):
        touched.update(catalogue.numbers_by_trait.get(key, ()))
    if qualification is not None:
        changes += _qualify(state, mail, qualification, catalogue, touched)

    state.applied = mail.offset
    if state.awaiting:  # judged when all is here
        return Step(changed=True, changes=[])
    state.version = catalogue.version
    if fresh:
        touched.update(catalogue.blank[state.eligibility])
    if state.eligibility != eligibility and not fresh:
        changes += evaluate_all(state, catalogue, reason)
    elif touched:
        changes += evaluate(state, catalogue, touched, reason)
    return Step(changed=True, changes=changes, caused_by=mail.message_id, traceparent=mail.traceparent)


def _new_identifiers(state: ProfileState, mail: EventMail) -> Sequence[tuple[str, str]]:
    """Identifiers of the event that are new to the profile."""
    if mail.external_ids in state.met:
        return ()
    known = state.identifiers
    new = [identifier for identifier in mail.identifiers() if identifier not in known]
    state.meet(mail.external_ids)
    return new


def _catch_up(state: ProfileState, catalogue: Catalogue, now_ms: int) -> list[Change]:
    """What comes before a record: timers due before it, then definitions that are new to the profile.

    Nothing does as long as the history of a merged profile is on its way.
    """
    if state.applied == NO_RECORD or state.awaiting:
        state.time_ms = now_ms
        return []
    # Strictly before: a timer due exactly now is covered by the record's own evaluation.
    changes = fire(state, catalogue, now_ms - 1) or []
    state.time_ms = now_ms
    return changes + (renew(state, catalogue) if state.version != catalogue.version else [])


def _qualify(
    state: ProfileState, mail: EventMail, qualification: Qualification, catalogue: Catalogue, touched: set[int]
) -> list[Change]:
    """Apply a passthrough event; a segment without a definition makes its transition here, under its own id."""
    external_id, at_s, qualified = qualification
    state.qualify(external_id, at_s=at_s, qualified=qualified, arrived_ms=mail.at_ms)
    touched.update(catalogue.numbers_by_external.get(external_id, ()))
    if external_id in catalogue.key_by_external or state.external(external_id) == state.member(external_id):
        return []
    if state.awaiting:
        return []
    return [Transition(external_id, state.transit(external_id, state.time_ms), state.time_ms, "passthrough")]


def _activate(state: ProfileState, mail: Activate, catalogue: Catalogue) -> Step:
    """Definitions have changed. Says nothing new to a profile that met them with another record before."""
    if state.sealed is not None or (state.version >= mail.version and not mail.history):
        return NOTHING
    state.accumulators.update({leaf_id: kept for leaf_id, kept in mail.history.items() if leaf_id in catalogue.leaves})
    state.applied = mail.offset
    if state.awaiting:
        return Step(changed=True, changes=[])
    changes = fire(state, catalogue, mail.at_ms - 1) or []
    state.time_ms = max(state.time_ms, mail.at_ms)
    return Step(changed=True, changes=changes + renew(state, catalogue))
