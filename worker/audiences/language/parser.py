"""From the text of a query to its tree."""

from collections.abc import Iterator
from functools import cache, lru_cache
from threading import Lock
from typing import cast

from lark import Lark, Token, UnexpectedInput

from worker.audiences.language import tree
from worker.audiences.language.building import TreeBuilder
from worker.audiences.language.errors import QueryError
from worker.audiences.language.lookahead import what_fits
from worker.audiences.language.messages import explain

LENGTH_MAX = 10_000
"""Characters. Lower refuses queries that a tool has generated; higher lets one definition hold up the control
plane: this many take up to 0.1 s."""
NESTING_MAX = 32
"""Levels of parentheses and prefixes (NOT, ANY, ALL). Lower refuses what a tool wraps once too often; higher
overruns the interpreter's recursion limit: comparing the deepest trees takes half of it as it is."""

REMEMBERED = 4_096
"""Queries. Lower: with more definitions than that each change of one parses all of them; higher: memory that nobody
needs, some 10 KB each."""

_OPENING = frozenset({"LPAR", "LBRACE", "LSQB"})
_CLOSING = frozenset({"RPAR", "RBRACE", "RSQB"})
_PREFIXES = frozenset({"NOT", "ANY", "ALL"})
_SEPARATORS = frozenset({"_AND", "_OR", "COMMA"})
_LOCK = Lock()


@lru_cache(maxsize=REMEMBERED)
def parse(text: str) -> tree.Query:
    """Parse a query of an audience or of a computed trait; what it may mean is for ``types.check``.

    May be called from any thread. The grammar is read at the first call, which takes about 100 ms; the trees of the
    last texts are remembered.

    Raises:
        QueryError: the first thing that is wrong, with its place, what fits there and the nearest name.

    Source: Segment, "Query Language Reference"; docs/query-language.md.
    """
    _refuse_unreadable(text)
    with _LOCK:  # the lexers are completed while they work, and under the GIL there is nothing to gain
        try:
            return cast("tree.Query", _lark().parse(text))
        except UnexpectedInput as error:
            raise explain(error, text, what_fits(_lark(), text)) from None


def _refuse_unreadable(text: str) -> None:
    if len(text) > LENGTH_MAX:
        *before, last = text[:LENGTH_MAX].split("\n")
        message = f"expected at most {LENGTH_MAX:,} characters, found {len(text):,}"
        raise QueryError(message, line=len(before) + 1, column=len(last) + 1)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        *before, last = text[: error.start].split("\n")
        message = "expected a character, found half of a surrogate pair"
        raise QueryError(message, line=len(before) + 1, column=len(last) + 1) from None


class _NestingLimit:
    """Stands between lexer and parser, so that no tree is ever built that is too deep to walk."""

    always_accept = ("WORD",)

    def process(self, stream: Iterator[Token]) -> Iterator[Token]:
        outer: list[tuple[int, int]] = []
        base = level = 0
        for token in stream:
            if token.type in _OPENING:
                outer.append((base, level))
                base = level = level + 1
            elif token.type in _CLOSING and outer:
                base, level = outer.pop()
            elif token.type in _PREFIXES:
                level += 1
            elif token.type in _SEPARATORS:
                level = base
            if level > NESTING_MAX:
                message = f"expected at most {NESTING_MAX} levels of nesting, found more"
                raise QueryError(message, line=token.line, column=token.column)
            yield token


@cache
def _lark() -> Lark:
    return Lark.open(
        "grammar.lark",
        rel_to=__file__,
        parser="lalr",
        lexer="contextual",
        transformer=TreeBuilder(),  # while parsing, not after: nothing recursive runs over an unchecked depth
        postlex=_NestingLimit(),
        maybe_placeholders=True,
    )
