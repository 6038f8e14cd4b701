"""Identifiers as they stand on an event, and the rules about them.

The part of the identity oracle that knows no profiles. Slow, and meant to be seen to be right. Covered are
``userId``, ``anonymousId``, e-mail addresses, device ids, ``externalIds`` and configured keys; the other default
locations are left to examples.

Source: Segment, "Identity Resolution Settings" and "Identity Resolution: ExternalIDs"; docs/decisions.md, "Identity".
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

DAY_MS = 86_400_000
Period = Literal["ever", "weekly", "monthly", "annually"]
PERIODS_MS: dict[Period, int] = {"weekly": 7 * DAY_MS, "monthly": 30 * DAY_MS, "annually": 365 * DAY_MS}


class Identifier(NamedTuple):
    type: str
    value: str


@dataclass(frozen=True)
class Rule:
    """How many values of a type a profile may hold; ``key``: where traits and properties carry it.

    Segment: a type that nobody has configured gets 5, ever; only ``user_id`` has 1.
    """

    type: str
    limit: int = 5
    period: Period = "ever"
    key: str | None = None


@dataclass(frozen=True)
class Pattern:
    """Blocks every value that the regular expression finds."""

    pattern: str


DEFAULT_BLOCKED: tuple[str | Pattern, ...] = ("-1", "null", "anonymous", Pattern("^[0-]*$"))


@dataclass(frozen=True)
class Rules:
    """``identifiers``: the order is the priority, highest first."""

    identifiers: tuple[Rule, ...] = (Rule("user_id", limit=1), Rule("email"))
    blocked: tuple[str | Pattern, ...] = DEFAULT_BLOCKED

    def of(self, type_name: str) -> Rule:
        listed = [rule for rule in self.identifiers if rule.type == type_name]
        return listed[0] if listed else Rule(type_name)

    def rank(self, type_name: str) -> tuple[int, str]:
        """Small is high. Segment: the configured order, then all others alphabetically."""
        listed = [rule.type for rule in self.identifiers]
        return (listed.index(type_name), "") if type_name in listed else (len(listed), type_name)

    def blocks(self, identifier: Identifier) -> bool:
        """Segment: "blocked values" are never promoted. A text is meant exactly, case included."""
        return any(
            re.search(blocked.pattern, identifier.value) is not None
            if isinstance(blocked, Pattern)
            else blocked == identifier.value
            for blocked in self.blocked
        )


def identifiers_on(call: Mapping[str, Any], rules: Rules) -> list[Identifier]:
    """The identifiers of a call in the order of their locations, each once, blocked ones included."""
    found: list[Identifier] = []
    for type_name, raw in _located(call, rules):
        value = _normal(type_name, raw)
        if value is not None and Identifier(type_name, value) not in found:
            found.append(Identifier(type_name, value))
    return found


def _located(call: Mapping[str, Any], rules: Rules) -> Iterator[tuple[str, Any]]:
    """Segment, "Identity Resolution Settings": the table of default locations, row by row; then the custom ones."""
    yield "user_id", call.get("userId")
    if call["type"] == "alias":  # promotes only its userId
        return
    context = call.get("context", {})
    context_traits = context.get("traits", {})
    # The traits of a group call are those of the account.
    traits = {} if call["type"] == "group" else call.get("traits", {})
    properties = call.get("properties", {})

    yield "email", traits.get("email")
    yield "email", context_traits.get("email")
    yield "email", properties.get("email")
    yield "anonymous_id", call.get("anonymousId")
    yield from _device(context.get("device", {}))
    for entry in context.get("externalIds", []):
        if _is_whole(entry):
            yield entry["type"], entry["id"]
    for rule in rules.identifiers:
        for place in (context_traits, traits, properties):
            for name in _spellings(rule.key):
                yield rule.type, place.get(name)


def _device(device: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Segment: a device's ids count only with the ``type`` that says what they are."""
    system = device.get("type")
    if system in ("android", "ios"):
        yield f"{system}.id", device.get("id")
        if device.get("adTrackingEnabled") is True:
            yield f"{system}.idfa", device.get("advertisingId")
        yield f"{system}.push_token", device.get("token")


def _is_whole(entry: Mapping[str, Any]) -> bool:
    """Segment, "Identity Resolution: ExternalIDs": four keys are required, the type is in lower case."""
    return (
        {"id", "type", "collection", "encoding"} <= entry.keys()
        and entry["collection"] == "users"
        and entry["encoding"] == "none"
        and entry["type"] == entry["type"].lower()
    )


def _spellings(key: str | None) -> list[str]:
    """Segment: a configured key is found "in both camelCase and snake_case"."""
    if key is None:
        return []
    first, *rest = key.split("_")
    return [key, first + "".join(word.capitalize() for word in rest)]


def _normal(type_name: str, raw: Any) -> str | None:
    """A string or the shortest text of a number, trimmed; an e-mail address in lower case. None: not there."""
    if raw is None or isinstance(raw, bool | dict | list):
        return None
    text = str(int(raw)) if isinstance(raw, float) and raw.is_integer() else str(raw)
    return text.strip().lower() if type_name == "email" else text.strip()
