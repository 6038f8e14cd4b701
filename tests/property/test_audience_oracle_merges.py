"""The oracle's merges, on examples worked out by hand."""

from dataclasses import replace

import pytest

from tests.acceptance.moments import iso
from tests.property.audience_oracle import AmbiguousError, Change, TraitChange
from tests.property.audience_oracle_examples import NEVER, audiences, identify, qualify, track, traits
from tests.property.audience_oracle_merges import fates
from tests.property.audience_oracle_records import Definitions, Record

NONE = Definitions()


def of(record: Record, *people: int) -> Record:
    return replace(record, people=people)


def seen(definitions: Definitions, *records: Record) -> dict[int, list[str]]:
    """The changes of each profile, by the number of the record that created it."""
    found = fates(definitions, records, until_ms=NEVER).changes
    return {name: [_compact(change) for change in changes] for name, changes in found.items()}


def _compact(change: Change) -> str:
    at = iso(change.at_ms)[5:16]
    if isinstance(change, TraitChange):
        return f"{change.key} = {change.value} @{at}"
    into = "" if change.merged_into is None else f" into {change.merged_into}"
    return f"{'ENTER' if change.entered else 'EXIT'} {change.key} ({change.reason}{into}) @{at}"


ONE = of(track("X", "2025-01-01T00:00:00Z"), 1)
OTHER = of(track("X", "2025-01-02T00:00:00Z"), 2)
LINK = of(identify("2025-01-03T00:00:00Z", {}), 2, 1)


def test_the_survivor_enters_by_the_events_of_both() -> None:
    assert seen(audiences(two="event('X').count() >= 2"), ONE, OTHER, LINK) == {
        0: ["ENTER two (merge) @01-03T00:00"],
        1: [],
    }


def test_the_survivor_leaves_by_the_events_of_both() -> None:
    assert seen(audiences(once="event('X').count() = 1"), ONE, OTHER, LINK) == {
        0: ["ENTER once (event) @01-01T00:00", "EXIT once (merge) @01-03T00:00"],
        1: ["ENTER once (event) @01-02T00:00", "EXIT once (merge into 0) @01-03T00:00"],
    }


def test_the_events_of_who_was_merged_away_leave_the_window_at_their_time() -> None:
    """And what the child does afterwards is the survivor's: it comes as the first event leaves."""
    later = of(track("X", "2025-01-06T00:00:00Z"), 2)

    assert seen(audiences(two="event('X').within(5 days).count() >= 2"), ONE, OTHER, LINK, later) == {
        0: ["ENTER two (merge) @01-03T00:00", "EXIT two (time) @01-07T00:00"],
        1: [],
    }


def test_what_the_child_was_due_to_leave_at_the_very_moment_it_leaves_by_time() -> None:
    assert seen(audiences(it="event('X').within(1 day).count() >= 1"), ONE, OTHER, LINK) == {
        0: ["ENTER it (event) @01-01T00:00", "EXIT it (time) @01-02T00:00"],
        1: ["ENTER it (event) @01-02T00:00", "EXIT it (time) @01-03T00:00"],
    }


def test_of_traits_the_newest_counts_and_of_external_audiences_the_last_word() -> None:
    definitions = audiences(red="trait('colour') = 'red'", inside="trait('segment') = true")
    records = [
        of(identify("2025-01-01T00:00:00Z", {"colour": "red"}, ts="2024-12-01T00:00:00Z"), 1),
        of(qualify("2025-01-01T00:00:00Z", "segment", ts="2024-12-03T00:00:00Z"), 1),
        of(identify("2025-01-02T00:00:00Z", {"colour": "blue"}, ts="2024-12-02T00:00:00Z"), 2),
        of(qualify("2025-01-02T00:00:00Z", "segment", qualified=False, ts="2024-12-02T00:00:00Z"), 2),
        LINK,
    ]

    survivor = seen(definitions, *records)[0]

    assert "EXIT red (merge) @01-03T00:00" in survivor
    assert not [change for change in survivor if "inside" in change and "EXIT" in change]


def test_a_counter_of_the_child_is_nought_and_not_absent() -> None:
    counter = traits(lately="event('X').within(1 hour).count()")

    assert seen(counter, of(identify("2025-01-01T00:00:00Z", {}), 1), OTHER, LINK) == {
        0: ["lately = 0 @01-03T00:00"],
        1: ["lately = 1 @01-02T00:00", "lately = 0 @01-02T01:00", "lately = None @01-03T00:00"],
    }


def test_a_chain_of_merges_ends_with_the_oldest() -> None:
    third = of(track("X", "2025-01-02T12:00:00Z"), 3)
    link = of(identify("2025-01-02T18:00:00Z", {}), 3, 2)

    assert seen(
        audiences(three="event('X').count() >= 3", two="event('X').count() >= 2"), ONE, OTHER, third, link, LINK
    ) == {
        0: ["ENTER three (merge) @01-03T00:00", "ENTER two (merge) @01-03T00:00"],
        1: ["ENTER two (merge) @01-02T18:00", "EXIT two (merge into 0) @01-03T00:00"],
        2: [],
    }


def test_a_customer_id_that_is_new_merges_nobody() -> None:
    assert fates(NONE, [ONE, LINK, of(identify("2025-01-04T00:00:00Z", {}), 2)], until_ms=NEVER).resolved == [0, 0, 0]


@pytest.mark.parametrize(
    "records",
    [
        [ONE, replace(ONE, people=(2,)), LINK],
        [ONE, replace(OTHER, ts_ms=ONE.ts_ms, received_ms=ONE.at_ms), LINK],
    ],
    ids=["two of one age", "two events of one time and receipt"],
)
def test_what_nobody_can_tell_is_not_told(records: list[Record]) -> None:
    with pytest.raises(AmbiguousError):
        fates(NONE, records, until_ms=NEVER)
