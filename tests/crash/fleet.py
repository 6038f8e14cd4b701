"""The workers of a run, and who starts them again when they end: what a supervisor does, no more."""

import re
import signal
import sys
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from tests.crash.doomed import DOOM, WHERE
from tests.integration.process import Worker, until

PROGRAM = (sys.executable, "-m", "tests.crash.doomed")
SLOW = re.compile(r".+ took ([\d.]+) s")
AGAIN_S = 0.3
"""A supervisor does not start at once what has just ended by itself."""

DEPENDENCY_GONE = 3
ALLOWED = {0, DEPENDENCY_GONE, -signal.SIGKILL}
SHOWN_CHARACTERS = 2_000
END_S = 30.0
SAID_S = 0.5


class Fleet:
    """``replicas``: those that should run, by name. ``out``: those that must not be touched now.

    ``ended``: how often workers have ended by themselves, by exit code; ``failures``: those that should not have.
    """

    def __init__(self, settings: Mapping[str, str], folder: Path) -> None:
        self._settings = settings
        self._folder = folder
        self._due_s: dict[str, float] = {}
        self.replicas: dict[str, Worker] = {}
        self.everybody: list[Worker] = []
        self.out: set[str] = set()
        self.ended: Counter[int] = Counter()
        self.failures: list[str] = []

    def start(self, name: str) -> None:
        doom = {DOOM: str(self._doom(name))}
        worker = Worker({**self._settings, **doom, "AW_INSTANCE_ID": name}, folder=self._folder, program=PROGRAM)
        self.replicas[name] = worker
        self._due_s.pop(name, None)
        self.everybody.append(worker)

    def at_work(self) -> list[str]:
        """Those that nothing is being done to, and that say they are ready."""
        return [name for name, worker in self.replicas.items() if name not in self.out and _ready(worker)]

    def appoint(self, name: str, point: str, count: int) -> None:
        """It will kill itself there."""
        self._doom(name).write_text(f"{point} {count}", encoding="utf-8")
        self.replicas[name].send(signal.SIGUSR1)

    def spare(self, name: str) -> None:
        """Nothing is appointed any more."""
        self._doom(name).write_text(" 0", encoding="utf-8")
        self.replicas[name].send(signal.SIGUSR1)

    def kill(self, name: str) -> None:
        self.replicas[name].kill()

    def stop(self, name: str) -> None:
        """SIGTERM, as in a rolling restart."""
        self.dismiss(name, self.replicas[name])

    def dismiss(self, name: str, worker: Worker) -> None:
        """SIGTERM; its end must be a good one, or that of a worker which could not begin."""
        worker.send(signal.SIGTERM)
        if (code := worker.wait(END_S)) is None:
            self.failures.append(f"{name} does not stop:\n{worker.log()[-SHOWN_CHARACTERS:]}")
            worker.kill()
        elif code not in {0, -signal.SIGTERM, DEPENDENCY_GONE}:  # by the signal: it was not yet up
            self.failures.append(f"{name} was told to stop and ended with {code}:\n{worker.log()[-SHOWN_CHARACTERS:]}")

    def watch(self) -> None:
        """Start again what has ended by itself."""
        now_s = time.monotonic()
        for name, worker in list(self.replicas.items()):
            code = worker.ended()
            if code is None or name in self.out:
                continue
            if name not in self._due_s:
                self._due_s[name] = now_s + AGAIN_S
                self.ended[code] += 1
                if code not in ALLOWED:
                    self.failures.append(f"{name} ended with {code}:\n{worker.log()[-SHOWN_CHARACTERS:]}")
            elif now_s >= self._due_s[name]:
                self.start(name)

    def until_ready(self, timeout_s: float) -> None:
        """All that should run do, and are ready."""

        def ready() -> bool:
            self.watch()
            return all(map(_ready, self.replicas.values()))

        try:
            until(ready, "every worker to be ready", timeout_s=timeout_s)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self._why_not()}") from error

    def _why_not(self) -> str:
        """What those say that are not ready; where their threads are goes into their logs."""
        told = []
        for name, worker in self.replicas.items():
            if not _ready(worker):
                page = None if worker.ended() is not None else worker.page("/readyz")
                told.append(f"{name}: exit code {worker.ended()}, /readyz: {page}")
                worker.send(WHERE)
        time.sleep(SAID_S)
        return "\n".join(told)

    def logs(self) -> dict[str, str]:
        """What each of them has written so far, by name."""
        return {name: worker.log() for name, worker in self.replicas.items()}

    def slow_calls(self) -> list[str]:
        """What anybody has said of calls that took long (``tests.crash.doomed.timed``)."""
        lines = [line for log in sorted(self._folder.glob("worker-*.log")) for line in log.read_text().splitlines()]
        return sorted(
            [line for line in lines if SLOW.fullmatch(line)], key=lambda line: -float(SLOW.fullmatch(line)[1])
        )

    def end(self) -> None:
        """Leave nothing behind."""
        for worker in self.everybody:
            worker.end()

    def _doom(self, name: str) -> Path:
        return self._folder / f"doom-{name}"


def _ready(worker: Worker) -> bool:
    if worker.ended() is not None:
        return False
    try:
        page = worker.page("/readyz")
    except AssertionError:  # it has ended just now
        return False
    return page is not None and page.status == 200
