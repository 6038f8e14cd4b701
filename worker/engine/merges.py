"""Merges of profiles as mailbox records, and the notes that bring back what a crash has swallowed.

The router that merges two profiles in the graph leaves a note there and tells both mailboxes. The note stands until
the parent has taken the child's history in. Whoever owns the child's mailbox tells it again when that takes too long.
Source: ARCHITECTURE.md, "Merging two profiles".
"""

from collections.abc import Iterable
from typing import NamedTuple

from schemas import mailbox
from schemas.merging import Absorb, Absorbed, Expect, Seal, encode_merging
from worker.engine.output import Output
from worker.errors import StateConflictError
from worker.identity.graph import (
    Merged,
    Owed,
    decode_record,
    encode_record,
    profile_key,
    redirect_key,
    settled,
)
from worker.ports import Lists, Store, Swap
from worker.profiles.ids import profile_bytes, profile_text
from worker.slots import partition_of, slot_of

REPEAT_AFTER_MS = 10_000
"""When a profile whose merge is not over is told again. Shorter repeats what only waits in a backlog; longer leaves
members of a merged profile inside when the first message was lost."""

ATTEMPTS = 20
"""At striking out a note. Every conflict means that a router has changed the same profile meanwhile."""

KINDS = {Seal: mailbox.SEAL, Expect: mailbox.EXPECT, Absorb: mailbox.ABSORB, Absorbed: mailbox.ABSORBED}


def posted(record: Seal | Expect | Absorb | Absorbed, partitions: int) -> Output:
    """A record of a merge, addressed to the mailbox of its profile."""
    partition = partition_of(slot_of(profile_bytes(record.profile_id)), partitions)
    headers = [(mailbox.KIND_HEADER, KINDS[type(record)])]
    return Output("resolved-events", record.profile_id.encode(), encode_merging(record), headers, partition)


def announce_merge(owed: Owed, token: str, partitions: int) -> list[Output]:
    """The end to the child, and to who waits for its history that it should. ``token`` names the pair."""
    child, parent, waits = profile_text(owed.child), profile_text(owed.parent), profile_text(owed.waits)
    return [
        posted(Seal(child, owed.at_ms, parent, token, owed.message_id), partitions),
        posted(Expect(waits, owed.at_ms, child, token), partitions),
    ]


class Notes:
    """The folder's part: tells again what was not heard, and strikes out what is over."""

    def __init__(self, store: Store, *, partitions: int, notes_max: int) -> None:
        """``notes_max``: looked at in one scan, so that a batch stays bounded."""
        self._store = store
        self._partitions = partitions
        self._notes_max = notes_max
        self._again_ms: dict[bytes, int] = {}

    def forget(self) -> None:
        self._again_ms.clear()

    def scan(self, owned: Iterable[int], *, until_ms: int, now_ms: int) -> list[Output]:
        """Seals for the children in the owned mailbox partitions whose merge has been open for too long.

        ``until_ms``: how far the inputs have come; what lies behind must not be overtaken by a seal.
        """
        mine = frozenset(owned)
        notes = self._store.notes(until_ms, self._notes_max).get()
        standing = [child for child, _ in notes if partition_of(slot_of(child), self._partitions) in mine]
        self._again_ms = {child: self._again_ms.get(child, now_ms + REPEAT_AFTER_MS) for child in standing}
        late = [child for child, again_ms in self._again_ms.items() if again_ms <= now_ms]
        self._again_ms.update(dict.fromkeys(late, now_ms + REPEAT_AFTER_MS))
        return [posted(seal, self._partitions) for child in late if (seal := self._seal(child)) is not None]

    def _seal(self, child: bytes) -> Seal | None:
        """No token goes with it: nobody was told to wait for the answer."""
        _, _, merge = _find(self._store, child)
        if merge is None:
            return None
        return Seal(profile_text(child), merge.at_ms, profile_text(merge.parent), None, merge.message_id)

    def settle(self, children: Iterable[bytes]) -> None:
        """Strike out the notes of children whose history has been taken in; repeating it changes nothing.

        Raises:
            StateConflictError: the graph keeps changing.
        """
        for child in children:
            if not any(self._strike(child) for _ in range(ATTEMPTS)):
                raise StateConflictError("the identity graph keeps changing under a finished merge")
            self._again_ms.pop(child, None)

    def _strike(self, child: bytes) -> bool:
        profile, blob, merge = _find(self._store, child)
        if blob is None:
            return False  # merged away between the two reads
        if merge is None:
            return self._store.swap([], Lists(settled=[child])).get()
        record = encode_record(settled(decode_record(blob), child))
        return self._store.swap([Swap(profile_key(profile), blob, record)], Lists(settled=[child])).get()


class _Place(NamedTuple):
    """Who has a merged profile now, that one's record, and the merge as long as it is open."""

    profile: bytes
    blob: bytes | None
    merge: Merged | None


def _find(store: Store, child: bytes) -> _Place:
    (redirect,) = store.read([redirect_key(child)]).get()
    profile = redirect or child
    (blob,) = store.read([profile_key(profile)]).get()
    merges = [] if blob is None else decode_record(blob).merged
    return _Place(profile, blob, next((merge for merge in merges if merge.child == child and merge.open), None))
