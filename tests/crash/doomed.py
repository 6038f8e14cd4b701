"""The program, with an end that can be appointed: ``python -m tests.crash.doomed run``.

It is the real command over the real adapters. Between the engine and its ports stand wrappers that count; after a
SIGUSR1 the process reads ``POINT COUNT`` from the file that ``DOOM`` names, and kills itself when it comes to that
point for the nth time. Nothing of this is in the package that is installed.
"""

import contextlib
import faulthandler
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

from worker.cli import assembly, main, run
from worker.engine.loop import Loop
from worker.ports import Poll, Reply

DOOM = "TEST_DOOM_FILE"
"""Name of the variable. Not an ``AW_`` one: the program refuses those that it does not know."""

WHERE = signal.SIGUSR2
"""Tells where every thread is, into the log."""

POINTS = (
    "after poll",
    "after claims sent",
    "after claims received",
    "after graph changed",
    "after profiles merged",
    "after slots taken over",
    "after states loaded",
    "after commits sent",
    "before transaction begins",
    "after transaction begun",
    "after produce",
    "after commits received",
    "after offsets sent",
    "before transaction commits",
    "while transaction commits",
    "after transaction committed",
    "after progress published",
    "before new producer",
    "after new producer",
)
"""The steps of a batch in their order (worker/engine/batch.py), and the fresh start."""

SLOW_S = 3.0

COMMIT_MS = 12
"""Roughly what a commit takes here; the end comes within that."""


class Doom:
    """``met``: a point has been come to. ``point``: None while no end is appointed."""

    def __init__(self) -> None:
        self._point: str | None = None
        self._left = 0
        signal.signal(signal.SIGUSR1, self._appoint)
        faulthandler.register(WHERE)

    def _appoint(self, *_: object) -> None:
        point, _, count = Path(os.environ[DOOM]).read_text(encoding="utf-8").rpartition(" ")
        self._point, self._left = point or None, int(count)

    def met(self, point: str) -> None:
        if self.comes(point):
            die()

    def comes(self, point: str) -> bool:
        """Whether this is the time."""
        if point != self._point:
            return False
        self._left -= 1
        return self._left <= 0


@contextlib.contextmanager
def timed(call: str) -> Iterator[None]:
    """Tell of calls that take long: for whoever looks for the cause of a failing run."""
    began_s = time.monotonic()
    try:
        yield
    finally:
        if (seconds := time.monotonic() - began_s) > SLOW_S:
            sys.stderr.write(f"{call} took {seconds:.1f} s\n")


def die() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("nobody survives that")


class DoomedReply:
    def __init__(self, reply: Reply[Any], met: Callable[[], None]) -> None:
        self._reply, self._met = reply, met

    def get(self) -> Any:
        with timed("an answer of Redis"):
            answer = self._reply.get()
        self._met()
        return answer


class DoomedPort:
    """Any port: calls go through. ``sent``, ``received``: points after a call, and after its answer, by its name."""

    def __init__(self, port: Any, doom: Doom, sent: Mapping[str, str], received: Mapping[str, str]) -> None:
        self._port, self._doom, self._sent, self._received = port, doom, sent, received

    def __getattr__(self, name: str) -> Any:
        call, doom = getattr(self._port, name), self._doom
        sent, received = self._sent.get(name, ""), self._received.get(name, "")

        def calling(*arguments: Any, **named: Any) -> Any:
            with timed(name):
                answer = call(*arguments, **named)
            doom.met(sent)
            return DoomedReply(answer, lambda: doom.met(received)) if received else answer

        return calling


class DoomedStore(DoomedPort):
    def __init__(self, port: Any, doom: Doom) -> None:
        sent = {"claim": "after claims sent", "commit": "after commits sent"}
        received = {
            "claim": "after claims received",
            "own": "after slots taken over",
            "load": "after states loaded",
            "commit": "after commits received",
            "publish_progress": "after progress published",
        }
        super().__init__(port, doom, sent, received)

    def swap(self, *arguments: Any) -> DoomedReply:
        def met() -> None:
            self._doom.met("after graph changed")
            if len(arguments) > 1 and arguments[1].noted:
                self._doom.met("after profiles merged")

        return DoomedReply(self._port.swap(*arguments), met)


class DoomedProducer(DoomedPort):
    def __init__(self, port: Any, doom: Doom) -> None:
        super().__init__(port, doom, {"produce": "after produce", "send_offsets": "after offsets sent"}, {})

    def begin(self) -> None:
        self._doom.met("before transaction begins")
        with timed("begin"):
            self._port.begin()
        self._doom.met("after transaction begun")

    def commit(self) -> None:
        self._doom.met("before transaction commits")
        if self._doom.comes("while transaction commits"):
            threading.Thread(target=_die_soon, daemon=True).start()
        with timed("commit"):
            self._port.commit()
        self._doom.met("after transaction committed")

    def replace(self) -> None:
        self._doom.met("before new producer")
        with timed("replace"):
            self._port.replace()
        self._doom.met("after new producer")


def _die_soon() -> None:
    time.sleep(random.random() * COMMIT_MS / 1_000)  # another process's work is what is waited for
    die()


class DoomedSource(DoomedPort):
    def __init__(self, port: Any, doom: Doom) -> None:
        super().__init__(port, doom, {}, {})

    def poll(self, *arguments: Any, **named: Any) -> Poll:
        with timed("poll"):
            poll: Poll = self._port.poll(*arguments, **named)
        if poll.records:
            self._doom.met("after poll")
        return poll


def doomed(doom: Doom) -> Callable[[assembly.Connections, assembly.Options], Loop]:
    """``assemble``, with wrappers around the ports."""

    def assemble(connections: assembly.Connections, options: assembly.Options) -> Loop:
        sources = {
            name: source and DoomedSource(source, doom)
            for name, source in (("inputs", connections.inputs), ("mailbox", connections.mailbox))
        }
        ports: dict[str, Any] = {
            "producer": DoomedProducer(connections.producer, doom),
            "store": DoomedStore(connections.store, doom),
            **sources,
        }
        return assembly.assemble(replace(connections, **ports), options)

    return assemble


if __name__ == "__main__":
    run.assemble = doomed(Doom())
    main.main(sys.argv[1:])
