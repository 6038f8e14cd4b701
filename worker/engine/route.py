"""The router's half of a batch: decode, claim, resolve, route. It never touches the state of a profile.

    begin    decode every record; send the claims
    receive  receive the claims
    resolve  whose event it is
    address  into the mailbox of its profile

If the process dies anywhere here, nothing has been committed: the records come again, recognise their own claims,
and find the identities that this attempt has written (ARCHITECTURE.md, "A batch, step by step").
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b

from xxhash import xxh3_128_digest

from schemas import dead_letter, mailbox
from schemas.reasons import Reason, Refusal, Stage
from worker.audiences.catalogue import Catalogue
from worker.engine.archive import archived
from worker.engine.books import Books
from worker.engine.directory import NOTHING_RESOLVED, Directory, Resolved
from worker.engine.externals import Externals
from worker.engine.intake import Accepted, Consumer
from worker.engine.merges import announce_merge
from worker.engine.output import Output
from worker.engine.progress import Progress
from worker.errors import InvariantError
from worker.identity.graph import Owed
from worker.identity.resolve import Violation
from worker.identity.rules import Rules
from worker.ports import Claim, Headers, Record, Reply, Store
from worker.profiles.ids import profile_text
from worker.slots import partition_of, slot_of

COORDINATES_MASK = (1 << 40) - 1


@dataclass(slots=True)
class RouteBatch:
    """Between ``begin`` and ``address``. ``resolved``: of the accepted records, once they are."""

    books: Books
    rules: Rules
    accepted: list[tuple[Record, Accepted]] = field(default_factory=list)
    refused: list[Output] = field(default_factory=list)
    claims: Reply[list[int] | None] | None = None
    resolved: Resolved = NOTHING_RESOLVED


class Router:
    """``consumers``: by full topic name. ``mailbox_partitions``: of ``resolved-events``, fixed for life."""

    def __init__(
        self,
        *,
        store: Store,
        directory: Directory,
        consumers: Mapping[str, Consumer],
        mailbox_partitions: int,
        dedup_window_ms: int,
        progress: Progress,
    ) -> None:
        self._store = store
        self._directory = directory
        self._externals = Externals(store)
        self._consumers = consumers
        self._partitions = mailbox_partitions
        self._dedup_window_ms = dedup_window_ms
        self._progress = progress
        self._coordinates: dict[tuple[str, int], int] = {}

    def forget(self) -> None:
        self._directory.forget()

    def begin(self, records: Sequence[Record], books: Books, catalogue: Catalogue, rules: Rules) -> RouteBatch:
        """Decode every record and send the claims of the valid ones."""
        batch = RouteBatch(books, rules)
        consumers = self._consumers
        for record in records:
            outcome = consumers[record.topic](record, catalogue, rules)
            if isinstance(outcome, Accepted):
                batch.accepted.append((record, outcome))
            else:
                books.dead[record.topic, outcome.reason] += 1
                batch.refused.append(refused(record, outcome))
        if batch.accepted:
            claims = self._claims(batch.accepted)
            # Other partitions may be behind this one, and their duplicates still to come.
            reached_ms = min(self._progress.smallest_ms, *[record[3] for record, _ in batch.accepted])
            batch.claims = self._store.claim(claims, epoch=0, evict_before_ms=reached_ms - self._dedup_window_ms)
        return batch

    def _claims(self, batch: Sequence[tuple[Record, Accepted]]) -> list[Claim]:
        claims: list[Claim] = []
        bases, add, new = self._coordinates, claims.append, tuple.__new__  # a third of the cost of calling Claim
        for record, accepted in batch:
            topic, partition, offset, timestamp_ms, _, _, _ = record
            base = bases.get((topic, partition))
            if base is None:
                base = bases[topic, partition] = _coordinates_base(topic, partition)
            coordinates = (base + offset & COORDINATES_MASK).to_bytes(5, "big")
            add(new(Claim, (xxh3_128_digest(accepted.message_id.encode()), coordinates, timestamp_ms)))
        return claims

    def receive(self, batch: RouteBatch) -> None:
        """Receive the claims; duplicates leave the batch."""
        if batch.claims is None:
            return
        taken = batch.claims.get()
        if taken is None:
            raise InvariantError("a claim was refused for its epoch, but nothing raises epochs yet")
        for index in reversed(taken):
            record, _ = batch.accepted.pop(index)
            batch.books.duplicate[record.topic] += 1

    def resolve(self, batch: RouteBatch) -> None:
        """Find or make the profile of every event that is left."""
        self._externals.register([a.external_id for _, a in batch.accepted if a.external_id is not None])
        batch.resolved = self._directory.resolve(batch.accepted, batch.rules)
        count = batch.books.violations.update
        for found in batch.resolved.found.values():
            count([violation.kind for violation in found.violations])
        for _, accepted in batch.accepted:
            if accepted.blocked:
                count([violation.kind for violation in accepted.blocked])

    def address(self, batch: RouteBatch) -> list[Output]:
        """The batch's records: dead letters, and every event in the mailbox of its profile, behind owed merges."""
        outputs, books, partitions = batch.refused, batch.books, self._partitions
        add, new = outputs.append, tuple.__new__
        owners, found = batch.resolved
        told: set[bytes] = set()
        for index, (record, accepted) in enumerate(batch.accepted):
            owner = owners[index]
            violations: Sequence[Violation] = ()
            if index in found:
                violations = found[index].violations
                outputs += self._tell_merges(record, found[index].owed, told)
            if accepted.in_the_future:
                books.in_the_future[record.topic] += 1
            headers = EVENT_HEADERS if not record.headers else [*EVENT_HEADERS, *_traces(record.headers)]
            text = profile_text(owner)
            value = archived(accepted, text, record.timestamp_ms, violations)
            partition = partition_of(slot_of(owner), partitions)
            add(new(Output, ("resolved-events", text.encode(), value, headers, partition)))
        books.resolved.update([record[0] for record, _ in batch.accepted])
        return outputs

    def _tell_merges(self, record: Record, owed: Sequence[Owed], told: set[bytes]) -> list[Output]:
        """To each child that it ends, to who waits for it that it should: before the event, which may need both."""
        if not owed:
            return []
        fresh = [merge for merge in owed if merge.child not in told]
        told.update([merge.child for merge in fresh])
        token = f"{record.topic}-{record.partition}@{record.offset}"
        return [mail for merge in fresh for mail in announce_merge(merge, token, self._partitions)]


def _traces(headers: Headers) -> list[tuple[str, bytes]]:
    return [header for header in headers if header[0] == "traceparent"]


EVENT_HEADERS = [(mailbox.KIND_HEADER, mailbox.EVENT)]

ROUTE_REASONS = frozenset({Reason.NO_MATCHING_IDENTIFIERS, Reason.UNKNOWN_AUDIENCE, Reason.RESERVED_KEY})
"""Refusals that are no fault of the value by itself: they depend on settings and definitions."""


def _coordinates_base(topic: str, partition: int) -> int:
    """With the offset added: 40 bits that tell a record from any other; for sure within a partition, else by chance."""
    digest = blake2b(f"{topic}\0{partition}".encode(), digest_size=5).digest()
    return int.from_bytes(digest, "big")


def refused(record: Record, refusal: Refusal) -> Output:
    """The dead letter of a record: original key, value and headers, and why."""
    headers = dead_letter.headers(
        original=record.headers,
        refusal=refusal,
        stage=Stage.ROUTE if refusal.reason in ROUTE_REASONS else Stage.DECODE,
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        task_id="0",
    )
    return Output("dead-letters", record.key, record.value, headers)
