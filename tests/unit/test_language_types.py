"""What the type checker refuses and what it lets pass."""

import pytest

from worker.audiences.language.errors import QueryError
from worker.audiences.language.parser import parse
from worker.audiences.language.tree import Compare, Literal, Trait
from worker.audiences.language.types import PRIMARY_EXPRESSIONS_MAX, check

AUDIENCES = [
    "event('E').count() >= 1",
    "event('E').count() = 0",
    "event('E').count() >= '1'",
    "event('E').sum(property('p')).one_of(1, '2.5')",
    "event('E').count() > trait('target')",
    "trait('t') = true",
    "trait('t') > 'abc'",
    "trait('t') > 2025-01-01",
    "trait('t').one_of('a', 1, false)",
    "trait('t').contains('a', 'b')",
    "trait('t').contains(trait('u'))",
    "trait('t').before_date(2025-01-01)",
    "trait('t').before_date('2025-01-01T10:00:00+02:00')",
    "trait('t').after_date(2025-01-01T10:00:00Z)",
    "trait('t').within_last(1 second)",
    "trait('t').before_last(0 days)",
    "event('E').last(property('when')).within_last(7 days)",
    "event('E').max(property('p') as string) > 'm'",
    "event('E').where(property('a') = context('b')).count() > 0",
    "event('E').where(property('a') >= trait('t')).count() > 0",
    "event('E').between(0 days, 1 day).count() > 0",
    "event('E').within(36500 days).count() > 0",
    "event('P').where(event('C').within(parent: 1 day).count() = 0).count() > 0",
    "event('P').where(event('C').where(property('id') = property(parent: 'id')).count() > 0).count() > 0",
    "entity('slug') = 1",
]

TRAITS = [
    "event('E').count()",
    "event('E').expires_after(30 minutes).count()",
    "event('E').expires_after(90 days).count()",
    "event('E').unique(property('p'))",
    "event('E').unique(context('page.url')).count()",
    "event('E').mode(property('p') as array, 1)",
    "event('E').min(property('p') as number)",
    "trait('t')",
]


@pytest.mark.parametrize("text", AUDIENCES)
def test_sound_audiences(text: str) -> None:
    assert check(parse(text), kind="audience") == []


@pytest.mark.parametrize("text", TRAITS)
def test_sound_traits(text: str) -> None:
    assert check(parse(text), kind="trait") == []


UNSOUND = [
    ("trait('t')", 1, "expected a condition, for an audience, found a value; compare it, as in … >= 1"),
    (
        "property('p') = 1",
        1,
        "property(…) is of an event: only inside 'where' or a reducer",
    ),
    ("trait('t') = context('p')", 14, "context(…) is of an event: only inside 'where' or a reducer"),
    ("5 >= trait('t')", 1, "expected a trait, a property or a reduced event to compare, found a constant"),
    (
        "event('E').count() = 'many'",
        22,
        "expected a number to compare a number with, found the string 'many'",
    ),
    ("event('E').count() = 'inf'", 22, "expected a number to compare a number with, found the string 'inf'"),
    (
        "event('E').avg(property('p')) > 2025-01-01",
        33,
        "expected a number to compare a number with, found the date 2025-01-01",
    ),
    ("event('E').max(property('p')) = true", 33, "expected a number to compare a number with, found true"),
    ("event('E').count().within_last(1 day)", 1, "'within_last' compares dates, and this is a number"),
    ("event('E').count().before_date(2025-01-01)", 1, "'before_date' compares dates, and this is a number"),
    ("trait('t') > true", 14, "'greater_than' takes a number, a string or a date, found true"),
    ("trait('t').equals(1, 2)", 22, "'equals' takes 1 argument, found 2"),
    ("trait('t').equals(7 days)", 19, "'equals' takes a value, found a duration"),
    ("trait('t').omits('a', 'b', 'c')", 23, "'omits' takes 1 argument, found 3"),
    (
        "trait('t').contains('a', 12)",
        26,
        "'contains' takes strings in quotes, found the number 12; write '12'",
    ),
    ("trait('t').starts_with(true)", 24, "'starts_with' takes a string in quotes, found true"),
    ("trait('t').one_of(trait('u'))", 19, "'one_of' takes values, and only as a constant"),
    (
        "trait('t').before_date('soon')",
        24,
        "'before_date' takes a date or an ISO 8601 timestamp, found the string 'soon'",
    ),
    (
        "trait('t').before_date(20250101)",
        24,
        "'before_date' takes a date or an ISO 8601 timestamp, found the number 20250101",
    ),
    (
        "trait('t').after_date(7 days)",
        23,
        "'after_date' takes a date or an ISO 8601 timestamp, found a duration",
    ),
    (
        "trait('t').after_date(trait('u'))",
        23,
        "'after_date' takes a date or an ISO 8601 timestamp, and only as a constant",
    ),
    ("trait('t').within_last(7)", 24, "'within_last' takes a duration such as 7 days, found the number 7"),
    (
        "trait('t').within_last(trait('u'))",
        24,
        "'within_last' takes a duration such as 7 days, and only as a constant",
    ),
    ("trait('t').within_next(0 days)", 24, "expected a duration above zero"),
    ("trait('t').after_next(36501 days)", 23, "expected at most 36,500 days, found more"),
    ("event('E').within(0 hours).count() > 0", 12, "expected a duration above zero"),
    ("event('E').within(36501 days).count() > 0", 12, "expected at most 36,500 days, found more"),
    (
        "event('E').between(5 days, 2 days).count() > 0",
        12,
        "'between' takes the nearer end first, and another one after it: between(2 days, 5 days)",
    ),
    (
        "event('E').between(2 days, 48 hours).count() > 0",
        12,
        "'between' takes the nearer end first, and another one after it: between(2 days, 5 days)",
    ),
    (
        "event('P').where(event('C').between(parent: 1 day, 2 days).count() > 0).count() > 0",
        29,
        "between(parent: …) is not supported; within(parent: …) is",
    ),
    ("event('E').expires_after(29 minutes).count() > 0", 12, "'expires_after' takes 30 minutes to 90 days"),
    ("event('E').expires_after(91 days).count() > 0", 12, "'expires_after' takes 30 minutes to 90 days"),
    (
        "event('E').within(parent: 1 day).count() > 0",
        12,
        "within(parent: …) counts from the enclosing event: only inside 'where'",
    ),
    (
        "event('E').where(property(parent: 'p') = 1).count() > 0",
        18,
        "property(parent: …) is of the enclosing event: only inside an event inside 'where'",
    ),
    (
        "event('P').where(event('C').sum(property(parent: 'p')) > 1).count() > 0",
        33,
        "a reducer reads the events that it reduces, not the enclosing one",
    ),
    ("event('E').sum(property('p') as string) > 1", 12, "'sum' takes no type"),
    ("event('E').max(property('p') as array) > 1", 12, "'max' takes number or string, found array"),
    ("event('E').unique(property('p') as array).count() > 1", 12, "'unique' takes no type"),
    ("event('E').mode(property('p'), 0) = 'a'", 12, "the least frequency of 'mode' is at least 1, found 0"),
    ("ANY event('E').count() > 0", 1, "ANY is for definitions of accounts; this one is of users"),
    ("NOT ALL event('E').count() > 0", 5, "ALL is for definitions of accounts; this one is of users"),
]


