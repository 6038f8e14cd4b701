"""The only place that reads a clock. Everything else is handed one, or a time."""

import time
from typing import Protocol


class Clock(Protocol):
    """Wall time in integer milliseconds since 1970, UTC."""

    def now_ms(self) -> int: ...


class SystemClock:
    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000


class VirtualClock:
    """A clock that stands still until it is told otherwise: for ``simulate`` and for tests."""

    def __init__(self, now_ms: int = 0) -> None:
        self._now_ms = now_ms

    def now_ms(self) -> int:
        return self._now_ms

    def advance_to(self, now_ms: int) -> None:
        """Go forward to a time; a time in the past leaves the clock where it is."""
        self._now_ms = max(self._now_ms, now_ms)


class Stopwatch:
    """Where a batch's time goes: ``mark(phase)`` gives the time since the last mark to a phase.

    ``wall_s`` and ``cpu_s`` (of the calling thread): seconds by phase since ``start``.
    """

    def __init__(self) -> None:
        self.wall_s: dict[str, float] = {}
        self.cpu_s: dict[str, float] = {}
        self.start()

    def start(self) -> None:
        """Begin a batch; what happened since the last mark belongs to no phase."""
        self.wall_s.clear()
        self.cpu_s.clear()
        self._wall, self._cpu = time.perf_counter(), time.thread_time()

    def mark(self, phase: str) -> None:
        wall, cpu = time.perf_counter(), time.thread_time()
        self.wall_s[phase] = self.wall_s.get(phase, 0.0) + wall - self._wall
        self.cpu_s[phase] = self.cpu_s.get(phase, 0.0) + cpu - self._cpu
        self._wall, self._cpu = wall, cpu
