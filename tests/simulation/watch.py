"""The store in memory, looked at whenever it takes a state: some promises are about what never happens in between."""

import copy
from collections.abc import Sequence
from random import Random

from worker.adapters.memory_store import MemoryStore, StateSlot
from worker.clock import Clock
from worker.ports import PendingOutputs, Reply, StateWrite
from worker.profiles.codec import decode

FORGOTTEN_MS = 1_000
"""What a server that writes its log to disk every second may lose."""


class WatchedStore(MemoryStore):
    """``broken``: promises that were."""

    def __init__(self, clock: Clock, *, forgetful: bool = False) -> None:
        """``forgetful``: it can lose what it has taken last."""
        super().__init__(clock)
        self.broken: list[str] = []
        self._before: list[tuple[int, int, StateSlot]] | None = [] if forgetful else None

    def own(self, slots: Sequence[int], owner: bytes, *, again: bool = False) -> Reply[list[int]]:
        for slot in slots:
            self._remember(slot)
        return super().own(slots, owner, again=again)

    def commit(
        self,
        slot: int,
        writes: Sequence[StateWrite],
        pending: Sequence[PendingOutputs],
        trim_below: int,
        owner: bytes = b"",
    ) -> Reply[list[int]]:
        self._remember(slot)
        before = self.load(slot, [write.profile for write in writes]).get()
        reply = super().commit(slot, writes, pending, trim_below, owner)
        lost = set(reply.get())
        if len(lost) < len(writes) and (kept := self.load_pending(slot, 0, trim_below - 1).get()):
            self.broken.append(f"slot {slot}: outputs of offset {kept[0].offset} are kept, though they have been sent")
        for index, (write, stored) in enumerate(zip(writes, before, strict=True)):
            if index not in lost:
                self._compare(write, stored)
        return reply

    def _remember(self, slot: int) -> None:
        if self._before is not None:
            now_ms = self._clock.now_ms()
            self._before = [entry for entry in self._before if entry[0] > now_ms - FORGOTTEN_MS]
            self._before.append((now_ms, slot, copy.deepcopy(self._slots[slot])))

    def forget(self, rng: Random) -> int:
        """Lose some of the last changes of state slots, of all or of every other one, as of one node of two."""
        node = rng.choice((None, 0, 1))
        last = [entry for entry in self._latest() if node is None or entry[1] % 2 == node]
        return self._lose(last[len(last) - rng.randint(0, len(last)) :])

    def forget_all(self) -> int:
        """Lose every change that can be lost."""
        return self._lose(self._latest())

    def _latest(self) -> list[tuple[int, int, StateSlot]]:
        return [entry for entry in self._before or () if entry[0] > self._clock.now_ms() - FORGOTTEN_MS]

    def _lose(self, lost: Sequence[tuple[int, int, StateSlot]]) -> int:
        for _, slot, before in reversed(lost):
            self._slots[slot] = before
        self._before = []
        return len(lost)

    def _compare(self, write: StateWrite, stored: bytes | None) -> None:
        old, new, who = decode(stored), decode(write.blob), write.profile.hex()
        if new.time_ms < old.time_ms:
            self.broken.append(f"{who}: the time of the state goes back from {old.time_ms} to {new.time_ms}")
        if new.applied <= old.applied:
            self.broken.append(f"{who}: applied goes from {old.applied} to {new.applied}")
        if new.version < old.version:
            self.broken.append(f"{who}: evaluated under version {new.version} after {old.version}")
        if new.due_ms != write.due_ms:
            self.broken.append(f"{who}: due at {new.due_ms}, its timer is set to {write.due_ms}")
