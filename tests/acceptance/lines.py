"""Input lines of ``audience-worker simulate``, and a compact view of what comes out.

A line is ``{"at", "topic", "value"}``. Builders take ``at``, the receipt, first; ``ts`` is when it happened,
for events that are not received at once. Without ``message_id`` every line is an event of its own.
"""

import base64
import json
from collections.abc import Iterable
from typing import Any

from tests.acceptance.moments import SECOND, after, iso, ms

Line = dict[str, Any]
Output = dict[str, Any]

_WORDS = {"Audience Entered": "ENTER", "Audience Exited": "EXIT"}


def line(at: str, value: Any, *, topic: str = "tracking-events", **coordinates: Any) -> Line:
    """Any value on any topic; ``coordinates``: ``key``, ``headers``."""
    return {"at": at, "topic": topic, "value": value, **coordinates}


def raw_line(at: str, value: bytes, *, topic: str = "tracking-events", **coordinates: Any) -> Line:
    """Bytes that need not be JSON."""
    encoded = base64.b64encode(value).decode()
    return {"at": at, "topic": topic, "value_base64": encoded, **coordinates}


def call(
    kind: str,
    *,
    user: Any = None,
    anonymous: Any = None,
    ts: str | None = None,
    message_id: Any = None,
    **fields: Any,
) -> dict[str, Any]:
    """One of the six calls; what is None is left out."""
    given = {
        "type": kind,
        "messageId": message_id,
        "userId": user,
        "anonymousId": anonymous,
        "timestamp": ts,
        **fields,
    }
    return {name: value for name, value in given.items() if value is not None}


def track(at: str, event: str, properties: dict[str, Any] | None = None, **fields: Any) -> Line:
    return line(at, call("track", event=event, properties=properties, **fields))


def identify(at: str, traits: dict[str, Any] | None = None, **fields: Any) -> Line:
    return line(at, call("identify", traits=traits, **fields))


def page(at: str, name: str | None = None, **fields: Any) -> Line:
    return line(at, call("page", name=name, **fields))


def screen(at: str, name: str | None = None, **fields: Any) -> Line:
    return line(at, call("screen", name=name, **fields))


def group(at: str, group_id: Any, traits: dict[str, Any] | None = None, **fields: Any) -> Line:
    return line(at, call("group", groupId=group_id, traits=traits, **fields))


def passthrough(
    at: str,
    action: str,
    audience_id: str,
    *,
    ts: Any,
    identifiers: dict[str, str],
    topic: str = "passthrough-events",
    message_id: str | None = None,
) -> Line:
    """A membership decided elsewhere; ``ts`` in seconds, as its senders write it."""
    value: dict[str, Any] = {
        "type": "passthrough",
        "action": action,
        "identifiers": identifiers,
        "data": {"audience_id": audience_id, "ts": ts},
    }
    if message_id is not None:
        value["messageId"] = message_id
    return line(at, value, topic=topic)


def definition(at: str, key: str, document: dict[str, Any] | None) -> Line:
    """A document of the audience ``key`` on the ``definitions`` topic; None deletes it."""
    value = None if document is None else {"key": key, **document}
    return line(at, value, topic="definitions", key=f"audience:{key}")


def audience(key: str, query: str, **options: Any) -> dict[str, Any]:
    return {"key": key, "query": query, **options}


def audiences(**queries: str) -> dict[str, Any]:
    """A definitions file of plain audiences: key = query."""
    return {"audiences": [audience(key, query) for key, query in queries.items()]}


def of_topic(outputs: Iterable[Output], topic: str) -> list[Output]:
    return [output for output in outputs if output["topic"] == topic]


def changes(outputs: Iterable[Output]) -> list[Output]:
    """The audience changes, whole."""
    return of_topic(outputs, "audience-changes")


def refusals(outputs: Iterable[Output]) -> list[str]:
    """The reasons of the dead letters, in order."""
    return [letter["headers"]["reason"] for letter in of_topic(outputs, "dead-letters")]


def seen(outputs: Iterable[Output]) -> list[str]:
    """The audience changes as ``ENTER key [ids] @t``; t is the moment of evaluation to the millisecond."""
    return [_compact(change["value"]) for change in changes(outputs)]


def moves(outputs: Iterable[Output]) -> list[str]:
    """The audience changes as ``ENTER key``, where neither person nor moment is the point."""
    return [" ".join(text.split()[:2]) for text in seen(outputs)]


def a_second_apart(lines: Iterable[Line], *, start: str) -> list[Line]:
    """The lines, received one a second from ``start``: so that their outputs can be told apart by time."""
    return [{**one, "at": after(start, index * SECOND)} for index, one in enumerate(lines)]


def by_moment(outputs: Iterable[Output], lines: Iterable[Line]) -> list[list[Output]]:
    """The outputs at the moment of each line."""
    every = list(outputs)
    return [[output for output in every if ms(output["at"]) == ms(one["at"])] for one in lines]


def as_text(lines: Iterable[Line]) -> str:
    """NDJSON."""
    return "".join(json.dumps(one) + "\n" for one in lines)


def _compact(value: dict[str, Any]) -> str:
    key = value["properties"]["audience_key"]
    moment = iso(ms(value["timestamp"])).replace(".000Z", "Z")
    return f"{_WORDS[value['event']]} {key} [{_who(value)}] @{moment}"


def _who(value: dict[str, Any]) -> str:
    known = value["userId"] or value["anonymousId"]
    others = sorted(f"{one['type']} {one['id']}" for one in value["context"]["externalIds"])
    return known or ", ".join(others)
