"""Which profile takes in which, and what happens at the caps."""

import pytest

from tests.people import People, candidate, identifier, told, words
from worker.identity.resolve import resolve
from worker.identity.rules import Caps, Rules

pytestmark = pytest.mark.unit

DEFAULT = Rules()


# --- Merges -------------------------------------------------------------------------------------------------


def test_the_profile_that_was_created_first_takes_in_the_others_oldest_first() -> None:
    young, old, middle = candidate(1, "a:1", born=30), candidate(2, "b:1", born=10), candidate(3, "c:1", born=20)

    resolution = People(young, old, middle).decide("a:1", "b:1", "c:1", rules=DEFAULT)

    assert (resolution.profile, resolution.children) == (old, (middle, young))


def test_of_profiles_created_at_the_same_time_the_smaller_id_takes_in_the_others() -> None:
    one, two, three = candidate(1, "c:1"), candidate(2, "a:1"), candidate(3, "b:1")

    resolution = People(three, two, one).decide("a:1", "b:1", "c:1", rules=DEFAULT)

    assert (resolution.profile, resolution.children) == (one, (two, three))


def test_a_profile_is_known_by_its_id() -> None:
    """Candidates of one profile need not be the same object."""
    one, again, other = candidate(1, "a:1", "b:1"), candidate(1, "a:1", "b:1"), candidate(2, "c:1")
    found = {identifier("a:1"): one, identifier("b:1"): again}

    assert resolve(list(found), found, DEFAULT, at_ms=0) == (one, (), (), (), ())
    assert resolve([*found, identifier("c:new")], found, DEFAULT, at_ms=0).children == ()
    both = found | {identifier("c:1"): other}
    assert told(resolve(list(both), both, capped(merges=0), at_ms=0)) == ["c:1 Profile merge limit exceeded"]


# --- Caps ---------------------------------------------------------------------------------------------------


def capped(*, merges: int = 100, mappings: int = 1000) -> Rules:
    return Rules(caps=Caps(merges, mappings))


def test_the_hundredth_merge_is_done_and_the_next_refused() -> None:
    shop = candidate(1, "user_id:u1", born=1, merges=99)
    full = shop._replace(merges=100)
    visitor = candidate(2, "b:1", born=2)

    assert People(shop, visitor).decide("user_id:u1", "b:1", rules=DEFAULT).children == (visitor,)
    refused = People(full, visitor).decide("user_id:u1", "b:1", rules=DEFAULT)
    assert (refused.profile, refused.children) == (full, ())
    assert told(refused) == ["b:1 Profile merge limit exceeded"]


def test_a_merge_counts_with_all_that_were_merged_into_the_child() -> None:
    parent, child = candidate(1, "user_id:u1", born=1, merges=2), candidate(2, "b:1", born=2, merges=3)

    assert People(parent, child).decide("user_id:u1", "b:1", rules=capped(merges=6)).children == (child,)
    assert told(People(parent, child).decide("user_id:u1", "b:1", rules=capped(merges=5))) == [
        "b:1 Profile merge limit exceeded"
    ]


def test_several_merges_at_once_are_done_together_or_not_at_all() -> None:
    people = People(*[candidate(number, f"{kind}:1") for number, kind in enumerate("abc", start=1)])

    assert len(people.decide("a:1", "b:1", "c:1", rules=capped(merges=2)).children) == 2
    refused = people.decide("a:1", "b:1", "c:1", rules=capped(merges=1))
    assert refused.children == ()
    assert told(refused) == ["b:1 Profile merge limit exceeded", "c:1 Profile merge limit exceeded"]


def test_a_refused_merge_leaves_the_event_with_the_profile_of_its_highest_priority_identifier() -> None:
    """Of those that lead to one; it takes what is new, and the others keep what is theirs."""
    old, young = candidate(1, "c:1", "d:1", born=1), candidate(2, "b:1", born=2)

    refused = People(old, young).decide("a:new", "b:1", "c:1", "d:1", "e:new", rules=capped(merges=0))

    assert (refused.profile, refused.children) == (young, ())
    assert words(refused.mapped) == ["a:new", "e:new"]
    assert told(refused) == ["c:1 Profile merge limit exceeded", "d:1 Profile merge limit exceeded"]


def test_a_merge_that_would_have_too_many_identifiers_is_refused() -> None:
    one, other = candidate(1, "a:1", "b:1"), candidate(2, "c:1", "d:1")

    assert People(one, other).decide("a:1", "c:1", rules=capped(mappings=4)).children == (other,)
    refused = People(one, other).decide("a:1", "c:1", "e:new", "f:new", rules=capped(mappings=3))
    assert (refused.profile, refused.children) == (one, ())
    assert words(refused.mapped) == ["e:new"], "there is room for one"
    assert told(refused) == ["c:1 Identifier mapping limit exceeded", "f:new Identifier mapping limit exceeded"]


def test_a_merge_is_done_even_when_nothing_more_has_room_after_it() -> None:
    one, other = candidate(1, "a:1"), candidate(2, "b:1")

    resolution = People(one, other).decide("a:1", "b:1", "c:new", rules=capped(mappings=2))

    assert resolution.children == (other,)
    assert told(resolution) == ["c:new Identifier mapping limit exceeded"]


@pytest.mark.parametrize("cap", [3, 2, 1])
def test_a_full_profile_takes_events_and_no_more_identifiers(cap: int) -> None:
    """Also one that is beyond a cap that was lowered."""
    full = candidate(1, "a:1", "b:1", "c:1")

    resolution = People(full).decide("a:1", "b:1", "d:new", "e:new", rules=capped(mappings=cap))

    assert (resolution.profile, resolution.mapped) == (full, ())
    assert told(resolution) == ["d:new Identifier mapping limit exceeded", "e:new Identifier mapping limit exceeded"]


def test_what_has_room_in_a_profile_is_what_has_the_highest_priority() -> None:
    resolution = People().decide("c:1", "a:1", "user_id:u1", "b:1", rules=capped(mappings=2))

    assert resolution.profile is None
    assert words(resolution.mapped) == ["user_id:u1", "a:1"]
    assert told(resolution) == ["b:1 Identifier mapping limit exceeded", "c:1 Identifier mapping limit exceeded"]


def test_limits_come_before_caps() -> None:
    """A profile that a limit keeps apart is not merged, so no cap is passed."""
    one, other = candidate(1, "user_id:u1", "b:1"), candidate(2, "user_id:u2")

    resolution = People(one, other).decide("user_id:u2", "b:1", rules=capped(merges=0))

    assert told(resolution) == ["b:1 Identifier value limit exceeded"]


def test_an_identifier_of_everybody_makes_no_blob() -> None:
    """A hostile stream: every visitor sends one and the same push token beside an id of their own."""
    people = People()
    for visitor in range(300):
        people.take(f"user_id:u{visitor}", "ios.push_token:same", rules=DEFAULT, at_ms=visitor)
        people.take(f"anonymous_id:a{visitor}", "ios.push_token:same", rules=DEFAULT, at_ms=visitor)

    sizes = sorted(len(one.identifiers) for one in people.profiles.values())
    assert sizes == [1] * 594 + [7]
