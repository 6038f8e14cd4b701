"""``audience-worker profile``: what is known of one person, while workers go on.

Source: docs/identity.md, "Who is it?".
"""

from contextlib import closing
from typing import Annotated

import msgspec
import typer

from worker.cli.connect import open_store
from worker.cli.dossier import Dossier, Gone, find
from worker.cli.graph_view import (
    View,
    gone_text,
    gone_view,
    identifiers_view,
    merges_listing,
    merges_view,
    moment,
    nobody,
)
from worker.cli.subject import read_subject
from worker.cli.tables import listing, show
from worker.profiles.ids import profile_text
from worker.profiles.state import ProfileState
from worker.settings import load_settings

_encode = msgspec.json.Encoder().encode


def register(app: typer.Typer) -> None:
    app.command("profile")(_command)


def _command(
    who: Annotated[
        str, typer.Argument(help="An identifier, as email:jane@x.io, or the id of a profile.", metavar="TYPE:VALUE")
    ],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show a profile: identifiers, traits, memberships, what falls due next, who was merged into it."""
    subject = read_subject(who)
    with closing(open_store(load_settings())) as store:
        found = find(store, subject)
    if found is None:
        raise nobody(subject)
    if as_json:
        typer.echo(_encode(gone_view(found) if isinstance(found, Gone) else profile_view(found)).decode())
    elif isinstance(found, Gone):
        show(gone_text(found))
    else:
        show_profile(profile_view(found))


def profile_view(dossier: Dossier) -> View:
    """A live profile as ``--json`` prints it. Times are ISO 8601, UTC."""
    record, state = dossier.record, dossier.state
    return {
        "profile_id": profile_text(dossier.profile),
        "created": moment(record.born_ms),
        "merged_into": None,
        "identifiers": identifiers_view(record),
        "traits": {
            key: {"value": kept.value, "at": moment(kept.at_ms)}
            for key, kept in sorted(state.traits.items())
            if kept.value is not None  # removed
        },
        "memberships": _memberships(state),
        "next_due": None if state.due_ms is None else moment(state.due_ms),
        "due": {key: moment(due_ms) for key, due_ms in sorted(state.dues.items())},
        "merges": merges_view(record),
        "awaited": [profile_text(child) for child, _ in sorted(state.awaiting)],
        "accounts": [
            {"group_id": dossier.group_ids[link.account], "since": moment(link.at_ms), "message_id": link.message_id}
            for link in record.accounts
            if link.account in dossier.group_ids
        ],
    }


def _memberships(state: ProfileState) -> View:
    return {
        key: {"member": state.member(key), "since": moment(kept.since_ms), "transition": kept.transition}
        for key, kept in sorted(state.memberships.items())
    }


def show_profile(view: View) -> None:
    """The same for people."""
    traits = [{"key": key, **kept, "value": _encode(kept["value"]).decode()} for key, kept in view["traits"].items()]
    memberships = [
        {"key": key, **kept, "member": "yes" if kept["member"] else "no"} for key, kept in view["memberships"].items()
    ]
    show(
        *_head(view),
        listing("identifiers", view["identifiers"], {"type": "type", "value": "value", "first_seen": "first seen"}),
        listing("traits", traits, {"key": "trait", "value": "value", "at": "of"}),
        listing(
            "audiences",
            memberships,
            {"key": "audience", "member": "member", "since": "since", "transition": "transition"},
        ),
        _next_due(view),
        merges_listing("merged into it", view["merges"]),
        *(
            [listing("accounts", view["accounts"], {"group_id": "group_id", "since": "since"})]
            if view["accounts"]
            else []
        ),
    )


def _head(view: View) -> list[str]:
    head = [f"{view['profile_id']}, created {view['created']}"]
    if view["awaited"]:
        head.append(f"nothing is evaluated until the history of {', '.join(view['awaited'])} has come")
    return head


def _next_due(view: View) -> str:
    due = view["next_due"]
    if due is None:
        return "next due: nothing"
    return f"next due: {due} ({', '.join(key for key, at in view['due'].items() if at == due)})"
