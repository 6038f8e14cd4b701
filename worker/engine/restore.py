"""Bring back the states that Redis had acknowledged and lost (``AW_REDIS_DURABILITY=rebuild``).

Every batch logs the states that it has committed, in its own transaction. Redis may be ahead of that log, with what an
attempt has written whose transaction did not commit; where it is behind, it has lost something, and the logged state is
put back, with its timer, its share of the sizes and the outputs that it has kept. Nothing is folded anew: under which
definitions a record was met, and what has been told of it, is in the state.

What is compared are the last states logged, up to a *horizon* before the last of them. Redis loses its newest writes,
and whoever meets a connection that is broken begins afresh, and looks here before anything is folded again. What is put
back is a new write too, of a state that may have been logged long ago: whoever has compared says so in what it logs
within the horizon after that, and the next one looks as far back.
Source: ARCHITECTURE.md, "What Redis may lose".
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from worker.clock import Clock
from worker.errors import StateConflictError
from worker.ports import LoggedState, StateLog, StateWrite, Store
from worker.profiles.codec import applied_of, decode
from worker.slots import slot_of

PROFILES_A_CALL = 1_000
"""Loaded and written together. More: Redis answers nobody else for longer; fewer: more calls."""

KEEP_PENDING = 0
"""Below this offset kept outputs are dropped: none of them; a redelivery may ask for them."""


class _Compared(NamedTuple):
    """``at_ms``: when, by our clock. ``since_ms``: what was logged from then on, in broker time; None: nothing ever."""

    at_ms: int
    since_ms: int | None


class Restore:
    """``horizon_ms``: no state is logged later than that after it was committed, with what Redis may lose added."""

    def __init__(self, store: Store, log: StateLog, *, clock: Clock, horizon_ms: int) -> None:
        self.horizon_ms = horizon_ms
        self._store = store
        self._log = log
        self._clock = clock
        self._compared: dict[int, _Compared] = {}

    def forget(self) -> None:
        """A doubt: Redis may have come back with less than it had."""
        self._compared.clear()

    def since(self, partition: int) -> int | None:
        """How far back states were looked at that Redis may not keep yet, in broker time; None when it does."""
        compared = self._compared[partition]
        return compared.since_ms if self._clock.now_ms() - compared.at_ms <= self.horizon_ms else None

    def bring_back(self, partitions: Iterable[int], owner: bytes) -> int:
        """Compare the mailbox partitions that have not been since the last doubt; how many states had been lost.

        ``owner``: who has taken their slots over, and writes.

        Raises:
            DependencyError: the log or the store does not answer; nothing counts as compared.
            StateConflictError: somebody else has taken the slots over.
        """
        lost = 0
        for partition in sorted(set(partitions) - self._compared.keys()):
            tail = self._log.latest(partition, self.horizon_ms)
            if tail is not None:
                lost += self._bring_back(tail.states, owner)
            self._compared[partition] = _Compared(self._clock.now_ms(), None if tail is None else tail.since_ms)
        return lost

    def _bring_back(self, logged: Mapping[bytes, LoggedState], owner: bytes) -> int:
        by_slot: defaultdict[int, list[bytes]] = defaultdict(list)
        for profile in logged:
            by_slot[slot_of(profile)].append(profile)
        lost = 0
        for slot, profiles in by_slot.items():
            for first in range(0, len(profiles), PROFILES_A_CALL):
                lost += self._compare(slot, profiles[first : first + PROFILES_A_CALL], logged, owner)
        return lost

    def _compare(self, slot: int, profiles: Sequence[bytes], logged: Mapping[bytes, LoggedState], owner: bytes) -> int:
        stored = self._store.load(slot, profiles).get()
        writes = [
            _put_back(profile, logged[profile].blob, old)
            for profile, old in zip(profiles, stored, strict=True)
            if applied_of(old) < applied_of(logged[profile].blob)
        ]
        kept = sorted(kept for write in writes for kept in logged[write.profile].kept)
        if writes and self._store.commit(slot, writes, kept, KEEP_PENDING, owner).get():
            raise StateConflictError("a profile state was written by another worker while it was brought back")
        return len(writes)


def _put_back(profile: bytes, blob: bytes, stored: bytes | None) -> StateWrite:
    old, new = decode(stored), decode(blob)
    sizes = Counter({key: 1 for key in new.memberships if new.member(key)})
    sizes.subtract([key for key in old.memberships if old.member(key)])
    changed = tuple((key, by) for key, by in sizes.items() if by)
    return StateWrite(profile, old.applied, blob, new.due_ms, changed)
