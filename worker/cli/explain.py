"""``audience-worker explain``: why things are as they are with a person.

Source: docs/explain.md; docs/identity.md, "Why?" and "What if?".
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec
import typer
from rich.console import Group

from schemas.times import parse_ms
from worker.cli.avro import open_decoder
from worker.cli.connect import open_store
from worker.cli.definition_files import Document, documents_of, read_files
from worker.cli.dossier import Dossier, Gone, find
from worker.cli.dry_run import dry_run, dry_run_parts, dry_run_view, people_view, proposed_rules
from worker.cli.explain_audience import Scene, audience_keys, scene_of, scene_parts, scene_view
from worker.cli.explain_identity import (
    identity_parts,
    identity_view,
    rules_in_force,
    rules_of,
    told_violations,
    violations_about,
)
from worker.cli.graph_view import View, gone_text, gone_view, nobody
from worker.cli.in_force import read_in_force
from worker.cli.options import caps_of, options_of
from worker.cli.recorded import read_recorded
from worker.cli.simulate import input_lines, play
from worker.cli.subject import Subject, read_subject
from worker.cli.tables import show
from worker.cli.virtual import VirtualWorker
from worker.clock import SystemClock
from worker.errors import InputError, UsageError
from worker.settings import load_settings

EXAMPLES = 10

_encode = msgspec.json.Encoder().encode


def register(app: typer.Typer) -> None:
    app.command("explain")(_command)


def _command(
    *,
    profile: Annotated[
        str | None,
        typer.Option(help="Whom to explain: an identifier, as email:jane@x.io, or a profile id.", metavar="TYPE:VALUE"),
    ] = None,
    audience: Annotated[
        list[str] | None, typer.Option(help="The audience to explain; repeatable. Without it: all.", metavar="KEY")
    ] = None,
    identity: Annotated[bool, typer.Option("--identity", help="Explain who the person is to the worker.")] = False,
    definitions: Annotated[
        list[Path] | None, typer.Option("--definitions", "-d", help="File or folder of definitions; repeatable.")
    ] = None,
    events: Annotated[
        str | None,
        typer.Option(
            help="Explain a replay of this NDJSON, as `simulate` reads it (- for standard input); needs -d. "
            "With --dry-run-rules a dump of resolved-events will do too."
        ),
    ] = None,
    until: Annotated[
        str | None, typer.Option(help="With --events: ISO 8601 time to which the clock of the replay runs on.")
    ] = None,
    dry_run_rules: Annotated[
        Path | None, typer.Option(help="Replay --events under the identity settings of this file too, and compare.")
    ] = None,
    examples: Annotated[
        int, typer.Option(min=0, help="With --dry-run-rules: events that would go elsewhere, how many to show.")
    ] = EXAMPLES,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Explain a profile: against the live state, or against a replay of events.

    Why it is in its audiences or not; with --identity, who it is.
    """
    subject = None if profile is None else read_subject(profile)
    documents = None if definitions is None else documents_of(read_files(definitions))
    if audience and (identity or dry_run_rules is not None):
        raise UsageError("explain: --audience explains a membership, --identity who somebody is: give one of them")
    wanted = _Wanted(audience or (), identity=identity or dry_run_rules is not None, until_ms=_until(until, events))
    if dry_run_rules is not None:
        recording = _recording(events, documents, "--dry-run-rules needs --events and -d")
        _dry_run(recording, dry_run_rules, subject, examples=examples, as_json=as_json)
    elif subject is None:
        raise UsageError("explain: --profile TYPE:VALUE is missing")
    elif events is not None:
        _print(_in_replay(_recording(events, documents, "--events needs -d"), subject, wanted), as_json=as_json)
    else:
        _print(_live(documents, subject, wanted), as_json=as_json)


class _Wanted(NamedTuple):
    """``keys``: of audiences, none for all of them. ``until_ms``: the end of a replay, None for its last line."""

    keys: Sequence[str]
    identity: bool
    until_ms: int | None


