"""The two roles of a replica and what each of them needs. One process may have both (``AW_ROLES``)."""

from collections.abc import Callable
from dataclasses import dataclass

from worker.engine.fold import Folder
from worker.engine.mail import Mail
from worker.engine.merges import Notes
from worker.engine.progress import Hold, Progress
from worker.engine.route import Router
from worker.engine.sweep import Sweep
from worker.engine.timers import Timers
from worker.ports import Record, Source


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


@dataclass(frozen=True, slots=True)
class Folding:
    """The folder's role: owner of mailbox partitions. ``read_mail`` decodes a mailbox record."""

    source: Source
    folder: Folder
    timers: Timers
    notes: Notes
    hold: Hold
    sweep: Sweep
    read_mail: Callable[[Record], Mail]

    def forget(self) -> None:
        """Drop every state, and what has been ticked, told again or swept."""
        self.folder.forget()
        self.timers.forget()
        self.notes.forget()
        self.sweep.forget()
