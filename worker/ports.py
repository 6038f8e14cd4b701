"""What the engine needs of Kafka and Redis, and nothing more.

``worker.adapters`` has two implementations of each protocol, the real one and one in memory; a conformance
suite (``tests/conformance``) holds them to the same behaviour.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol, TypeVar

T_co = TypeVar("T_co", covariant=True)

Headers = Sequence[tuple[str, bytes]]


class Partition(NamedTuple):
    """A partition of a topic; the topic's name is the full one, prefix included."""

    topic: str
    partition: int


class Record(NamedTuple):
    """A record as read: bytes and coordinates. ``timestamp_ms`` is Kafka's (producer's or append time)."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Headers


def last_of_each(records: Sequence[Record]) -> list[Record]:
    """The last record of each partition, of records that are in order within theirs."""
    return list({record[:2]: record for record in records}.values())


class Poll(NamedTuple):
    """What one poll brought.

    ``metadata`` is the consumer group metadata captured at this very poll (opaque): a transaction that carries
    offsets of these records must present it, or a zombie would look current.
    ``changed``: the assignment changed, or positions were reset, since the poll before: whoever keeps anything
    in memory about partitions of this consumer drops it. Records of partitions that were lost in the same poll
    are already left out.
    """

    records: list[Record]
    metadata: object
    changed: bool


class Source(Protocol):
    """One consumer in one consumer group (read_committed, positions given explicitly, never auto-committed).

    A partition starts at the group's stable committed offset; one that the group never committed starts at its
    beginning. If the committed offset no longer exists in the log, ``poll`` raises ``DependencyError``; if another
    consumer has taken this one's name, ``poll`` or ``rewind`` raises ``SupersededError``.
    """

    def poll(self, limit: int, timeout_s: float, *, awaited: int = 1) -> Poll:
        """At most ``limit`` records; waits up to ``timeout_s`` for the first ``awaited`` of them, never for more."""

    def assignment(self) -> frozenset[Partition]:
        """The partitions owned as of the last poll."""

    def position(self, partition: Partition) -> int:
        """Offset of the next record that poll would return for an owned partition."""

    def at_end(self) -> frozenset[Partition]:
        """Owned partitions of which, as of the last poll, everything has been returned.

        A partition with an open transaction at its end is not among them: what it adds may be older than now.
        """

    def lag(self) -> Mapping[Partition, int]:
        """Records behind the end, for each owned partition, from what the consumer knows without asking."""

    def rewind(self) -> None:
        """Forget all positions and go back to the stable committed offsets (after an abort or a doubt)."""

    def close(self) -> None: ...


class Producer(Protocol):
    """A transactional producer under a stable transactional id. One transaction at a time.

    Every method that talks to the broker raises ``TransactionRefusedError`` when the broker refuses or does not
    answer in time; afterwards only ``replace`` and ``close`` may be called.
    """

    def begin(self) -> None: ...

    def produce(
        self,
        topic: str,
        *,
        key: bytes | None,
        value: bytes | None,
        headers: Headers = (),
        partition: int | None = None,
    ) -> None:
        """Add a record to the open transaction. Without ``partition``: Kafka's murmur2 of the key."""

    def send_offsets(self, offsets: Mapping[Partition, int], metadata: object) -> None:
        """Add one group's next offsets, with the group metadata of the poll that brought the records.

        Raises:
            TransactionRefusedError: the consumer is no member any more, or not of this generation.
            SupersededError: another consumer has taken its name. A new attempt would stop the other one's work.
        """

    def commit(self) -> None: ...

    def abort(self) -> None:
        """Abort the open transaction, if any; never raises (what cannot be aborted, ``replace`` ends)."""

    def replace(self) -> None:
        """A new producer under the same transactional id: fences the old one and ends what it left open."""

    def close(self) -> None: ...


class StateLog(Protocol):
    """The states that committed transactions have logged, a partition of them for each of the mailbox's."""

    def latest(self, partition: int, horizon_ms: int) -> "LogTail | None":
        """The states logged up to ``horizon_ms`` before the last one of the partition; None when there is none.

        Where one of them was logged soon after others had been put back, from as far back as was looked then.
        Complete: what was open when it was asked for has ended.

        Raises:
            DependencyError: a transaction is still open, or nobody answers.
        """


class Reply(Protocol[T_co]):
    """The answer to a call that has been sent. Any number may be outstanding; ``get`` may be called once, in
    any order between replies, and raises ``StoreUnavailableError`` when the store did not answer.
    """

    def get(self) -> T_co: ...


class Claim(NamedTuple):
    """One message id that wants to be the first of its kind in the dedup window.

    ``digest``: 16 bytes of hash of the messageId. ``coordinates``: 5 bytes of hash of (topic, partition, offset).
    ``timestamp_ms``: the record's Kafka timestamp.
    """

    digest: bytes
    coordinates: bytes
    timestamp_ms: int


class StateWrite(NamedTuple):
    """One state to commit: only if the stored ``applied`` is still ``expected`` (-1: no state is stored).

    ``blob`` replaces the stored one; its first 8 bytes are the new ``applied``, big-endian.
    ``due_ms``: the profile's one timer, None removes it. ``sizes``: by how much the write changes the number of
    members of audiences, by key.
    """

    profile: bytes
    expected: int
    blob: bytes
    due_ms: int | None
    sizes: tuple[tuple[str, int], ...] = ()


class PendingOutputs(NamedTuple):
    """Outputs made by the mailbox record at ``offset`` for a profile, encoded; kept until a later batch starts."""

    offset: int
    profile: bytes
    outputs: bytes


