"""What is said of queries that do not parse: where, what was expected, found, and perhaps meant."""

import pytest

from worker.audiences.language.errors import QueryError
from worker.audiences.language.parser import LENGTH_MAX, NESTING_MAX, parse
from worker.errors import InputError

FILTER = "a filter (where, sources, within, between, expires_after)"
REDUCER = "a reducer (count, sum, avg, min, max, mode, first, last, unique)"
REDUCED = "events are compared after a reducer, such as count()"
COMPARED = "a value is compared first, for example = true"
COMPARISON = "a comparison (=, >=, contains(…), …)"
CHAINED = f"{FILTER} or {REDUCER}"
METHOD = "a comparison (equals, at_least, contains, …)"
UNIT = "a unit (seconds, minutes, hours, days)"
JUNCTION = "AND, OR or the end of the query"
FIELD = "property('…') or context('…')"
ESCAPES = r"an escape (\\ \' \" \/ \n \r \t \uXXXX)"

FAULTS = [
    ("", 1, 1, "expected a condition, found the end of the query"),
    ("  # nothing but this", 1, 1, "expected a condition, found the end of the query"),
    ("@", 1, 1, 'expected a condition, found "@"'),
    ("evnt('x').count() > 1", 1, 1, 'expected a condition, found "evnt"; did you mean "event"?'),
    ("!trait('a') = 1", 1, 1, 'expected a condition, found "!"; did you mean "NOT"?'),
    ("event('x')", 1, 11, f"expected {CHAINED}, found the end of the query"),
    (
        "event('x').wthin(7 days)",
        1,
        12,
        f'expected {CHAINED}, found "wthin"; did you mean "within"?',
    ),
    (
        "event('x').Count() > 3",
        1,
        12,
        f'expected {CHAINED}, found "Count"; did you mean "count"?',
    ),
    ("event('x').average(1)", 1, 12, f'expected {CHAINED}, found "average"; did you mean "avg"?'),
    (
        "event('x') >= 1",
        1,
        12,
        f'expected {CHAINED}, found ">="; {REDUCED}',
    ),
    (
        "event('x').at_least(1)",
        1,
        12,
        f'expected {CHAINED}, found "at_least"; {REDUCED}',
    ),
    (
        "event('x').count().within(7 days) >= 1",
        1,
        20,
        f'expected {METHOD}, found "within"; filters come before the reducer',
    ),
    (
        "trait('x').count()",
        1,
        12,
        f'expected {METHOD}, found "count"; only events are reduced, and only once',
    ),
    ("event('x').count() > = 1", 1, 22, 'expected a value, found "="; a sign is written without spaces, as in >='),
    ("AND trait('a') = 1", 1, 1, 'expected a condition, found "AND"; it stands between two conditions'),
    ("trait('a') = pro", 1, 14, 'expected a value, found "pro"; a text is in quotes'),
    (
        "event('x').count(property('a')) = 1",
        1,
        18,
        'expected ")", found "property"; distinct values are counted by unique(…).count()',
    ),
    ("trait('x').equal(1)", 1, 12, f'expected {METHOD}, found "equal"; did you mean "equals"?'),
    ("trait('x').not_in('a')", 1, 12, f'expected {METHOD}, found "not_in"; did you mean "none_of"?'),
    (
        "trait('x').exists().count()",
        1,
        20,
        f'expected {JUNCTION}, found "."; nothing more may follow a comparison',
    ),
    ("trait('a') = 1 = 2", 1, 16, f'expected {JUNCTION}, found "="; nothing more may follow a comparison'),
    ("trait('a') = 1)", 1, 15, f'expected {JUNCTION}, found ")"'),
    ("trait('a') = 1 trait('b') = 2", 1, 16, f'expected {JUNCTION}, found "trait"'),
    ("trait('a') = 1 && trait('b') = 2", 1, 16, f'expected {JUNCTION}, found "&&"; did you mean "AND"?'),
    ("trait('a') = 1\n\n  XOR trait('b') = 2", 3, 3, f'expected {JUNCTION}, found "XOR"; did you mean "OR"?'),
    ("trait('a') = 1 AND", 1, 19, "expected a condition, found the end of the query"),
    ("trait('a') = 1 AND # and?\n", 1, 19, "expected a condition, found the end of the query"),
    (
        "trait('a') and trait('b') = 1",
        1,
        12,
        f'expected {COMPARISON} or the end of the query, found "and"; {COMPARED}',
    ),
    ("NOT trait('a')", 1, 15, f"expected {COMPARISON}, found the end of the query"),
    ("trait('a') > 7 days", 1, 16, f'expected {JUNCTION}, found "days"'),
    (
        "trait('a') = null",
        1,
        14,
        'expected a value, found "null"; what is not there is found with .absent()',
    ),
    ("trait('a') = \u200b1", 1, 14, r'expected a value, found "\u200b"'),
    ("trait('a').equals()", 1, 19, 'expected a value, found ")"'),
    ("trait('a').exists(1)", 1, 19, 'expected ")", found 1'),
    ("trait('a').contains('x',)", 1, 25, 'expected a value, found ")"'),
    ("(trait('a') = 1", 1, 16, 'expected ")", AND or OR, found the end of the query'),
    ("literal(trait('x'))", 1, 9, 'expected a constant, found "trait"'),
    ("event()", 1, 7, 'expected a name in quotes, found ")"'),
    ("event('').count()", 1, 7, "expected the name of an event, found nothing in the quotes"),
    ("event(‘x’)", 1, 7, 'expected a name in quotes, found "‘"; a string is in straight quotes'),
    ("event('x", 1, 7, "expected a name in quotes, found a string that is not closed"),
    ("/* never closed", 1, 1, "expected a condition, found a comment that is not closed"),
    ("event('x').within(7)", 1, 20, f'expected {UNIT}, found ")"'),
    ("event('x').within(7 dayz)", 1, 21, f'expected {UNIT}, found "dayz"; did you mean "day"?'),
    ("event('x').within(7 mins)", 1, 21, f'expected {UNIT}, found "mins"; did you mean "minutes"?'),
    ("event('x').within('7 days')", 1, 19, "expected a duration such as 7 days, found '7 days'"),
    (
        "event('x').within(1.5 days)",
        1,
        19,
        "expected a whole number of seconds, minutes, hours or days, found 1.5",
    ),
    (
        "event('x').within(1 day).within(2 days).count()",
        1,
        26,
        "expected one window for an event, found a second",
    ),
    ("event('x').between(1 day)", 1, 25, 'expected ",", found ")"'),
    ("event('x').where()", 1, 18, 'expected a condition, found ")"'),
    ("event('x').where(property('p'))", 1, 31, f'expected {COMPARISON}, found ")"'),
    ("event('x').sources('a')", 1, 20, "expected \"{\", found 'a'; it is written sources({exclude: 'a'})"),
    (
        "event('x').sources({include: 'a'})",
        1,
        21,
        'expected "exclude", found "include"; did you mean "exclude"?',
    ),
    ("event('x').sum()", 1, 16, f'expected {FIELD}, found ")"'),
    ("event('x').sum('p')", 1, 16, f"expected {FIELD}, found 'p'"),
    ("event('x').mode(property('p'), 'a')", 1, 32, "expected a number, found 'a'"),
    ("event('x').mode(property('p'), 2.5)", 1, 32, "expected a whole number, the least frequency, found 2.5"),
    (
        "event('x').max(property('p') as text)",
        1,
        33,
        'expected a type (number, string, array), found "text"',
    ),
    (
        "event('x').unique(property('p')) > 3",
        1,
        34,
        f'expected "count" or the end of the query, found ">"; {REDUCED}',
    ),
    ("trait('a..b') = 1", 1, 7, "expected a name, found nothing between dots"),
    ("trait('') = 1", 1, 7, "expected a name, found nothing in the quotes"),
    (r"trait('a') = '\q'", 1, 14, rf'expected {ESCAPES}, found "\q"; a backslash is "\\"'),
    (r"trait('a') = '\ud800'", 1, 14, "expected a character, found half of a surrogate pair"),
    ("trait('a') = '\ud800'", 1, 15, "expected a character, found half of a surrogate pair"),
    ("trait('a') = 1e999", 1, 14, "expected a number below 1.8e308, found a larger one"),
    (
        "trait('a') = 2025-02-30",
        1,
        14,
        "expected a date or time that there is (ISO 8601), found 2025-02-30",
    ),
    (
        "trait('a') = " + "x" * 50,
        1,
        14,
        f'expected a value, found "{"x" * 39}…"; a text is in quotes',
    ),
]


