"""Random identity rules and random logs of few people with few identifiers, so that they collide all the time.

Every log ends with probes: one event for each identifier that was met, carrying nothing else. To whom they resolve
is the final graph, seen through the public door.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from tests.property.identity_oracle import EPOCH, NO_CAPS_NEAR, Caps, Received
from tests.property.identity_oracle_memberships import EVENT, Count
from tests.property.identity_oracle_values import (
    DAY_MS,
    DEFAULT_BLOCKED,
    Identifier,
    Pattern,
    Rule,
    Rules,
    identifiers_on,
)

SECOND_MS, HOUR_MS = 1_000, 3_600_000
START_MS = (datetime(2022, 1, 1, tzinfo=UTC) - EPOCH) // timedelta(milliseconds=1)

PERIOD_LENGTHS_MS = [7 * DAY_MS, 30 * DAY_MS, 365 * DAY_MS]


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

NOBODY = "anonymous"  # always blocked: the user id of an event that shall carry only other identifiers
BLOCKED = st.sampled_from(
    [DEFAULT_BLOCKED, DEFAULT_BLOCKED, (NOBODY,), (NOBODY, "u3", Pattern("^a[34]$")), (NOBODY, Pattern("5"), "c@x.io")]
)
PERIODS = st.sampled_from(["ever", "ever", "weekly", "monthly", "annually"])
KEYS = {"app_id": "app_id"}
TYPES = ["user_id", "email", "anonymous_id", "phone", "app_id"]


def rule_sets(
    limits: st.SearchStrategy[int] | None = None, periods: st.SearchStrategy[str] = PERIODS
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


# --- Events -----------------------------------------------------------------------------------------------

# As people write them: with spaces, in capitals, as numbers.
USERS = st.sampled_from([*["u1", "u2", "u3"] * 5, " u1 ", "5", 5, "-10", "null"])
VISITORS = st.sampled_from([*["a1", "a2", "a3", "a4"] * 5, "a1 ", "-1", "000-0"])
ADDRESSES = st.sampled_from([*["a@x.io", "b@x.io", "c@x.io"] * 3, " A@X.io", "NULL"])
PHONES = st.sampled_from([*["p1", "p2", "p3"] * 3, 5, "5", "P1", "null"])
APPS = st.sampled_from([*["x1", "x2", "x3"] * 3, "X1", 5, 5.0, "-1"])

DELAYS_MS = st.sampled_from(
    [
        SECOND_MS,
        SECOND_MS,
        HOUR_MS,
        DAY_MS,
        4 * DAY_MS,
        20 * DAY_MS,
        200 * DAY_MS,
        *(length_ms + near_ms for length_ms in PERIOD_LENGTHS_MS for near_ms in (-1, 0, 1)),
    ]
)
IN_TIME = st.just(0)
LATENESS_MS = st.sampled_from(
    [0, 0, 0, HOUR_MS, 8 * DAY_MS, 40 * DAY_MS, 400 * DAY_MS, *PERIOD_LENGTHS_MS, -HOUR_MS]
)  # below 0: a clock that runs ahead


LOCATIONS = st.lists(
    st.sampled_from(["user", "visitor", "address", "visitor", "entries", "app", "user", "address of the context"]),
    min_size=1,
    max_size=4,
)
ADDRESSED = st.fixed_dictionaries({"email": ADDRESSES})


@st.composite
def external_ids(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Phone numbers mostly, in the one documented form and in forms that are not promoted."""
    entry: dict[str, Any] = {"type": "phone", "collection": "users", "encoding": "none"}
    entries = [{**entry, "id": phone} for phone in draw(st.lists(PHONES, min_size=1, max_size=2))]
    match draw(st.sampled_from([None, None, None, None, "email", "wrong type", "no encoding"])):
        case "email":
            entries.append({**entry, "type": "email", "id": draw(ADDRESSES)})
        case "wrong type":
            entries.append({**entry, "type": "Phone", "id": "p9"})
        case "no encoding":
            entries.append({"type": "phone", "collection": "users", "id": "p9"})
    return entries


