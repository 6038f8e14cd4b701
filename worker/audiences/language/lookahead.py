"""What may follow the part of a text that parses: the only place that looks inside lark's parser."""

from copy import copy
from typing import Any

from lark import Lark, Token, UnexpectedInput
from lark.lexer import PatternStr

_PATTERNS = {"_AND": "AND", "_OR": "OR"}
"""Words that are patterns in the grammar, for they may be written in any case."""


def what_fits(lark: Lark, text: str) -> set[str]:
    """What may come where ``text`` stops parsing: words and signs as written, all else by its terminal."""
    fixed = {one.name: one.pattern.value for one in lark.terminals if isinstance(one.pattern, PatternStr)}
    words = {**fixed, **_PATTERNS}
    parser = _before_the_fault(lark, text)
    fits = {words.get(name, name) for name in parser.accepts()}
    if "." in fits:
        # A dot by itself tells nobody anything: what fits is what fits after it.
        fits.remove(".")
        fits |= {words.get(name, name) for name in _after_dot(parser).accepts()}
    return fits


def _before_the_fault(lark: Lark, text: str) -> Any:
    """The interactive parser as it was when it met the token that does not fit.

    The parse is done again for that: the token that does not fit has already made the parser reduce what
    stood before it, after which less would fit.
    """
    parser: Any = lark.parse_interactive(text)
    tokens = parser.lexer_thread.lex(parser.parser_state)
    while True:
        before = parser.copy(deepcopy_values=False)
        try:
            token = next(tokens, None)
            if token is None:
                return before
            parser.feed_token(token)
        except UnexpectedInput:
            return before


def _after_dot(parser: Any) -> Any:
    ahead = parser.copy(deepcopy_values=False)
    # Without callbacks nothing is built on the way, and nothing can be refused.
    ahead.parser_state.parse_conf = copy(parser.parser_state.parse_conf)
    ahead.parser_state.parse_conf.callbacks = {}
    ahead.feed_token(Token("DOT", "."))
    return ahead
