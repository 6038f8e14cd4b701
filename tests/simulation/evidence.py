"""What is left when a schedule is over: what readers of committed records see, and what the store holds."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

from consumers import catalog
from schemas.codec import AvroDecoder
from tests.acceptance.moments import ms
from tests.simulation.audiences import STANDING
from tests.simulation.oracle import Move, Profile
from tests.simulation.replay import kind_of, replay
from tests.simulation.schedule import Schedule
from worker.audiences.catalogue import Catalogue
from worker.engine.control import Book, Control, read_book
from worker.identity.graph import ProfileRecord, decode_record, identifier_key, profile_key, redirect_key
from worker.identity.rules import Caps, Identifier
from worker.ports import SCAN_START, Partition, PendingOutputs, Record
from worker.profiles.codec import decode
from worker.profiles.ids import profile_bytes
from worker.profiles.state import ProfileState
from worker.slots import STATE_SLOTS, slot_of


class Change(NamedTuple):
    """A record of ``audience-changes``. ``number``: of the transition."""

    profile: bytes
    key: str
    number: int
    move: Move
    message_id: str
    place: tuple[int, int]


class Evidence:
    """Read once, when everything has come to rest. ``edited``: whether definitions have changed since the start."""

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self.plan = schedule.plan
        self.kafka, self.store = schedule.kafka, schedule.store
        self.edited = len(schedule.documents) > len(STANDING)

    def _read(self, topic: str, partitions: int) -> list[Record]:
        return [record for number in range(partitions) for record in self.kafka.visible(topic, number)]

    @cached_property
    def mailbox(self) -> list[Record]:
        """Committed records of ``resolved-events``, each partition's in order."""
        return self._read("resolved-events", self.plan.mailbox_partitions)

    @cached_property
    def archive(self) -> list[dict[str, Any]]:
        """The accepted events."""
        return [json.loads(record.value or b"") for record in self.mailbox if kind_of(record) == "event"]

    @cached_property
    def changes(self) -> list[Change]:
        return [_change(record) for record in self._read("audience-changes", 2)]

    @cached_property
    def moves(self) -> Mapping[tuple[bytes, str], list[Move]]:
        """What readers have seen, by profile and audience, in the order of the log."""
        found: defaultdict[tuple[bytes, str], list[Move]] = defaultdict(list)
        for change in self.changes:
            found[change.profile, change.key].append(change.move)
        return found

    @cached_property
    def merges(self) -> list[tuple[bytes, bytes]]:
        """(child, parent) of each record of ``profile-merges``."""
        values = [json.loads(record.value or b"") for record in self._read("profile-merges", 1)]
        return [(profile_bytes(value["child"]), profile_bytes(value["parent"])) for value in values]

    @cached_property
    def refused(self) -> list[tuple[str, int, int]]:
        """Coordinates of the records that dead letters are about."""
        letters = self._read("dead-letters", 1)
        return [_refused(dict(letter.headers)) for letter in letters]

    @cached_property
    def states(self) -> dict[bytes, ProfileState]:
        _, profiles = self.store.scan(SCAN_START).get()
        return {profile: decode(self.store.load(slot_of(profile), [profile]).get()[0]) for profile in profiles}

    @cached_property
    def timers(self) -> dict[bytes, int]:
        every = [self.store.due(slot, 1 << 62, 1 << 30).get() for slot in range(STATE_SLOTS)]
        return {profile: due_ms for entries in every for profile, due_ms in entries}

    @cached_property
    def pending(self) -> dict[int, list[PendingOutputs]]:
        """Outputs that are kept beside the states, by slot."""
        return {slot: self.store.load_pending(slot, 0, 1 << 62).get() for slot in range(STATE_SLOTS)}

    @cached_property
    def expected(self) -> dict[bytes, Profile]:
        """What the oracle makes of the mailbox."""
        return {profile_bytes(name): profile for name, profile in replay(self.mailbox).items()}

    @cached_property
    def book(self) -> Book:
        return read_book(self.store)

    @cached_property
    def catalogue(self) -> Catalogue:
        """The definitions in force."""
        documents = catalog.documents(AvroDecoder(), Caps())
        control = Control(self.store, documents, topic=catalog.DEFINITIONS_TOPIC, interval_ms=0)
        control.refresh()
        return control.catalogue

    def lag(self) -> dict[Partition, int]:
        """Offsets between what the groups have committed and the last committed record, where there are any."""
        groups = {
            "fold": [Partition("resolved-events", number) for number in range(self.plan.mailbox_partitions)],
            "route": [*self.schedule.around.event_partitions, Partition("definitions", 0)],
        }
        found = {}
        for group, partitions in groups.items():
            for partition in partitions:
                records = self.kafka.visible(*partition)
                reached = self.kafka.committed(group, partition) or 0
                if records and reached <= records[-1].offset:
                    found[partition] = records[-1].offset + 1 - reached
        return found

    def canonical(self, profile: bytes) -> bytes:
        """Who has a profile now: itself, or the one that it was merged into."""
        (redirect,) = self.store.read([redirect_key(profile)]).get()
        return redirect or profile

    def record(self, profile: bytes) -> ProfileRecord | None:
        """What the graph says of a profile; None when it does not live."""
        (blob,) = self.store.read([profile_key(profile)]).get()
        return None if blob is None else decode_record(blob)

    def owner(self, identifier: Identifier) -> bytes | None:
        """The profile that an identifier leads to."""
        return self.store.read([identifier_key(identifier)]).get()[0]

    def identifiers(self, profile: bytes) -> Sequence[Identifier]:
        """What the graph says that a profile is known by."""
        record = self.record(profile)
        return [] if record is None else [Identifier(one.type, one.value) for one in record.identifiers]


def _change(record: Record) -> Change:
    value = json.loads(record.value or b"")
    about = value["context"]["audience"]
    entered = value["event"] == "Audience Entered"
    move = Move(ms(value["timestamp"]), entered, about["reason"], about["caused_by"])
    return Change(
        profile_bytes(about["profile_id"]),
        value["properties"]["audience_key"],
        about["transition"],
        move,
        value["messageId"],
        (record.partition, record.offset),
    )


def _refused(headers: Mapping[str, bytes]) -> tuple[str, int, int]:
    topic, partition, offset = (
        headers[f"__connect.errors.{name}"].decode() for name in ("topic", "partition", "offset")
    )
    return topic, int(partition), int(offset)