@st.composite
def calls(draw: st.DrawFn) -> dict[str, Any]:
    """One call with few identifiers, at any of their locations."""
    kind = draw(st.sampled_from(["track"] * 5 + ["identify"] * 3 + ["page", "alias"]))
    call: dict[str, Any] = {"type": kind}
    if kind == "track":
        call["event"] = draw(st.sampled_from([EVENT, EVENT, "Y"]))
    if kind == "alias":
        call["previousId"] = draw(USERS)
    located = draw(LOCATIONS)
    if "user" in located or "visitor" not in located:
        call["userId"] = draw(USERS) if "user" in located else NOBODY
    if "visitor" in located:
        call["anonymousId"] = draw(VISITORS)
    values: dict[str, Any] = draw(ADDRESSED) if "address" in located else {}
    context_traits: dict[str, Any] = draw(ADDRESSED) if "address of the context" in located else {}
    if "app" in located:
        place = values if draw(st.booleans()) else context_traits
        place[draw(st.sampled_from(["app_id", "appId"]))] = draw(APPS)
    context = {"traits": context_traits, "externalIds": draw(external_ids()) if "entries" in located else []}
    return with_parts(call, values, {name: part for name, part in context.items() if part})


def with_parts(call: dict[str, Any], values: Mapping[str, Any], context: Mapping[str, Any]) -> dict[str, Any]:
    """The call with its values where calls of its type have them."""
    place = "traits" if call["type"] == "identify" else "properties"
    return {**call, **({place: values} if values else {}), **({"context": context} if context else {})}


def dated(call: dict[str, Any], number: int, at_ms: int, late_ms: int) -> Received:
    times = {"timestamp": iso(at_ms - late_ms)} if late_ms else {}
    return Received(at_ms, {**call, "messageId": f"m{number}", **times})


# --- Logs -------------------------------------------------------------------------------------------------

Step = tuple[int, int, dict[str, Any]]


def steps(lateness_ms: st.SearchStrategy[int] = IN_TIME) -> st.SearchStrategy[list[Step]]:
    return st.lists(st.tuples(DELAYS_MS, lateness_ms, calls()), min_size=6, max_size=16)


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


def probe_of(identifier: Identifier) -> dict[str, Any]:
    """An event with this identifier and no other."""
    type_name, value = identifier
    match type_name:
        case "user_id":
            return {"type": "track", "event": EVENT, "userId": value}
        case "anonymous_id":
            return {"type": "track", "event": EVENT, "anonymousId": value}
    entry = {"id": value, "type": type_name, "collection": "users", "encoding": "none"}
    return {"type": "track", "event": EVENT, "userId": NOBODY, "context": {"externalIds": [entry]}}


@st.composite
def strangers(draw: st.DrawFn) -> dict[str, Any]:
    """A call of one of three people who share nothing and always say who they are: there is nothing to decide."""
    person = draw(st.sampled_from("123"))
    call = {"type": "track", "event": draw(st.sampled_from([EVENT, "Y"])), "userId": f"u{person}"}
    values = {}
    if draw(st.booleans()):
        call["anonymousId"] = f"a{person}{draw(st.sampled_from('xy'))}"
    if draw(st.booleans()):
        values["email"] = draw(st.sampled_from([f"{person}@x.io", f"{person}@Y.io "]))
    if draw(st.booleans()):
        values["appId"] = f"x{person}"
    return with_parts(call, values, {})


CAPS = st.builds(Caps, merges=st.integers(1, 2)) | st.builds(Caps, merges=st.integers(1, 3), mappings=st.integers(2, 6))
NO_CAPS = st.just(NO_CAPS_NEAR)
SLIDING = st.sampled_from(["weekly", "monthly", "annually"])

CASES = st.builds(case_of, rule_sets(), steps(), NO_CAPS)
SLIDING_CASES = st.builds(case_of, rule_sets(periods=SLIDING), steps(), NO_CAPS)
LATE_CASES = st.builds(case_of, rule_sets(periods=SLIDING), steps(LATENESS_MS), NO_CAPS)
CAPPED_CASES = st.builds(case_of, rule_sets(limits=st.sampled_from([1, 3, 5]), periods=st.just("ever")), steps(), CAPS)
CHANGED_CASES = st.builds(changed_case_of, rule_sets(), steps(), rule_sets(), st.integers(1, 10))
STRANGERS = st.builds(
    lambda rules, steps: Case(replace(rules, blocked=DEFAULT_BLOCKED), received(steps)),
    rule_sets(limits=st.just(10)),
    st.lists(st.tuples(DELAYS_MS, LATENESS_MS, strangers()), min_size=4, max_size=12),
)

COUNTS = st.lists(
    st.builds(Count, st.sampled_from([">=", ">=", "="]), st.integers(1, 5), st.booleans()),
    min_size=1,
    max_size=4,
    unique=True,
).map(lambda counts: dict(zip("abcd", counts, strict=False)))
