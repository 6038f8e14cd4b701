"""The two roles of a replica and what each of them needs. One process may have both (``AW_ROLES``)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from worker.engine.fold import Folder
from worker.engine.mail import Mail
from worker.engine.merges import Notes
from worker.engine.progress import Gate, Progress
from worker.engine.restore import Restore
from worker.engine.route import Router
from worker.engine.sweep import Sweep
from worker.engine.timers import Timers
from worker.ports import Record, Source
from worker.slots import STATE_SLOTS, partition_of


@dataclass(frozen=True, slots=True)
class Routing:
    """The router's role: owner of input partitions."""

    source: Source
    router: Router
    progress: Progress

    def forget(self) -> None:
        """Drop everything in memory about partitions, claims and identities."""
        self.router.forget()
        self.progress.forget()

    def doubt(self) -> None:
        """Nothing is known any more."""
        self.forget()


class Losses(NamedTuple):
    """``slots``: that have not what we committed to them. ``restored``: states that were missing and brought back."""

    slots: int
    restored: int


@dataclass(frozen=True, slots=True)
class Folding:
    """The folder's role: owner of mailbox partitions. ``read_mail`` decodes a mailbox record.

    ``partitions``: of the mailbox, owned by this replica or not. ``restore`` None: the store is trusted.
    """

    source: Source
    folder: Folder
    timers: Timers
    notes: Notes
    hold: Gate
    sweep: Sweep
    read_mail: Callable[[Record], Mail]
    partitions: int
    restore: Restore | None = None

    def forget(self) -> None:
        """Drop every state, and what has been ticked, told again or swept."""
        self.folder.forget()
        self.timers.forget()
        self.notes.forget()
        self.sweep.forget()

    def doubt(self) -> None:
        """Nothing is known any more, not even that the store has what it had."""
        self.forget()
        if self.restore is not None:
            self.restore.forget()

    def take(self) -> Losses:
        """Own the state slots of the partitions that are ours now; what of them was missing, and what still is."""
        owned = {partition.partition for partition in self.source.assignment()}
        slots = [slot for slot in range(STATE_SLOTS) if partition_of(slot, self.partitions) in owned]
        owner = self.folder.take(slots)
        restored = 0 if self.restore is None else self.restore.bring_back(owned, owner)
        return Losses(self.folder.count_lost(slots), restored)
