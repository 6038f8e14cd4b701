"""Writes the traffic, at a steady rate, and keeps a book of what the broker has taken and where."""

import json
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
from threading import Event, Thread
from typing import Any, NamedTuple

from confluent_kafka import KafkaError, Message, Producer

from tests.crash.traffic import Traffic
from tests.integration.broker import QUIET
from tests.simulation.people import Sent

TAKEN_TIMEOUT_S = 120.0  # a broker that is started again has taken ten


class Taken(NamedTuple):
    """A record that the broker has: what was sent, and its offset."""

    sent: Sent
    offset: int


class Writer:
    """Writes until ``stop``. ``topic``: a topic's full name. ``records_s``: so many a second."""

    def __init__(
        self, servers: str, seed: int, *, topic: Callable[[str], str], partitions: int, records_s: int
    ) -> None:
        self._producer = Producer(
            {
                "bootstrap.servers": servers,
                "enable.idempotence": True,
                "message.timeout.ms": int(TAKEN_TIMEOUT_S * 1_000),
                "reconnect.backoff.max.ms": 500,
                **QUIET,
            }
        )
        self._traffic = Traffic(Random(f"traffic {seed}"), partitions)
        self._topic = topic
        self._pause_s = 1 / records_s
        self._stopped = Event()
        self._thread = Thread(target=self._write, name="writer", daemon=True)
        self.taken: list[Taken] = []
        self._refused: Counter[str] = Counter()

    def start(self) -> None:
        self._thread.start()

    def let_windows_close(self) -> None:
        """From now on nothing is told of what happened lately."""
        self._traffic.recent = False

    @property
    def failures(self) -> list[str]:
        """What the broker has not taken, a line for each reason."""
        return [f"the broker has not taken {count} records: {reason}" for reason, count in self._refused.items()]

    def stop(self) -> None:
        """Returns when the broker has everything."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()
        if left := self._producer.flush(TAKEN_TIMEOUT_S):
            self._refused["no answer"] = left

    def book(self, path: Path) -> None:
        """Write down what was taken, one record a line."""
        with path.open("w", encoding="utf-8") as lines:
            for sent, offset in self.taken:
                told: dict[str, Any] = {**sent._asdict(), "value": sent.value.decode(), "offset": offset}
                lines.write(json.dumps(told) + "\n")

    def _write(self) -> None:
        while not self._stopped.wait(self._pause_s):
            sent = self._traffic.next(time.time_ns() // 1_000_000)
            self._producer.produce(
                self._topic(sent.topic),
                sent.value,
                partition=sent.partition,
                timestamp=sent.at_ms,
                on_delivery=lambda error, message, sent=sent: self._delivered(error, message, sent),  # type: ignore[misc]
            )
            self._producer.poll(0)

    def _delivered(self, error: KafkaError | None, message: Message, sent: Sent) -> None:
        if error is not None:
            self._refused[error.str()] += 1
        else:
            self.taken.append(Taken(sent, int(message.offset() or 0)))


def read_book(path: Path) -> list[Taken]:
    """What ``Writer.book`` has written."""
    taken = []
    for line in path.read_text(encoding="utf-8").splitlines():
        told = json.loads(line)
        offset = told.pop("offset")
        taken.append(Taken(Sent(**{**told, "value": told["value"].encode()}), offset))
    return taken
