"""The program as an operator has it: a command that ends, a worker that runs until it is told to stop."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, TypeVar
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families

from tests.services import free_ports

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = (sys.executable, "-m", "worker.cli.main")
COMMAND_TIMEOUT_S = 60.0  # commands take a second or two; a loaded machine has taken ten
PAGE_TIMEOUT_S = 5.0
WAIT_S = 60.0  # for what takes a second when the machine has nothing else to do
POLL_S = 0.05

T = TypeVar("T")


def until(wanted: Callable[[], T], what: str, *, timeout_s: float = WAIT_S) -> T:
    """Ask again and again until the answer is true, and return it.

    Raises:
        AssertionError: it has not been in time.
    """
    deadline_s = time.monotonic() + timeout_s
    while not (answer := wanted()):
        assert time.monotonic() < deadline_s, f"waited {timeout_s:g} s in vain: {what}"
        time.sleep(POLL_S)  # other processes have no other way to be waited for
    return answer


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """This process's environment with these settings of the program and no others: nobody's shell decides a test."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AW_")}
    return {**inherited, "PYTHONPATH": str(ROOT), **settings}


def command(
    *arguments: str, settings: Mapping[str, str], folder: Path, stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, in a folder where no ``.env`` is; whatever its exit code."""
    return subprocess.run(
        [*PROGRAM, *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        cwd=folder,
        env=environment(settings),
        timeout=COMMAND_TIMEOUT_S,
        check=False,
    )


class Page(NamedTuple):
    """What a path of the worker's HTTP server answered."""

    status: int
    content_type: str
    body: str


class Worker:
    """A process of ``audience-worker run``; what it writes goes into a file.

    Args:
        settings: with ``AW_INSTANCE_ID``; the port of health and metrics is chosen here.
        folder: where it runs.
        program: what is started instead of the program itself.
    """

    def __init__(self, settings: Mapping[str, str], *, folder: Path, program: Sequence[str] = PROGRAM) -> None:
        [port] = free_ports(1)
        self._pages = f"http://127.0.0.1:{port}"
        self._log = folder / f"worker-{settings['AW_INSTANCE_ID']}.log"
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                [*program, "run"],
                env=environment({**settings, "AW_HTTP_HOST": "127.0.0.1", "AW_HTTP_PORT": str(port)}),
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def page(self, path: str) -> Page | None:
        """A page of its HTTP server; None while it has none.

        Raises:
            AssertionError: it has ended by itself; the message ends with its log.
        """
        assert self._process.poll() is None, f"ended with {self._process.returncode}:\n{self.log()[-3_000:]}"
        try:
            with urlopen(self._pages + path, timeout=PAGE_TIMEOUT_S) as answer:  # noqa: S310 - our own, on loopback
                return Page(answer.status, answer.headers["Content-Type"], answer.read().decode())
        except HTTPError as refusal:
            return Page(refusal.code, refusal.headers["Content-Type"], refusal.read().decode())
        except (URLError, ConnectionError, TimeoutError):
            return None

    def metrics(self, name: str) -> dict[tuple[str, ...], float]:
        """The samples of a metric by the values of its labels, which are in the order of their names."""
        page = self.page("/metrics")
        families = text_string_to_metric_families(page.body) if page is not None else ()
        return {
            tuple(value for _, value in sorted(sample.labels.items())): sample.value
            for family in families
            for sample in family.samples
            if sample.name == name
        }

    def wait_until_ready(self) -> None:
        """Raises AssertionError when it ends instead, or takes too long."""

        def ready() -> bool:
            page = self.page("/readyz")
            return page is not None and page.status == 200

        until(ready, "a worker that is ready")

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(WAIT_S)

    def kill(self) -> None:
        """SIGKILL: it does nothing more, not even close its connections."""
        self._process.kill()
        self._process.wait(WAIT_S)

    def send(self, number: signal.Signals) -> None:
        """A signal; nothing happens when it has ended."""
        self._process.send_signal(number)

    def ended(self) -> int | None:
        """Its exit code; None while it runs."""
        return self._process.poll()

    def wait(self, timeout_s: float) -> int | None:
        """Its exit code; None when it still runs after that time."""
        with suppress(subprocess.TimeoutExpired):
            return self._process.wait(timeout_s)
        return None

    def end(self) -> None:
        """Leave nothing behind; for the end of a test, however it went."""
        if self._process.poll() is None:
            self.kill()

    def log(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")


def lines_of(text: str) -> Sequence[str]:
    """The lines that say something."""
    return [line for line in text.splitlines() if line.strip()]