@pytest.mark.parametrize(("text", "line", "column", "message"), FAULTS, ids=range(len(FAULTS)))
def test_a_fault_is_located_and_explained(text: str, line: int, column: int, message: str) -> None:
    with pytest.raises(QueryError) as raised:
        parse(text)

    fault = raised.value
    assert (fault.line, fault.column, fault.message) == (line, column, message)
    assert str(fault) == f"line {line}, column {column}: {message}"


@pytest.mark.parametrize("opening", ["(", "NOT ", "any ", "event('x').where("])
def test_nesting_is_bounded(opening: str) -> None:
    with pytest.raises(QueryError, match=f"expected at most {NESTING_MAX} levels of nesting, found more"):
        parse(opening * (NESTING_MAX + 1))


def test_prefixes_count_across_the_levels_below_them() -> None:
    """NOT before an event is a level above all that is in its ``where``."""
    inside = "NOT NOT event('x').where(" * (NESTING_MAX // 3 + 1)

    with pytest.raises(QueryError, match="levels of nesting"):
        parse(inside)


def test_neighbours_do_not_count_as_levels() -> None:
    """Thirty-three times one level is one level."""
    parse(" AND ".join(["NOT (trait('a') = 1)"] * (NESTING_MAX + 1)))


def test_length_is_bounded() -> None:
    text = "trait('a') = 1\n".ljust(LENGTH_MAX + 1)

    with pytest.raises(QueryError, match="expected at most 10,000 characters, found 10,001") as raised:
        parse(text)

    assert (raised.value.line, raised.value.column) == (2, LENGTH_MAX - len("trait('a') = 1\n") + 1)


def test_a_fault_is_a_users_mistake_with_one_line() -> None:
    with pytest.raises(InputError) as raised:
        parse("trait('a'")

    assert raised.value.faults == (str(raised.value),)


def test_a_fault_without_a_place_says_so() -> None:
    fault = QueryError("The audience would create a cycle")

    assert (fault.line, fault.column, str(fault)) == (None, None, "The audience would create a cycle")


def test_faults_are_equal_when_they_say_the_same_of_the_same_place() -> None:
    fault = QueryError("wrong", line=1, column=2)

    assert fault == QueryError("wrong", line=1, column=2)
    assert hash(fault) == hash(QueryError("wrong", line=1, column=2))
    assert fault != QueryError("wrong", line=2, column=2)
    assert fault != QueryError("different", line=1, column=2)
