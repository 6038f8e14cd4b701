"""Logs and definitions by hand for the tests of the audience oracle, and a compact view of what it says."""

from collections.abc import Mapping, Sequence
from typing import Any

from tests.acceptance.moments import iso, ms
from tests.property.audience_oracle import TraitChange, Transition, changes, state_at
from tests.property.audience_oracle_records import Computation, Definitions, Record
from worker.audiences.language.parser import parse

NEVER = ms("2026-01-01T00:00:00Z")


def track(event: str, at: str, properties: Mapping[str, Any] | None = None, *, ts: str | None = None) -> Record:
    return Record(ms(at), ms(ts or at), event=event, properties=properties or {})


def identify(at: str, traits: Mapping[str, Any], *, ts: str | None = None) -> Record:
    return Record(ms(at), ms(ts or at), traits=traits)


def qualify(at: str, segment: str, *, qualified: bool = True, ts: str | None = None) -> Record:
    return Record(ms(at), ms(ts or at), segment=segment, qualified=qualified)


def audiences(**queries: str) -> Definitions:
    return Definitions(audiences={key: Computation(parse(query)) for key, query in queries.items()})


def traits(**queries: str) -> Definitions:
    return Definitions(traits={key: Computation(parse(query)) for key, query in queries.items()})


def seen(definitions: Definitions, records: Sequence[Record], *, until: str | None = None) -> list[str]:
    """Changes as ``ENTER key @t`` and ``key = value @t``."""
    return [_compact(change) for change in changes(definitions, records, until_ms=ms(until) if until else NEVER)]


def _compact(change: Transition | TraitChange) -> str:
    at = minute(change.at_ms)
    if isinstance(change, TraitChange):
        return f"{change.key} = {change.value!r} @{at}"
    return f"{'ENTER' if change.entered else 'EXIT'} {change.key} @{at}"


def minute(moment_ms: int) -> str:
    """A moment without the seconds and milliseconds that it has not."""
    return iso(moment_ms).replace(":00.000Z", "")


def holds(query: str, records: Sequence[Record], *, at: str) -> bool:
    """Whether the profile is in an audience of this query at that moment."""
    return bool(state_at(audiences(it=query), records, now_ms=ms(at)).members)


def value(query: str, records: Sequence[Record], *, at: str = "2025-12-31T00:00:00Z") -> Any:
    """What a computed trait of this query is at that moment."""
    return state_at(traits(it=query), records, now_ms=ms(at)).traits.get("it")
