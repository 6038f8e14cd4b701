"""The store in memory, looked at whenever it takes a state: some promises are about what never happens in between."""

from collections.abc import Sequence

from worker.adapters.memory_store import MemoryStore
from worker.clock import Clock
from worker.ports import PendingOutputs, Reply, StateWrite
from worker.profiles.codec import decode


class WatchedStore(MemoryStore):
    """``broken``: promises that were."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.broken: list[str] = []

    def commit(
        self,
        slot: int,
        writes: Sequence[StateWrite],
        pending: Sequence[PendingOutputs],
        trim_below: int,
        owner: bytes = b"",
    ) -> Reply[list[int]]:
        before = self.load(slot, [write.profile for write in writes]).get()
        reply = super().commit(slot, writes, pending, trim_below, owner)
        lost = set(reply.get())
        if len(lost) < len(writes) and (kept := self.load_pending(slot, 0, trim_below - 1).get()):
            self.broken.append(f"slot {slot}: outputs of offset {kept[0].offset} are kept, though they have been sent")
        for index, (write, stored) in enumerate(zip(writes, before, strict=True)):
            if index not in lost:
                self._compare(write, stored)
        return reply

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
