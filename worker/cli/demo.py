"""``audience-worker demo``: the worker at work, with nothing installed beside the package.

The real loop in real time over the in-memory Kafka and Redis; a sample shop's events stream in.
"""

import sys
from collections import Counter, deque
from collections.abc import Iterator
from random import Random
from threading import Event
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from schemas.times import utc_text
from worker.cli.assembly import Options
from worker.cli.definition_files import documents_of
from worker.cli.line import Line
from worker.cli.sample import DEFINITIONS, SampleEvent, sample_events
from worker.cli.virtual import VirtualWorker
from worker.clock import SystemClock

ONCE_EVENTS = 300
ONCE_QUIET_MS = 40_000
"""After the last event of ``--once``: long enough for every window of the sample to run out."""

FRAME_S = 0.1
NEWEST = 14

_encode = msgspec.json.Encoder().encode


class Shop:
    """The sample and the worker, on one clock."""

    def __init__(self, start_ms: int) -> None:
        self.now_ms = start_ms
        self._worker = VirtualWorker(Options())
        self._worker.begin(start_ms, documents_of({"sample": DEFINITIONS}))
        self._events = sample_events(Random(7))  # noqa: S311 - a sample, no secret
        self._next: SampleEvent = next(self._events)
        self._next_ms = start_ms + self._next.after_ms
        self.received = 0

    def run_to(self, now_ms: int, *, events_max: int | None = None) -> Iterator[dict[str, Any]]:
        """Let the shop and the worker live until a time; the audience changes of that while."""
        while self._next_ms <= now_ms and (events_max is None or self.received < events_max):
            yield from _changes(self._worker.run_to(self._next_ms - 1))
            yield from _changes(self._worker.take(self._line()))
            self.received += 1
            self._next = next(self._events)
            self._next_ms += self._next.after_ms
        yield from _changes(self._worker.run_to(now_ms))
        self.now_ms = now_ms

    def _line(self) -> Line:
        value = dict(self._next.value)
        if "data" in value:
            value["data"] = {**value["data"], "ts": self._next_ms / 1000}
        else:
            value["timestamp"] = utc_text(self._next_ms)
        return Line(self._next_ms, self._next.topic, self._next.key.encode(), _encode(value), [])


def _changes(outputs: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    return (output for output in outputs if output["topic"] == "audience-changes")


class Screen:
    """The live table: audiences with their sizes, and the newest changes."""

    def __init__(self) -> None:
        self._entered: Counter[str] = Counter()
        self._exited: Counter[str] = Counter()
        self._newest: deque[dict[str, Any]] = deque(maxlen=NEWEST)

    def add(self, change: dict[str, Any]) -> None:
        key = change["value"]["properties"]["audience_key"]
        (self._entered if _entered(change) else self._exited)[key] += 1
        self._newest.appendleft(change)

    def render(self, received: int) -> Group:
        sizes = Table(title=f"{received} events in", title_justify="left", expand=False)
        for column in ("audience", "members", "entered", "exited"):
            sizes.add_column(column, justify="left" if column == "audience" else "right")
        for key in sorted(self._entered):
            entered, exited = self._entered[key], self._exited[key]
            sizes.add_row(key, str(entered - exited), str(entered), str(exited))
        newest = Table(title="newest changes", title_justify="left", expand=False)
        for column in ("at", "", "audience", "who", "because of"):
            newest.add_column(column)
        for change in self._newest:
            newest.add_row(*_row(change))
        return Group(sizes, newest, Text("Ctrl-C ends the demo", style="dim"))


def _entered(change: dict[str, Any]) -> bool:
    return bool(change["value"]["context"]["audience"]["transition"] % 2)


def _row(change: dict[str, Any]) -> tuple[str, str, str, str, str]:
    value = change["value"]
    direction = "[green]entered[/]" if _entered(change) else "[red]exited[/]"
    who = value["userId"] or value["anonymousId"] or ""
    reason = value["context"]["audience"]["reason"]
    return value["timestamp"][11:23], direction, value["properties"]["audience_key"], who, reason


def register(app: typer.Typer) -> None:
    app.command("demo")(_command)


def _command(
    *,
    once: Annotated[bool, typer.Option("--once", help="Run the sample to its end at once, then exit.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the changes as NDJSON.")] = False,
) -> None:
    """Watch audience changes appear from a live stream of sample events."""
    shop = Shop(SystemClock().now_ms())
    if once:
        _run_once(shop, as_json=as_json)
    elif as_json or not sys.stdout.isatty():
        _stream(shop, as_json=as_json)
    else:
        _watch(shop)


def _run_once(shop: Shop, *, as_json: bool) -> None:
    """In virtual time: the whole sample, then silence until everybody who leaves by time has left."""
    quiet_ms = shop.now_ms + ONCE_EVENTS * 1_000 + ONCE_QUIET_MS
    for change in shop.run_to(quiet_ms, events_max=ONCE_EVENTS):
        _print(change, as_json=as_json)


def _stream(shop: Shop, *, as_json: bool) -> None:
    clock, never = SystemClock(), Event()
    while True:
        for change in shop.run_to(clock.now_ms()):
            _print(change, as_json=as_json)
        never.wait(FRAME_S)


def _watch(shop: Shop) -> None:
    clock, never, screen = SystemClock(), Event(), Screen()
    with Live(screen.render(0), console=Console(), auto_refresh=False, screen=False) as live:
        while True:
            for change in shop.run_to(clock.now_ms()):
                screen.add(change)
            live.update(screen.render(shop.received), refresh=True)
            never.wait(FRAME_S)


def _print(change: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        text = _encode(change).decode()
    else:
        at, _, key, who, reason = _row(change)
        text = f"{at}  {'entered' if _entered(change) else 'exited '}  {key:<18} {who:<12} {reason}"
    typer.echo(text)
