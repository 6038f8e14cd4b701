"""The mailbox records of a merge, each into the state that it is addressed to. Pure.

The child is sealed and sends what it was; the parent, told to expect that, folds and judges nothing until it is here,
so that nothing flaps (ARCHITECTURE.md, "Merging two profiles").
"""

from typing import Any

from msgspec import structs

from schemas.merging import Absorb, Absorbed
from worker.audiences.catalogue import Catalogue
from worker.audiences.evaluate import Change
from worker.engine.announce import profile_ids
from worker.engine.judge import fire, leave, renew
from worker.engine.mail import Absorption, Expectation, Sealing
from worker.engine.outcome import Step
from worker.profiles.codec import decode, encode
from worker.profiles.ids import profile_text
from worker.profiles.merge import Union, absorb, empty
from worker.profiles.state import NO_RECORD, ProfileState, Sealed


def expect(state: ProfileState, mail: Expectation, catalogue: Catalogue) -> Step:
    """From here to the matching ``absorb`` data is folded, and nothing evaluated."""
    if state.applied == NO_RECORD:
        state.version, state.time_ms = catalogue.version, mail.at_ms
    state.awaiting |= {(mail.child, mail.token)}
    state.applied = mail.offset
    return Step(changed=True, changes=[])


def seal(state: ProfileState, mail: Sealing, catalogue: Catalogue) -> Step:
    """The end of a profile: it leaves every audience, and all that it was goes to its parent.

    Every seal is answered: who was told to wait waits for an answer with the token of that very pair.
    """
    child, parent = profile_text(mail.profile), profile_text(mail.parent)
    already = state.sealed is not None
    changes: list[Change] = []
    answer = Absorb(parent, mail.at_ms, child, mail.token, mail.message_id)
    ids = profile_ids(mail.profile, state)
    state.applied = mail.offset  # before it is encoded: nothing else may have been folded into it yet
    if not already:
        changes = [] if state.awaiting else (fire(state, catalogue, mail.at_ms) or [])
        state.time_ms = max(state.time_ms, mail.at_ms)
        changes += leave(state, catalogue)
        awaiting = [(profile_text(other), token) for other, token in sorted(state.awaiting)]
        answer = structs.replace(answer, data=encode(state), version=state.version, awaiting=awaiting)
        empty(state)
        state.sealed = Sealed(mail.offset, mail.parent)
    return Step(
        changed=True,
        changes=changes,
        caused_by=mail.message_id,
        told=[answer],
        merged_into=None if already else mail.parent,
        ids_before=ids,
    )


def take_in(state: ProfileState, mail: Absorption, catalogue: Catalogue) -> Step:
    """Take in what a child was; when nobody else is awaited, judge by the histories of all."""
    answered = {waited for waited in state.awaiting if waited == (mail.child, mail.token)}
    changes = [] if state.awaiting else (fire(state, catalogue, mail.at_ms - 1) or [])
    state.awaiting = (state.awaiting - answered) | mail.awaiting
    state.time_ms = max(state.time_ms, mail.at_ms)
    if mail.data:
        absorb(state, decode(mail.data), _union(catalogue, state.time_ms))
    if not state.awaiting:
        changes += renew(state, catalogue, "merge")
    state.applied = mail.offset
    told = [Absorbed(profile_text(mail.child), mail.at_ms)]
    return Step(changed=True, changes=changes, caused_by=mail.message_id, told=told)


def _union(catalogue: Catalogue, now_ms: int) -> Union:
    """How two accumulators become one; of a leaf that nobody needs any more nothing is kept."""

    def union(leaf_id: bytes, one: Any, other: Any) -> Any:
        leaf = catalogue.leaves.get(leaf_id)
        return one if leaf is None else leaf.union(one, other, now_ms)

    return union