def _until(text: str | None, events: str | None) -> int | None:
    if text is None:
        return None
    if events is None:
        raise UsageError("explain: --until needs --events")
    until_ms = parse_ms(text)
    if until_ms is None:
        raise InputError(f"--until: {text!r} is no ISO 8601 time with a time zone")
    return until_ms


class _Recording(NamedTuple):
    documents: list[Document]
    lines: Iterator[str]


def _recording(events: str | None, documents: list[Document] | None, missing: str) -> _Recording:
    if events is None or documents is None:
        raise UsageError(f"explain: {missing}")
    return _Recording(documents, input_lines(events))


class _Page(NamedTuple):
    """What is printed: as one object, or as paragraphs made of it."""

    view: View
    paragraphs: Callable[[View], list[str | Group]]


def _live(documents: list[Document] | None, subject: Subject, wanted: _Wanted) -> _Page:
    """From the store of running workers; by the given definitions, else by those in force."""
    settings = load_settings()
    caps, now_ms = caps_of(settings), SystemClock().now_ms()
    with closing(open_store(settings)) as store:
        found = find(store, subject)
        if not isinstance(found, Dossier):
            return _gone(found, subject)
        if wanted.identity:
            rules = rules_in_force(store, caps) if documents is None else rules_of(documents, caps)
            return _Page(identity_view(found, rules, at_ms=now_ms, violations=None), identity_parts)
        control = read_in_force(store, caps)
        catalogue = control.catalogue if documents is None else control.beside(documents)
    return _audiences(scene_of(found, catalogue, now_ms, proposed=catalogue is not control.catalogue), wanted)


def _in_replay(recording: _Recording, subject: Subject, wanted: _Wanted) -> _Page:
    """From a worker that has taken the recording and nothing else."""
    settings = load_settings()
    options = options_of(settings)
    worker = VirtualWorker(options, avro=open_decoder(settings))
    violations = told_violations(play(worker, recording.documents, recording.lines, wanted.until_ms))
    found = find(worker.store, subject)
    if not isinstance(found, Dossier):
        return _gone(found, subject)
    now_ms = worker.now_ms if wanted.until_ms is None else max(worker.now_ms, wanted.until_ms)
    if wanted.identity:
        rules = rules_in_force(worker.store, options.identity_caps)
        about = violations_about(found, violations, worker.store)
        return _Page(identity_view(found, rules, at_ms=now_ms, violations=about), identity_parts)
    catalogue = read_in_force(worker.store, options.identity_caps).catalogue
    return _audiences(scene_of(found, catalogue, now_ms), wanted)


def _audiences(scene: Scene, wanted: _Wanted) -> _Page:
    return _Page(scene_view(scene, wanted.keys or audience_keys(scene)), scene_parts)


def _gone(found: Gone | None, subject: Subject) -> _Page:
    """
    Raises:
        InputError: there is not even that.
    """
    if found is None:
        raise nobody(subject)
    return _Page(gone_view(found), lambda _: [gone_text(found)])


def _print(page: _Page, *, as_json: bool) -> None:
    if as_json:
        typer.echo(_encode(page.view).decode())
    else:
        show(*page.paragraphs(page.view))


def _dry_run(recording: _Recording, rules: Path, subject: Subject | None, *, examples: int, as_json: bool) -> None:
    if isinstance(subject, bytes):
        raise UsageError("explain: a replay has profile ids of its own; name an identifier")
    settings = load_settings()
    run = dry_run(
        recording.documents,
        proposed_rules(rules),
        read_recorded(recording.lines, topic_prefix=settings.topic_prefix),
        options_of(settings),
        open_decoder(settings),
    )
    view = dry_run_view(run, examples=examples)
    if subject is not None:
        view["profile"] = people_view(run, subject)
    if as_json:
        typer.echo(_encode(view).decode())
    else:
        show(*dry_run_parts(view))
