"""What a step has made, as records: transitions for readers, messages of a merge for other mailboxes."""

from schemas import changes, mailbox
from schemas.events import ExternalId, encode_external_ids
from schemas.merging import Absorb, Expect
from worker.audiences.catalogue import Catalogue
from worker.audiences.definitions import Definition
from worker.audiences.evaluate import Recomputed, Transition
from worker.engine.mail import Absorption, EventMail, Expectation, Mail
from worker.engine.merges import posted
from worker.engine.outcome import Step
from worker.engine.output import Output
from worker.errors import InvariantError
from worker.profiles.ids import profile_text
from worker.profiles.state import ProfileState
from worker.slots import partition_of, slot_of


class Announcer:
    """Builds the records of one space. ``mailbox_partitions``: of ``resolved-events``."""

    def __init__(self, *, space_id: str, mailbox_partitions: int) -> None:
        self._space_id = space_id
        self._partitions = mailbox_partitions

    def announce(
        self, profile: bytes, state: ProfileState, done: Step, catalogue: Catalogue, *, sent_ms: int
    ) -> list[Output]:
        """One record per change and form, in the order of the changes; then what others are to know."""
        outputs = self._changes(profile, state, done, catalogue, sent_ms) if done.changes else []
        outputs += [posted(record, self._partitions) for record in done.told]
        if done.merged_into is not None:
            outputs.append(self._merge(profile, done.merged_into, state.time_ms, done.caused_by or ""))
        return outputs

    def _changes(
        self, profile: bytes, state: ProfileState, done: Step, catalogue: Catalogue, sent_ms: int
    ) -> list[Output]:
        now = state.shown
        if now is None:
            now = state.shown = profile_ids(profile, state)
        outputs = []
        for change in done.changes:
            ids = now if done.ids_before is None or change.reason == "merge" else done.ids_before
            computation = catalogue.by_key.get(change.key)
            definition = Definition(change.key) if computation is None else computation.definition
            for emit in definition.emit:
                form: changes.Form = "identify" if emit == "identify" else "track"
                if isinstance(change, Recomputed):
                    outputs.append(self._trait_change(ids, change, definition, form, done.traceparent, sent_ms))
                else:
                    outputs.append(self._audience_change(ids, change, definition, form, done, sent_ms))
        return outputs

    def _audience_change(
        self,
        ids: changes.ProfileIds,
        transition: Transition,
        definition: Definition,
        form: changes.Form,
        done: Step,
        sent_ms: int,
    ) -> Output:
        into = done.merged_into if transition.reason == "merge" else None
        told = changes.Transition(
            key=transition.key,
            number=transition.number,
            revision=definition.revision,
            reason=transition.reason,
            at_ms=transition.at_ms,
            sent_ms=sent_ms,
            caused_by=None if transition.reason in ("time", "definition") else done.caused_by,
            merged_into=None if into is None else profile_text(into),
        )
        message = changes.audience_change(
            space_id=self._space_id,
            profile=ids,
            transition=told,
            form=form,
            event_name=definition.entered if told.entered else definition.exited,
            traceparent=done.traceparent,
        )
        return Output("audience-changes", ids.profile_id.encode(), message.value, message.headers)

    def _trait_change(
        self,
        ids: changes.ProfileIds,
        change: Recomputed,
        definition: Definition,
        form: changes.Form,
        traceparent: bytes | None,
        sent_ms: int,
    ) -> Output:
        message = changes.trait_change(
            space_id=self._space_id,
            profile=ids,
            change=changes.TraitChange(
                key=change.key, value=change.value, version=change.number, at_ms=change.at_ms, sent_ms=sent_ms
            ),
            form=form,
            event_name=definition.computed,
            traceparent=traceparent,
        )
        return Output("trait-changes", ids.profile_id.encode(), message.value, message.headers)

    def _merge(self, child: bytes, parent: bytes, at_ms: int, message_id: str) -> Output:
        child_id = profile_text(child)
        message = changes.profile_merge(
            space_id=self._space_id, child=child_id, parent=profile_text(parent), at_ms=at_ms, caused_by=message_id
        )
        return Output("profile-merges", child_id.encode(), message.value, message.headers)

    def pass_on(self, letter: Mail, parent: bytes) -> Output:
        """A record that came to a profile after it was merged away, for the mailbox of its parent."""
        parent_id = profile_text(parent)
        match letter:
            case Expectation():
                record = Expect(parent_id, letter.at_ms, profile_text(letter.child), letter.token)
                return posted(record, self._partitions)
            case Absorption():
                return posted(_readdressed(letter, parent_id), self._partitions)
        if letter.kind not in ("event", "forward"):
            raise InvariantError(f"a record of kind {letter.kind} is nothing to pass on")
        return self._forward(letter, parent_id, partition_of(slot_of(parent), self._partitions))  # type: ignore[arg-type]

    @staticmethod
    def _forward(event: EventMail, parent_id: str, partition: int) -> Output:
        headers = [(mailbox.KIND_HEADER, mailbox.FORWARD), (mailbox.AT_HEADER, b"%d" % event.at_ms)]
        if event.traceparent is not None:
            headers.append(("traceparent", event.traceparent))
        return Output("resolved-events", parent_id.encode(), event.value, headers, partition)


def _readdressed(letter: Absorption, parent_id: str) -> Absorb:
    return Absorb(
        profile_id=parent_id,
        at=letter.at_ms,
        child=profile_text(letter.child),
        token=letter.token,
        message_id=letter.message_id,
        data=letter.data,
        version=letter.version,
        awaiting=[(profile_text(child), token) for child, token in sorted(letter.awaiting)],
    )


def profile_ids(profile: bytes, state: ProfileState) -> changes.ProfileIds:
    """The identifiers that outputs carry, as they are now; of a profile that was merged away they have moved."""
    user_id = state.newest("user_id")
    return changes.ProfileIds(
        profile_id=profile_text(profile),
        user_id=user_id,
        anonymous_id=state.newest("anonymous_id") if user_id is None else None,
        email=state.newest("email"),
        external_ids=encode_external_ids([ExternalId(value, kind) for kind, value in state.identifiers]),
    )
