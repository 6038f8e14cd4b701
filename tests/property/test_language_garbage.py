"""Whatever is given to the parser, it gives a tree or a located fault, and nothing else."""

import re

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.property.language_sentences import sentences_of
from tests.property.language_trees import queries
from worker.audiences.language.errors import QueryError
from worker.audiences.language.parser import LENGTH_MAX, NESTING_MAX, parse
from worker.audiences.language.render import render
from worker.audiences.language.types import check

unhurried = settings(deadline=None)  # the first example reads the grammar, however long that takes

VALID = (
    """event('Shoes Bought').where(property('price') >= trait('avg_spend') AND event('Shoes Returned')
        .within(parent: 5 days).count() >= 1).within(30 days).count() >= 1""",
    """ALL NOT (event('E').sources({exclude: ['a', "b"]}).between(7 days, 10 days).count() = 0
        OR trait('x').exists())""",
    "event('E').expires_after(1800 seconds).mode(property('products.$.sku') as array, 2)",
    r"trait('joined').after_date(2025-01-01T00:00:00Z) and not trait('a\.b').one_of('x', -1.5e3, true) #",
    "event('E').unique(context('page.url')).count() != literal(5) /* or\nmore */",
)
VOCABULARY = """event trait property context entity literal where sources within between expires_after
count sum mode unique equals exists contains within_last parent exclude days hours as string
AND OR NOT ANY ALL true 'x' "y" 7
-1.5 2025-01-01 ( ) { } [ ] , . : = == != >= < # // /* */ \\ ' " é \u200b"""
WORDS = [*VOCABULARY.split(), "\n"]
TERMINALS = re.compile(
    r"\b(QUOTED|NUMERAL|BOOLEAN|DATE|TIMESTAMP|WORD|[LR](PAR|BRACE|SQB)|DOT|COMMA)\b|_AND|_OR|__|\$END"
)

soups = st.lists(st.sampled_from(WORDS), max_size=30).map(" ".join)
mutations = st.lists(
    st.tuples(st.integers(0, 200), st.integers(0, 12), st.text(max_size=4) | st.sampled_from(WORDS)),
    min_size=1,
    max_size=4,
)


sentences = st.sampled_from(VALID) | queries.flatmap(sentences_of)


@st.composite
def mutants(draw: st.DrawFn) -> str:
    """A valid query in which stretches of a few characters were replaced."""
    text = draw(sentences)
    for at, length, other in draw(mutations):
        text = text[:at] + other + text[at + length :]
    return text


def judge(text: str) -> None:
    fault = fault_of(text)
    if fault is None:
        query = parse(text)
        assert parse(render(query)) == query
        check(query, kind="audience")
        return
    lines = text.split("\n")
    assert fault.line is not None
    assert fault.column is not None
    assert 1 <= fault.line <= len(lines)
    assert 1 <= fault.column <= len(lines[fault.line - 1]) + 1
    assert fault.message.startswith("expected ")
    assert "\n" not in str(fault)
    # What was found may be any word; what was expected is in the user's.
    assert TERMINALS.search(fault.message.partition(", found ")[0]) is None


def fault_of(text: str) -> QueryError | None:
    try:
        parse(text)
    except QueryError as fault:
        return fault
    return None


@unhurried
@given(st.text())
@example("\ufeff")
@example("'")
@example("\\")
@example("trait('a') = " + "9" * 5_000)
@example("trait('a') = 1e" + "9" * 5_000)
@example("event('x').within(" + "9" * 5_000 + " days).count() > 1")
@example("event('x').within(" + "9" * 300 + " days).count() > 1")
@example("trait('\ud800')")
@example("trait('\x00') = 1")
@example("/*" * 4_000)
@example("'" * LENGTH_MAX)
@example("." * LENGTH_MAX)
@example("NOT " * NESTING_MAX)
@example("(" * LENGTH_MAX)
@example("x" * (LENGTH_MAX + 1))
def test_any_text(text: str) -> None:
    judge(text)


@unhurried
@given(soups)
def test_any_words_of_the_language(text: str) -> None:
    judge(text)


@unhurried
@given(mutants())
def test_nearly_valid_queries(text: str) -> None:
    judge(text)


@unhurried
@given(sentences, st.data())
def test_every_beginning_of_a_valid_query(text: str, data: st.DataObject) -> None:
    judge(text[: data.draw(st.integers(0, len(text)))])
