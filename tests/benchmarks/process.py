"""A contestant's process: started, measured from outside through /proc, stopped."""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
STOP_TIMEOUT_S = 20.0


def clean_environment() -> dict[str, str]:
    """The harness's environment without settings of a worker."""
    return {name: value for name, value in os.environ.items() if not name.startswith("AW_")}


class Process:
    """One process and its log file; leaving the context stops it.

    Args:
        command: program and arguments.
        settings: environment variables on top of the harness's own (without those of a worker).
        folder: where it runs (so that no ``.env`` of a developer counts) and where its log goes.
    """

    def __init__(self, command: Sequence[str], *, settings: Mapping[str, str], folder: Path) -> None:
        self._log = folder / "log"
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                command, env={**clean_environment(), **settings}, stdout=output, stderr=output, cwd=folder
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def check(self) -> None:
        """Raise with the end of the log when the process has ended by itself."""
        code = self._process.poll()
        if code is not None:
            tail = self._log.read_text(errors="replace")[-2_000:]
            raise RuntimeError(f"the contestant ended with {code}; {self._log} ends:\n{tail}")

    def stop(self) -> None:
        if self._process.poll() is not None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def cpu_s(self) -> float:
        """User and system time of all threads since the start, in seconds (in clock ticks of 10 ms)."""
        after_name = self._proc("stat").rpartition(")")[2].split()
        return (int(after_name[11]) + int(after_name[12])) / _TICKS_PER_S

    def rss_mb(self) -> float:
        return self._memory("VmRSS")

    def peak_rss_mb(self) -> float:
        return self._memory("VmHWM")

    def _memory(self, field: str) -> float:
        line = next(line for line in self._proc("status").splitlines() if line.startswith(field))
        return int(line.split()[1]) / 1024

    def _proc(self, file: str) -> str:
        return Path(f"/proc/{self._process.pid}/{file}").read_text(encoding="ascii", errors="replace")
