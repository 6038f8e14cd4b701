"""Who enters and leaves when profiles become one, from the events of the final profiles alone.

Audiences are counts of the track ``X``. A membership after an event is computed from all events of the profile that
it resolved to, those of merged-away profiles included, as if they had been its own from the start.

Source: Segment, "Profiles Sync: canonical_segment_id"; docs/decisions.md, "Who can be a member".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from tests.property.identity_oracle import Outcome, Profile
from tests.property.identity_oracle_values import Identifier

EVENT = "X"


@dataclass(frozen=True)
class Count:
    """``event('X').count() >= n``, or ``= n``."""

    comparator: Literal[">=", "="]
    number: int
    include_anonymous: bool = False

    @property
    def query(self) -> str:
        return f"event('{EVENT}').count() {self.comparator} {self.number}"

    def holds(self, counted: int) -> bool:
        return counted >= self.number if self.comparator == ">=" else counted == self.number


class Transition(NamedTuple):
    """``profile``, ``merged_into``: names of profiles. ``identifiers``: what the message says it is about."""

    profile: int
    key: str
    number: int
    entered: bool
    reason: Literal["event", "merge"]
    merged_into: int | None
    identifiers: frozenset[Identifier]


def transitions(
    audiences: Mapping[str, Count], calls: Sequence[Mapping[str, Any]], outcomes: Sequence[Outcome]
) -> list[tuple[list[Transition], list[Transition]]]:
    """For each event the exits of the children that it merged away, then the changes of the profile it belongs to."""
    numbers: dict[tuple[int, str], int] = {}
    found = []
    for outcome in outcomes:
        exits = [
            Transition(child, key, numbers[child, key] + 1, False, "merge", parent, frozenset())
            for child, parent in sorted(outcome.merged)
            for key in sorted(audiences)
            if numbers.get((child, key), 0) % 2 == 1
        ]
        changes = [] if outcome.profile is None else _changes(audiences, calls, outcome, numbers)
        numbers |= {(one.profile, one.key): one.number for one in [*exits, *changes]}
        found.append((exits, changes))
    return found


def _changes(
    audiences: Mapping[str, Count],
    calls: Sequence[Mapping[str, Any]],
    outcome: Outcome,
    numbers: Mapping[tuple[int, str], int],
) -> list[Transition]:
    """One evaluation an event, by key: what differs between being in and having been told to be in."""
    profile = outcome.resolved()
    found = []
    for key, audience in sorted(audiences.items()):
        told = numbers.get((profile.name, key), 0)
        entered = _is_member(audience, profile, calls)
        if entered != (told % 2 == 1):
            reason: Literal["event", "merge"] = "merge" if outcome.merged else "event"
            identifiers = frozenset(profile.identifiers)
            found.append(Transition(profile.name, key, told + 1, entered, reason, None, identifiers))
    return found


def _is_member(audience: Count, profile: Profile, calls: Sequence[Mapping[str, Any]]) -> bool:
    """Segment, "Audiences": a profile needs an id that a destination knows; anonymous ones only where asked for."""
    eligible = {"user_id", "email", "android.idfa", "ios.idfa"}
    if audience.include_anonymous:
        eligible.add("anonymous_id")
    if not eligible & {identifier.type for identifier in profile.identifiers}:
        return False
    return audience.holds(sum(calls[number].get("event") == EVENT for number in profile.events))
