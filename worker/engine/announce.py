"""Transitions as records: what readers of ``audience-changes`` see of them."""

from schemas import changes
from schemas.events import ExternalId, encode_external_ids
from worker.audiences.catalogue import Catalogue, Definition
from worker.engine.output import Output
from worker.engine.step import Step
from worker.profiles.ids import profile_text
from worker.profiles.state import ProfileState


class Announcer:
    """Builds the records of one space."""

    def __init__(self, *, space_id: str) -> None:
        self._space_id = space_id

    def announce(
        self, profile: bytes, state: ProfileState, done: Step, catalogue: Catalogue, *, sent_ms: int
    ) -> list[Output]:
        """One record per transition and form, in the order of the transitions."""
        ids = state.shown
        if ids is None:
            ids = state.shown = profile_ids(profile, state)
        outputs = []
        for transition in done.transitions:
            audience = catalogue.by_key.get(transition.key)
            definition = Definition(transition.key) if audience is None else audience.definition
            told = changes.Transition(
                key=transition.key,
                number=transition.number,
                revision=definition.revision,
                reason=transition.reason,
                at_ms=transition.at_ms,
                sent_ms=sent_ms,
                caused_by=None if transition.reason in ("time", "definition") else done.caused_by,
            )
            outputs += [self._output(ids, told, definition, form, done) for form in definition.emit]
        return outputs

    def _output(
        self,
        ids: changes.ProfileIds,
        transition: changes.Transition,
        definition: Definition,
        form: str,
        done: Step,
    ) -> Output:
        message = changes.audience_change(
            space_id=self._space_id,
            profile=ids,
            transition=transition,
            form="identify" if form == "identify" else "track",
            event_name=definition.entered if transition.entered else definition.exited,
            traceparent=done.traceparent,
        )
        return Output("audience-changes", ids.profile_id.encode(), message.value, message.headers)


def profile_ids(profile: bytes, state: ProfileState) -> changes.ProfileIds:
    """The identifiers that outputs carry, as they are now."""
    user_id = state.newest("user_id")
    return changes.ProfileIds(
        profile_id=profile_text(profile),
        user_id=user_id,
        anonymous_id=state.newest("anonymous_id") if user_id is None else None,
        email=state.newest("email"),
        external_ids=encode_external_ids([ExternalId(value, kind) for kind, value in state.identifiers]),
    )