class LoggedState(NamedTuple):
    """A state as a batch has left it: its blob, as ``StateWrite`` has it.

    ``kept``: outputs that mailbox records after the batch have made for it, in an attempt that did not commit.
    """

    blob: bytes
    kept: Sequence[PendingOutputs] = ()


class LogTail(NamedTuple):
    """``states``: the newest of each profile, by its id (16 raw bytes). ``since_ms``: how far back, in broker time."""

    states: Mapping[bytes, LoggedState]
    since_ms: int


SCAN_START = b"0"
"""The cursor of a scan that has not begun, or is over."""


class Swap(NamedTuple):
    """One key of a compare-and-set: written only if every ``expected`` of the call still holds.

    None for ``expected``: the key does not exist. ``new`` equal to ``expected``: the key is only compared.
    None for ``new``: the key is removed.
    """

    key: bytes
    expected: bytes | None
    new: bytes | None


class Lists(NamedTuple):
    """Changes of lists of the space's identity slot.

    ``noted``: profiles to be put on the list of merges that are not over, each with the time of the event that joined
    it to another (ms); ``settled``: profiles to be taken off it. ``added``, ``removed``: (key of a set, member).
    """

    noted: Sequence[tuple[bytes, int]] = ()
    settled: Sequence[bytes] = ()
    added: Sequence[tuple[bytes, bytes]] = ()
    removed: Sequence[tuple[bytes, bytes]] = ()


NO_LISTS = Lists()


class Store(Protocol):
    """Redis as the worker sees it. Profile ids are 16 raw bytes; slots are 0..STATE_SLOTS-1.

    Every call is sent at once and answered later (``Reply``), so that waiting overlaps with work. Calls are
    executed in the order in which they were sent as far as they concern one slot.
    """

    def claim(self, claims: Sequence[Claim], *, epoch: int, evict_before_ms: int) -> Reply[list[int] | None]:
        """Claim message ids; the reply has the indexes, ascending, of those claimed by *other* coordinates.

        A claim counts at its timestamp, never later than the store's own clock. Two claims of one digest collide
        when their times (in whole minutes) are at most 24 hours apart (``dedup_window_ms``, never less). The first
        wins and a collision does not refresh it. The same digest with the same coordinates is a redelivery: not
        in the reply. Claims older than ``evict_before_ms`` may be forgotten, newer ones never are.
        None: the store knows a newer epoch than ``epoch``; nothing has been claimed that way, except, on a cluster,
        where the newer one has not arrived yet.
        """

    def raise_epoch(self, epoch: int) -> Reply[None]:
        """Make every later claim with a smaller epoch fail."""

    def read(self, keys: Sequence[bytes]) -> Reply[list[bytes | None]]:
        """Values of keys of the space's identity slot (graph, catalogue of definitions, ...), in order."""

    def swap(self, swaps: Sequence[Swap], lists: Lists = NO_LISTS) -> Reply[bool]:
        """Compare-and-set of any number of those keys, all or nothing, with what changes in lists in the same step.

        False: something had changed, and nothing is written.
        """

    def members(self, key: bytes) -> Reply[list[bytes]]:
        """What ``Lists.added`` has put under a key and ``Lists.removed`` has not taken away, in no order."""

    def notes(self, until_ms: int, limit: int) -> Reply[list[tuple[bytes, int]]]:
        """Profiles on the list of merges that are not over, with their times, by time; those up to ``until_ms``."""

    def load(self, slot: int, profiles: Sequence[bytes]) -> Reply[list[bytes | None]]:
        """State blobs, in order; None where there is none."""

    def load_pending(self, slot: int, first: int, last: int) -> Reply[list[PendingOutputs]]:
        """Outputs kept for the mailbox offsets first..last (inclusive), by offset."""

    def own(self, slots: Sequence[int], owner: bytes, *, again: bool = False) -> Reply[list[int]]:
        """Take slots over: from now on only commits in the name of ``owner`` reach them.

        The reply has the slots that nobody had taken before; with ``again`` these are left as they are.
        """

    def commit(
        self,
        slot: int,
        writes: Sequence[StateWrite],
        pending: Sequence[PendingOutputs],
        trim_below: int,
        owner: bytes = b"",
    ) -> Reply[list[int]]:
        """Commit states, their timers and their outputs in one atomic step; drop kept outputs below an offset.

        The reply has the indexes of ``writes`` that lost the comparison; of a loser nothing is written, neither
        its timer nor its ``pending`` entries nor its ``sizes``. A call names a profile once at most. When ``owner``
        is not the one who took the slot over last (``b""``: nobody has), all of them lose and nothing is dropped.
        """

    def due(self, slot: int, until_ms: int, limit: int) -> Reply[list[tuple[bytes, int]]]:
        """Profiles whose timer is due at or before a time, with it, by due time and then profile id."""

    def publish_progress(self, progress: Mapping[str, tuple[int, int]]) -> Reply[None]:
        """For each input partition (``topic:partition``) how far it has come, and when that was said (both ms)."""

    def read_progress(self) -> Reply[dict[str, tuple[int, int]]]:
        """All that has been published, by whomever."""

    def scan(self, cursor: bytes) -> Reply[tuple[bytes, list[bytes]]]:
        """Some of the profiles that have a state, in any slot, and the cursor for the next ones.

        Begin with ``SCAN_START``; a returned ``SCAN_START`` ends it. Every profile that has a state from the first
        call to the last is returned at least once, others perhaps.
        """

    def keep(self) -> Reply[None]:
        """Wait until all that was written over this client's connections survives what it is meant to survive.

        ``get`` raises ``StoreUnavailableError`` when that is not known in time.
        """

    def sizes(self) -> Reply[dict[str, int]]:
        """Members by audience key, over all slots; audiences without any are left out."""

    def close(self) -> None: ...