@pytest.mark.parametrize(("text", "column", "message"), UNSOUND)
def test_unsound_audiences(text: str, column: int, message: str) -> None:
    assert check(parse(text), kind="audience") == [QueryError(message, line=1, column=column)]


@pytest.mark.parametrize("text", ["event('E').count() >= 1", "NOT trait('t') = 1", "trait('t') = 1 OR trait('u') = 1"])
def test_a_trait_is_no_condition(text: str) -> None:
    assert check(parse(text), kind="trait") == [
        QueryError("expected a value, for a trait, found a condition", line=1, column=1)
    ]


@pytest.mark.parametrize(
    "text",
    [
        "ANY event('E').count() > 0",
        "ALL NOT event('E').count() > 0",
        "trait('t') = 1 AND NOT ANY trait('u') = 1",
    ],
)
def test_accounts_may_quantify_over_their_users(text: str) -> None:
    assert check(parse(text), kind="audience", accounts=True) == []


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        (
            "event('E').where(ANY property('p') = 1).count() > 0",
            18,
            "ANY is about users, and stands outside 'where'",
        ),
        (
            "ANY (trait('t') = 1 AND ALL trait('u') = 1)",
            25,
            "ALL is about the users of an account, and not inside another ANY or ALL",
        ),
    ],
)
def test_a_quantifier_out_of_place(text: str, column: int, message: str) -> None:
    assert check(parse(text), kind="audience", accounts=True) == [QueryError(message, line=1, column=column)]


def test_every_fault_is_told_in_the_order_of_the_text() -> None:
    query = parse("property('p') = 1\nAND trait('t').within_last(5)\nAND event('E').within(0 days).count() = true")

    assert [(fault.line, fault.column) for fault in check(query, kind="audience")] == [
        (1, 1),
        (2, 28),
        (3, 16),
        (3, 41),
    ]


def test_primary_expressions_are_limited_outside_where() -> None:
    many = " AND ".join(["trait('t') = 1"] * PRIMARY_EXPRESSIONS_MAX)
    more = f"{many} AND {many}"
    inside = f"event('E').where({more}).count() > 0"

    assert check(parse(many), kind="audience") == []
    assert check(parse(inside), kind="audience") == []
    assert [fault.message for fault in check(parse(more), kind="audience")] == [
        "expected at most 50 comparisons outside 'where', found more"
    ]


def test_a_tree_without_the_arguments_of_its_comparator() -> None:
    """The parser builds none, but a tree may come from elsewhere."""
    trait = Trait(("t",))

    assert [fault.message for fault in check(Compare(trait, "equals"), kind="audience")] == [
        "'equals' takes a value, found nothing"
    ]
    assert [fault.message for fault in check(Compare(trait, "exists", (Literal(1, "number"),)), kind="audience")] == [
        "'exists' takes no arguments, found 1"
    ]
