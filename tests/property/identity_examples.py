"""Calls written by hand, and compact views of what the identity oracle makes of them."""

from collections.abc import Mapping, Sequence
from typing import Any

from tests.property.identity_cases import START_MS
from tests.property.identity_oracle import Caps, Outcome, Received, outcomes
from tests.property.identity_oracle_values import Rules

DEFAULT = Rules()
Graph = dict[int, set[tuple[str, str]]]


def call(kind: str = "track", *, user: Any = None, visitor: Any = None, **fields: Any) -> dict[str, Any]:
    given = {"type": kind, "userId": user, "anonymousId": visitor, **fields}
    return {name: value for name, value in given.items() if value is not None}


def identify(email: str | None = None, **fields: Any) -> dict[str, Any]:
    return call("identify", traits=None if email is None else {"email": email}, **fields)


def entry(type_name: str, value: Any) -> dict[str, Any]:
    return {"id": value, "type": type_name, "collection": "users", "encoding": "none"}


def received(*calls: Mapping[str, Any]) -> list[Received]:
    """A second apart."""
    return [Received(START_MS + index * 1000, one) for index, one in enumerate(calls)]


def played(*calls: Mapping[str, Any], rules: Rules = DEFAULT, caps: Caps | None = None) -> list[Outcome]:
    return outcomes(rules, received(*calls), caps or Caps())


def whose(found: Sequence[Outcome]) -> list[int | None]:
    return [outcome.profile for outcome in found]


def graph(found: Sequence[Outcome]) -> Graph:
    """The profiles in the end: name → identifiers."""
    return {profile.name: {tuple(one) for one in profile.identifiers} for profile in found[-1].profiles}  # type: ignore[misc]


def merges(found: Sequence[Outcome]) -> list[tuple[int, int, int]]:
    """Event, child, parent."""
    return [(number, *merge) for number, outcome in enumerate(found) for merge in sorted(outcome.merged)]


def violations(found: Sequence[Outcome]) -> list[tuple[int, list[str]]]:
    """Of each event that has any; where either of two kinds may be told, both, separated by a stroke."""
    return [
        (number, ["/".join(sorted(kinds)) for kinds in outcome.violations])
        for number, outcome in enumerate(found)
        if outcome.violations
    ]
