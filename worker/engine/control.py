"""Definitions in force: accepted by one router, kept in the store, followed by every replica.

Each document is judged once, in the order of the topic and beside the ones in force then: by the owner of the
``definitions`` partition, or by a replica that starts. What is accepted is written into the *book* in the store.
Replicas evaluate by the book, not by the topic: a compacted topic has forgotten the last good version of a document
whose newest version is refused, and cannot tell how often it changed (ARCHITECTURE.md, "Definitions").
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import msgspec

from schemas.reasons import Reason, Refusal
from worker.audiences.catalogue import Catalogue, build, faults
from worker.audiences.definitions import Definition
from worker.engine.books import Books
from worker.engine.externals import external_key
from worker.engine.output import Output
from worker.engine.route import refused
from worker.engine.startup import MAILBOX_KEY, MEND
from worker.errors import DependencyError, InputError, StateConflictError, StoreLostError
from worker.identity.rules import Rules
from worker.ports import Record, Store, Swap

BOOK_KEY = b"definitions"
VERSION_KEY = b"definitions:version"
IDENTITY = "identity"


class Change(NamedTuple):
    """One record of ``definitions``: ``key`` is the record's; ``document`` canonical JSON, None deletes."""

    key: str
    document: bytes | None


class Entry(msgspec.Struct, array_like=True):
    """A document in the book. ``document`` None: deleted, remembered for its ``revision``.

    ``created``: offset of the record that was accepted first since it was last absent.
    """

    revision: int
    created: int
    document: bytes | None


class Book(msgspec.Struct, array_like=True):
    """All documents of a space. ``version`` grows with every change of what is in force.

    ``judged``: offset of the next record of ``definitions`` to be judged. ``refusals``: by offset, why the newest
    refused records were; their dead letters are the partition owner's to send, whoever has judged them.
    """

    version: int = 0
    judged: int = 0
    entries: dict[str, Entry] = msgspec.field(default_factory=dict)
    refusals: dict[int, str] = msgspec.field(default_factory=dict)


REFUSALS_KEPT = 1_000
"""Refusals that wait for their dead letter. Fewer: a flood of bad documents at a start loses the words of the first
ones; more: the book grows by a line each."""


INTERPRETED = 4_096
"""Documents that are remembered as they were read. Fewer than there are definitions: each new one reads all others
again, and a thousand take minutes; more: a few KB each."""


class Documents(NamedTuple):
    """How documents are read. ``read`` never raises; ``interpret`` takes what ``read`` has let pass.

    ``default_rules``: hold as long as no document says otherwise.
    """

    read: Callable[[Record], Change | Refusal]
    interpret: Callable[[str, bytes], Definition | Rules]
    default_rules: Rules


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Book).decode


def read_book(store: Store) -> Book:
    """The documents in force, from the store."""
    (blob,) = store.read([BOOK_KEY]).get()
    return Book() if blob is None else _decode(blob)


