"""Random identity rules, and logs of random calls whose times meet the edges of the rules' periods.

Every log ends with probes: one event for each identifier that was met, carrying nothing else. To whom they resolve
is the final graph, seen through the public door.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from tests.property.identity_calls import CHANGED_ADDRESSES, LINKS, NOBODY, calls, probe_of, strangers
from tests.property.identity_oracle import EPOCH, NO_CAPS_NEAR, Caps, Received
from tests.property.identity_oracle_memberships import Count
from tests.property.identity_oracle_values import (
    DAY_MS,
    DEFAULT_BLOCKED,
    PERIODS_MS,
    Pattern,
    Period,
    Rule,
    Rules,
    identifiers_on,
)

SECOND_MS, HOUR_MS = 1_000, 3_600_000
START_MS = (datetime(2022, 1, 1, tzinfo=UTC) - EPOCH) // timedelta(milliseconds=1)

PERIOD_LENGTHS_MS = list(PERIODS_MS.values())


def iso(moment_ms: int) -> str:
    text = (EPOCH + timedelta(milliseconds=moment_ms)).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


@dataclass(frozen=True)
class Case:
    """Rules at the start, and the log; ``Rules`` in it are a change of the settings."""

    rules: Rules
    log: Sequence[Received | Rules]
    caps: Caps = NO_CAPS_NEAR

    @property
    def events(self) -> list[Received]:
        return [item for item in self.log if isinstance(item, Received)]

    @property
    def end_ms(self) -> int:
        return self.events[-1].at_ms + DAY_MS

    def lines(self) -> list[str]:
        """The input of a simulation: each event by itself at its time, a change of rules at the one before."""
        lines: list[dict[str, Any]] = []
        at_ms = START_MS
        for item in self.log:
            if isinstance(item, Rules):
                lines.append({"at": iso(at_ms), "topic": "definitions", "key": "identity", "value": settings_of(item)})
            else:
                at_ms = item.at_ms
                lines.append({"at": iso(at_ms), "topic": "tracking-events", "value": item.call})
        return [json.dumps(line) for line in lines]


def settings_of(rules: Rules) -> dict[str, Any]:
    """The rules as their document."""
    settings: dict[str, Any] = {
        "identifiers": [
            {"type": rule.type, "limit": rule.limit, "period": rule.period, **({"key": rule.key} if rule.key else {})}
            for rule in rules.identifiers
        ]
    }
    if rules.blocked != DEFAULT_BLOCKED:
        settings["blocked_values"] = [
            {"pattern": blocked.pattern} if isinstance(blocked, Pattern) else blocked for blocked in rules.blocked
        ]
    return settings


# --- Rules ------------------------------------------------------------------------------------------------

BLOCKED = st.sampled_from(
    [DEFAULT_BLOCKED, DEFAULT_BLOCKED, (NOBODY,), (NOBODY, "u3", Pattern("^a[34]$")), (NOBODY, Pattern("5"), "c@x.io")]
)
PERIODS: st.SearchStrategy[Period] = st.sampled_from(["ever", "ever", *PERIODS_MS])
KEYS = {"app_id": "app_id"}
TYPES = ["user_id", "email", "anonymous_id", "phone", "app_id"]


def rule_sets(
    limits: st.SearchStrategy[int] | None = None, periods: st.SearchStrategy[Period] = PERIODS
) -> st.SearchStrategy[Rules]:
    """Any order of the types, some of them left to the defaults."""

    def rule(type_name: str) -> st.SearchStrategy[Rule]:
        limit = limits
        if limit is None:
            limit = st.sampled_from([1, 1, 2] if type_name == "user_id" else [1, 2, 3, 3])
        return st.builds(Rule, st.just(type_name), limit, periods, st.just(KEYS.get(type_name)))

    orders = st.permutations(TYPES) | st.permutations(TYPES).map(lambda order: order[:3])
    listed = orders.flatmap(lambda order: st.tuples(*map(rule, order)))
    return st.builds(Rules, listed, BLOCKED)


# --- Logs -------------------------------------------------------------------------------------------------

PERIOD_EDGES_MS = st.sampled_from([length_ms + near_ms for length_ms in PERIOD_LENGTHS_MS for near_ms in (0, -1, 1)])
DELAYS_MS = PERIOD_EDGES_MS | st.sampled_from([SECOND_MS, SECOND_MS, HOUR_MS, DAY_MS, 4 * DAY_MS, 20 * DAY_MS])
IN_TIME = st.just(0)
LATENESS_MS = st.sampled_from(
    [0, 0, 0, HOUR_MS, 8 * DAY_MS, 40 * DAY_MS, 400 * DAY_MS, *PERIOD_LENGTHS_MS, -HOUR_MS]
)  # below 0: a clock that runs ahead


def dated(call: dict[str, Any], number: int, at_ms: int, late_ms: int) -> Received:
    times = {"timestamp": iso(at_ms - late_ms)} if late_ms else {}
    return Received(at_ms, {**call, "messageId": f"m{number}", **times})


Step = tuple[int, int, dict[str, Any]]


def steps(
    calls: st.SearchStrategy[dict[str, Any]],
    *,
    delays_ms: st.SearchStrategy[int] = DELAYS_MS,
    lateness_ms: st.SearchStrategy[int] = IN_TIME,
    size_min: int = 6,
    size_max: int = 16,
) -> st.SearchStrategy[list[Step]]:
    return st.lists(st.tuples(delays_ms, lateness_ms, calls), min_size=size_min, max_size=size_max)


def received(steps: Sequence[Step]) -> list[Received]:
    """The calls at their times."""
    events: list[Received] = []
    at_ms = START_MS
    for number, (delay_ms, late_ms, call) in enumerate(steps):
        at_ms += delay_ms
        events.append(dated(call, number, at_ms, late_ms))
    return events


def with_probes(events: Sequence[Received], *rules: Rules) -> list[Received]:
    """The events, and one for each identifier on them that is usable under the last of the rules."""
    met = {one for event in events for known in rules for one in identifiers_on(event.call, known)}
    probes = [probe_of(one) for one in sorted(met) if not rules[-1].blocks(one)]
    first, at_ms = len(events), events[-1].at_ms
    return [
        *events,
        *(dated(call, first + index, at_ms + (index + 1) * SECOND_MS, 0) for index, call in enumerate(probes)),
    ]


def case_of(rules: Rules, steps: Sequence[Step], caps: Caps) -> Case:
    return Case(rules, with_probes(received(steps), rules), caps)


def changed_case_of(rules: Rules, steps: Sequence[Step], others: Rules, index: int) -> Case:
    """The rules become others before the event of this number."""
    events = with_probes(received(steps), rules, others)
    return Case(rules, [*events[:index], others, *events[index:]])


CAPS = st.builds(Caps, merges=st.integers(1, 3)) | st.builds(Caps, merges=st.integers(1, 3), mappings=st.integers(2, 6))
NO_CAPS = st.just(NO_CAPS_NEAR)
SLIDING = st.sampled_from(list(PERIODS_MS))
NO_LIMITS = rule_sets(limits=st.just(20))
MANY_LINKS = steps(LINKS, size_min=16, size_max=30)


@st.composite
def edge_cases(draw: st.DrawFn) -> Case:
    """Addresses of few people come and go at the edges of the one period that limits them."""
    period = draw(SLIDING)
    rules = Rules((Rule("user_id", limit=1), Rule("email", draw(st.integers(1, 2)), period)))
    length_ms = PERIODS_MS[period]
    edges_ms = st.sampled_from([length_ms, length_ms - 1, length_ms + 1, length_ms // 2, length_ms // 2 + 1, SECOND_MS])
    return case_of(rules, draw(steps(CHANGED_ADDRESSES, delays_ms=edges_ms)), NO_CAPS_NEAR)


CASES = st.builds(case_of, rule_sets(), steps(calls()), NO_CAPS)
LINKED_CASES = st.builds(case_of, NO_LIMITS, MANY_LINKS, NO_CAPS)
SLIDING_CASES = st.builds(case_of, rule_sets(limits=st.integers(1, 2), periods=SLIDING), steps(calls()), NO_CAPS)
EDGE_CASES = edge_cases()
LATE_CASES = st.builds(
    case_of,
    rule_sets(limits=st.integers(1, 2), periods=SLIDING),
    steps(calls() | CHANGED_ADDRESSES, lateness_ms=LATENESS_MS),
    NO_CAPS,
)
CAPPED_CASES = st.builds(case_of, rule_sets(limits=st.sampled_from([1, 3, 5])), steps(calls()), CAPS)
CAPPED_LINKED_CASES = st.builds(case_of, NO_LIMITS, MANY_LINKS, CAPS)
CHANGED_CASES = st.builds(changed_case_of, rule_sets(), steps(calls()), rule_sets(), st.integers(1, 10))
STRANGERS = st.builds(
    lambda rules, steps: Case(replace(rules, blocked=DEFAULT_BLOCKED), received(steps)),
    NO_LIMITS,
    steps(strangers(), lateness_ms=LATENESS_MS),
)

COUNTS = st.lists(
    st.builds(Count, st.sampled_from([">=", ">=", "="]), st.integers(1, 5), st.booleans()),
    min_size=1,
    max_size=4,
    unique=True,
).map(lambda counts: dict(zip("abcd", counts, strict=False)))
