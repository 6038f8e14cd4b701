"""The driver: a round of faults over a world of its own, then quiet, then the verifier."""

import contextlib
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from types import MappingProxyType

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from tests import services
from tests.crash.faults import REDIS_TIMEOUT_S, SESSION_TIMEOUT_S, Kind
from tests.crash.fleet import Fleet
from tests.crash.inputs import AFTER_ALL_MS
from tests.crash.scene import Scene
from tests.crash.servers import KafkaServer
from tests.crash.stores import Store
from tests.crash.verify import BOOK, FACTS, Facts, open_space
from tests.crash.writer import Writer
from tests.integration.broker import Broker
from tests.integration.process import ROOT, environment, until
from tests.integration.world import READ_BY, World
from tests.simulation.audiences import STANDING
from worker.adapters.redis import RedisStore
from worker.slots import STATE_SLOTS

REPLICAS = 2
RECORDS_S = 120
TRACKING_PARTITIONS, MAILBOX_PARTITIONS = 8, 16
BATCH_RECORDS = 100
IDS_PER_DAY = 100_000
FAULT_S = 0.6
"""On average, between the end of a fault and the next one."""

OPEN_WINDOWS = 0.7
"""For so much of the faults new windows are opened; the end of the last one is waited for."""

READY_S = 90.0
SETTLED_S = 180.0  # the last windows close within a minute
VERIFIED_S = 300.0
SHOWN_FAULTS, SHOWN_LINES, SHOWN_CHARACTERS = 12, 120, 400

WORKERS = {
    "AW_SESSION_TIMEOUT_MS": str(int(SESSION_TIMEOUT_S * 1_000)),
    "AW_TRANSACTION_TIMEOUT_MS": "5000",
    "AW_REDIS_TIMEOUT_S": str(REDIS_TIMEOUT_S),
    "AW_RETRY_WAIT_MAX_MS": "500",
    "AW_BATCH_RECORDS_MAX": str(BATCH_RECORDS),
    "AW_DEDUP_EXPECTED_IDS_PER_DAY": str(IDS_PER_DAY),
}
"""Short, so that there is much to be seen in little time; small batches have many seams."""


@dataclass(slots=True)
class Outcome:
    """Of one round. ``kinds``: what was done, how often; ``ended``: workers that ended by themselves, by exit code."""

    seed: int
    kinds: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    figures: dict[str, int] = field(default_factory=dict)
    records: dict[str, list[str]] = field(default_factory=dict)
    ended: Counter[int] = field(default_factory=Counter)
    happened: list[tuple[float, str]] = field(default_factory=list)
    logs: dict[str, str] = field(default_factory=dict)
    slow_calls: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def report(self) -> str:
        """Of a failing round: all that it takes to look for the cause."""
        lines = [f"seed {self.seed}: {len(self.faults)} faults", *self.faults[:SHOWN_FAULTS], "what was done:"]
        lines += [f"  {at_s:7.2f} s  {what}" for at_s, what in self.happened]
        for profile, records in self.records.items():
            lines += [f"records of {profile}:", *(f"  {record}" for record in records)]
        for name, log in self.logs.items():
            lines += [f"log of {name}:", *(f"  {_shortened(line)}" for line in log.splitlines()[-SHOWN_LINES:])]
        return "\n".join(lines)


def _shortened(line: str) -> str:
    """The time is at the end."""
    return line if len(line) <= SHOWN_CHARACTERS else f"{line[: SHOWN_CHARACTERS - 60]} … {line[-60:]}"


def run_round(
    seed: int,
    kinds: Sequence[Kind],
    servers: tuple[KafkaServer, Store],
    settings: Mapping[str, str] = MappingProxyType({}),
) -> Outcome:
    """Do these faults, one after another; what cannot be done at its moment is left out. ``settings``: of workers."""
    began_s = time.monotonic()
    kafka, store = servers
    outcome = Outcome(seed)
    with services.temporary_folder("crash") as folder, _world(seed, servers, settings, folder) as world:
        through_proxies = {"AW_KAFKA_BOOTSTRAP_SERVERS": kafka.servers, **store.settings}
        fleet = Fleet({**world.settings, **through_proxies}, folder)
        writer = Writer(
            kafka.direct_servers, seed, topic=world.topic, partitions=TRACKING_PARTITIONS, records_s=RECORDS_S
        )
        scene = Scene(fleet, kafka, store, Random(f"faults {seed}"))
        outcome.happened = scene.happened
        try:
            _act(scene, writer, kinds, outcome)
            _come_to_rest(scene, writer, world, store)
        except (AssertionError, RuntimeError, OSError) as error:
            outcome.faults.append(f"does not come to rest: {error}\n{_members(kafka, world)}")
        finally:
            writer.stop()
            outcome.logs, outcome.slow_calls = fleet.logs(), fleet.slow_calls()
            fleet.end()
        outcome.ended = fleet.ended
        _verify(outcome, world, store, writer, fleet, folder)
    outcome.seconds = time.monotonic() - began_s
    return outcome


