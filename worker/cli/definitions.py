"""``audience-worker definitions``: the control plane, through the ``definitions`` topic."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from consumers.catalog import DEFINITIONS_TOPIC
from worker.cli.connect import open_store
from worker.cli.definition_files import Document, documents_of, read_files
from worker.engine.control import Book, read_book
from worker.errors import InputError
from worker.ports import Store
from worker.settings import Settings, load_settings


def register(app: typer.Typer) -> None:
    group = typer.Typer(help="Apply, list, show and delete definitions.", no_args_is_help=True)
    group.command("apply")(_apply)
    group.command("list")(_list)
    group.command("show")(_show)
    group.command("delete")(_delete)
    app.add_typer(group, name="definitions")


def apply(settings: Settings, store: Store, documents: Sequence[Document]) -> list[Document]:
    """Publish the documents that differ from those in force; returns them.

    Raises:
        DependencyError: Kafka or Redis did not answer.
    """
    from worker.adapters.kafka_publisher import Publication, publish

    book = read_book(store)
    changed = [document for document in documents if _in_force(book, document.key) != document.value]
    topic = settings.topic_prefix + DEFINITIONS_TOPIC
    publications = [Publication(topic, document.key.encode(), document.value) for document in changed]
    publish(settings.kafka_bootstrap_servers, settings.kafka_properties(), publications)
    return changed


def _in_force(book: Book, key: str) -> bytes | None:
    entry = book.entries.get(key)
    return None if entry is None else entry.document


def _apply(
    definitions: Annotated[list[Path], typer.Argument(help="Files or folders of definitions.", metavar="DEFS…")],
) -> None:
    """Publish every definition that differs from the one in force. Workers act on it within a second."""
    settings = load_settings()
    documents = documents_of(read_files(definitions))
    changed = apply(settings, open_store(settings), documents)
    for document in changed:
        typer.echo(f"applied {document.key}")
    typer.echo(f"{len(changed)} applied, {len(documents) - len(changed)} unchanged")


def _list(*, as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False) -> None:
    """The definitions in force, with the revision of each."""
    for key, entry in sorted(read_book(open_store(load_settings())).entries.items()):
        if entry.document is None:
            continue
        if as_json:
            document = json.loads(entry.document)
            typer.echo(json.dumps({"key": key, "revision": entry.revision, "document": document}))
        else:
            typer.echo(f"{key}  revision {entry.revision}")


def _show(key: Annotated[str, typer.Argument(help="audience:KEY or identity; KEY alone is an audience.")]) -> None:
    """One definition in force, as JSON."""
    name = _record_key(key)
    document = _in_force(read_book(open_store(load_settings())), name)
    if document is None:
        raise InputError(f"there is no definition {name}")
    typer.echo(msgspec.json.format(document).decode())


def _delete(key: Annotated[str, typer.Argument(help="audience:KEY or identity; KEY alone is an audience.")]) -> None:
    """Delete a definition. The members of an audience exit, with the reason ``definition``."""
    from worker.adapters.kafka_publisher import Publication, publish

    settings = load_settings()
    name = _record_key(key)
    if _in_force(read_book(open_store(settings)), name) is None:
        raise InputError(f"there is no definition {name}")
    topic = settings.topic_prefix + DEFINITIONS_TOPIC
    publish(settings.kafka_bootstrap_servers, settings.kafka_properties(), [Publication(topic, name.encode(), None)])
    typer.echo(f"deleted {name}")


def _record_key(key: str) -> str:
    return key if ":" in key or key == "identity" else f"audience:{key}"
