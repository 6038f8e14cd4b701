"""``audience-worker audiences``: what audiences there are, and how large they are, while workers go on.

Source: docs/explain.md, "Which audiences, and who is in them?".
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Annotated

import msgspec
import typer
from rich.console import Group

from worker.cli.connect import open_store
from worker.cli.everybody import every_state
from worker.cli.graph_view import View, moment
from worker.cli.in_force import read_in_force
from worker.cli.options import caps_of
from worker.cli.tables import listing, show
from worker.engine.control import Control
from worker.ports import Store
from worker.settings import load_settings

_encode = msgspec.json.Encoder().encode


def register(app: typer.Typer) -> None:
    app.command("audiences")(_command)


def _command(
    *,
    quick: Annotated[
        bool,
        typer.Option("--quick", help="Leave out when somebody entered or left last: for that, every profile is read."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """List audiences: key, name, members, revision, last change."""
    settings = load_settings()
    with closing(open_store(settings)) as store:
        views = audience_views(store, read_in_force(store, caps_of(settings)), quick=quick)
    if as_json:
        for view in views:
            typer.echo(_encode(view).decode())
        return
    show(audiences_listing(views))


def audiences_listing(views: Sequence[View]) -> Group:
    """The same for people."""
    columns = {"key": "key", "name": "name", "members": "members", "revision": "revision", "last_change": "last change"}
    known = {column for view in views for column in view}
    return listing("audiences", views, {key: name for key, name in columns.items() if key in known})


def audience_views(store: Store, control: Control, *, quick: bool) -> list[View]:
    """By key, those that are defined, and passthrough segments without a definition that have members.

    Raises:
        StoreUnavailableError: the store did not answer.
    """
    sizes, last = store.sizes().get(), {} if quick else last_changes(store)
    named = dict(_defined(control))
    views: list[View] = []
    for key in sorted({*named, *sizes}):
        view: View = {"key": key, "name": None, "revision": None, **named.get(key, {}), "members": sizes.get(key, 0)}
        views.append(view if quick else {**view, "last_change": moment(last[key]) if key in last else None})
    return views


def _defined(control: Control) -> Iterator[tuple[str, View]]:
    for entry in control.book.entries.values():
        document = None if entry.document is None else json.loads(entry.document)
        if document is not None and control.catalogue.defines("audience", document.get("key", "")):
            yield document["key"], {"name": document.get("name"), "revision": entry.revision}


def last_changes(store: Store) -> dict[str, int]:
    """By audience, when somebody entered or left it last (ms), as far as profiles remember."""
    last: dict[str, int] = {}
    for _, state in every_state(store):
        for key, membership in state.memberships.items():
            last[key] = max(last.get(key, 0), membership.since_ms)
    return last
