"""``audience-worker members``: who is in an audience, while workers go on.

Source: docs/explain.md, "Which audiences, and who is in them?".
"""

import sys
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from typing import Annotated

import msgspec
import typer

from worker.cli.connect import open_store
from worker.cli.everybody import every_state
from worker.cli.graph_view import View, moment
from worker.cli.in_force import no_audience, read_in_force
from worker.cli.options import caps_of
from worker.cli.tables import printable
from worker.engine.control import Control
from worker.ports import Store
from worker.profiles.ids import profile_text
from worker.settings import load_settings

_encode = msgspec.json.Encoder().encode


def register(app: typer.Typer) -> None:
    app.command("members")(_command)


def _command(
    key: Annotated[str, typer.Argument(help="The key of an audience.")],
    *,
    limit: Annotated[int | None, typer.Option(min=1, help="End after so many.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """List the members of an audience, one a line, in no order: profile, since when, transition, identifiers."""
    settings = load_settings()
    with closing(open_store(settings)) as store:
        check_audience(store, read_in_force(store, caps_of(settings)), key)
        for view in islice(member_views(store, key), limit):
            sys.stdout.write((_encode(view).decode() if as_json else member_line(view)) + "\n")
    sys.stdout.flush()


def check_audience(store: Store, control: Control, key: str) -> None:
    """
    Raises:
        InputError: there is no such audience; passthrough segments without a definition are, once they have members.
    """
    keys = {*[one for one in control.catalogue.by_key if control.catalogue.defines("audience", one)]}
    keys |= store.sizes().get().keys()
    if key not in keys:
        raise no_audience(key, keys)


def member_views(store: Store, key: str) -> Iterator[View]:
    """What ``--json`` prints of each member, as it is read.

    Raises:
        StoreUnavailableError: the store did not answer.
    """
    for profile, state in every_state(store):
        if state.member(key):
            membership = state.memberships[key]
            yield {
                "profile_id": profile_text(profile),
                "since": moment(membership.since_ms),
                "transition": membership.transition,
                "identifiers": [{"type": kind, "value": value} for kind, value in state.identifiers],
            }


def member_line(view: View) -> str:
    """The same for people."""
    identifiers = " ".join(printable(f"{one['type']}:{one['value']}") for one in view["identifiers"])
    return f"{view['profile_id']}  {view['since']}  {view['transition']}  {identifiers}"
