"""Who is who after every event, worked out from scratch: slow, and meant to be seen to be right.

It is the documented loop, word by word, over the whole log: no index, no cache, no stored graph. A profile is
named by the number of the event that created it, so that the ids that an engine draws can be renamed to these.

Where the documents leave room, the reading is said at the line that needs it, and nowhere else.

Source: Segment, "Identity Resolution Settings", "Unify limits" and "Profiles Insights"; docs/decisions.md, "Identity".
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.property.identity_oracle_values import PERIODS_MS, Identifier, Rule, Rules, identifiers_on

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# Segment, "Profiles Insights": the names of what can be wrong.
VALUE_BLOCKED = "ID value blocked"
VALUE_LIMIT = "Identifier value limit exceeded"
TIME_LIMIT = "Identifier value time limit exceeded"
MERGE_LIMIT = "Profile merge limit exceeded"
MAPPING_LIMIT = "Identifier mapping limit exceeded"


@dataclass(frozen=True)
class Caps:
    """What no profile may pass. Segment, "Unify limits": 100 merges, 1,000 identifiers."""

    merges: int = 100
    mappings: int = 1000


@dataclass(frozen=True)
class Received:
    """A tracking call and when it was received; of a log no two at the same time."""

    at_ms: int
    call: Mapping[str, Any]

    @property
    def ts_ms(self) -> int:
        """When it happened; a time of the future counts as the receipt."""
        if "timestamp" not in self.call:
            return self.at_ms
        given = datetime.fromisoformat(self.call["timestamp"])
        return min(self.at_ms, (given - EPOCH) // timedelta(milliseconds=1))


@dataclass(frozen=True)
class Profile:
    """``name``: the number of its first event. ``identifiers``: with the time of their first mapping.

    ``merges``: of how many others it consists. ``events``: the numbers of its own events and theirs, ascending.
    """

    name: int
    born_ms: int
    identifiers: Mapping[Identifier, int] = field(default_factory=dict)
    merges: int = 0
    events: tuple[int, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """What became of one event. ``profile`` None: no identifier was left, it belongs to nobody.

    ``kept``: its identifiers that were neither blocked nor demoted. ``merged``: (child, parent).
    ``violations``: of each the kinds of which any may be told; ``profiles``: all that live afterwards.
    """

    profile: int | None
    kept: tuple[Identifier, ...]
    merged: frozenset[tuple[int, int]]
    violations: tuple[frozenset[str], ...]
    profiles: tuple[Profile, ...]

    def resolved(self) -> Profile:
        """The profile of the event, as it is after it."""
        return next(profile for profile in self.profiles if profile.name == self.profile)


NO_CAPS_NEAR = Caps()


def outcomes(rules: Rules, log: Sequence[Received | Rules], caps: Caps = NO_CAPS_NEAR) -> list[Outcome]:
    """One outcome an event, in the order of the log. ``Rules`` in the log hold for the events after them."""
    found: list[Outcome] = []
    profiles: tuple[Profile, ...] = ()
    for item in log:
        if isinstance(item, Rules):
            rules = item
            continue
        found.append(_outcome(item, len(found), profiles, rules, caps))
        profiles = found[-1].profiles
    return found


def _outcome(event: Received, number: int, profiles: tuple[Profile, ...], rules: Rules, caps: Caps) -> Outcome:
    # "Extract identifiers, remove blocked values." A blocked one is a violation.
    every = identifiers_on(event.call, rules)
    usable = [identifier for identifier in every if not rules.blocks(identifier)]
    violations = [frozenset({VALUE_BLOCKED})] * (len(every) - len(usable))

    # "No matching identifiers on event": it is not resolved.
    if not usable:
        return Outcome(None, (), frozenset(), tuple(violations), profiles)

    # Flat matching and merge protection: demote until no limit is exceeded; then the caps.
    kept, demotions = _within_limits(event, usable, profiles, rules)
    matched, refusals = _within_merge_cap(_by_priority(kept, rules), profiles, caps)

    # No match: a new profile. One: that. Several: the one created first is the parent of the others.
    new = Profile(name=number, born_ms=event.at_ms)
    parent = min(matched, key=lambda profile: profile.born_ms, default=new)
    children = [profile for profile in matched if profile is not parent]
    unmapped = [identifier for identifier in _by_priority(kept, rules) if not _matching([identifier], profiles)]
    whole, overflow = _with_identifiers(_united(parent, children), unmapped, event, caps)

    whole = replace(whole, events=(*whole.events, number))
    others = [profile for profile in profiles if profile not in matched]
    return Outcome(
        profile=whole.name,
        kept=tuple(kept),
        merged=frozenset((child.name, parent.name) for child in children),
        violations=(*violations, *demotions, *refusals, *overflow),
        profiles=tuple(sorted([*others, whole], key=lambda profile: profile.name)),
    )


def _matching(identifiers: Iterable[Identifier], profiles: Iterable[Profile]) -> list[Profile]:
    """Segment: the search is flat, for profiles that match *any* of the identifiers."""
    wanted = set(identifiers)
    return [profile for profile in profiles if wanted & set(profile.identifiers)]


def _within_limits(
    event: Received, usable: Sequence[Identifier], profiles: Sequence[Profile], rules: Rules
) -> tuple[list[Identifier], list[frozenset[str]]]:
    """Segment: if the would-be profile exceeds a limit, discard the lowest-priority identifier, and search again.

    It is the lowest on the event, whether or not its type is the one exceeded. The loop ends: a single identifier
    adds nothing to the profile that it has, or makes a new one.
    """
    kept, violations = list(usable), []
    while over := _exceeded(event, kept, _matching(kept, profiles), rules):
        kept.remove(_by_priority(kept, rules)[-1])
        # Each demotion is a violation. Where limits of both kinds are exceeded, either may be named.
        violations.append(frozenset(VALUE_LIMIT if rule.period == "ever" else TIME_LIMIT for rule in over))
    return kept, violations


def _by_priority(identifiers: Iterable[Identifier], rules: Rules) -> list[Identifier]:
    """Highest first; of one type in the order in which they were found, so that the last found goes first."""
    return sorted(identifiers, key=lambda identifier: rules.rank(identifier.type))


def _exceeded(event: Received, kept: Sequence[Identifier], matched: Sequence[Profile], rules: Rules) -> list[Rule]:
    """The rules that the would-be profile breaks: the union of the matched ones and the event's identifiers.

    "Never split, only refuse additions": a profile may hold more than a limit allows (the rules were tightened, or
    the event is late). So a type is exceeded when there would be more than the limit *and* more than there are in
    any of the profiles that would become one.
    """
    would_be = {identifier: _mapped_at_ms(event) for identifier in kept}
    for profile in matched:
        would_be |= profile.identifiers
    rules_met = [rules.of(type_name) for type_name in sorted({identifier.type for identifier in would_be})]
    return [
        rule
        for rule in rules_met
        if _counted(would_be, rule, event)
        > max(rule.limit, *(_counted(profile.identifiers, rule, event) for profile in matched), 0)
    ]


def _counted(identifiers: Mapping[Identifier, int], rule: Rule, event: Received) -> int:
    """How many values of the rule's type count towards its limit, seen from the event's timestamp.

    "Ever" counts all; a sliding period those first mapped in the trailing 7, 30 or 365 days, or later (seen from a
    late event). The edge is that of ``within``: what is exactly 7 days old does not count.
    """
    since_ms = event.ts_ms - PERIODS_MS[rule.period] if rule.period in PERIODS_MS else None
    return sum(
        identifier.type == rule.type and (since_ms is None or mapped_ms > since_ms)
        for identifier, mapped_ms in identifiers.items()
    )


def _mapped_at_ms(event: Received) -> int:
    """An identifier is mapped when the record comes that brings it, whenever that happened."""
    return event.at_ms


def _within_merge_cap(
    by_priority: Sequence[Identifier], profiles: Sequence[Profile], caps: Caps
) -> tuple[list[Profile], list[frozenset[str]]]:
    """Segment, "Unify limits": at the cap there are no further merges, but events are still resolved.

    A merge counts for itself and for those that the child is made of. One that would pass a cap is refused as a whole,
    and the event goes to the profile of its highest-priority identifier: the first that has one. Each identifier of
    the profiles that stay apart is a violation. Only what the
    profiles hold already is a matter of the merge: the event's new identifiers find room afterwards or not. Where both
    caps would be passed, either may be named.
    """
    matched = _matching(by_priority, profiles)
    merges = sum(profile.merges for profile in matched) + len(matched) - 1
    mappings = sum(len(profile.identifiers) for profile in matched)
    passed = {MERGE_LIMIT: merges > caps.merges, MAPPING_LIMIT: mappings > caps.mappings}
    if len(matched) < 2 or not any(passed.values()):
        return matched, []
    first = next(identifier for identifier in by_priority if _matching([identifier], profiles))
    taken = _matching([first], profiles)
    elsewhere = [identifier for identifier in by_priority if _matching([identifier], profiles) not in ([], taken)]
    return taken, [frozenset(kind for kind, is_passed in passed.items() if is_passed)] * len(elsewhere)


def _with_identifiers(
    profile: Profile, unmapped: Sequence[Identifier], event: Received, caps: Caps
) -> tuple[Profile, list[frozenset[str]]]:
    """Segment, "Unify limits": at the cap no further identifiers are mapped. Each that finds no room is a violation."""
    room = max(caps.mappings - len(profile.identifiers), 0)
    added = dict.fromkeys(unmapped[:room], _mapped_at_ms(event))
    overflow = [frozenset({MAPPING_LIMIT})] * len(unmapped[room:])
    return replace(profile, identifiers={**profile.identifiers, **added}), overflow


def _united(parent: Profile, children: Sequence[Profile]) -> Profile:
    """The parent with all that its children were; identifiers keep the times of their first mappings."""
    whole = parent
    for child in children:
        whole = replace(
            whole,
            identifiers={**whole.identifiers, **child.identifiers},
            merges=whole.merges + 1 + child.merges,
            events=tuple(sorted(whole.events + child.events)),
        )
    return whole
