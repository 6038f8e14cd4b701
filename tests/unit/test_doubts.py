"""What lint finds in valid definitions: conditions that can never hold, empty windows, keys that look like others."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.audiences.compile import Keys
from worker.audiences.doubts import doubts, hints, lookalikes
from worker.audiences.language.parser import parse

KEYS = Keys(audiences=frozenset({"vip_audience"}), traits=frozenset({"total_spend"}))

NEVER = [
    ("event('X').count() < 0", 1),
    ("event('X').count() = 1.5", 1),
    ("event('X').count() = -1 OR trait('a') = 1", 1),
    ("NOT event('X').count() >= 0", 5),
    ("event('X').unique(property('a')).count().one_of(-1, -2)", 1),
    ("trait('plan') = 'pro' AND trait('plan') = 'team'", 27),
    ("trait('plan').one_of('pro', 'team') AND trait('plan').none_of('team', 'pro')", 41),
    ("trait('plan') = 'pro' AND trait('plan').starts_with('t')", 27),
    ("trait('plan').absent() AND trait('plan') != 'pro'", 28),
    ("trait('age') > 20 AND NOT trait('age') > 10", 27),
    ("trait('age') > 20 AND trait('x') = 1 AND trait('age') < 18", 42),
    ("NOT (event('X').count() <= 20 OR event('X').count() >= 18)", 34),
    ("trait('age') > 5 AND trait('age') < 5.5 AND trait('age').exists() AND trait('age').one_of(6, 7)", 71),
    ("trait('vip_audience') = 'yes'", 1),
    ("trait('since').before_date(2025-01-01) AND trait('since').after_date('2025-01-02T00:00:00Z')", 44),
    ("trait('since').within_last(3 days) AND trait('since').before_last(5 days)", 40),
    ("event('X').count() >= 3 AND event('X').count() < 3", 29),
    ("event('X').within(7 days).count() >= 1 AND event('X').within(30 days).count() = 0", 44),
    ("event('X').between(3 days, 5 days).count() >= 2 AND NOT event('X').count() >= 2", 57),
    ("event('X').sum(property('a')) > 3 AND event('X').sum(property('a')).absent()", 39),
    ("event('X').where(property('a') = 1 AND property('a') = 2).count() >= 1", 40),
    ("event('X').where(event('Y').where(property('a') > 2 AND property('a') < 1).count() = 1).count() >= 1", 57),
    ("event('X').where(event('Y').between(9 days, 20 days).count() >= 1).within(9 days).count() >= 1", 29),
]
POSSIBLE = [
    "event('X').count() = 0",
    "event('X').count().contains('1')",
    "event('X').avg(property('a')) = 1.5 AND event('X').avg(property('a')) < 2",
    "trait('plan') = 'pro' OR trait('plan') = 'team'",
    "trait('plan') = '2' AND trait('plan') = 2",
    "trait('plan') = true AND trait('plan') = 'true'",
    "trait('plan').contains('a') AND trait('plan').contains('b')",
    "trait('plan') > 'a' AND trait('plan') < 'b'",
    "trait('plan') > 5 AND trait('plan') < 'abc'",
    "trait('tags.$') = 'a' AND trait('tags.$') = 'b'",
    "NOT (trait('age') <= 20 OR trait('age') >= 18)",  # of a text it is so
    "NOT (trait('a') = 1 AND trait('a') = 2)",
    "trait('age') > 5 AND trait('age') < 6",
    "trait('vip_audience') = 'true' AND trait('vip_audience') != false",
    "trait('since').within_last(3 days) AND trait('since').before_last(2 days)",
    "trait('since').within_last(3 days) AND trait('since').within_next(2 days)",
    "event('X').within(7 days).count() = 0 AND event('X').within(30 days).count() >= 1",
    "event('X').within(7 days).count() >= 1 AND event('Y').within(30 days).count() = 0",
    "event('X').within(7 days).count() >= 1 AND event('X').between(7 days, 30 days).count() = 0",
    "event('X').where(event('Y').between(8 days, 20 days).count() >= 1).within(9 days).count() >= 1",
    "event('X').where(property('a') = trait('b') AND property('a') = 2).count() >= 1",
    "event('X').where(property('a') = 1).count() >= 1 AND event('X').where(property('a') = 2).count() = 0",
]


@pytest.mark.parametrize(("query", "column"), NEVER)
def test_what_can_never_hold_is_found_where_it_stands(query: str, column: int) -> None:
    assert [fault.column for fault in doubts(parse(query), KEYS)] == [column]


@pytest.mark.parametrize("query", POSSIBLE)
def test_what_may_hold_is_left_alone(query: str) -> None:
    assert doubts(parse(query), KEYS) == []


def test_a_doubt_says_what_contradicts_what() -> None:
    (fault,) = doubts(parse("trait('age') > 20 AND NOT trait('age') > 10"), KEYS)

    assert fault.message == "trait('age') > 20 AND NOT trait('age') > 10 can never hold"


@given(bounds=st.lists(st.tuples(st.sampled_from([">", ">=", "<", "<=", "=", "!="]), st.integers(-3, 3)), min_size=1))
def test_bounds_contradict_each_other_when_no_number_meets_them(bounds: list[tuple[str, int]]) -> None:
    query = " AND ".join(f"event('X').count() {sign} {number}" for sign, number in bounds)
    python = " and ".join(f"n {'==' if sign == '=' else sign} {number}" for sign, number in bounds)
    possible = any(eval(python, {"n": n}) for n in range(6))  # noqa: S307 - made three lines above

    assert (doubts(parse(query), KEYS) == []) == possible


def test_a_name_like_a_defined_one_is_a_hint() -> None:
    query = "trait('vip_audiance') = true OR event('X').where(property('a') > trait('total_spent')).count() > 1"

    assert [(fault.column, fault.message) for fault in lookalikes(parse(query), KEYS)] == [
        (1, "no audience or computed trait is called 'vip_audiance'; did you mean 'vip_audience'?"),
        (66, "no audience or computed trait is called 'total_spent'; did you mean 'total_spend'?"),
    ]


@pytest.mark.parametrize("name", ["vip_audience", "total_spend", "plan", "vip"])
def test_a_defined_name_and_one_of_its_own_are_none(name: str) -> None:
    assert lookalikes(parse(f"trait('{name}') = 1"), KEYS) == []


def test_a_name_that_is_compared_with_true_is_likely_an_audience() -> None:
    (hint,) = hints(parse("trait('vip_audenc') = true AND trait('vip') = 'a'"), KEYS)

    assert hint.message == "no audience or computed trait is called 'vip_audenc'; did you mean 'vip_audience'?"
    (hint,) = hints(parse("trait('vpi') = true"), Keys(audiences=frozenset({"vip"})))
    assert hint.message.endswith("did you mean 'vip'?")


@pytest.mark.parametrize(
    ("query", "column"),
    [
        ("event('X').count() >= 0", 1),
        ("trait('a') = 1 AND event('X').within(7 days).count() > -1", 20),
        ("event('X').where(event('Y').count() >= 0 AND property('a') = 1).count() >= 1", 18),
        ("event('X').count() != -1", 1),
    ],
)
def test_a_count_that_no_number_fails_is_a_hint(query: str, column: int) -> None:
    (hint,) = hints(parse(query), KEYS)

    assert hint.column == column
    assert hint.message.endswith("always holds")


@pytest.mark.parametrize("query", ["event('X').count() >= 1", "event('X').count() != 0", "event('X').count() < 5"])
def test_a_count_that_a_number_fails_is_none(query: str) -> None:
    assert hints(parse(query), KEYS) == []
