"""Redis in memory: the same answers as ``worker.adapters.redis``, for ``simulate``, ``demo`` and tests.

A call takes effect when it is made; its reply only hands over what came of it.
"""

from bisect import bisect_right, insort
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from typing import Generic, TypeVar

from worker.clock import Clock
from worker.errors import StoreUnavailableError
from worker.ports import NO_LISTS, SCAN_START, Claim, Lists, PendingOutputs, Reply, StateWrite, Swap
from worker.slots import STATE_SLOTS

T = TypeVar("T")

_MINUTE_MS = 60_000
_APPLIED_BYTES = 8
DAY_MS = 24 * 60 * _MINUTE_MS


class MemoryReply(Generic[T]):
    """An answer that is there already, or the loss of it."""

    def __init__(self, value: T, lost: StoreUnavailableError | None = None) -> None:
        self._value = value
        self._lost = lost

    def get(self) -> T:
        if self._lost is not None:
            raise self._lost
        return self._value


class Claims:
    """Claims by digest: (minute, coordinates) of each, oldest claim first to go."""

    def __init__(self, window_ms: int) -> None:
        self._window = -(-window_ms // _MINUTE_MS)
        self._by_digest: dict[bytes, list[tuple[int, bytes]]] = {}
        self._in_order: deque[tuple[int, bytes]] = deque()

    def taken(self, claim: Claim, now_ms: int) -> bool:
        """Whether other coordinates hold the digest; else the claim is made, or found to be a redelivery."""
        minute = min(claim.timestamp_ms, now_ms) // _MINUTE_MS
        kept = self._by_digest.get(claim.digest)
        rivals = [] if kept is None else [at for at in kept if abs(at[0] - minute) <= self._window]
        if rivals:
            return all(coordinates != claim.coordinates for _, coordinates in rivals)
        self._by_digest.setdefault(claim.digest, []).append((minute, claim.coordinates))
        self._in_order.append((minute, claim.digest))
        return False

    def forget(self, before_ms: int, now_ms: int) -> None:
        """Drop claims, first made first, that are older than a time and that no claim of today can meet."""
        before = min(before_ms // _MINUTE_MS, now_ms // _MINUTE_MS - self._window)
        while self._in_order and self._in_order[0][0] < before:
            minute, digest = self._in_order.popleft()
            kept = [at for at in self._by_digest.pop(digest) if at[0] != minute]
            if kept:
                self._by_digest[digest] = kept


class StateSlot:
    """States, timers and kept outputs of one slot."""

    def __init__(self) -> None:
        self.states: dict[bytes, bytes] = {}
        self.timers: list[tuple[int, bytes]] = []  # (due, profile), ascending
        self.pending: dict[tuple[int, bytes], PendingOutputs] = {}  # by offset and profile
        self.owner = b""
        self.sizes: Counter[str] = Counter()
        self._due: dict[bytes, int] = {}

    def write(self, write: StateWrite) -> bool:
        """Replace a state and its timer; False when it is not the expected one."""
        stored = self.states.get(write.profile)
        if write.expected < 0:
            if stored is not None:
                return False
        elif stored is None or int.from_bytes(stored[:_APPLIED_BYTES], "big", signed=True) != write.expected:
            return False
        self.states[write.profile] = write.blob
        self._set_timer(write.profile, write.due_ms)
        return True

    def _set_timer(self, profile: bytes, due_ms: int | None) -> None:
        before = self._due.pop(profile, None)
        if before is not None:
            del self.timers[bisect_right(self.timers, (before, profile)) - 1]
        if due_ms is not None:
            self._due[profile] = due_ms
            insort(self.timers, (due_ms, profile))


class MemoryStore:
    """See ``worker.ports.Store``; one space.

    Args:
        clock: the store's own: no claim counts later than it.
        dedup_window_ms: rounded up to whole minutes.
        on_io: called with the name of each call before it takes effect, and with ``NAME:answer`` after it did
            (``get`` raises what it raises then); a test may raise there.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        dedup_window_ms: int = DAY_MS,
        on_io: Callable[[str], None] | None = None,
    ) -> None:
        self._clock = clock
        self._io = on_io or (lambda _: None)
        self._claims = Claims(dedup_window_ms)
        self._epoch = 0
        self._values: dict[bytes, bytes] = {}
        self._notes: dict[bytes, int] = {}
        self._sets: defaultdict[bytes, set[bytes]] = defaultdict(set)
        self._progress: dict[str, tuple[int, int]] = {}
        self._slots = [StateSlot() for _ in range(STATE_SLOTS)]

    def _reply(self, label: str, effect: Callable[[], T]) -> Reply[T]:
        self._io(label)
        value = effect()
        try:
            self._io(f"{label}:answer")
        except StoreUnavailableError as error:
            return MemoryReply(value, error)
        return MemoryReply(value)

    def claim(self, claims: Sequence[Claim], *, epoch: int, evict_before_ms: int) -> Reply[list[int] | None]:
        return self._reply("claim", lambda: self._claim(claims, epoch, evict_before_ms))

    def _claim(self, claims: Sequence[Claim], epoch: int, evict_before_ms: int) -> list[int] | None:
        if epoch < self._epoch:
            return None
        now_ms, taken = self._clock.now_ms(), self._claims.taken
        self._claims.forget(evict_before_ms, now_ms)
        return [index for index, claim in enumerate(claims) if taken(claim, now_ms)]

    def raise_epoch(self, epoch: int) -> Reply[None]:
        return self._reply("raise_epoch", lambda: self._raise_epoch(epoch))

    def _raise_epoch(self, epoch: int) -> None:
        self._epoch = max(self._epoch, epoch)

    def read(self, keys: Sequence[bytes]) -> Reply[list[bytes | None]]:
        return self._reply("read", lambda: [self._values.get(key) for key in keys])

    def swap(self, swaps: Sequence[Swap], lists: Lists = NO_LISTS) -> Reply[bool]:
        return self._reply("swap", lambda: self._swap(swaps, lists))

    def _swap(self, swaps: Sequence[Swap], lists: Lists) -> bool:
        if any(self._values.get(swap.key) != swap.expected for swap in swaps):
            return False
        for swap in swaps:
            if swap.new is None:
                self._values.pop(swap.key, None)
            else:
                self._values[swap.key] = swap.new
        self._notes.update(lists.noted)
        for profile in lists.settled:
            self._notes.pop(profile, None)
        for key, member in lists.added:
            self._sets[key].add(member)
        for key, member in lists.removed:
            self._sets[key].discard(member)
        return True

    def members(self, key: bytes) -> Reply[list[bytes]]:
        return self._reply("members", lambda: list(self._sets[key]))

    def notes(self, until_ms: int, limit: int) -> Reply[list[tuple[bytes, int]]]:
        return self._reply("notes", lambda: self._listed(until_ms)[:limit])

    def _listed(self, until_ms: int) -> list[tuple[bytes, int]]:
        by_time = sorted([(at_ms, profile) for profile, at_ms in self._notes.items() if at_ms <= until_ms])
        return [(profile, at_ms) for at_ms, profile in by_time]

    def load(self, slot: int, profiles: Sequence[bytes]) -> Reply[list[bytes | None]]:
        states = self._slots[slot].states
        return self._reply("load", lambda: [states.get(profile) for profile in profiles])

    def load_pending(self, slot: int, first: int, last: int) -> Reply[list[PendingOutputs]]:
        pending = self._slots[slot].pending
        return self._reply("load_pending", lambda: [pending[at] for at in sorted(pending) if first <= at[0] <= last])

    def own(self, slots: Sequence[int], owner: bytes, *, again: bool = False) -> Reply[list[int]]:
        return self._reply("own", lambda: self._own(slots, owner, again=again))

    def _own(self, slots: Sequence[int], owner: bytes, *, again: bool) -> list[int]:
        new = [slot for slot in slots if not self._slots[slot].owner]
        for slot in slots:
            if not (again and slot in new):
                self._slots[slot].owner = owner
        return new

    def commit(
        self,
        slot: int,
        writes: Sequence[StateWrite],
        pending: Sequence[PendingOutputs],
        trim_below: int,
        owner: bytes = b"",
    ) -> Reply[list[int]]:
        return self._reply("commit", lambda: self._commit(self._slots[slot], writes, pending, trim_below, owner))

    def _commit(
        self,
        slot: StateSlot,
        writes: Sequence[StateWrite],
        pending: Sequence[PendingOutputs],
        trim_below: int,
        owner: bytes,
    ) -> list[int]:
        if slot.owner != owner:
            return list(range(len(writes)))
        lost = [index for index, write in enumerate(writes) if not slot.write(write)]
        losers = {writes[index].profile for index in lost}
        for write in writes:
            if write.profile not in losers:
                slot.sizes.update(dict(write.sizes))
        for at in [at for at in slot.pending if at[0] < trim_below]:
            del slot.pending[at]
        slot.pending.update({(kept.offset, kept.profile): kept for kept in pending if kept.profile not in losers})
        return lost

    def due(self, slot: int, until_ms: int, limit: int) -> Reply[list[tuple[bytes, int]]]:
        return self._reply("due", lambda: self._due(self._slots[slot].timers, until_ms, limit))

    @staticmethod
    def _due(timers: list[tuple[int, bytes]], until_ms: int, limit: int) -> list[tuple[bytes, int]]:
        end = bisect_right(timers, until_ms, key=lambda timer: timer[0])
        return [(profile, due_ms) for due_ms, profile in timers[: min(end, limit)]]

    def publish_progress(self, progress: Mapping[str, tuple[int, int]]) -> Reply[None]:
        return self._reply("publish_progress", lambda: self._progress.update(progress))

    def read_progress(self) -> Reply[dict[str, tuple[int, int]]]:
        return self._reply("read_progress", lambda: dict(self._progress))

    def scan(self, cursor: bytes) -> Reply[tuple[bytes, list[bytes]]]:
        del cursor  # everything comes at once
        profiles = sorted(profile for slot in self._slots for profile in slot.states)
        return self._reply("scan", lambda: (SCAN_START, profiles))

    def sizes(self) -> Reply[dict[str, int]]:
        return self._reply("sizes", self._all_sizes)

    def _all_sizes(self) -> dict[str, int]:
        sizes: Counter[str] = Counter()
        for slot in self._slots:
            sizes.update(slot.sizes)
        return {key: size for key, size in sizes.items() if size}

    def keep(self) -> Reply[None]:
        return self._reply("keep", lambda: None)

    def close(self) -> None:
        """Nothing to let go."""
