"""The canonical text of queries."""

import pytest

from worker.audiences.language.parser import parse
from worker.audiences.language.render import render
from worker.audiences.language.tree import Events, Reduce, Within
from worker.errors import InvariantError

CANONICAL = {
    "trait( \"a.b\" ) == 'x'": "trait('a.b') = 'x'",
    "trait('a').equals(literal(1))": "trait('a') = 1",
    "trait('a').one_of( 'x' , 2 , TRUE )": "trait('a').one_of('x', 2, true)",
    "(trait('a') = 1 and trait('b') = 2) AND trait('c') = 3": ("trait('a') = 1 AND trait('b') = 2 AND trait('c') = 3"),
    "trait('a') = 1 AND (trait('b') = 2 OR trait('c') = 3)": ("trait('a') = 1 AND (trait('b') = 2 OR trait('c') = 3)"),
    "(trait('a') = 1 AND trait('b') = 2) OR trait('c') = 3": ("trait('a') = 1 AND trait('b') = 2 OR trait('c') = 3"),
    "NOT (trait('a') = 1)": "NOT trait('a') = 1",
    "not (trait('a') = 1 or trait('b') = 2)": "NOT (trait('a') = 1 OR trait('b') = 2)",
    "ALL (NOT (event('E').count() > 0))": "ALL NOT event('E').count() > 0",
    "event('E').within(168 hours).where(property('p') = 1).where(property('q') = 2).count() > 0": (
        "event('E').where(property('p') = 1 AND property('q') = 2).within(7 days).count() > 0"
    ),
    "event('E').within(3600 seconds).sources({exclude: ['a']}).count()": (
        "event('E').sources({exclude: 'a'}).within(1 hour).count()"
    ),
    "event('E').between(60 minutes, 49 hours).count()": "event('E').between(1 hour, 49 hours).count()",
    "event('E').expires_after(1801 seconds).count()": "event('E').expires_after(1801 seconds).count()",
    "event('E').unique(property('p')).count()": "event('E').unique(property('p')).count()",
    "event('E').mode(property('p') as array,2)": "event('E').mode(property('p') as array, 2)",
    "event('E').within(parent:1 day).count()": "event('E').within(parent: 1 day).count()",
    "property(parent:'p').exists()": "property(parent: 'p').exists()",
    r"trait('a\\\\.b') = 'it\'s'": r"trait('a\.b') = 'it\'s'",
    r"context('a\\b') = 'a\\b'": r"context('a\u005cb') = 'a\\b'",
    "trait('t').before_date(2025-01-01)": "trait('t').before_date(2025-01-01)",
    "entity('s') != 1e3": "entity('s') != 1000.0",
}


@pytest.mark.parametrize("text", CANONICAL)
def test_there_is_one_way_to_write_each_query(text: str) -> None:
    assert render(parse(text)) == CANONICAL[text]


def test_a_time_that_no_query_says_is_our_own_fault() -> None:
    with pytest.raises(InvariantError):
        render(Reduce(Events("E", window=Within(1500)), "count"))
