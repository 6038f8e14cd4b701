"""Due timers become ticks: records in the mailbox of their profile, so that time obeys the same rules as events.

Only the owner of a mailbox partition scans its slots. A tick that is repeated or comes early changes nothing, so what
has been ticked is remembered in memory only.
Source: ARCHITECTURE.md, "Timers".
"""

from collections.abc import Iterable

from schemas import mailbox
from worker.engine.output import Output
from worker.ports import Store
from worker.profiles.ids import profile_text
from worker.slots import STATE_SLOTS, partition_of, slot_of

REPEAT_AFTER_MS = 10_000
"""When a tick whose timer still stands is written again. Shorter repeats ticks that are only waiting in a backlog;
longer delays an exit whose tick was lost with an aborted transaction."""

TICK_HEADER = (mailbox.KIND_HEADER, mailbox.TICK)


class Timers:
    def __init__(self, store: Store, *, partitions: int, ticks_max: int) -> None:
        """``ticks_max``: ticks that one scan may write, so that a batch stays bounded."""
        self._store = store
        self._partitions = partitions
        self._ticks_max = ticks_max
        self._ticked: dict[bytes, tuple[int, int]] = {}
        self.due = 0  # profiles that the last scan found due, ticked already or not
        self.is_full = False  # whether the last scan has left some of them for the next one

    def forget(self) -> None:
        self._ticked.clear()
        self.is_full = False

    def scan(self, owned: Iterable[int], *, until_ms: int, now_ms: int) -> list[Output]:
        """Ticks for what is due at or before ``until_ms`` in the owned mailbox partitions."""
        mine = frozenset(owned)
        slots = [slot for slot in range(STATE_SLOTS) if partition_of(slot, self._partitions) in mine]
        limit = self._ticks_max + len(self._ticked)
        replies = [self._store.due(slot, until_ms, limit) for slot in slots]
        found = sorted((due, profile) for reply in replies for profile, due in reply.get())
        standing = {profile for _, profile in found}
        self.due = len(standing)
        self._ticked = {profile: entry for profile, entry in self._ticked.items() if profile in standing}
        self.is_full = False
        ticks: list[Output] = []
        for due, profile in found:
            ticked = self._ticked.get(profile)
            if ticked is not None and ticked[0] == due and now_ms < ticked[1]:
                continue
            if len(ticks) == self._ticks_max:
                self.is_full = True
                break
            self._ticked[profile] = (due, now_ms + REPEAT_AFTER_MS)
            ticks.append(self._tick(profile, due))
        return ticks

    def _tick(self, profile: bytes, due_ms: int) -> Output:
        text = profile_text(profile)
        partition = partition_of(slot_of(profile), self._partitions)
        return Output(
            "resolved-events",
            text.encode(),
            mailbox.encode_tick(mailbox.Tick(text, due_ms)),
            [TICK_HEADER],
            partition,
        )
