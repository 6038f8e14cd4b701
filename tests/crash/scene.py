"""All that can be broken in a run, and what is going to be done to it later."""

import heapq
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from random import Random

from tests.crash.fleet import Fleet
from tests.crash.servers import KafkaServer
from tests.crash.stores import Store

LOOK_S = 0.02


@dataclass(slots=True)
class Scene:
    """All that can be broken. ``happened``: what has been done, for the report: seconds since the start, and what."""

    fleet: Fleet
    kafka: KafkaServer
    store: Store
    rng: Random
    happened: list[tuple[float, str]] = field(default_factory=list)
    _began_s: float = field(default_factory=time.monotonic)
    _names: Iterator[int] = field(default_factory=count)
    _later: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)

    def note(self, what: str) -> None:
        self.happened.append((time.monotonic() - self._began_s, what))

    def new_replica(self) -> str:
        """Start one under a name that nobody has had."""
        name = f"w{next(self._names)}"
        self.fleet.start(name)
        return name

    def later(self, seconds: float, what: Callable[[], None]) -> None:
        heapq.heappush(self._later, (time.monotonic() + seconds, next(self._names), what))

    def go_on(self, seconds: float, *, until: Callable[[], bool] = lambda: False) -> bool:
        """Let time pass, do what is due; whether what was waited for has come."""
        deadline_s = time.monotonic() + seconds
        while not (came := until()) and time.monotonic() < deadline_s:
            self.fleet.watch()
            while self._later and self._later[0][0] <= time.monotonic():
                heapq.heappop(self._later)[2]()
            time.sleep(LOOK_S)  # other processes work meanwhile
        return came

    def finish(self) -> None:
        """Do all that is to be done later, each in its time."""
        while self._later:
            self.go_on(LOOK_S)

    def victim(self) -> str | None:
        """A replica that is at work."""
        at_work = self.fleet.at_work()
        return self.rng.choice(at_work) if at_work else None
