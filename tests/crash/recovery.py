"""How long readers wait when a worker dies or is restarted: ``python -m tests.crash.recovery`` prints a table.

Workers have their default settings, the broker has its defaults too. Every event is a new person's and makes one
transition, so that each output tells which input partition and which mailbox partition work.
"""

import argparse
import contextlib
import json
import signal
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from threading import Event, Thread
from typing import Any, NamedTuple

from confluent_kafka import Consumer, Producer

from tests import services
from tests.acceptance.lines import audience
from tests.crash import page
from tests.crash.fleet import Fleet
from tests.crash.servers import servers
from tests.integration.broker import QUIET, Broker
from tests.integration.process import Worker, until
from tests.integration.world import World
from worker.profiles.ids import profile_bytes
from worker.slots import partition_of, slot_of

BROKER_DEFAULTS = {
    "group.initial.rebalance.delay.ms": "3000",
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "10000",
}
"""Which tests otherwise make shorter."""

REPLICAS = 3
RECORDS_S = 400
INPUTS, MAILBOXES = 8, 16
READY_S = 90.0
STEADY_S = 3.0
WAITED_S = 120.0
LOOK_S = 0.005
IN_A_TRANSACTION = "after offsets sent"

Place = tuple[str, int]
"""A partition: its topic without the prefix, and number."""


class Seen(NamedTuple):
    """One output. Times are the machine's monotonic clock; ``sent_s``: of its cause."""

    seen_s: float
    sent_s: float
    input: Place
    mailbox: Place


class Row(NamedTuple):
    """``seconds``: one for each run. ``target_s``: what it must not exceed."""

    what: str
    seconds: list[float]
    target_s: float


class Stream:
    """Writes events at a steady rate, and reads what comes of them, committed records only."""

    def __init__(self, world: World, servers: str) -> None:
        self.seen: list[Seen] = []
        self._world = world
        self._stopped = Event()
        self._producer = Producer({"bootstrap.servers": servers, "enable.idempotence": True, **QUIET})
        self._consumer = Consumer(
            {
                "bootstrap.servers": servers,
                "group.id": "recovery",
                "isolation.level": "read_committed",
                "auto.offset.reset": "earliest",
                "fetch.wait.max.ms": 10,
                "enable.auto.commit": False,
                **QUIET,
            }
        )
        self._threads = [Thread(target=each, daemon=True) for each in (self._write, self._read)]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()
        self._consumer.close()

    def _write(self) -> None:
        for number in count():
            if self._stopped.wait(1 / RECORDS_S):
                return
            partition = number % INPUTS
            message_id = f"{partition} {time.monotonic()} {number}"
            value = {"type": "track", "event": "Viewed", "userId": f"u{number}", "messageId": message_id}
            topic = self._world.topic("tracking-events")
            self._producer.produce(topic, json.dumps(value).encode(), partition=partition)
            self._producer.poll(0)

    def _read(self) -> None:
        self._consumer.subscribe([self._world.topic("audience-changes")])
        while not self._stopped.is_set():
            for message in self._consumer.consume(500, 0.02):
                if message.error() is None:
                    self.seen.append(_seen(json.loads(message.value() or b""), time.monotonic()))


def _seen(value: dict[str, Any], now_s: float) -> Seen:
    about = value["context"]["audience"]
    partition, sent_s, _ = about["caused_by"].split()
    mailbox = partition_of(slot_of(profile_bytes(about["profile_id"])), MAILBOXES)
    return Seen(now_s, float(sent_s), ("tracking-events", int(partition)), ("resolved-events", mailbox))


