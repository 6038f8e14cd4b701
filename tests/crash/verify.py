"""The verifier: ``python -m tests.crash.verify FOLDER``. A process of its own, started when all workers have ended.

It reads what a reader of committed records sees, what Redis holds, and the book of what was sent; holds all that
against the properties that the simulation checks (tests/simulation/checks.py), and against what the inputs alone say
(``tests.crash.inputs``). Prints its findings as JSON.
"""

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple, cast

from tests.crash import inputs
from tests.crash.writer import Taken, read_book
from tests.integration.broker import Broker
from tests.integration.world import READ_BY
from tests.simulation import checks
from tests.simulation.audiences import standing
from tests.simulation.evidence import Evidence
from tests.simulation.schedule import Schedule
from worker.adapters.redis import RedisStore
from worker.ports import SCAN_START, Partition, Record
from worker.profiles.codec import decode
from worker.profiles.state import ProfileState
from worker.slots import slot_of

FACTS, BOOK = "facts.json", "sent.ndjson"
SHOWN, NAMED = 40, 3
STORE_TIMEOUT_S = 30.0

CHECKS: tuple[checks.Check, ...] = (
    *(check for check in checks.CHECKS if check is not checks.no_state_goes_back),  # needs to watch every write
    inputs.who_is_who,
    inputs.memberships_are_what_the_inputs_say,
)


class Facts(NamedTuple):
    """What the driver tells the verifier. ``failures``: what workers have done that none may do."""

    servers: str
    redis_url: str
    run: str
    ids_per_day: int
    batch_records: int
    mailbox_partitions: int
    failures: list[str]


def open_space(url: str, space: str, *, ids_per_day: int) -> RedisStore:
    """The worker's own way to its memory; with more patience."""
    return RedisStore(url, space=space, dedup_expected_ids_per_day=ids_per_day, timeout_s=STORE_TIMEOUT_S)


@dataclass(frozen=True, slots=True, kw_only=True)
class Promises:
    """Those of ``tests.simulation.plan.Plan`` that the checks ask for: times are not promised, records overtake."""

    batch_records: int
    mailbox_partitions: int
    on_time: bool = False
    one_input: bool = False
    merging: bool = True


class RealEvidence(Evidence):
    """What is left on the real servers."""

    def __init__(self, facts: Facts, taken: Sequence[Taken]) -> None:
        self._broker = Broker(facts.servers)
        self._facts = facts
        sent = [(each.sent, self._record(each)) for each in taken]
        documents = [(document, None) for document in standing()]
        plan = Promises(batch_records=facts.batch_records, mailbox_partitions=facts.mailbox_partitions)
        store = open_space(facts.redis_url, facts.run, ids_per_day=facts.ids_per_day)
        schedule = SimpleNamespace(
            plan=plan, kafka=None, store=store, sent=sent, documents=documents, failures=facts.failures
        )
        super().__init__(cast(Schedule, schedule))

    def topic(self, name: str) -> str:
        return f"{self._facts.run}-{name}"

    def _record(self, taken: Taken) -> Record:
        sent = taken.sent
        return Record(self.topic(sent.topic), sent.partition, taken.offset, sent.at_ms, None, sent.value, ())

    def _read(self, topic: str, partitions: int) -> list[Record]:
        return [
            Record(topic, one.partition, one.offset, one.timestamp_ms, one.key, one.value, tuple(one.headers.items()))
            for one in self._broker.read(self.topic(topic))
        ]

    @cached_property
    def states(self) -> dict[bytes, ProfileState]:
        found: dict[bytes, ProfileState] = {}
        cursor, profiles = self.store.scan(SCAN_START).get()
        while True:
            for profile in profiles:
                found[profile] = decode(self.store.load(slot_of(profile), [profile]).get()[0])
            if cursor == SCAN_START:
                return found
            cursor, profiles = self.store.scan(cursor).get()

    def lag(self) -> dict[Partition, int]:
        groups = {role: f"{self._facts.run}-{role}" for role in READ_BY}
        behind = [
            Partition(name, 0)
            for role, names in READ_BY.items()
            for name in names
            if not self._broker.has_read_all(groups[role], self.topic(name))
        ]
        return dict.fromkeys(behind, 1)


@dataclass(slots=True)
class Findings:
    """``faults``: what is wrong, by the check that says so; ``figures``: how much of everything there was."""

    faults: list[str] = field(default_factory=list)
    figures: dict[str, int] = field(default_factory=dict)
    records: dict[str, list[str]] = field(default_factory=dict)


def verify(seen: RealEvidence) -> Findings:
    found = Findings()
    for check in CHECKS:
        name = check.__name__.replace("_", " ")
        found.faults += [f"{name}: {line}" for line in check(seen)]
    found.figures = figures(seen)
    found.records = {profile: list(_of(seen, profile)) for profile in _named(seen, found.faults[:SHOWN])}
    return found


def figures(seen: RealEvidence) -> dict[str, int]:
    good = [sent for sent, _ in seen.schedule.sent if sent.good]
    ids = {sent.message_id for sent in good}
    archived = [event["messageId"] for event in seen.archive]
    return {
        "records": len(seen.schedule.sent),
        "accepted": len(archived),
        "duplicates dropped": len(good) - len(archived),
        "dead letters": len(seen.refused),
        "transitions": len(seen.changes),
        "by time": sum(change.move.reason == "time" for change in seen.changes),
        "profiles": len(seen.states),
        "merges": len(seen.merges),
        "lost": len(ids - set(archived)),
        "doubled": len(archived) - len(set(archived)),
    }


def _named(seen: RealEvidence, faults: Iterable[str]) -> list[str]:
    """Profiles that the faults name, and those that were merged into them: whose records are worth a look."""
    text = " ".join(faults)
    named = [profile for profile in seen.states if profile.hex() in text][:NAMED]
    children = [child for child, _ in seen.merges if seen.canonical(child) in named]
    return [profile.hex() for profile in [*named, *children]]


def _of(seen: RealEvidence, profile: str) -> Iterator[str]:
    """What was said to a profile and by it, in the order of the mailbox, then of the changes."""
    name = f"use_{profile}".encode()
    for record in seen.mailbox:
        if record.key == name:
            yield f"mailbox {record.partition}:{record.offset} {dict(record.headers)} {record.value!r}"
    for change in seen.changes:
        if change.profile.hex() == profile:
            yield f"change {change.place} {change.key} {change.number} {change.move}"


def main() -> None:
    folder = Path(sys.argv[1])
    facts = Facts(**json.loads((folder / FACTS).read_text(encoding="utf-8")))
    found = verify(RealEvidence(facts, read_book(folder / BOOK)))
    write: Any = partial(json.dump, fp=sys.stdout)
    write({"faults": found.faults, "figures": found.figures, "records": found.records})


if __name__ == "__main__":
    main()
