"""A worker in a test tube: the same loop over in-memory Kafka and Redis, with a clock that only goes where it is told.

Outputs of one moment come in the order that docs/simulate.md gives: the resolved event or the dead letter, then the
changes, profile by profile, then merges.
"""

import base64
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from operator import attrgetter
from random import Random
from typing import Any

from consumers import catalog
from consumers.mailbox import Event
from schemas import mailbox
from schemas.codec import AvroDecoder
from schemas.json_text import read_value
from schemas.reasons import Reason, Refusal
from schemas.times import utc_text
from schemas.topics import RESOLVED_EVENTS, TOPICS
from worker.adapters.memory_kafka import MemoryKafka
from worker.adapters.memory_store import MemoryStore
from worker.audiences.kept import Accumulator
from worker.audiences.leaves import Leaf, selects
from worker.cli.assembly import Connections, Options, assemble
from worker.cli.definition_files import Document
from worker.cli.line import Line
from worker.clock import VirtualClock
from worker.errors import InputError
from worker.ports import Partition, Record, Store
from worker.profiles.ids import profile_bytes
from worker.slots import STATE_SLOTS

OUTPUT_TOPICS = ("resolved-events", "dead-letters", "audience-changes", "trait-changes", "profile-merges")
"""In the order in which the outputs of one moment are given; changes come profile by profile."""

CHANGES = frozenset({"audience-changes", "trait-changes"})

Output = dict[str, Any]


class _Gate:
    """Lets go what is due by a time that is set: at the time of a line, only what was due before it."""

    overdue = False

    def __init__(self) -> None:
        self.until_ms = 0

    def until(self, now_ms: int) -> int:
        return min(self.until_ms, now_ms)


