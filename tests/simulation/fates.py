"""What becomes of a replica's calls: done, refused, done with the answer lost, or done later than anybody thinks."""

from collections import Counter
from collections.abc import Callable
from enum import Enum, auto
from functools import partial
from random import Random
from typing import Any, Protocol

from tests.simulation.plan import Weather
from worker.adapters.memory_kafka import MemoryKafka
from worker.adapters.memory_store import MemoryReply
from worker.errors import DependencyError, StoreUnavailableError, TransactionRefusedError
from worker.ports import Store


class Fate(Enum):
    DONE = auto()
    REFUSED = auto()
    LOST = auto()  # done, and nobody says so
    LATE = auto()  # given up by the caller, and done after that


class Caller(Protocol):
    """A process, as far as its calls go."""

    def before(self, call: str) -> None:
        """It is about to make a call: others may run first, or it may die here."""
        ...

    def note(self, what: str) -> None:
        """For the trace."""
        ...


class Fates:
    """Draws the fate of each call. ``late``: calls on their way to the store that nobody waits for any more."""

    def __init__(self, rng: Random, weather: Weather, counts: Counter[str]) -> None:
        self.weather = weather
        self.late: list[Callable[[], object]] = []
        self.breaks = 0
        self._rng = rng
        self._counts = counts

    def of_store(self) -> Fate:
        if not self.weather.store or self._rng.random() >= self.weather.store:
            return Fate.DONE
        fate = self._rng.choice((Fate.REFUSED, Fate.LOST, Fate.LATE))
        self._counts[f"store calls {fate.name.lower()}"] += 1
        return fate

    def of_broker(self) -> Fate:
        if self._rng.random() >= self.weather.broker:
            return Fate.DONE
        self._counts["broker requests refused or lost"] += 1
        return self._rng.choice((Fate.REFUSED, Fate.LOST))

    def of_commit(self) -> tuple[Fate, bool]:
        """And whether its markers are written later than it is decided."""
        if self._rng.random() >= self.weather.doubt:
            return Fate.DONE, False
        fate, late = self._rng.choice(((Fate.REFUSED, False), (Fate.LOST, False), (Fate.DONE, True), (Fate.LOST, True)))
        self._counts["commits in doubt"] += fate is not Fate.DONE
        self._counts["commits with late markers"] += late
        return fate, late

    def break_lines(self) -> None:
        """Every connection to the store breaks, and what was on its way does not arrive."""
        self.breaks += 1
        self.late.clear()

    def let_one_arrive(self) -> None:
        """A late call takes effect."""
        if self.late:
            self.late.pop(self._rng.randrange(len(self.late)))()


class Line:
    """A caller's connection to the store (``worker.ports.Store``)."""

    def __init__(self, store: Store, caller: Caller, fates: Fates) -> None:
        self._store, self._caller, self._fates = store, caller, fates
        self._breaks = fates.breaks

    def __getattr__(self, call: str) -> Callable[..., Any]:
        sending = partial(self._send, f"redis.{call}", getattr(self._store, call))
        setattr(self, call, sending)  # found by itself from now on
        return sending

    def _send(self, call: str, send: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        self._caller.before(call)
        if self._breaks != self._fates.breaks:
            self._breaks = self._fates.breaks
            raise StoreUnavailableError(f"{call}: the connection is broken")
        fate = self._fates.of_store()
        if fate is not Fate.DONE:
            self._caller.note(f"{call} is {fate.name}")
        if fate is Fate.REFUSED:
            raise StoreUnavailableError(f"{call} is refused")
        if fate is Fate.LATE:
            self._fates.late.append(partial(send, *arguments, **options))
            return MemoryReply(None, StoreUnavailableError(f"{call} is late"))
        reply = send(*arguments, **options)
        return reply if fate is Fate.DONE else MemoryReply(None, StoreUnavailableError(f"{call}: the answer is lost"))


OF_PRODUCER = frozenset({"begin", "produce", "send_offsets", "commit", "abort", "init_transactions"})
ANSWER = ":answer"


class Broker:
    """What clients of the broker meet; ``MemoryKafka``'s ``on_io``. ``caller``: who runs now."""

    def __init__(self, fates: Fates, caller: Callable[[], Caller | None]) -> None:
        self.kafka: MemoryKafka | None = None
        self._fates, self._caller = fates, caller
        self._loses = False

    def __call__(self, request: str) -> None:
        caller = self._caller()
        if caller is None:
            return
        if request.endswith(ANSWER):
            self._delay_markers(late=False)
            if self._loses:
                self._loses = False
                raise TransactionRefusedError(f"{request} is lost")
            return
        caller.before(f"kafka.{request}")
        fate, late = self._fates.of_commit() if request == "commit" else (self._fates.of_broker(), False)
        if fate is not Fate.DONE or late:
            caller.note(f"{request} is {fate.name}{', its markers come later' if late else ''}")
        self._loses = fate is Fate.LOST
        self._delay_markers(late=late)
        if fate is Fate.REFUSED:
            error = TransactionRefusedError if request in OF_PRODUCER else DependencyError
            raise error(f"{request} is refused")

    def _delay_markers(self, *, late: bool) -> None:
        if self.kafka is not None:
            self.kafka.delay_markers(until_asked=late)