@contextlib.contextmanager
def _world(seed: int, servers: tuple[KafkaServer, Store], settings: Mapping[str, str], folder: Path) -> Iterator[World]:
    kafka, store = servers
    name = f"crash-{seed}-{time.time_ns() // 1_000_000}"
    world = World(Broker(kafka.direct_servers), store.direct_url, run=name, folder=folder)
    world.settings |= {**WORKERS, **settings}
    world.create_topics()
    world.define({"audiences": list(STANDING)})
    with contextlib.closing(world):
        yield world


def _act(scene: Scene, writer: Writer, kinds: Sequence[Kind], outcome: Outcome) -> None:
    for _ in range(REPLICAS):
        scene.new_replica()
    scene.fleet.until_ready(READY_S)
    writer.start()
    for number, kind in enumerate(kinds):
        if number >= len(kinds) * OPEN_WINDOWS:
            writer.let_windows_close()
        scene.go_on(scene.rng.expovariate(1 / FAULT_S))
        scene.go_on(READY_S, until=lambda: bool(scene.fleet.at_work()))
        scene.note(kind.name)
        if kind.fault(scene):
            outcome.kinds[kind.name] += 1
        else:
            scene.note("(was not to be)")


def _come_to_rest(scene: Scene, writer: Writer, world: World, store: Store) -> None:
    """No more faults; everybody is there; what has been sent is dealt with; all windows close; workers stop."""
    scene.note("calm")
    scene.finish()
    scene.fleet.until_ready(READY_S)
    writer.stop()
    scene.note("everything is sent")
    world.settle(timeout_s=SETTLED_S)
    space = world.settings["AW_SPACE_ID"]
    with contextlib.closing(open_space(store.direct_url, space, ids_per_day=IDS_PER_DAY)) as memory:
        until(lambda: _owes_nothing(memory), "the last timers", timeout_s=SETTLED_S)
    world.settle(timeout_s=SETTLED_S)
    scene.note("at rest")
    for name in list(scene.fleet.replicas):
        scene.fleet.stop(name)


def _members(kafka: KafkaServer, world: World) -> str:
    """Both groups as the broker sees them: state, and what each member has."""
    admin = AdminClient({"bootstrap.servers": kafka.direct_servers})
    groups = admin.describe_consumer_groups([world.group(role) for role in READ_BY], request_timeout=READY_S)
    told = []
    try:
        for name, found in groups.items():
            group = found.result()
            told.append(f"{name}: {group.state}")
            for member in group.members:
                places = sorted(f"{place.topic}-{place.partition}" for place in member.assignment.topic_partitions)
                told.append(f"  {member.group_instance_id} {member.member_id}: {' '.join(places)}")
    except KafkaException as error:
        told.append(f"the groups are not to be had: {error}")
    return "\n".join(told)


def _owes_nothing(memory: RedisStore) -> bool:
    """No timer is set and no merge is open."""
    timers = [memory.due(slot, AFTER_ALL_MS, 1) for slot in range(STATE_SLOTS)]
    owed = [*(timer.get() for timer in timers), memory.notes(AFTER_ALL_MS, 1).get()]
    return not any(owed)


def _verify(outcome: Outcome, world: World, store: Store, writer: Writer, fleet: Fleet, folder: Path) -> None:
    """In a process of its own."""
    outcome.faults += writer.failures
    facts = Facts(
        servers=world.broker.servers,
        redis_url=store.direct_url,
        run=world.settings["AW_SPACE_ID"],
        ids_per_day=IDS_PER_DAY,
        batch_records=BATCH_RECORDS,
        mailbox_partitions=MAILBOX_PARTITIONS,
        failures=fleet.failures,
    )
    (folder / FACTS).write_text(json.dumps(facts._asdict()), encoding="utf-8")
    writer.book(folder / BOOK)
    done = subprocess.run(
        [sys.executable, "-m", "tests.crash.verify", str(folder)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment({}),
        timeout=VERIFIED_S,
        check=False,
    )
    if done.returncode:
        outcome.faults.append(f"the verifier cannot verify:\n{done.stderr[-3_000:]}")
        return
    found = json.loads(done.stdout)
    outcome.faults += found["faults"]
    outcome.figures, outcome.records = found["figures"], found["records"]


def drawn(kinds: Sequence[Kind], faults: int, rng: Random) -> list[Kind]:
    """So many faults: each kind once before any comes again, and then by weight."""
    first = rng.sample(kinds, min(faults, len(kinds)))
    return first + rng.choices(kinds, [kind.weight for kind in kinds], k=faults - len(first))