class VirtualWorker:
    """One replica with both roles. Call ``begin`` once, then ``run_to`` and ``take`` in order of time."""

    def __init__(self, options: Options, *, avro: AvroDecoder | None = None) -> None:
        """``avro``: reads framed values; None refuses them. Outputs are JSON in any case, to be read by people."""
        self._options = options
        self._prefix = options.topic_prefix
        self._clock = VirtualClock()
        self._gate = _Gate()
        self._kafka = MemoryKafka(self._clock)
        self._store = MemoryStore(self._clock, dedup_window_ms=options.dedup_window_ms)
        for topic in TOPICS:
            self._kafka.create_topic(self._prefix + topic.name, partitions=1, log_append_time=topic is RESOLVED_EVENTS)
        self._read: dict[str, int] = dict.fromkeys(OUTPUT_TOPICS, 0)
        self._archive: defaultdict[bytes, list[Event]] = defaultdict(list)
        random = Random(0)  # noqa: S311 - not a secret: the same input must give the same ids
        self._loop = assemble(
            Connections(
                producer=self._kafka.producer("simulate"),
                store=self._store,
                clock=self._clock,
                inputs=self._kafka.source("route", "simulate", self._names(catalog.INPUT_TOPICS)),
                mailbox=self._kafka.source("fold", "simulate", self._names([catalog.MAILBOX_TOPIC])),
                mailbox_partitions=1,
                event_partitions=[Partition(name, 0) for name in self._names(catalog.EVENT_TOPICS)],
                draw_profile=lambda: random.randbytes(16),
                history=self._history,
                avro=avro or AvroDecoder(),
                gate=self._gate,
            ),
            self._immediate(options),
        )

    @staticmethod
    def _immediate(options: Options) -> Options:
        """Nothing waits for a clock that stands still."""
        return Options(
            space_id=options.space_id,
            topic_prefix=options.topic_prefix,
            require_external_definition=options.require_external_definition,
            identity_caps=options.identity_caps,
            dedup_window_ms=options.dedup_window_ms,
            scan_interval_ms=0,
            progress_interval_ms=0,
            definitions_interval_ms=0,
        )

    @property
    def store(self) -> Store:
        """What the worker remembers, to be looked at between two lines."""
        return self._store

    @property
    def now_ms(self) -> int:
        """The virtual time."""
        return self._clock.now_ms()

    def _names(self, topics: Sequence[str]) -> list[str]:
        return [self._prefix + topic for topic in topics]

    def begin(self, at_ms: int, documents: Sequence[Document]) -> None:
        """Put the definitions in force at a time, before everything else.

        Raises:
            InputError: one was refused.
        """
        self._clock.advance_to(at_ms)
        for key, value in documents:
            self._append("definitions", key.encode(), value, [])
        refused = [output for output in self._settle() if output["topic"] == "dead-letters"]
        if refused:
            raise InputError(*(str(output["headers"]["__connect.errors.exception.message"]) for output in refused))

    def run_to(self, until_ms: int) -> Iterator[Output]:
        """Fire every timer due up to a time, inclusive, each at its exact due time and in order."""
        while (due := self._next_due()) is not None and due <= until_ms:
            self._clock.advance_to(due)
            self._gate.until_ms = due
            yield from self._settle()

    def take(self, line: Line) -> Iterator[Output]:
        """Receive one record and do everything that follows from it at its time.

        What is due at this very time waits for ``run_to``: the next line may be of the same time, and cover it.
        """
        self._clock.advance_to(line.at_ms)
        self._gate.until_ms = line.at_ms - 1
        self._append(line.topic, line.key, line.value, line.headers)
        yield from self._settle()

    def _append(self, topic: str, key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes]]) -> None:
        self._kafka.append(
            self._prefix + topic,
            partition=0,
            key=key,
            value=value,
            headers=headers,
            timestamp_ms=self._clock.now_ms(),
        )

    def _next_due(self) -> int | None:
        far = 1 << 62
        first = [self._store.due(slot, far, 1).get() for slot in range(STATE_SLOTS)]
        return min((entries[0][1] for entries in first if entries), default=None)

    def _settle(self) -> list[Output]:
        """Turn the loop until nothing is left to do; what readers have got of it."""
        while self._loop.turn(0.0) is not None:
            pass
        return profile_by_profile([output for topic in OUTPUT_TOPICS for output in self._drain(topic)])

    def _drain(self, topic: str) -> Iterator[Output]:
        records = self._kafka.visible(self._prefix + topic, 0, start=self._read[topic])
        for record in records:
            self._read[topic] = record.offset + 1
            if topic == "resolved-events" and not self._archived(record):
                continue
            if topic == "profile-merges":
                self._unite_archives(record)
            yield self._shown(topic, record)

    def _archived(self, record: Record) -> bool:
        """Keep an accepted event for later definitions; False for records that are internal to the worker."""
        if (mailbox.KIND_HEADER, mailbox.EVENT) not in record.headers:
            return False
        mail = catalog.read_mail(record)
        if isinstance(mail, Event):
            self._archive[mail.profile].append(mail)
        return True

    def _unite_archives(self, record: Record) -> None:
        """What a merged profile did is its parent's past from now on."""
        merge = json.loads(record.value or b"")
        child, parent = profile_bytes(merge["child"]), profile_bytes(merge["parent"])
        together = self._archive[parent] + self._archive.pop(child, [])
        self._archive[parent] = sorted(together, key=attrgetter("offset"))

    def _shown(self, topic: str, record: Record) -> Output:
        value = self._value(record.value)
        return {
            "at": utc_text(self._clock.now_ms()),
            "topic": topic,
            "key": None if record.key is None else record.key.decode("utf-8", "replace"),
            **value,
            "headers": {name: header.decode("utf-8", "replace") for name, header in record.headers},
        }

    @staticmethod
    def _value(value: bytes | None) -> dict[str, Any]:
        if value is None:
            return {"value": None}
        read = read_value(value)
        if isinstance(read, Refusal) and read.reason is Reason.TOO_DEEP:
            try:
                return {"value": json.loads(value)}
            except RecursionError:
                pass
        if isinstance(read, Refusal):
            return {"value_base64": base64.b64encode(value).decode()}
        return {"value": read}

    def _history(self, profile: bytes, leaves: Sequence[Leaf], now_ms: int) -> Mapping[bytes, int | bytes]:
        """Accumulators of new leaves as the profile's earlier events would have left them."""
        accumulators: dict[bytes, Accumulator] = {}
        for mail in self._archive[profile]:
            occurrence = mail.occurrence()
            for leaf in leaves:
                selection = leaf.selection
                begun_ms = None if selection.history_ms is None else now_ms - selection.history_ms
                if selection.event != mail.name or (begun_ms is not None and occurrence.at_ms <= begun_ms):
                    continue
                if selects(leaf, occurrence, now_ms):
                    leaf.add(accumulators, occurrence, now_ms)
        return {leaf_id: kept if isinstance(kept, int) else bytes(kept) for leaf_id, kept in accumulators.items()}


def profile_by_profile(outputs: Sequence[Output]) -> list[Output]:
    """The outputs of one moment, each profile's trait changes behind its audience changes, a merged child's first.

    ``outputs``: topic by topic, as ``OUTPUT_TOPICS`` has them.
    """
    merges = [output for output in outputs if output["topic"] == "profile-merges"]
    children = {merge["key"]: place for place, merge in enumerate(merges)}
    changes: dict[str, list[Output]] = {}
    for output in outputs:
        if output["topic"] in CHANGES:
            changes.setdefault(output["key"], []).append(output)
    profiles = sorted(changes, key=lambda profile: children.get(profile, len(children)))
    first = [output for output in outputs if output["topic"] not in CHANGES and output["topic"] != "profile-merges"]
    return [*first, *(change for profile in profiles for change in changes[profile]), *merges]
