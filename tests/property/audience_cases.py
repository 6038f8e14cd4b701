"""Random audiences and random logs of one person, for the comparison of the engine with the oracle.

Times are drawn so that they meet: gaps between records, lateness of events and windows of queries come from
one short list and its neighbours by a millisecond.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from tests.property.audience_oracle import Record

SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
START_MS = (datetime(2025, 1, 1, tzinfo=UTC) - EPOCH) // timedelta(milliseconds=1)
SPAN_MS = 12 * DAY  # after the last record: longer than every window, so that all that is due falls due

FREE_AGAIN_MS = DAY + 20 * MINUTE  # a messageId surely counts anew after that, surely not within a day

SPANS = {
    "90 seconds": 90 * SECOND,
    "30 minutes": 30 * MINUTE,
    "1 hour": HOUR,
    "1 day": DAY,
    "3 days": 3 * DAY,
}
SPAN_TEXTS = st.sampled_from(list(SPANS))


def iso(moment_ms: int) -> str:
    text = (EPOCH + timedelta(milliseconds=moment_ms)).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


# --- Queries, as text ---------------------------------------------------------------------------------------

NUMBERS = st.sampled_from(["0", "1", "2", "2.5", "-3", "10", "'2'", "'10'"])
WORDS = st.sampled_from(["'red'", "'Red'", "'green'", "'re'", "'2'", "'true'", "''"])
PIECES = st.sampled_from(["'re'", "'d'", "'R'", "'2'", "'blue'"])
DATES = st.sampled_from(["2025-01-01", "2025-01-02", "'2025-01-03T00:00:00Z'", "2025-01-02T06:00:00Z"])
OPERATORS = st.sampled_from(["=", "==", "!=", ">", ">=", "<", "<="])
ORDERS = st.sampled_from(["greater_than", "at_least", "less_than", "at_most", "equals", "differs"])


def lists(items: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(items, min_size=1, max_size=3).map(", ".join)


def comparisons(left: st.SearchStrategy[str], right: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Equality and order, by sign or by name, and lists."""
    return st.one_of(
        st.builds("{} {} {}".format, left, OPERATORS, right),
        st.builds("{}.{}({})".format, left, ORDERS, right),
        st.builds("{}.{}({})".format, left, st.sampled_from(["one_of", "none_of"]), lists(right)),
    )


def text_comparisons(left: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        comparisons(left, WORDS),
        st.builds("{}.contains({})".format, left, lists(PIECES)),
        st.builds("{}.{}({})".format, left, st.sampled_from(["omits", "starts_with", "ends_with"]), PIECES),
        st.builds("{}.{}()".format, left, st.sampled_from(["exists", "absent"])),
    )


def value_conditions(extractor: str) -> st.SearchStrategy[str]:
    """Conditions on ``trait`` or ``property``: both have the same names and kinds of values."""

    def of(*names: str) -> st.SearchStrategy[str]:
        return st.sampled_from([f"{extractor}('{name}')" for name in names])

    elements = of("list.$")
    return st.one_of(
        comparisons(of("number", "deep.number", "text"), NUMBERS),
        text_comparisons(of("text", "number", "deep.text")),
        st.builds("{} = {}".format, of("flag"), st.sampled_from(["true", "false", "'true'"])),
        st.builds("{} = {}".format, elements, WORDS),
        st.builds("{}.{}({})".format, elements, st.sampled_from(["contains", "omits"]), PIECES),
    )


def date_conditions() -> st.SearchStrategy[str]:
    moving = st.sampled_from(["within_last", "within_next", "before_last", "after_next"])
    fixed = st.sampled_from(["before_date", "after_date"])
    return st.one_of(
        st.builds("trait('date').{}({})".format, moving, SPAN_TEXTS),
        st.builds("trait('date').{}({})".format, fixed, DATES),
    )


def junctions(leaves: st.SearchStrategy[str], *, leaves_max: int = 5) -> st.SearchStrategy[str]:
    """AND, OR and NOT over these; in parentheses: precedence is not the matter here."""
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.builds("({}) {} ({})".format, inner, st.sampled_from(["AND", "OR"]), inner),
            st.builds("NOT ({})".format, inner),
        ),
        max_leaves=leaves_max,
    )


WITHINS = SPAN_TEXTS.map(".within({})".format)
BETWEENS = st.sampled_from(["30 minutes, 1 hour", "1 hour, 1 day", "1 day, 3 days", "90 seconds, 1 day"]).map(
    ".between({})".format
)


@st.composite
def counts(
    draw: st.DrawFn, wheres: st.SearchStrategy[str] | None = None, windows: st.SearchStrategy[str] = WITHINS
) -> str:
    """``event(…)``, perhaps filtered, perhaps in a window, counted and compared."""
    filters = []
    if wheres is not None and draw(st.booleans()):
        filters.append(f".where({draw(wheres)})")
    if draw(st.sampled_from([True, True, False])):
        filters.append(draw(windows))
    filters = draw(st.permutations(filters))
    name = draw(st.sampled_from(["Bought", "Seen", "Page Viewed"]))
    compared = draw(comparisons(st.just(".count()"), st.sampled_from(["0", "1", "2", "3", "'1'"])))
    return f"event('{name}'){''.join(filters)}{compared}"


PLAIN_COUNTS = counts()
COUNTS_BETWEEN = counts(windows=BETWEENS)
FILTERED_COUNTS = counts(junctions(value_conditions("property"), leaves_max=3))
DYNAMIC_COUNTS = counts(
    st.builds("property('number') {} trait('number')".format, st.sampled_from(["=", "!=", ">", "<="]))
)
DATED_TRAITS = date_conditions()
TRAITS = st.one_of(value_conditions("trait"), DATED_TRAITS)


