"""Random logs of one person, or of several who turn out to be one: late, simultaneous, future and repeated records.

Times are drawn so that they meet: gaps between records, lateness of events and windows of queries come from
one short list and its neighbours by a millisecond. Whatever a record is, each person is recognised by a customer
id, so that all of one person is one profile; a call with the customer ids of several makes them one.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import strategies as st

from tests.acceptance.moments import DAY, HOUR, MINUTE, SECOND, iso, ms
from tests.property.alternatives import evenly
from tests.property.audience_comparisons import SPANS, Feature, Features
from tests.property.audience_oracle_records import Record

START_MS = ms("2025-01-01T00:00:00Z")
SPAN_MS = 12 * DAY
"""After the last record: longer than every window, so that all that is due falls due."""
FREE_AGAIN_MS = DAY + 20 * MINUTE
"""A messageId surely counts anew after that, surely not within a day."""
DEFINED_SEGMENT, UNDEFINED_SEGMENT = "h", "s"

People = tuple[int, ...]
ALONE: st.SearchStrategy[People] = st.just((1,))
SOMEBODY: st.SearchStrategy[People] = st.sampled_from(
    [(1,), (1,), (2,), (2,), (2,), (3,), (1, 2), (2, 3), (3, 1), (3, 1, 2)]
)
"""Who a record is about, the sender first; of several it says that they are one."""


def segment_id(key: str) -> str:
    """How passthrough events call an external audience: the defined one by another name than its key."""
    return "segment_1" if key == DEFINED_SEGMENT else key


# --- What a record says -----------------------------------------------------------------------------------------

EDGES_MS = [span + near for span in SPANS.values() for near in (-1, 0, 0, 1)]
GAPS_MS = st.sampled_from([0, 0, 1, MINUTE, MINUTE, 30 * MINUTE, HOUR, *EDGES_MS])
LATENESS_MS = evenly(
    st.just(0), st.just(0), st.just(0), GAPS_MS, GAPS_MS, st.just(-HOUR)
)  # negative: a clock that runs ahead

SOME_NUMBERS = st.sampled_from([1, 2, 2, 2.5, -3, "2", "ten", None])
SOME_TEXTS = st.sampled_from(["red", "Red", "green", "", "2", "true", None, 2])
SOME_WORDS = st.sampled_from(["red", "red", "Red", "green", "", None])
SOME_FLAGS = st.sampled_from([True, False, "true", None])
SOME_LISTS = st.sampled_from([["red"], ["green", "red"], ["2", 2], [], None])
SOME_ITEMS = st.lists(st.fixed_dictionaries({}, optional={"number": SOME_NUMBERS}), max_size=2)
SOME_DATES = st.builds(
    lambda offset_ms, near_ms: iso(START_MS + offset_ms + near_ms),
    st.sampled_from([-DAY, -HOUR, 0, 30 * MINUTE, HOUR, DAY, 2 * DAY]),
    st.sampled_from([0, 0, 1]),
)
SOME_VALUES_OF_DATES = evenly(SOME_DATES, SOME_DATES, st.sampled_from(["2025-01-01T00:00:00", "soon", None]))
VALUES = st.fixed_dictionaries(
    {"number": SOME_NUMBERS, "word": SOME_WORDS, "date": SOME_VALUES_OF_DATES},
    optional={
        "mixed": evenly(SOME_NUMBERS, SOME_FLAGS),
        "text": SOME_TEXTS,
        "words": st.lists(SOME_WORDS, max_size=2),
        "flag": SOME_FLAGS,
        "list": SOME_LISTS,
        "items": SOME_ITEMS,
        "deep": st.fixed_dictionaries({}, optional={"number": SOME_NUMBERS, "text": SOME_TEXTS}),
    },
)
FEW_VALUES = st.fixed_dictionaries(
    {
        "number": st.sampled_from([1, 2, 2]),
        "word": st.sampled_from(["red", "green"]),
        "mixed": st.sampled_from([1, 2.5, "2", True]),
        "words": st.sampled_from([["red"], ["green", "red"]]),
    }
)


@dataclass(frozen=True)
class Step:
    """One line of the input, before duplicates are told from events.

    ``held_back_ms``: how long after its receipt the record came. ``at_once``: it happened when the one before it
    did, however late that is. ``repeats``: which earlier step's messageId it has, counted back; 0: its own.
    ``people``: whom it is about, the sender first.
    """

    gap_ms: int
    late_ms: int
    held_back_ms: int
    at_once: bool
    kind: str
    values: Mapping[str, Any]
    title: str | None
    source: str | None
    named: bool
    repeats: int
    people: People


def steps(kinds: Sequence[str], people: st.SearchStrategy[People]) -> st.SearchStrategy[Step]:
    return st.builds(
        Step,
        gap_ms=GAPS_MS,
        late_ms=LATENESS_MS,
        held_back_ms=st.sampled_from([0, 0, 0, 0, 0, 1, 30 * MINUTE]),
        at_once=st.sampled_from([False, False, False, False, False, True]),
        kind=st.sampled_from(kinds),
        values=evenly(FEW_VALUES, VALUES),
        title=SOME_WORDS,
        source=st.sampled_from(["web", "app", None]),
        named=st.sampled_from([True, True, True, False]),
        repeats=st.sampled_from([0, 0, 0, 0, 0, 1, 2]),
        people=people,
    )


def logs(features: Features, people: st.SearchStrategy[People] = ALONE) -> "st.SearchStrategy[Log]":
    """Logs of those kinds of records that these features look at, and of others."""
    kinds = ["Bought", "Bought", "Bought", "Seen", "Seen", "Seen", "page", "identify"]
    if features & {Feature.TRAITS, Feature.REFERENCES, Feature.DATES}:
        kinds += ["identify", "identify"]
    if Feature.DATES in features and Feature.COUNTS not in features:
        kinds = ["identify", "identify", "page"]
    if Feature.PASSTHROUGH in features:
        kinds += ["qualify"] * 4 + ["disqualify"] * 4
    lengths = st.integers(1, 12)
    return lengths.flatmap(lambda n: st.lists(steps(kinds, people), min_size=n, max_size=n)).map(log_of)


# --- The log ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Log:
    """``lines``: the input. ``records``: those of it that are accepted. ``end_ms``: when all is over."""

    lines: list[str]
    records: list[Record]
    end_ms: int

    def until(self, end_ms: int) -> "Log":
        """What has come by then."""
        lines = [line for line in self.lines if ms(json.loads(line)["at"]) <= end_ms]
        return Log(lines, [record for record in self.records if record.at_ms <= end_ms], end_ms)


def log_of(listed: Sequence[Step]) -> Log:
    """Lines and accepted records; a repetition in the grey zone of the dedup window is left out."""
    lines: list[str] = []
    records: list[Record] = []
    message_ids: list[str] = []
    claimed: dict[str, int] = {}
    at_ms = happened_ms = START_MS
    for index, drawn in enumerate(listed):
        at_ms += drawn.gap_ms
        step = replace(drawn, late_ms=at_ms - happened_ms) if drawn.at_once else drawn
        happened_ms = at_ms - step.late_ms
        again = 0 < step.repeats <= len(message_ids)
        message_id = message_ids[-step.repeats] if again else f"m{index}"
        age_ms = at_ms - claimed.get(message_id, at_ms - FREE_AGAIN_MS - 1)
        if DAY <= age_ms <= FREE_AGAIN_MS:
            continue
        message_ids.append(message_id)
        line = _passthrough_line if step.kind in {"qualify", "disqualify"} else _tracking_line
        lines.append(json.dumps(line(step, at_ms, message_id)))
        if age_ms > FREE_AGAIN_MS:
            claimed[message_id] = at_ms
            records.append(record_of(step, at_ms))
    return Log(lines, records, at_ms + SPAN_MS)


def _tracking_line(step: Step, at_ms: int, message_id: str) -> dict[str, Any]:
    sender = step.people[0]
    value: dict[str, Any] = {
        "messageId": message_id,
        "anonymousId": f"a{sender}",
        "timestamp": iso(at_ms - step.late_ms),
        "context": {"externalIds": [_customer(person) for person in step.people], "page": {"title": step.title}},
    }
    if step.named:
        value["userId"] = f"u{sender}"
    if step.held_back_ms:
        value["receivedAt"] = iso(at_ms - step.held_back_ms)
    if step.source:
        value["projectId"] = step.source
    match step.kind:
        case "identify":
            value |= {"type": "identify", "traits": step.values}
        case "page":
            value |= {"type": "page", "name": "Home", "properties": step.values}
        case event:
            value |= {"type": "track", "event": event, "properties": step.values}
    return {"at": iso(at_ms), "topic": "tracking-events", "value": value}


def _customer(person: int) -> dict[str, str]:
    return {"id": f"c{person}", "type": "customer_id", "collection": "users", "encoding": "none"}


def _passthrough_line(step: Step, at_ms: int, message_id: str) -> dict[str, Any]:
    value = {
        "type": "passthrough",
        "messageId": message_id,
        "action": step.kind,
        "identifiers": {"customer_id": f"c{step.people[0]}"},
        "data": {"audience_id": segment_id(_segment(step)), "ts": (at_ms - step.late_ms) / SECOND},
    }
    return {"at": iso(at_ms), "topic": "passthrough-events", "value": value}


def _segment(step: Step) -> str:
    return DEFINED_SEGMENT if step.named else UNDEFINED_SEGMENT


def record_of(step: Step, at_ms: int) -> Record:
    """What the oracle is told: a time of the future is the receipt's; a page is an event of that name."""
    if step.kind in {"qualify", "disqualify"}:
        return Record(
            at_ms,
            at_ms - step.late_ms,
            segment=_segment(step),
            qualified=step.kind == "qualify",
            user=False,
            people=step.people[:1],
        )
    received_ms = at_ms - step.held_back_ms
    identify = step.kind == "identify"
    page = {"page_name": "Home"} if step.kind == "page" else {}
    return Record(
        at_ms=at_ms,
        ts_ms=min(at_ms - step.late_ms, received_ms),
        received_ms=received_ms,
        event=None if identify else {"page": "Page Viewed"}.get(step.kind, step.kind),
        properties={} if identify else {**step.values, **page},
        context={"page": {"title": step.title}},
        source=step.source,
        traits=step.values if identify else {},
        user=step.named,
        anonymous=True,
        people=step.people,
    )
