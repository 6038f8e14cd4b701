"""Whose event it is: one pure decision from the identifiers of the event and the profiles they lead to.

    limits   the lowest-priority identifiers are demoted until the would-be profile is within every limit
    merge    of several profiles the one created first takes in the others, unless that passes a cap
    map      what is new to the profile is written to it, as long as there is room

Source: Segment, "Identity Resolution Settings" and "Unify limits"; docs/decisions.md, "Identity".
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

from worker.identity.rules import Caps, Identifier, Limit, Rules


class Candidate(NamedTuple):
    """A live profile of the graph that an identifier of the event leads to.

    ``profile``: 16 bytes. ``born_ms``: record time of its creation. ``merges``: profiles merged into it so far, with
    theirs. ``identifiers``: all of its own, each with the time (ms) at which it was first mapped to it.
    """

    profile: bytes
    born_ms: int
    merges: int
    identifiers: Mapping[Identifier, int]


class ViolationKind(StrEnum):
    """Why an identifier was not promoted to the profile of its event.

    Source: Segment, "Unify Insights" (identity graph violations).
    """

    BLOCKED = "ID value blocked"
    VALUES = "Identifier value limit exceeded"
    VALUES_IN_PERIOD = "Identifier value time limit exceeded"
    MERGES = "Profile merge limit exceeded"
    MAPPINGS = "Identifier mapping limit exceeded"


class Violation(NamedTuple):
    """An identifier of the event that was left out, and why."""

    kind: ViolationKind
    identifier: Identifier


class Resolution(NamedTuple):
    """What is to become of one event and of its identifiers.

    ``profile`` None: a new one is to be created. ``children``: merged into ``profile``, oldest first. ``mapped``:
    identifiers that are new to the (would-be) profile, to be written. ``demoted``: discarded for this event only; they
    stay with whom they were, if with anybody. ``violations``: why, one for each of ``demoted``. All by priority.

    Every identifier of the event that is not demoted, at least one, belongs to the profile from now on.
    """

    profile: Candidate | None
    children: tuple[Candidate, ...]
    mapped: tuple[Identifier, ...]
    demoted: tuple[Identifier, ...]
    violations: tuple[Violation, ...]


def resolve(
    identifiers: Sequence[Identifier], candidates: Mapping[Identifier, Candidate], rules: Rules, *, at_ms: int
) -> Resolution:
    """Decide the profile of one event. Rules that were tightened never split a profile, they only refuse additions.

    Shapes:
        identifiers: by priority (``Rules.ordered``), none blocked, at least one.
        candidates: the live profile of each of them that leads to one; several may share a candidate.

    Units:
        at_ms: the event's own, corrected timestamp; periods of limits trail from it.

    Source: Segment, "Identity Resolution Settings"; docs/decisions.md, "Identity".
    """
    owner = _owner_of_all(identifiers, candidates)
    if owner is not None:
        return Resolution(owner, (), (), (), ())
    left_out = _beyond_limits(identifiers, candidates, rules, at_ms)
    kept = [identifier for identifier in identifiers if identifier not in left_out]
    found = [candidates[identifier] for identifier in kept if identifier in candidates]
    matched = list({candidate.profile: candidate for candidate in found}.values())
    cap = _passed_cap(matched, rules.caps)
    if cap is not None:
        del matched[1:]  # what the highest-priority identifier leads to; the others keep what is theirs
        left_out |= {i: cap for i in kept if i in candidates and candidates[i].profile != matched[0].profile}
    matched.sort(key=lambda candidate: (candidate.born_ms, candidate.profile))
    room = rules.caps.mappings_max - _mappings(matched)
    new = [identifier for identifier in kept if identifier not in candidates]
    mapped = tuple(new[: max(room, 0)])
    left_out |= dict.fromkeys(new[len(mapped) :], ViolationKind.MAPPINGS)
    violations = tuple([Violation(left_out[i], i) for i in identifiers if i in left_out])
    return Resolution(
        profile=matched[0] if matched else None,
        children=tuple(matched[1:]),
        mapped=mapped,
        demoted=tuple([violation.identifier for violation in violations]),
        violations=violations,
    )


def _owner_of_all(identifiers: Sequence[Identifier], candidates: Mapping[Identifier, Candidate]) -> Candidate | None:
    """The one profile that every identifier leads to, as in most events; there is nothing to decide then."""
    owner = candidates.get(identifiers[0])
    for identifier in identifiers[1:]:
        if candidates.get(identifier) is not owner:
            return None
    return owner


def _beyond_limits(
    identifiers: Sequence[Identifier], candidates: Mapping[Identifier, Candidate], rules: Rules, at_ms: int
) -> dict[Identifier, ViolationKind]:
    """Those that are demoted: from the lowest priority up, as long as the would-be profile is beyond a limit.

    More identifiers never bring a profile back within a limit, so that what demoting one by one would leave is what
    fits when they are added one by one, the highest priority first.
    """
    would_be = _WouldBe(rules, at_ms)
    for position, identifier in enumerate(identifiers):
        limit = would_be.add(identifier, candidates.get(identifier))
        if limit is not None:
            kind = ViolationKind.VALUES if limit.period_ms is None else ViolationKind.VALUES_IN_PERIOD
            return dict.fromkeys(identifiers[position:], kind)
    return {}


class _WouldBe:
    """The profile that an event would make: how many values of each type it has within the period of the limit."""

    def __init__(self, rules: Rules, at_ms: int) -> None:
        self._rules = rules
        self._at_ms = at_ms
        self._profiles: set[bytes] = set()
        self._values: Counter[str] = Counter()
        self._most_of_one: Counter[str] = Counter()

    def add(self, identifier: Identifier, owner: Candidate | None) -> Limit | None:
        """Add an identifier, and with it all of the profile that it leads to.

        The limit that is exceeded now; of several that of the highest-priority type.
        """
        limit = self._rules.limit
        if owner is None:
            self._values[identifier.type] += 1
            touched = [identifier.type]
        elif owner.profile in self._profiles:
            return None
        else:
            self._profiles.add(owner.profile)
            counted = Counter(
                [kind for (kind, _), first_ms in owner.identifiers.items() if limit(kind).counts(first_ms, self._at_ms)]
            )
            self._values.update(counted)
            self._most_of_one |= counted
            touched = list(counted)
        exceeded = [kind for kind in touched if self._exceeds(kind)]
        return limit(min(exceeded, key=self._rules.rank)) if exceeded else None

    def _exceeds(self, kind: str) -> bool:
        """What one of the profiles has already is no addition, be it beyond the limit or not."""
        values = self._values[kind]
        return values > self._rules.limit(kind).values and values > self._most_of_one[kind]


def _passed_cap(matched: Sequence[Candidate], caps: Caps) -> ViolationKind | None:
    """The cap that merging the profiles would pass. A child counts with all that were merged into it before."""
    if len(matched) < 2:
        return None
    if sum([candidate.merges for candidate in matched]) + len(matched) - 1 > caps.merges_max:
        return ViolationKind.MERGES
    return ViolationKind.MAPPINGS if _mappings(matched) > caps.mappings_max else None


def _mappings(profiles: Sequence[Candidate]) -> int:
    return sum([len(profile.identifiers) for profile in profiles])
