"""A router by itself, over a store in memory: whose each event would be. Nothing is folded, nobody enters or leaves.

It is the worker's own router that claims, extracts, resolves and merges.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from random import Random
from typing import NamedTuple

from consumers import catalog
from schemas.codec import AvroDecoder
from worker.adapters.memory_store import MemoryStore
from worker.cli.assembly import Options
from worker.cli.definition_files import Document
from worker.cli.line import Line
from worker.clock import VirtualClock
from worker.engine.books import Books
from worker.engine.control import IDENTITY, Control
from worker.engine.directory import Directory
from worker.engine.merges import Notes
from worker.engine.output import Output
from worker.engine.progress import Progress
from worker.engine.route import Router
from worker.errors import InputError
from worker.identity.resolve import Violation
from worker.identity.rules import Rules
from worker.ports import Record, Store

RESOLVED = "resolved"
DUPLICATE = "duplicate"


class Routed(NamedTuple):
    """What became of one event. ``outcome``: resolved, duplicate, or the reason of its dead letter.

    ``profile`` and ``message_id``: of a resolved one, else None.
    """

    outcome: str
    profile: bytes | None = None
    message_id: str | None = None
    violations: Sequence[Violation] = ()
    merges: int = 0


class IdentityReplay:
    """One space that begins empty. Identity settings among the lines count unless ``fixed``: then those given hold."""

    def __init__(self, documents: Sequence[Document], options: Options, avro: AvroDecoder, *, fixed: bool) -> None:
        """
        Raises:
            InputError: one of the documents was refused.
        """
        self._fixed = fixed
        self._clock = VirtualClock()
        self._store = MemoryStore(self._clock, dedup_window_ms=options.dedup_window_ms)
        self._notes = Notes(self._store, partitions=1, notes_max=0)
        self._offsets: Counter[str] = Counter()
        self._control = Control(
            self._store,
            catalog.documents(avro, options.identity_caps),
            topic=catalog.DEFINITIONS_TOPIC,
            interval_ms=0,
        )
        self._router = Router(
            store=self._store,
            directory=Directory(self._store, draw_profile=_draws(), cached_identifiers=options.cached_identifiers),
            consumers=catalog.event_consumers(
                require_external_definition=options.require_external_definition, avro=avro
            ),
            mailbox_partitions=1,
            dedup_window_ms=options.dedup_window_ms,
            progress=Progress(self._store, partitions=(), interval_ms=0, margin_ms=0),
        )
        self._define([self._record(Line(0, catalog.DEFINITIONS_TOPIC, d.key.encode(), d.value, [])) for d in documents])

    @property
    def store(self) -> Store:
        """The graph as it is now."""
        return self._store

    @property
    def rules(self) -> Rules:
        """The rules in force now."""
        return self._control.rules

    @property
    def now_ms(self) -> int:
        """The time of the newest line."""
        return self._clock.now_ms()

    def take(self, line: Line) -> Routed | None:
        """Route one event, at its time; None for a definition."""
        self._clock.advance_to(line.at_ms)
        record = self._record(line)
        if line.topic == catalog.DEFINITIONS_TOPIC:
            if not (self._fixed and line.key == IDENTITY.encode()):
                self._control.judge([record])
            return None
        return self._route(record)

    def _route(self, record: Record) -> Routed:
        books, control, router = Books(), self._control, self._router
        batch = router.begin([record], books, control.catalogue, control.rules)
        router.receive(batch)
        if not batch.accepted:
            return Routed(next((reason for _, reason in books.dead), DUPLICATE))
        router.resolve(batch)
        ((_, accepted),) = batch.accepted
        (owner,), found = batch.resolved
        violations, merged = (found[0].violations, found[0].merged) if found else ((), ())
        self._notes.settle(merged)  # there is no history that would have to come
        return Routed(RESOLVED, owner, accepted.message_id, [*accepted.blocked, *violations], len(merged))

    def _record(self, line: Line) -> Record:
        offset = self._offsets[line.topic]
        self._offsets[line.topic] += 1
        return Record(line.topic, 0, offset, line.at_ms, line.key, line.value, line.headers)

    def _define(self, records: Sequence[Record]) -> None:
        outputs: list[Output] = []
        self._control.take(records, Books(), outputs)
        if outputs:
            raise InputError(*self._control.book.refusals.values())


def _draws() -> Callable[[], bytes]:
    random = Random(0)  # noqa: S311 - not a secret: the same input must give the same ids
    return lambda: random.randbytes(16)
