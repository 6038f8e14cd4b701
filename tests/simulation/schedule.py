"""A schedule: who runs next and what goes wrong, drawn from the seed; then a calm in which everything is finished."""

import json
import traceback
from collections import Counter
from functools import partial
from random import Random

from consumers import catalog
from schemas.topics import PROFILE_STATES, TOPICS
from tests.simulation.audiences import Document, edit, standing
from tests.simulation.fates import Broker, Fates
from tests.simulation.people import People, Sent
from tests.simulation.plan import CALM, Plan
from tests.simulation.process import Process, SkewedClock, Surroundings
from tests.simulation.watch import WatchedStore
from worker.adapters.memory_kafka import MemoryKafka
from worker.clock import VirtualClock
from worker.ports import Partition, Record
from worker.slots import STATE_SLOTS

START_MS = 1_736_500_000_000
UNDISTURBED = 1e9
ROUNDS_MAX = 4_000
ROUND_MS = 500
RESTED = 6
"""Rounds without work after which nobody has any: an idle turn publishes progress, the next fires what that lets go."""
STUCK = 100


class Schedule:
    """One seed's run. ``counts``: what has happened how often; ``failures``: what no process may do."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.counts: Counter[str] = Counter()
        self.failures: list[str] = []
        self.sent: list[tuple[Sent, Record]] = []
        self.documents: list[tuple[Document, Record]] = []
        self.processes: list[Process] = []
        self._rng = Random(f"schedule {plan.seed}")
        self._edits_rng = Random(f"edits {plan.seed}")
        self._people = People(plan, Random(f"people {plan.seed}"))
        self._running: Process | None = None
        self._lives = 0
        self._edits_left = plan.edits
        self.clock = VirtualClock(START_MS)
        self.fates = Fates(Random(f"fates {plan.seed}"), plan.weather, self.counts)
        broker = Broker(self.fates, lambda: self._running)
        self.kafka = broker.kafka = MemoryKafka(self.clock, on_io=broker)
        self.store = WatchedStore(SkewedClock(self.clock, plan.store_skew_ms), forgetful=plan.forgets > 0)
        self.around = self._surroundings()
        for document in standing():
            self.define(document)

    def _surroundings(self) -> Surroundings:
        plan = self.plan
        partitions = {
            "tracking-events": plan.tracking_partitions,
            "resolved-events": plan.mailbox_partitions,
            "profile-states": plan.mailbox_partitions,
            "audience-changes": 2,
        }
        for topic in (*TOPICS, PROFILE_STATES):
            by_append_time = topic.timestamp_type == "LogAppendTime"
            self.kafka.create_topic(
                topic.name, partitions=partitions.get(topic.name, 1), log_append_time=by_append_time
            )
        event_partitions = [
            Partition(topic, number) for topic in catalog.EVENT_TOPICS for number in range(partitions.get(topic, 1))
        ]
        return Surroundings(
            plan,
            self.clock,
            self.kafka,
            self.store,
            self.fates,
            Random(f"chance {plan.seed}"),
            self.counts,
            event_partitions,
            partial(Random(f"polls {plan.seed}").randint, 1) if plan.short_polls else int,
        )

    # --- what comes in ---

    def _arrive(self) -> None:
        if len(self.sent) < self.plan.records:
            self.arrive(self._people.next(self.clock.now_ms()))

    def arrive(self, sent: Sent) -> None:
        """A record is appended to an input topic."""
        record = self.kafka.append(
            sent.topic, partition=sent.partition, key=None, value=sent.value, timestamp_ms=sent.at_ms
        )
        self.sent.append((sent, record))
        self.around.note(f"{sent.topic}-{sent.partition}", f"offset {record.offset}: {sent.value.decode()}")

    def define(self, document: Document) -> None:
        """A record is appended to ``definitions``."""
        key, content = document
        value = json.dumps(content).encode() if isinstance(content, dict) else content
        record = self.kafka.append(
            catalog.DEFINITIONS_TOPIC, key=key.encode(), value=value, timestamp_ms=self.clock.now_ms()
        )
        self.documents.append((document, record))
        self.around.note("definitions", f"offset {record.offset}: {key} {content!r}")

    def _edit(self) -> None:
        if self._edits_left:
            self._edits_left -= 1
            self.define(edit(self._edits_rng))

    # --- processes ---

    def start(self, replica: int) -> Process:
        """A new life of a replica."""
        self._lives += 1
        process = Process(self.around, replica, self._lives)
        self.processes.append(process)
        self.around.note(process.name, "is started")
        return process

    def go_on(self, process: Process, calls: float) -> None:
        """Let a process run for about so many calls."""
        self._running = process
        process.go_on(calls)
        self._running = None
        if process.failure is not None:
            told = "".join(traceback.format_exception(process.failure)[-3:])
            self.failures.append(f"{process.name} dies of {told}")
        if not process.alive:
            self.processes.remove(process)

    def crash(self, process: Process) -> None:
        """It dies where it is."""
        self.counts["crashes"] += 1
        self.around.note(process.name, f"dies before {process.at}")
        process.crash()
        self.processes.remove(process)

    # --- the storm ---

    def storm(self) -> None:
        """Everything at once, for as many steps as planned."""
        if self.plan.backlog:
            for _ in range(self.plan.records):
                self._let_time_pass()
                self._arrive()
        for replica in range(len(self.plan.roles)):
            self.start(replica)
        for _ in range(self.plan.steps):
            self._happen()
            self._step()

    def _happen(self) -> None:
        """What goes on in the world whether anybody runs or not."""
        chance, weather = self._rng.random, self.plan.weather
        if chance() < 0.1:
            self._arrive()
        if chance() < 0.03:
            self._edit()
        if chance() < 0.15:
            self._let_time_pass()
        if chance() < weather.expire:
            self.counts["times when transactions expired"] += 1
            self.around.note("kafka", "expires transactions")
            self.kafka.expire_transactions()
        if chance() < 0.1:
            self.kafka.write_markers()
        if chance() < weather.late:
            self.fates.let_one_arrive()
        if chance() < weather.evict:
            self._evict()
        if self.plan.forgets and chance() < self.plan.forgets:
            self.forget()
        for replica in range(len(self.plan.roles)):
            self._revive(replica)

    def forget(self) -> None:
        """Redis comes back without the last states. All connections to it are broken; what was on its way is gone."""
        self.fates.break_lines()
        lost = self.store.forget(self._rng)
        self.counts["times when Redis lost states"] += bool(lost)
        self.counts["writes of states lost"] += lost
        self.around.note("redis", f"has lost {lost} writes of states")

    def _let_time_pass(self) -> None:
        self.clock.advance_to(self.clock.now_ms() + self._rng.choice(self.plan.paces_ms))

    def _evict(self) -> None:
        """A member is thrown out of a group, as when its session times out; it may be alive."""
        replica = self._rng.randrange(len(self.plan.roles))
        role = self._rng.choice(self.plan.roles[replica])
        self.counts["members thrown out"] += 1
        self.around.note(f"w{replica}", f"is thrown out of the group {role}")
        self.kafka.evict(role, f"w{replica}")

    def _revive(self, replica: int) -> None:
        """Start what is dead, wake what is paused, or start a second one beside it under the same names."""
        chance, weather = self._rng.random, self.plan.weather
        mine = [process for process in self.processes if process.replica == replica]
        if not mine and chance() < weather.restart:
            self.start(replica)
        for process in mine:
            if process.paused and chance() < weather.resume:
                process.paused = False
                self.around.note(process.name, "comes back")
        if len(mine) == 1 and mine[0].paused and chance() < weather.double:
            self.counts["second lives beside a zombie"] += 1
            self.start(replica)

    def _step(self) -> None:
        awake = [process for process in self.processes if not process.paused]
        if not awake:
            return
        process, fate = self._rng.choice(awake), self._rng.random()
        if fate < self.plan.weather.crash:
            self.crash(process)
        elif fate < self.plan.weather.crash + self.plan.weather.pause:
            self.counts["zombies"] += 1
            self.around.note(process.name, f"pauses before {process.at}")
            process.paused = True
        else:
            self.go_on(process, self._rng.randint(1, self.plan.calls_in_a_row))

    # --- the calm after it ---

    def calm(self) -> None:
        """No more faults: one life of every replica, and time that goes on until nobody has anything left to do."""
        self.around.note("weather", "is calm")
        self.fates.weather = CALM
        while self.fates.late:
            self.fates.let_one_arrive()
        for process in [process for process in self.processes if process.paused]:
            self.crash(process)
        self.kafka.write_markers()
        while len(self.sent) < self.plan.records:
            self._let_time_pass()
            self._arrive()
        while self._edits_left:
            self._edit()
        self._finish()
        for process in self.processes:
            process.crash()

    def _finish(self) -> None:
        rested = 0
        for _ in range(ROUNDS_MAX):
            self._round()
            self.clock.advance_to(self.clock.now_ms() + ROUND_MS)
            rested = rested + 1 if all(process.idle for process in self.processes) else 0
            due_ms = self._next_due()
            if self.failures or (rested >= RESTED and due_ms is None) or rested >= STUCK:
                return
            if rested >= RESTED and due_ms is not None:
                self.clock.advance_to(due_ms)
        self.failures.append("does not come to rest")

    def _round(self) -> None:
        for replica in range(len(self.plan.roles)):
            if not any(process.replica == replica for process in self.processes):
                self.start(replica)
        for process in list(self.processes):
            self.go_on(process, UNDISTURBED)

    def _next_due(self) -> int | None:
        first = [self.store.due(slot, 1 << 62, 1).get() for slot in range(STATE_SLOTS)]
        return min((entries[0][1] for entries in first if entries), default=None)
