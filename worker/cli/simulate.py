"""``audience-worker simulate``: audiences as unit tests. The same engine over a file, with a virtual clock.

Source: docs/simulate.md.
"""

import sys
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from schemas.codec import AvroDecoder
from schemas.times import parse_ms
from worker.cli.assembly import Options
from worker.cli.avro import open_decoder
from worker.cli.definition_files import Document, documents_of, read_files
from worker.cli.line import Line, read_line
from worker.cli.options import options_of
from worker.cli.virtual import OUTPUT_TOPICS, VirtualWorker
from worker.errors import InputError, UsageError
from worker.settings import load_settings

DEFAULTS = Options()

_encode = msgspec.json.Encoder().encode


def simulate_lines(
    definitions_text: str,
    lines: Iterable[str],
    until_ms: int,
    *,
    options: Options = DEFAULTS,
    avro: AvroDecoder | None = None,
) -> Iterator[dict[str, Any]]:
    """Every output of a run, in order, as the objects that the command prints.

    ``definitions_text``: YAML or JSON; ``lines``: NDJSON, empty ones are passed over; ``until_ms``: the run goes on to
    this time, inclusive, after the last line; ``avro``: reads framed values, None refuses them.

    Raises:
        InputError: the definitions are wrong, or a line is (with its number).
        DependencyError: the schema registry did not answer.
    """
    yield from simulate(documents_of({"definitions": definitions_text}), lines, until_ms, options=options, avro=avro)


def simulate(
    documents: list[Document],
    lines: Iterable[str],
    until_ms: int,
    *,
    options: Options = DEFAULTS,
    avro: AvroDecoder | None = None,
) -> Iterator[dict[str, Any]]:
    """As ``simulate_lines``, over documents that have been checked."""
    yield from play(VirtualWorker(options, avro=avro), documents, lines, until_ms)


def play(
    worker: VirtualWorker, documents: list[Document], lines: Iterable[str], until_ms: int | None = None
) -> Iterator[dict[str, Any]]:
    """The same with a worker that can be looked at afterwards. ``until_ms`` None: until the last line.

    Raises:
        InputError, DependencyError: as ``simulate_lines``.
    """
    started = False
    for line in _read(lines):
        if not started:
            worker.begin(line.at_ms, documents)
            started = True
        yield from worker.run_to(line.at_ms - 1)
        yield from worker.take(line)
    if not started:
        worker.begin(until_ms or 0, documents)
    yield from worker.run_to(worker.now_ms if until_ms is None else until_ms)


def _read(lines: Iterable[str]) -> Iterator[Line]:
    before_ms = None
    for number, text in enumerate(lines, start=1):
        if not text.strip():
            continue
        line = read_line(text, number)
        if before_ms is not None and line.at_ms < before_ms:
            raise InputError(f"line {number}: 'at' goes back; lines must be in order of time")
        before_ms = line.at_ms
        yield line


def register(app: typer.Typer) -> None:
    app.command("simulate")(_command)


def _command(
    definitions: Annotated[
        list[Path], typer.Option("--definitions", "-d", help="File or folder of definitions; repeatable.")
    ],
    until: Annotated[str, typer.Option(help="ISO 8601 time to which the virtual clock runs on.")],
    events: Annotated[str, typer.Argument(help="NDJSON file of inputs; - or none: standard input.")] = "-",
    topic: Annotated[list[str] | None, typer.Option(help="Print this output topic only; repeatable.")] = None,
) -> None:
    """Run definitions over a file of events with a virtual clock; print every output as NDJSON.

    Deterministic: the same input gives the same bytes.
    """
    until_ms = parse_ms(until)
    if until_ms is None:
        raise InputError(f"--until: {until!r} is no ISO 8601 time with a time zone")
    wanted = _output_topics(topic or ())
    documents = documents_of(read_files(definitions))
    settings = load_settings()
    options, avro = options_of(settings), open_decoder(settings)
    for output in simulate(documents, input_lines(events), until_ms, options=options, avro=avro):
        if not wanted or output["topic"] in wanted:
            sys.stdout.write(_encode(output).decode() + "\n")
    sys.stdout.flush()


def _output_topics(names: Collection[str]) -> frozenset[str]:
    """
    Raises:
        UsageError: one is no topic that outputs come on.
    """
    for name in names:
        if name not in OUTPUT_TOPICS:
            raise UsageError(f"--topic: {name!r} is no output topic ({', '.join(OUTPUT_TOPICS)})")
    return frozenset(names)


def input_lines(events: str) -> Iterator[str]:
    """The lines of a file, or of standard input when it is called ``-``.

    Raises:
        InputError: it cannot be read.
    """
    if events == "-":
        yield from _texts(sys.stdin.buffer)
        return
    try:
        with Path(events).open("rb") as file:
            yield from _texts(file)
    except OSError as error:
        raise InputError(f"{events}: {error.strerror}") from error


def _texts(file: Iterable[bytes]) -> Iterator[str]:
    """What is not UTF-8 is refused with its line, not here."""
    return (line.decode("utf-8", "surrogateescape") for line in file)
