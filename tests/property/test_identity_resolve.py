"""The decision against the documented loop, written down as it is documented; and what must hold whatever comes."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.people import DAY, People, identifier
from worker.identity.resolve import Candidate, Resolution, ViolationKind, resolve
from worker.identity.rules import PERIODS_MS, Caps, Identifier, Limit, Rules

pytestmark = pytest.mark.property

LIMIT_KINDS = {ViolationKind.VALUES, ViolationKind.VALUES_IN_PERIOD}
TYPES = ["user_id", "email", "a", "b"]  # the last one is never listed, so that its limit is 5

words = st.builds("{}:{}".format, st.sampled_from(TYPES), st.integers(0, 5))
events = st.lists(words, min_size=1, max_size=7)
times = st.integers(0, 40).map(lambda days: days * DAY)
limits = st.builds(Limit, st.integers(1, 3), st.sampled_from([*PERIODS_MS.values()]))
every_rules = st.builds(
    Rules,
    limits=st.permutations(TYPES[:3]).flatmap(lambda kinds: st.fixed_dictionaries(dict.fromkeys(kinds, limits))),
    caps=st.builds(Caps, st.integers(0, 4), st.integers(1, 9)),
)
LOOSE = Rules(limits=dict.fromkeys(TYPES, Limit(9)))


class Situation(NamedTuple):
    """One event before a graph that other rules have made, so that limits and caps may be passed already."""

    identifiers: list[Identifier]
    candidates: dict[Identifier, Candidate]
    rules: Rules
    at_ms: int

    def resolved(self) -> Resolution:
        return resolve(self.identifiers, self.candidates, self.rules, at_ms=self.at_ms)


@st.composite
def situations(draw: st.DrawFn) -> Situation:
    people = People()
    before = draw(every_rules) if draw(st.booleans()) else LOOSE
    for event, at_ms in draw(st.lists(st.tuples(st.lists(words, min_size=1, max_size=3), times), max_size=12)):
        people.take(*event, rules=before, at_ms=at_ms)
    rules, owners = draw(every_rules), people.owners()
    identifiers = rules.ordered([identifier(word) for word in draw(events)])
    return Situation(identifiers, {i: owners[i] for i in identifiers if i in owners}, rules, draw(times))


# --- The documented loop ------------------------------------------------------------------------------------


def distinct(candidates: Iterable[Candidate]) -> list[Candidate]:
    return list({candidate.profile: candidate for candidate in candidates}.values())


def counted(identifiers: Mapping[Identifier, int | None], kind: str, limit: Limit, at_ms: int) -> set[Identifier]:
    """The values of a type that the limit counts; None: seen now for the first time."""
    return {
        one
        for one, first_ms in identifiers.items()
        if one.type == kind and (limit.period_ms is None or first_ms is None or first_ms > at_ms - limit.period_ms)
    }


def within_limits(kept: Sequence[Identifier], situation: Situation) -> bool:
    """Whether every type of the would-be profile is within its limit, or was beyond it and nothing is added."""
    matched = distinct(situation.candidates[one] for one in kept if one in situation.candidates)
    final: dict[Identifier, int | None] = dict.fromkeys(kept)
    for candidate in matched:
        final |= candidate.identifiers
    for kind in TYPES:
        limit = situation.rules.limit(kind)
        values = counted(final, kind, limit, situation.at_ms)
        there = [counted(dict(one.identifiers), kind, limit, situation.at_ms) for one in matched]
        if len(values) > limit.values and values not in there:
            return False
    return True


def kept_by_the_loop(situation: Situation) -> list[Identifier]:
    kept = list(situation.identifiers)
    while not within_limits(kept, situation):
        kept.pop()
    return kept


@given(situations())
def test_what_is_demoted_is_what_the_documented_loop_demotes(situation: Situation) -> None:
    violations = situation.resolved().violations

    demoted = {one for kind, one in violations if kind in LIMIT_KINDS}
    assert [one for one in situation.identifiers if one not in demoted] == kept_by_the_loop(situation)


# --- What always holds --------------------------------------------------------------------------------------


def united(resolution: Resolution) -> dict[Identifier, int | None]:
    """The identifiers of the profile after the event."""
    after: dict[Identifier, int | None] = dict.fromkeys(resolution.mapped)
    for candidate in (resolution.profile, *resolution.children):
        after |= candidate.identifiers if candidate else {}
    return after


@given(situations())
def test_every_identifier_of_the_event_is_kept_by_the_profile_or_demoted_with_a_reason(situation: Situation) -> None:
    resolution = situation.resolved()
    kept = [one for one in situation.identifiers if one not in resolution.demoted]
    new = [one for one in situation.identifiers if one not in situation.candidates]

    assert kept, "no event is without an identifier that leads to its profile"
    assert united(resolution).keys() >= set(kept)
    assert resolution.mapped == tuple(one for one in kept if one in new)
    assert resolution.demoted == tuple(one for one in situation.identifiers if one not in kept)
    assert resolution.demoted == tuple(violation.identifier for violation in resolution.violations)


@given(situations())
def test_no_addition_passes_a_limit(situation: Situation) -> None:
    resolution = situation.resolved()
    before = [dict(one.identifiers) for one in (resolution.profile, *resolution.children) if one]

    for kind in TYPES:
        limit = situation.rules.limit(kind)
        most = max([len(counted(one, kind, limit, situation.at_ms)) for one in before], default=0)
        assert len(counted(united(resolution), kind, limit, situation.at_ms)) <= max(limit.values, most)


@given(situations())
def test_no_addition_passes_a_cap(situation: Situation) -> None:
    resolution, caps = situation.resolved(), situation.rules.caps
    profiles = [one for one in (resolution.profile, *resolution.children) if one]

    if resolution.children:
        assert sum(one.merges for one in profiles) + len(resolution.children) <= caps.merges_max
    if resolution.children or resolution.mapped:
        assert len(united(resolution)) <= caps.mappings_max


@given(situations())
def test_what_brings_nothing_new_to_a_profile_is_never_demoted(situation: Situation) -> None:
    for candidate in distinct(situation.candidates.values()):
        known = [one for one in situation.identifiers if one in candidate.identifiers]

        resolution = resolve(known, dict.fromkeys(known, candidate), situation.rules, at_ms=situation.at_ms)

        assert resolution == (candidate, (), (), (), ())


@given(situations())
def test_the_profile_created_first_takes_in_the_others(situation: Situation) -> None:
    resolution = situation.resolved()
    ages = [(one.born_ms, one.profile) for one in (resolution.profile, *resolution.children) if one]

    assert ages == sorted(set(ages))


@given(situations(), st.randoms(use_true_random=False))
def test_the_order_in_which_the_graph_tells_things_does_not_matter(situation: Situation, random: object) -> None:
    def shuffled(mapping: Mapping[Identifier, int]) -> dict[Identifier, int]:
        pairs = list(mapping.items())
        random.shuffle(pairs)  # type: ignore[attr-defined]
        return dict(pairs)

    again = {one: c._replace(identifiers=shuffled(c.identifiers)) for one, c in situation.candidates.items()}
    candidates = {one: again[one] for one in sorted(again, reverse=True)}

    assert situation._replace(candidates=candidates).resolved() == situation.resolved()


@given(st.lists(st.tuples(events, times), max_size=30), every_rules)
def test_whatever_comes_everybody_has_identifiers_of_their_own_and_loses_none(
    history: list[tuple[list[str], int]], rules: Rules
) -> None:
    people = People()
    for event, at_ms in history:
        before = set(people.owners())
        people.take(*event, rules=rules, at_ms=at_ms)

        assert before <= set(people.owners())
        assert len(people.owners()) == sum(len(one.identifiers) for one in people.profiles.values())
        assert all(one.merges <= rules.caps.merges_max for one in people.profiles.values())
        assert all(0 < len(one.identifiers) <= rules.caps.mappings_max for one in people.profiles.values())