class Control:
    """``topic``: full name of ``definitions``; ``interval_ms``: between two looks at the book's version.

    ``laid_out``: the store knows the space; should it not do so any more, it has lost it.
    """

    def __init__(
        self, store: Store, documents: Documents, *, topic: str, interval_ms: int, laid_out: bool = False
    ) -> None:
        self._store = store
        self._laid_out = laid_out
        self._documents = documents
        self._interpret = lru_cache(maxsize=INTERPRETED)(documents.interpret)
        self._topic = topic
        self._interval_ms = interval_ms
        self._followed_ms: int | None = None
        self._book = Book()
        self.catalogue = Catalogue()
        self.rules = documents.default_rules

    @property
    def book(self) -> Book:
        """The documents in force, as this replica knows them."""
        return self._book

    def follow(self, now_ms: int) -> None:
        """Look now and then whether the book has a new version.

        Raises:
            StoreLostError: the store does not know the space any more.
        """
        if self._followed_ms is not None and now_ms - self._followed_ms < self._interval_ms:
            return
        self._followed_ms = now_ms
        version, mailbox = self._store.read([VERSION_KEY, MAILBOX_KEY]).get()
        if self._laid_out and mailbox is None:
            raise StoreLostError(f"Redis has lost the definitions and identities of this space; {MEND}")
        if int(version or 0) != self._book.version:
            self.refresh()

    def refresh(self) -> None:
        """Read the book and compile it."""
        self._adopt(read_book(self._store))

    def at_least(self, version: int) -> None:
        """Make sure that the catalogue is not older than one a state was evaluated under.

        Raises:
            DependencyError: the store has no such version.
        """
        if self.catalogue.version >= version:
            return
        self.refresh()
        if self.catalogue.version < version:
            raise DependencyError(f"definitions of version {version} are in use, the store has {self._book.version}")

    def _adopt(self, book: Book) -> None:
        self._book = book
        if book.version == self.catalogue.version:
            return
        self.catalogue = build(self._definitions(book.entries).values(), version=book.version)
        identity = book.entries.get(IDENTITY)
        rules = self._documents.default_rules
        if identity is not None and identity.document is not None:
            interpreted = self._interpret(IDENTITY, identity.document)
            rules = interpreted if isinstance(interpreted, Rules) else rules
        self.rules = rules

    def _definitions(self, entries: Mapping[str, Entry]) -> dict[str, Definition]:
        found = {}
        for key, entry in entries.items():
            if key != IDENTITY and entry.document is not None:
                definition = self._definition(key, entry.document, revision=entry.revision, created=entry.created)
                found[definition.key] = definition
        return found

    def _definition(self, key: str, document: bytes, *, revision: int, created: int) -> Definition:
        definition = self._interpret(key, document)
        if isinstance(definition, Rules):
            raise TypeError(key)  # `read` lets identity settings pass under their own key only
        since = None if definition.since is None else f"{definition.key}@{created}"
        return definition._replace(revision=revision, since=since)

    def take(self, records: Sequence[Record], books: Books, outputs: list[Output]) -> Sequence[Record]:
        """Act on the definitions of a batch and return the other records; refused ones become dead letters.

        Counts every record of the batch as received. Safe to repeat: a record is judged once, by its offset.
        """
        books.received.update(record.topic for record in records)
        changes = [record for record in records if record.topic == self._topic]
        if not changes:
            return records
        self.judge(changes)
        for record in changes:
            detail = self._book.refusals.get(record.offset)
            if detail is None:
                books.control[record.topic] += 1
            else:
                refusal = Refusal(Reason.INVALID_DEFINITION, detail)
                books.dead[record.topic, refusal.reason] += 1
                outputs.append(refused(record, refusal))
        return [record for record in records if record.topic != self._topic]

    def judge(self, records: Sequence[Record]) -> None:
        """Judge records of ``definitions`` that nobody has judged yet, in order, and write the book.

        Any replica may: one that starts must not fold events before it knows every definition that is there.

        Raises:
            StateConflictError: somebody else has written the book meanwhile; what they judged stands.
        """
        self.refresh()
        before = self._book
        book = Book(before.version, before.judged, dict(before.entries), dict(before.refusals))
        for record in records:
            if record.offset < book.judged:
                continue
            book.judged = record.offset + 1
            refusal = self._apply(record, book.entries)
            if refusal is not None:
                book.refusals[record.offset] = refusal.detail
        if book.judged == before.judged:
            return
        if book.entries != before.entries:
            book.version += 1
        book.refusals = dict(sorted(book.refusals.items())[-REFUSALS_KEPT:])
        self._write(before, book)

    def beside(self, documents: Sequence[tuple[str, bytes]]) -> Catalogue:
        """What would be in force with some documents in the place of those that are; nobody is told of it.

        The present catalogue when they say nothing new.

        Raises:
            InputError: one of them cannot be.
        """
        entries = dict(self._book.entries)
        for key, document in documents:
            fault = self._fault(key, document, entries)
            if fault:
                raise InputError(f"{key}: {fault}")
            entries[key] = _followed(entries.get(key), document, offset=self._book.judged)
        if entries == self._book.entries:
            return self.catalogue
        return build(self._definitions(entries).values(), version=self._book.version + 1)

    def _apply(self, record: Record, entries: dict[str, Entry]) -> Refusal | None:
        change = self._documents.read(record)
        if isinstance(change, Refusal):
            return change
        if change.document is not None and (fault := self._fault(change.key, change.document, entries)):
            return Refusal(Reason.INVALID_DEFINITION, fault)
        entries[change.key] = _followed(entries.get(change.key), change.document, offset=record.offset)
        return None

    def _fault(self, key: str, document: bytes, entries: Mapping[str, Entry]) -> str | None:
        if key == IDENTITY:
            return None
        definition = self._definition(key, document, revision=1, created=0)
        others = self._definitions({other: entry for other, entry in entries.items() if other != key})
        if definition.external_id != definition.key:
            (used,) = self._store.read([external_key(definition.key)]).get()
            if used is not None:
                return f"the key {definition.key!r} is in use by a passthrough segment without a definition"
        found = faults(definition, others)
        return "; ".join(str(fault) for fault in found) or None

    def _write(self, before: Book, book: Book) -> None:
        blob, version = self._store.read([BOOK_KEY, VERSION_KEY]).get()
        stored = Book() if blob is None else _decode(blob)
        swaps = [Swap(BOOK_KEY, blob, _encode(book)), Swap(VERSION_KEY, version, str(book.version).encode())]
        if stored.judged != before.judged or not self._store.swap(swaps).get():
            raise StateConflictError("another replica has written the definitions")
        self._adopt(book)


def _followed(before: Entry | None, document: bytes | None, *, offset: int) -> Entry:
    """The entry of a document that comes after another one; the same when it says the same.

    A deletion is no revision: a key used again goes on where it stopped.
    """
    revisions = int(document is not None)
    if before is None:
        return Entry(revisions, offset, document)
    if before.document == document:
        return before
    return Entry(before.revision + revisions, offset if before.document is None else before.created, document)