class Bench:
    """Replicas at work under steady traffic."""

    def __init__(self, fleet: Fleet, stream: Stream) -> None:
        self.fleet = fleet
        self._stream = stream

    def settle(self) -> None:
        """All replicas are there, partitions have stopped moving, and output is as old as a batch."""
        self.fleet.until_ready(READY_S)
        until(
            lambda: len(self._everything()) == INPUTS + MAILBOXES, "every partition to be somebody's", timeout_s=READY_S
        )
        until(lambda: self._age_s() < 0.5, "the backlog to be gone", timeout_s=READY_S)
        time.sleep(STEADY_S)  # what is measured next must not be the end of what was before

    def killed(self, *, in_a_transaction: bool, again: bool) -> float:
        """From a SIGKILL to the first output of the last of the partitions concerned."""
        name, worker = self._somebody()
        concerned = owned(worker)
        if in_a_transaction:
            self.fleet.out.add(name)
            self.fleet.appoint(name, IN_A_TRANSACTION, 1)
            until(lambda: worker.ended() is not None, "the appointed end")
        else:
            self.fleet.kill(name)
        killed_s = time.monotonic()
        self.fleet.out.add(name)
        if again:
            self.fleet.start(name)
        seconds = max(self._back_s(concerned, since_s=killed_s).values()) - killed_s
        if not again:
            self.fleet.start(name)
        self.fleet.out.discard(name)
        return seconds

    def rolling(self) -> tuple[float, float]:
        """Longest time without output of partitions that stay where they are; of those that are restarted."""
        staying, restarted = [], []
        for name in list(self.fleet.replicas):
            self.settle()
            worker = self.fleet.replicas[name]
            moving, others = owned(worker), self._everything() - owned(worker)
            began_s = time.monotonic()
            self.fleet.stop(name)
            self.fleet.start(name)
            restarted.append(max(self._back_s(moving, since_s=began_s).values()) - began_s)
            self.settle()
            staying.append(self._waited_s(others, began_s, time.monotonic() - STEADY_S))
        return max(staying), max(restarted)

    def _somebody(self) -> tuple[str, Worker]:
        """The one that has most."""
        return max(self.fleet.replicas.items(), key=lambda item: len(owned(item[1])))

    def _everything(self) -> set[Place]:
        return set().union(*(owned(worker) for worker in self.fleet.replicas.values()))

    def _age_s(self) -> float:
        last = self._stream.seen[-1:]
        return max((time.monotonic() - each.sent_s for each in last), default=WAITED_S)

    def _back_s(self, concerned: set[Place], *, since_s: float) -> dict[Place, float]:
        """When each partition has given its first output of something that was sent since then."""

        def back() -> dict[Place, float] | None:
            found: dict[Place, float] = {}
            for each in reversed(self._stream.seen):
                if each.seen_s < since_s:
                    break
                if each.sent_s > since_s:
                    found.update(dict.fromkeys((each.input, each.mailbox), each.seen_s))
            return found if concerned <= found.keys() else None

        found = until(back, f"output of {sorted(concerned)}", timeout_s=WAITED_S)
        return {place: found[place] for place in concerned}

    def _waited_s(self, places: set[Place], began_s: float, ended_s: float) -> float:
        """The longest that an event, of which only these partitions had a part, waited for its output."""
        seen = [each for each in self._stream.seen if began_s <= each.sent_s <= ended_s]
        return max(each.seen_s - each.sent_s for each in seen if each.input in places and each.mailbox in places)


def owned(worker: Worker) -> set[Place]:
    """The partitions of a replica, of the topics that this is about, as it says itself."""
    lag = worker.metrics("audience_worker_lag_records")
    return {(topic, int(number)) for number, topic in lag if topic in {"tracking-events", "resolved-events"}}


@contextlib.contextmanager
def bench() -> Iterator[Bench]:
    with servers(BROKER_DEFAULTS) as (kafka, store), services.temporary_folder("recovery") as folder:
        world = World(Broker(kafka.direct_servers), store.direct_url, run="recovery", folder=folder)
        world.create_topics()
        world.define({"audiences": [audience("viewers", "event('Viewed').count() >= 1")]})
        fleet = Fleet(world.settings, folder)
        with contextlib.closing(Stream(world, kafka.direct_servers)) as stream:
            try:
                for number in range(REPLICAS):
                    fleet.start(f"w{number}")
                yield Bench(fleet, stream)
            finally:
                fleet.end()


def measure(runs: int) -> list[Row]:
    with bench() as on:

        def repeated(what: Callable[[], float]) -> list[float]:
            seconds = []
            for _ in range(runs):
                on.settle()
                seconds.append(what())
            return seconds

        rows = [
            Row(
                f"SIGKILL {when}, {then}",
                repeated(lambda held=held, again=again: on.killed(in_a_transaction=held, again=again)),  # type: ignore[misc]
                target_s,
            )
            for again, then, target_s in (
                (True, "started again under its instance id", 10.0),
                (False, "not started again: others take over", 30.0),
            )
            for held, when in ((False, "at a random moment"), (True, "in an open transaction"))
        ]
        rolls = [on.rolling() for _ in range(runs)]
    return [
        *rows,
        Row("rolling restart, partitions that stay", [staying for staying, _ in rolls], 1.0),
        Row("rolling restart, partitions of the one restarted", [restarted for _, restarted in rolls], 10.0),
    ]


def table(rows: Sequence[Row]) -> str:
    """Times in seconds."""
    lines = ["| what happens | runs | median | longest | target |", "| --- | ---: | ---: | ---: | ---: |"]
    for what, seconds, target_s in rows:
        middle, longest = statistics.median(seconds), max(seconds)
        lines.append(f"| {what} | {len(seconds)} | {middle:.1f} s | {longest:.1f} s | {target_s:.0f} s |")
    return "\n".join(lines)


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that nothing is left running
    parser = argparse.ArgumentParser(prog="python -m tests.crash.recovery", description=__doc__)
    parser.add_argument("--runs", type=int, default=3, help="of each kind (default: 3)")
    parser.add_argument("--page", action="store_true", help="write the table into docs/recovery.md")
    arguments = parser.parse_args()
    rows = measure(arguments.runs)
    sys.stdout.write(table(rows) + "\n")
    if arguments.page:
        page.write("recovery", table(rows))
    sys.exit(any(max(row.seconds) > row.target_s for row in rows))


if __name__ == "__main__":
    main()
