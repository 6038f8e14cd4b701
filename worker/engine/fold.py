"""The folder's half of a batch: load, fold and evaluate, commit. The only one that touches profile states.

    take     a new assignment: everybody else's commits are refused from now on
    begin    group the mail by profile; send the loads
    receive  receive the states
    fold     step every record in offset order
    commit   encode; send one commit per slot
    check    receive the commits

Evaluation depends on the definitions that a worker knows, so a worker that does not own a partition any more could fold
a record otherwise than its heir has, and leave a state that nobody has been told of. Therefore the heir takes the slots
over before it loads the first state.

A record at or below a state's ``applied`` was folded in an attempt whose transaction did not commit: its outputs are
those kept beside the state, never a second evaluation (ARCHITECTURE.md, "A batch, step by step").
"""

import itertools
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from worker.audiences.catalogue import Catalogue
from worker.audiences.evaluate import Transition
from worker.cache import TwoGenerations
from worker.engine.announce import Announcer
from worker.engine.mail import Absorption, Mail
from worker.engine.merges import Notes
from worker.engine.outcome import Step
from worker.engine.output import Output, pack, unpack
from worker.engine.startup import MEND
from worker.engine.step import step
from worker.errors import StateConflictError, StoreLostError
from worker.ports import LoggedState, PendingOutputs, Reply, StateWrite, Store
from worker.profiles.codec import decode, encode
from worker.profiles.state import ProfileState
from worker.slots import slot_of

PASSED_ON = frozenset({"event", "forward", "expect", "absorb"})
"""What a profile that was merged away passes on to its parent; the rest is its own affair."""


@dataclass(slots=True)
class FoldBatch:
    """Between ``begin`` and ``check``.

    ``starts``, ``ends``: by slot, the first and the last offset of the batch in its partition. ``expected``:
    ``applied`` of each changed state as it is stored. ``sizes``: by how much each profile changes the sizes of
    audiences. ``transitions``: how many, by (audience key, entered). ``absorbed``: merged profiles whose history their
    parent has taken in. ``marks``: by slot, one of the states committed and its ``applied``. ``blobs``: the states
    committed, encoded.
    """

    mail: dict[bytes, list[Mail]]
    starts: Mapping[int, int]
    ends: Mapping[int, int]
    states: dict[bytes, ProfileState] = field(default_factory=dict)
    loads: list[tuple[list[bytes], Reply[list[bytes | None]]]] = field(default_factory=list)
    expected: dict[bytes, int] = field(default_factory=dict)
    pending: defaultdict[int, list[PendingOutputs]] = field(default_factory=lambda: defaultdict(list))
    sizes: dict[bytes, Counter[str]] = field(default_factory=dict)
    commits: list[Reply[list[int]]] = field(default_factory=list)
    transitions: Counter[tuple[str, bool]] = field(default_factory=Counter)
    lateness_ms: list[int] = field(default_factory=list)
    absorbed: list[bytes] = field(default_factory=list)
    marks: dict[int, tuple[bytes, int]] = field(default_factory=dict)
    blobs: dict[bytes, bytes] = field(default_factory=dict)

    @property
    def records(self) -> int:
        """Mailbox records of the batch."""
        return sum([len(letters) for letters in self.mail.values()])


