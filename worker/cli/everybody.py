"""Every profile of a space, read while workers go on."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from worker.ports import SCAN_START, Store
from worker.profiles.codec import decode
from worker.profiles.state import ProfileState
from worker.slots import slot_of

LOADED_AT_ONCE = 1_000
"""States in memory. Fewer: more waiting for the store; more: megabytes of visitors with long histories."""


def every_state(store: Store) -> Iterator[tuple[bytes, ProfileState]]:
    """Each profile that has a state from the beginning to the end of the walk, with its state at that moment.

    At least once: a profile may come again when the store moves its keys meanwhile. In no order; in bounded memory.

    Raises:
        StoreUnavailableError: the store did not answer.
    """
    cursor = SCAN_START
    while True:
        cursor, profiles = store.scan(cursor).get()
        for first in range(0, len(profiles), LOADED_AT_ONCE):
            yield from _loaded(store, profiles[first : first + LOADED_AT_ONCE])
        if cursor == SCAN_START:
            return


def _loaded(store: Store, profiles: Sequence[bytes]) -> Iterator[tuple[bytes, ProfileState]]:
    by_slot: defaultdict[int, list[bytes]] = defaultdict(list)
    for profile in profiles:
        by_slot[slot_of(profile)].append(profile)
    replies = [(listed, store.load(slot, listed)) for slot, listed in by_slot.items()]
    for listed, reply in replies:
        for profile, blob in zip(listed, reply.get(), strict=True):
            if blob is not None:  # it was there when it was scanned
                yield profile, decode(blob)
