"""Events of the past, to be routed once more: lines of ``simulate``, or a dump of ``resolved-events``.

Of an archived event what the router has put there is taken off, so that it is as it came.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import Raw

from schemas.mailbox import EVENT, KIND_HEADER
from schemas.times import LAST_MS
from schemas.topics import RESOLVED_EVENTS, TRACKING_EVENTS
from worker.cli.line import Line, read_line
from worker.cli.virtual import OUTPUT_TOPICS
from worker.errors import InputError

ARCHIVE = RESOLVED_EVENTS.name
NULL = b"null"
FRONT_FIELDS = ("profile_id", "at", "timestamp_ms", "external_ids")


class Recorded(NamedTuple):
    """``lines`` in order of time; ``passed_over``: how many others there were, none of which is an input."""

    lines: list[Line]
    passed_over: int


def read_recorded(texts: Iterable[str], *, topic_prefix: str) -> Recorded:
    """Read NDJSON. Lines may come in any order: partitions are dumped one after the other.

    A line of ``resolved-events`` has the event in ``value`` or ``payload``, as an object or as text. Lines of other
    output topics, and what the worker tells itself, are passed over.

    Raises:
        InputError: a line is none of these (with its number).
    """
    lines, passed_over = [], 0
    for number, text in enumerate(texts, start=1):
        if not text.strip():
            continue
        line = _line(text, number, topic_prefix)
        if line is None:
            passed_over += 1
        else:
            lines.append(line)
    return Recorded(sorted(lines, key=lambda line: line.at_ms), passed_over)


class _Dump(msgspec.Struct):
    """A line that a consumer wrote down. ``headers``: an object, or a list of names and values by turns."""

    topic: str = ""
    value: Raw = Raw(NULL)
    payload: Raw = Raw(NULL)
    headers: dict[str, Any] | list[Any] | None = None


_decode_dump = msgspec.json.Decoder(_Dump).decode
_decode_fields = msgspec.json.Decoder(dict[str, Raw]).decode
_decode_at = msgspec.json.Decoder(Annotated[int, msgspec.Meta(ge=0, le=LAST_MS)]).decode
_decode_text = msgspec.json.Decoder(str).decode


def _line(text: str, number: int, topic_prefix: str) -> Line | None:
    """None: no input."""
    try:
        dump = _decode_dump(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return read_line(text, number)  # it is none of ours, and there is told why
    topic = dump.topic.removeprefix(topic_prefix)
    if topic not in OUTPUT_TOPICS:
        return read_line(text, number)
    try:
        return _archived(dump) if topic == ARCHIVE else None
    except (msgspec.DecodeError, UnicodeError) as error:
        raise InputError(f"line {number}: no record of {ARCHIVE}: {error}") from error


def _archived(dump: _Dump) -> Line | None:
    """None: what the worker tells itself.

    Raises:
        msgspec.DecodeError: the value is no object, or its ``at`` no time.
    """
    raw = bytes(dump.payload) if bytes(dump.value) == NULL else bytes(dump.value)
    if raw.startswith(b'"'):
        raw = _decode_text(raw).encode()
    if raw == NULL or _kind(dump.headers) not in (None, EVENT.decode()):
        return None
    event = _decode_fields(raw)
    if "messageId" not in event:
        return None
    at_ms = _decode_at(event.get("at", Raw(NULL)))
    original = {name: value for name, value in event.items() if name not in FRONT_FIELDS}
    return Line(at_ms, TRACKING_EVENTS.name, None, msgspec.json.encode(original), [])


def _kind(headers: Mapping[str, Any] | Sequence[Any] | None) -> Any:
    """What a record is; None when its headers do not say."""
    if headers is None:
        return None
    named = headers if isinstance(headers, Mapping) else dict(zip(headers[::2], headers[1::2], strict=False))
    return named.get(KIND_HEADER)
