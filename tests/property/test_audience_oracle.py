"""The oracle's values, references, order of changes and instants, on examples worked out by hand."""

import pytest

from tests.acceptance.moments import DAY, HOUR, MINUTE, ms
from tests.property.audience_oracle import instants, output_order
from tests.property.audience_oracle_examples import audiences, holds, identify, minute, qualify, seen, track
from tests.property.audience_oracle_records import Computation, Definitions
from worker.audiences.language.parser import parse

# --- Traits, dates, references ----------------------------------------------------------------------------------


def test_a_property_is_compared_with_the_trait_of_now() -> None:
    definitions = audiences(big="event('X').where(property('price') >= trait('avg_spend')).count() >= 1")
    records = [
        track("X", "2025-01-01T00:00:00Z", {"price": 50}),
        identify("2025-01-02T00:00:00Z", {"avg_spend": 40}),
        identify("2025-01-03T00:00:00Z", {"avg_spend": 60}),
        identify("2025-01-04T00:00:00Z", {"avg_spend": 10}, ts="2025-01-02T12:00:00Z"),
        identify("2025-01-05T00:00:00Z", {"avg_spend": None}),
    ]

    assert seen(definitions, records) == ["ENTER big @2025-01-02T00:00", "EXIT big @2025-01-03T00:00"]


@pytest.mark.parametrize(
    ("comparator", "first_ms", "last_ms"),
    [
        ("within_last", 0, 2 * DAY),
        ("before_last", 2 * DAY, None),
        ("within_next", -2 * DAY, 0),
        ("after_next", None, -2 * DAY),
    ],
)
def test_dates_of_properties_move_and_hold_at_both_edges(
    comparator: str, first_ms: int | None, last_ms: int | None
) -> None:
    date = "2025-02-01T00:00:00Z"
    records = [track("X", "2025-01-01T00:00:00Z", {"when": date})]
    definitions = audiences(it=f"event('X').where(property('when').{comparator}(2 days)).count() >= 1")
    expected = ["ENTER it @2025-01-01T00:00"] if first_ms is None else [f"ENTER it @{minute(ms(date) + first_ms)}"]
    if last_ms is not None:
        expected.append(f"EXIT it @{minute(ms(date) + last_ms + 1)}")

    assert seen(definitions, records) == expected


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("trait('list.$') = 'b'", True),
        ("trait('list.$') != 'b'", True),
        ("trait('list.$').omits('b')", False),
        ("trait('nothing.$').omits('b')", True),
        ("trait('nothing.$').exists()", False),
        ("trait('items.$.n') > 1", True),
        ("trait('items.$.n').exists()", True),
        ("trait('items.$.n').absent()", False),
        ("trait('items.$.tags.$') = 'x'", True),
        ("trait('list').contains('\"b\"')", True),
        ("trait('n') != trait('unknown')", False),
        ("trait('n') = trait('text')", True),
        ("trait('text') = '2.0'", False),
        ("trait('text').contains(trait('n'))", True),
        ("trait('day').before_date(2025-01-02T00:00:00)", True),
        ("trait('day').before_date('2025-01-01')", False),
    ],
)
def test_values(query: str, expected: bool) -> None:
    record = identify(
        "2025-01-01T00:00:00Z",
        {
            "n": 2,
            "text": "2",
            "list": ["a", "b"],
            "nothing": [],
            "items": [{"n": 1}, {"n": 2, "tags": ["x"]}, {}],
            "day": "2025-01-01T12:00:00Z",
        },
    )

    assert holds(query, [record], at="2025-01-01T00:00:00Z") is expected


# --- P-35: audiences of audiences, order, external audiences ----------------------------------------------------


def test_p_35_audiences_of_audiences_follow_what_they_are_made_of() -> None:
    definitions = audiences(
        big_eu="trait('big_spender') = true AND trait('region') = 'EU'",
        big_spender="trait('total_revenue') > 1000",
    )
    records = [
        identify("2025-01-01T00:00:00Z", {"total_revenue": 1500, "region": "EU"}),
        identify("2025-01-02T00:00:00Z", {"total_revenue": 900}),
    ]

    assert seen(definitions, records) == [
        "ENTER big_spender @2025-01-01T00:00",
        "ENTER big_eu @2025-01-01T00:00",
        "EXIT big_spender @2025-01-02T00:00",
        "EXIT big_eu @2025-01-02T00:00",
    ]


def test_what_is_depended_on_comes_first_then_the_smaller_key_and_traits_last() -> None:
    definitions = Definitions(
        audiences={
            "b": Computation(parse("trait('t') > 1")),
            "a": Computation(parse("trait('z') = true AND trait('b') = true")),
            "m": Computation(parse("event('X').count() >= 1")),
            "z": Computation(parse("event('X').count() >= 1")),
        },
        traits={
            "s": Computation(parse("event('X').where(property('n') > trait('t')).count()")),
            "t": Computation(parse("event('X').where(trait('m') = true).count()")),
        },
    )

    assert output_order(definitions) == ["m", "b", "z", "a", "t", "s"]
    assert output_order(definitions, ["n"])[0] == "n", "nobody has defined it"


def test_external_audiences_go_by_their_own_times() -> None:
    definitions = Definitions(
        audiences={
            "was_in": Computation(parse("trait('known') = false AND trait('unknown') = false")),
            "without": Computation(parse("trait('unknown').absent()")),
        },
        segments=frozenset({"known"}),
    )
    records = [
        identify("2025-01-01T00:00:00Z", {"known": True, "unknown": "a trait of that name"}),
        qualify("2025-01-02T00:00:00Z", "known"),
        qualify("2025-01-03T00:00:00Z", "unknown", qualified=False, ts="2025-01-01T00:00:00Z"),
        qualify("2025-01-04T00:00:00Z", "known", qualified=False, ts="2025-01-01T00:00:00Z"),
        qualify("2025-01-05T00:00:00Z", "known", qualified=False, ts="2025-01-02T00:00:00Z"),
    ]

    assert seen(definitions, records) == [
        "ENTER known @2025-01-02T00:00",
        "EXIT known @2025-01-05T00:00",
        "ENTER was_in @2025-01-05T00:00",
    ]


# --- When something may change ----------------------------------------------------------------------------------


def test_instants_are_all_edges_of_windows_sessions_and_dates() -> None:
    definitions = audiences(
        it=(
            "event('X').where(event('Y').within(parent: 1 minute).count() = 0).between(1 hour, 2 hours).count() >= 1"
            " OR event('X').expires_after(30 minutes).count() >= 1 OR trait('day').within_next(1 day)"
        )
    )
    at, day = "2025-01-01T00:00:00Z", "2025-03-01T00:00:00Z"
    records = [track("X", at), identify(at, {"deep": [{"day": day}]})]

    due = {ms(at) + span for span in (MINUTE, 30 * MINUTE, HOUR, 2 * HOUR)} | {
        ms(day) + span for span in (-DAY, 0, DAY)
    }
    assert instants(definitions, records) == sorted({time + near for time in due for near in (-1, 0, 1)})