@st.composite
def audience_sets(draw: st.DrawFn, leaves: st.SearchStrategy[str], *, nested: bool = False) -> dict[str, Any]:
    """One to four audiences; ``nested``: each may use those before it, later in the alphabet."""
    documents: list[dict[str, Any]] = []
    for _ in range(draw(st.integers(1, 4))):
        known = [document["key"] for document in documents]
        conditions = junctions(st.one_of(leaves, memberships(known)) if nested and known else leaves)
        documents.append(
            {
                "key": "zyxw"[len(documents)],
                "query": draw(conditions),
                "include_anonymous": draw(st.booleans()),
            }
        )
    return {"audiences": documents}


def memberships(keys: Sequence[str]) -> st.SearchStrategy[str]:
    tests = st.sampled_from([" = true", " = false", " != true", ".exists()", ".absent()"])
    return st.builds("trait('{}'){}".format, st.sampled_from(keys), tests)


# --- Logs ---------------------------------------------------------------------------------------------------

GAPS_MS = st.sampled_from([0, 0, 1, SECOND, *(span + near for span in SPANS.values() for near in (-1, 0, 1))])
LATENESS_MS = st.one_of(st.just(0), GAPS_MS, st.just(-HOUR))  # negative: a clock that runs ahead

SOME_NUMBERS = st.sampled_from([0, 1, 2, 2.5, -3, 10, "2", "10", "ten", None])
SOME_TEXTS = st.sampled_from(["red", "Red", "green", "", "2", "true", None, 2])
SOME_FLAGS = st.sampled_from([True, False, "true", None])
SOME_LISTS = st.sampled_from([["red"], ["green", "red"], ["2", 2], [], None])
SOME_DATES = st.builds(
    lambda days, offset_ms: iso(START_MS + days * DAY + offset_ms),
    st.integers(-2, 4),
    st.sampled_from([0, 0, 1, 6 * HOUR]),
) | st.sampled_from(["2025-01-01T00:00:00", "soon", None])
VALUES = st.fixed_dictionaries(
    {},
    optional={
        "number": SOME_NUMBERS,
        "text": SOME_TEXTS,
        "flag": SOME_FLAGS,
        "list": SOME_LISTS,
        "deep": st.fixed_dictionaries({}, optional={"number": SOME_NUMBERS, "text": SOME_TEXTS}),
        "date": SOME_DATES,
    },
)


@dataclass(frozen=True)
class Step:
    """One line of the input, before duplicates are told from events.

    ``repeats``: which earlier step's messageId it has, counted back; 0: its own.
    """

    gap_ms: int
    late_ms: int
    kind: str
    values: Mapping[str, Any]
    named: bool
    repeats: int


STEPS = st.builds(
    Step,
    gap_ms=GAPS_MS,
    late_ms=LATENESS_MS,
    kind=st.sampled_from(["Bought", "Bought", "Seen", "page", "identify", "identify"]),
    values=VALUES,
    named=st.sampled_from([True, True, False]),
    repeats=st.sampled_from([0, 0, 0, 0, 1, 2]),
)


@dataclass(frozen=True)
class Log:
    """``lines``: the input. ``records``: those of it that are accepted. ``end_ms``: when all is over."""

    lines: list[str]
    records: list[Record]
    end_ms: int


def log_of(steps: Sequence[Step]) -> Log:
    """Lines and accepted records; a repetition in the grey zone of the dedup window is left out."""
    lines: list[str] = []
    records: list[Record] = []
    message_ids: list[str] = []
    claimed: dict[str, int] = {}
    at_ms = START_MS
    for index, step in enumerate(steps):
        at_ms += step.gap_ms
        again = 0 < step.repeats <= len(message_ids)
        message_id = message_ids[-step.repeats] if again else f"m{index}"
        age_ms = at_ms - claimed.get(message_id, at_ms - FREE_AGAIN_MS - 1)
        if DAY <= age_ms <= FREE_AGAIN_MS:
            continue
        message_ids.append(message_id)
        lines.append(json.dumps(line_of(step, at_ms, message_id)))
        if age_ms > FREE_AGAIN_MS:
            claimed[message_id] = at_ms
            records.append(record_of(step, at_ms))
    return Log(lines, records, at_ms + SPAN_MS)


def line_of(step: Step, at_ms: int, message_id: str) -> dict[str, Any]:
    value: dict[str, Any] = {
        "messageId": message_id,
        "anonymousId": "a1",
        "timestamp": iso(at_ms - step.late_ms),
    }
    if step.named:
        value["userId"] = "u1"
    match step.kind:
        case "identify":
            value |= {"type": "identify", "traits": step.values}
        case "page":
            value |= {"type": "page", "name": "Home", "properties": step.values}
        case event:
            value |= {"type": "track", "event": event, "properties": step.values}
    return {"at": iso(at_ms), "topic": "tracking-events", "value": value}


def record_of(step: Step, at_ms: int) -> Record:
    """What the oracle is told: a time of the future is the receipt's; a page is an event of that name."""
    identify = step.kind == "identify"
    return Record(
        at_ms=at_ms,
        ts_ms=min(at_ms, at_ms - step.late_ms),
        event=None if identify else {"page": "Page Viewed"}.get(step.kind, step.kind),
        properties={} if identify else step.values,
        traits=step.values if identify else {},
        user=step.named,
        anonymous=True,
    )


def dated(step: Step, date: str | None) -> Step:
    """The step as an identify that sets the one trait whose meaning moves with the clock."""
    return replace(step, kind="identify", values={**step.values, "date": date})


LOGS = st.lists(STEPS, min_size=1, max_size=10).map(log_of)
DATED_LOGS = st.lists(st.builds(dated, STEPS, SOME_DATES), min_size=1, max_size=6).map(log_of)