class Folder:
    """Owns the decoded states of its partitions' profiles, as long as nothing is in doubt."""

    def __init__(
        self,
        *,
        store: Store,
        announcer: Announcer,
        notes: Notes,
        cached_profiles: int,
        draw_owner: Callable[[], bytes],
        laid_out: bool = False,
    ) -> None:
        """``draw_owner`` gives a name that nobody has had. ``laid_out``: every slot has had an owner before."""
        self._store = store
        self._announcer = announcer
        self._notes = notes
        self._draw_owner = draw_owner
        self._laid_out = laid_out
        self._owner = b""
        self._marks: dict[int, tuple[bytes, int]] = {}
        self._states: TwoGenerations[bytes, ProfileState] = TwoGenerations(cached_profiles)

    def forget(self) -> None:
        """Drop every state: a new assignment, an abort, a doubt. A state of a failed batch may be ahead."""
        self._states.clear()

    def take(self, slots: Sequence[int]) -> bytes:
        """Own slots, under a new name each time: what we have sent before and given up must not arrive either.

        The result is that name.

        Raises:
            StoreUnavailableError: they may be ours, or still another's.
            StoreLostError: one of them has lost its owner, so everything else that was in it too.
        """
        self._owner = self._draw_owner()
        new = self._store.own(slots, self._owner, again=self._laid_out).get()
        if new and self._laid_out:
            raise StoreLostError(
                f"Redis has lost state slots of this space ({len(new)} of {len(slots)} looked at); {MEND}"
            )
        return self._owner

    def count_lost(self, slots: Sequence[int]) -> int:
        """How many slots have lost what was committed to them: one of the last states that we wrote is older than then.

        A slot is counted once. What others have written and we never met can be lost without our noticing.
        """
        known = [(slot, *self._marks.pop(slot)) for slot in slots if slot in self._marks]
        sent = [(applied, self._store.load(slot, [profile])) for slot, profile, applied in known]
        return sum(decode(blob).applied < applied for applied, reply in sent for blob in reply.get())

    def begin(self, mail: Sequence[Mail], starts: Mapping[int, int], ends: Mapping[int, int]) -> FoldBatch:
        """Send the loads of what is not cached. ``mail`` in offset order per partition.

        ``starts``, ``ends``: by slot, the first and the last offset of its partition's mail.
        """
        by_profile: defaultdict[bytes, list[Mail]] = defaultdict(list)
        for letter in mail:
            by_profile[letter.profile].append(letter)
        batch = FoldBatch(by_profile, starts, ends)
        missing: defaultdict[int, list[bytes]] = defaultdict(list)
        for profile in by_profile:
            state = self._states[profile]
            if state is None:
                missing[slot_of(profile)].append(profile)
            else:
                batch.states[profile] = state
        batch.loads = [(profiles, self._store.load(slot, profiles)) for slot, profiles in missing.items()]
        return batch

    def receive(self, batch: FoldBatch) -> int:
        """Receive and decode the states; the newest catalogue version that one of them was evaluated under."""
        for profiles, reply in batch.loads:
            for profile, blob in zip(profiles, reply.get(), strict=True):
                state = batch.states[profile] = decode(blob)
                self._states.put(profile, state)
        letters = itertools.chain.from_iterable(batch.mail.values())
        carried = [letter.version for letter in letters if isinstance(letter, Absorption)]
        return max(carried + [state.version for state in batch.states.values()], default=0)

    def fold(self, batch: FoldBatch, catalogue: Catalogue, *, sent_ms: int) -> list[Output]:
        """Step every record; the outputs, in mailbox order per profile.

        ``sent_ms``: the time that outputs say they were produced at.
        """
        outputs: list[Output] = []
        for profile, letters in batch.mail.items():
            state = batch.states[profile]
            expected, changed = state.applied, False
            for letter in letters:
                if letter.kind == "absorbed":
                    batch.absorbed.append(profile)
                if state.sealed is not None and letter.offset > state.sealed.offset and letter.kind in PASSED_ON:
                    # Whatever ``applied`` says: what is passed on is made anew in every attempt.
                    outputs.append(self._announcer.pass_on(letter, state.sealed.parent))
                    continue
                if letter.offset <= state.applied:
                    outputs += self._kept(slot_of(profile), letter.offset)
                    continue
                done = step(state, letter, catalogue)
                changed |= done.changed
                if done.changes or done.told:
                    made = self._announce(batch, profile, state, done, catalogue, sent_ms)
                    batch.pending[slot_of(profile)].append(PendingOutputs(letter.offset, profile, pack(made)))
                    outputs += made
            if changed:
                batch.expected[profile] = expected
        return outputs

    def commit(self, batch: FoldBatch) -> None:
        """Encode the changed states and send one commit per slot."""
        writes: defaultdict[int, list[StateWrite]] = defaultdict(list)
        for profile, expected in batch.expected.items():
            state = batch.states[profile]
            sizes = tuple(batch.sizes[profile].items()) if profile in batch.sizes else ()
            blob = batch.blobs[profile] = encode(state)
            writes[slot_of(profile)].append(StateWrite(profile, expected, blob, state.due_ms, sizes))
        batch.marks = {
            slot: (each[-1].profile, batch.states[each[-1].profile].applied) for slot, each in writes.items()
        }
        batch.commits = [
            self._store.commit(slot, changed, batch.pending[slot], batch.starts[slot], self._owner)
            for slot, changed in writes.items()
        ]

    def committed(self, batch: FoldBatch) -> Iterator[tuple[bytes, LoggedState]]:
        """Profiles and their states as they stand after the batch, wherever a record of it has changed them.

        Also those that an earlier attempt has changed: its transaction did not commit, nor what it had logged. Such a
        state may be ahead of the batch; then what it has kept for the records to come belongs to it.
        """
        for profile in batch.mail:
            state, slot = batch.states[profile], slot_of(profile)
            if state.applied >= batch.starts[slot]:
                blob = batch.blobs.get(profile) or encode(state)
                yield profile, LoggedState(blob, self._kept_beyond(profile, batch.ends[slot], state.applied))

    def _kept_beyond(self, profile: bytes, end: int, applied: int) -> list[PendingOutputs]:
        if applied <= end:
            return []
        kept = self._store.load_pending(slot_of(profile), end + 1, applied).get()
        return [outputs for outputs in kept if outputs.profile == profile]

    def _announce(
        self,
        batch: FoldBatch,
        profile: bytes,
        state: ProfileState,
        done: Step,
        catalogue: Catalogue,
        sent_ms: int,
    ) -> list[Output]:
        sizes = batch.sizes.setdefault(profile, Counter())
        for change in done.changes:
            if change.reason == "time":
                batch.lateness_ms.append(max(0, sent_ms - change.at_ms))
            if isinstance(change, Transition):
                entered = bool(change.number & 1)
                batch.transitions[change.key, entered] += 1
                sizes[change.key] += 1 if entered else -1
        return self._announcer.announce(profile, state, done, catalogue, sent_ms=sent_ms)

    def _kept(self, slot: int, offset: int) -> list[Output]:
        """What an earlier attempt made of this very record."""
        return [
            output for kept in self._store.load_pending(slot, offset, offset).get() for output in unpack(kept.outputs)
        ]

    def check(self, batch: FoldBatch) -> None:
        """Receive the commits; strike out the notes of merges that are over.

        Raises:
            StateConflictError: somebody else has written a state of ours; nothing of the batch may be sent.
        """
        for reply in batch.commits:
            if reply.get():
                raise StateConflictError("a profile state was written by another worker")
        self._marks.update(batch.marks)
        self._notes.settle(batch.absorbed)
