"""After definitions have changed: every profile is asked to look at itself again.

The owner of a mailbox partition writes an ``activate`` record to each of its profiles, a bounded number per batch,
and notes in the store which version its partition has been swept for. A sweep that is cut short is begun again by
whoever owns the partition next; a profile that has met the version already does nothing.

Events from before a definition count only where ``history`` is given (``simulate``): a live worker will read them
from ``resolved-events`` in a later version; until then a new event condition starts empty.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

from schemas import mailbox
from schemas.activation import Activation, encode_activation
from worker.audiences.catalogue import Catalogue
from worker.audiences.leaves import Leaf
from worker.engine.output import Output
from worker.errors import StateConflictError
from worker.ports import SCAN_START, Store, Swap
from worker.profiles.ids import profile_text
from worker.slots import partition_of, slot_of

ACTIVATE_HEADER = (mailbox.KIND_HEADER, mailbox.ACTIVATE)

History = Callable[[bytes, Sequence[Leaf], int], Mapping[bytes, int | bytes]]
"""(profile, leaves that are new, the time up to which) -> their accumulators from the profile's earlier events."""


def swept_key(partition: int) -> bytes:
    """Where the store notes the version that a mailbox partition has been swept for."""
    return b"swept:%d" % partition


class Sweep:
    """Walks over the profiles of the store, a step per batch, as often as there is a partition to be swept."""

    def __init__(self, store: Store, *, partitions: int, records_max: int, history: History | None = None) -> None:
        """``records_max``: activations per batch, so that events are not kept waiting."""
        self._store = store
        self._partitions = partitions
        self._records_max = records_max
        self._history = history
        self._version = 0
        self._leaves: frozenset[bytes] = frozenset()
        self._swept: dict[int, int] = {}
        self._sweeping: frozenset[int] = frozenset()
        self._cursor: bytes | None = None
        self._found: list[bytes] = []

    def forget(self) -> None:
        """A new assignment, an abort, a doubt: begin again with what the store says."""
        self._swept.clear()
        self._stop()

    def _stop(self) -> None:
        self._sweeping, self._cursor, self._found = frozenset(), None, []

    def next(self, owned: Iterable[int], catalogue: Catalogue, now_ms: int) -> list[Output]:
        """The next activations of the owned mailbox partitions; empty when all have been swept."""
        if catalogue.version != self._version:
            self._version = catalogue.version
            self._stop()
        if not self._sweeping:
            self._begin([partition for partition in owned if self._swept.get(partition, 0) < self._version])
        if self._cursor is not None and not self._found:
            following, profiles = self._store.scan(self._cursor).get()
            self._cursor = None if following == SCAN_START else following
            self._found = [profile for profile in profiles if self._partition_of(profile) in self._sweeping]
        taken, self._found = self._found[: self._records_max], self._found[self._records_max :]
        fresh = [leaf for leaf_id, leaf in catalogue.leaves.items() if leaf_id not in self._leaves]
        return [self._activate(profile, fresh, now_ms) for profile in taken]

    def _partition_of(self, profile: bytes) -> int:
        return partition_of(slot_of(profile), self._partitions)

    def _begin(self, partitions: Sequence[int]) -> None:
        """Start a walk for the partitions that are not known to be swept.

        The store is asked about those of a new assignment only, and taken at its word only as far as our own
        definitions go: whoever swept for newer ones has not seen the profiles that we make before we read them.
        """
        unknown = [partition for partition in partitions if partition not in self._swept]
        if unknown:
            values = self._store.read([swept_key(partition) for partition in unknown]).get()
            known = {partition: int(value or 0) for partition, value in zip(unknown, values, strict=True)}
            self._swept.update({partition: min(version, self._version) for partition, version in known.items()})
        self._sweeping = frozenset(partition for partition in partitions if self._swept[partition] < self._version)
        self._cursor = SCAN_START if self._sweeping else None

    def _activate(self, profile: bytes, fresh: Sequence[Leaf], now_ms: int) -> Output:
        text = profile_text(profile)
        history = {} if self._history is None else self._history(profile, fresh, now_ms)
        value = encode_activation(Activation(text, now_ms, self._version, list(history.items())))
        return Output("resolved-events", text.encode(), value, [ACTIVATE_HEADER], self._partition_of(profile))

    def committed(self, catalogue: Catalogue) -> None:
        """The last batch has committed: with nothing left to visit, the partitions have been swept.

        Raises:
            StateConflictError: somebody else sweeps one of them; the assignment must have changed.
        """
        if not self._sweeping or self._cursor is not None or self._found:
            return
        partitions = sorted(self._sweeping)
        keys = [swept_key(partition) for partition in partitions]
        before = self._store.read(keys).get()
        new = str(self._version).encode()
        if not self._store.swap([Swap(key, value, new) for key, value in zip(keys, before, strict=True)]).get():
            raise StateConflictError("another worker has swept one of our partitions")
        self._swept.update(dict.fromkeys(partitions, self._version))
        self._leaves = frozenset(catalogue.leaves)
        self._stop()
