"""Passthrough segments that nobody has defined: registered under their own id when they are first used.

What is registered cannot be taken by a definition with another meaning later (docs/decisions.md, "Keys").
"""

from collections.abc import Iterable

from worker.errors import StateConflictError
from worker.ports import Store, Swap

REGISTERED = b"1"


def external_key(external_id: str) -> bytes:
    """Where the store notes that a segment without a definition is in use."""
    return b"x:" + external_id.encode()


class Externals:
    """The router's list, kept in memory as far as it has met it; entries are never removed."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: set[str] = set()

    def register(self, external_ids: Iterable[str]) -> None:
        """Note segments as used; repeating it changes nothing.

        Raises:
            StateConflictError: another router was faster with one of them; the batch is begun anew.
        """
        fresh = sorted(set(external_ids) - self._known)
        if not fresh:
            return
        keys = [external_key(external_id) for external_id in fresh]
        values = self._store.read(keys).get()
        swaps = [Swap(key, None, REGISTERED) for key, value in zip(keys, values, strict=True) if value is None]
        if swaps and not self._store.swap(swaps).get():
            raise StateConflictError("another router has just registered a passthrough segment")
        self._known.update(fresh)
