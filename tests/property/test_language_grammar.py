"""Sentences that are made from the grammar itself, rule by rule: each is read, or refused for what no grammar says."""

from importlib.resources import files

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.lark import from_lark
from lark import Lark

from worker.audiences.language import tree
from worker.audiences.language.errors import QueryError
from worker.audiences.language.parser import parse
from worker.audiences.language.render import render
from worker.audiences.language.types import check

GRAMMAR = Lark(files("worker.audiences.language").joinpath("grammar.lark").read_text(), parser="lalr")


def words(*texts: str) -> st.SearchStrategy[str]:
    """Set apart, as words and numbers must be where two of them meet."""
    return st.sampled_from([f" {text} " for text in texts])


TERMINALS = {
    "_AND": words("AND", "and"),
    "_OR": words("OR", "Or"),
    "NOT": words("NOT", "not"),
    "ANY": words("ANY", "any"),
    "ALL": words("ALL", "all"),
    "AS": words("as"),
    "BOOLEAN": words("true", "FALSE"),
    "QUOTED": st.sampled_from(["'a'", '"b.$.c"', r'"it\'s"', "'\\u0041'"]),
    "NUMERAL": words("0", "7", "7", "1.5", "-3", "+1e3"),
    "DATE": words("2025-01-31"),
    "TIMESTAMP": words("2025-01-31T10:00:00Z", "2025-01-31T10:00:00.5+01:00"),
    **{name: st.sampled_from([" ", "\n"]) for name in GRAMMAR.ignore_tokens},
}
BEYOND_GRAMMAR = (
    "expected one window for an event",
    "expected a whole number",
    "expected at most",
)
"""What a sentence of the grammar may be refused for."""


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])  # drawing is slow
@given(text=from_lark(GRAMMAR, start="start", explicit=TERMINALS))
def test_every_sentence_of_the_grammar_is_read(text: str) -> None:
    query = read(text)
    if isinstance(query, QueryError):
        assert query.message.startswith(BEYOND_GRAMMAR)
        return
    assert parse(render(query)) == query
    check(query, kind="audience", accounts=True)


def read(text: str) -> tree.Query | QueryError:
    try:
        return parse(text)
    except QueryError as fault:
        return fault
