"""What to say when a query does not parse: where, what fits there in the user's words, what is there."""

import re
from difflib import get_close_matches

from lark import UnexpectedInput, UnexpectedToken

from worker.audiences.language.errors import QueryError
from worker.audiences.language.vocabulary import (
    COMPARATORS,
    EXTRACTORS,
    FILTERS,
    OPERATORS,
    REDUCERS,
    SYNONYMS,
    TYPES,
    UNITS,
)

_PREFIXES = frozenset({"NOT", "ANY", "ALL"})
_CONSTANTS = frozenset({"QUOTED", "NUMERAL", "BOOLEAN", "DATE", "TIMESTAMP"})
_VALUES = _CONSTANTS | EXTRACTORS | {"("}

_PHRASES: tuple[tuple[frozenset[str], str], ...] = (
    (_PREFIXES | _VALUES | {"{"}, "a condition"),
    (_PREFIXES | _VALUES, "a condition"),
    (_VALUES, "a value"),
    (_CONSTANTS, "a constant"),
    (frozenset({"property", "context"}), "property('…') or context('…')"),
    (OPERATORS | COMPARATORS, "a comparison (=, >=, contains(…), …)"),
    (COMPARATORS, "a comparison (equals, at_least, contains, …)"),
    (FILTERS, "a filter (where, sources, within, between, expires_after)"),
    (REDUCERS, "a reducer (count, sum, avg, min, max, mode, first, last, unique)"),
    (frozenset({"parent", "NUMERAL"}), "a duration such as 7 days"),
    (UNITS, "a unit (seconds, minutes, hours, days)"),
    (TYPES, "a type (number, string, array)"),
    (frozenset({"AND"}), "AND"),
    (frozenset({"OR"}), "OR"),
    (frozenset({"QUOTED"}), "a name in quotes"),
    (frozenset({"NUMERAL"}), "a number"),
    (frozenset({"$END"}), "the end of the query"),
)
"""What things that fit are called together: the first whose members all fit names them. Larger sets first."""

_MISPLACED: tuple[tuple[frozenset[str], frozenset[str], str], ...] = (
    (FILTERS, COMPARATORS, "filters come before the reducer"),
    (REDUCERS, COMPARATORS, "only events are reduced, and only once"),
    (COMPARATORS | OPERATORS, REDUCERS, "events are compared after a reducer, such as count()"),
    (frozenset({"AND", "OR"}), COMPARATORS, "a value is compared first, for example = true"),
    (frozenset({"AND", "OR"}), _PREFIXES, "it stands between two conditions"),
    (frozenset({"=", "=="}), _CONSTANTS, "a sign is written without spaces, as in >="),
    (frozenset({"."}) | OPERATORS | COMPARATORS, frozenset({"AND"}), "nothing more may follow a comparison"),
)
"""(what was found, what would have fitted, why that is so): a known word out of place is not misspelt."""

_THING = re.compile(r"""'(?:[^'\\\r\n]|\\.)*'|"(?:[^"\\\r\n]|\\.)*"|[+-]?\d[\w:+.-]*|\w+|[<>=!&|]+|/\*|.""", re.DOTALL)
_SHOWN_MAX = 40
"""Characters of what was found that a message repeats: enough to recognise it, and the line stays a line."""


def explain(error: UnexpectedInput, text: str, fits: set[str]) -> QueryError:
    """The fault that stopped the parser, for the author of ``text``. ``fits``: see ``what_fits``."""
    if isinstance(error, UnexpectedToken) and error.token.type == "$END":
        return QueryError(
            f"expected {_listed(fits)}, found the end of the query",
            line=error.token.end_line or 1,
            column=error.token.end_column or 1,
        )
    start: int = error.pos_in_stream  # type: ignore[assignment]  # lark's declaration has only its default
    found = _THING.findall(text, start)[0]
    message = f"expected {_listed(fits)}, found {_shown(found)}{_advice(found, fits)}"
    return QueryError(message, line=error.line, column=error.column)


def _listed(fits: set[str]) -> str:
    rest, phrases = set(fits), []
    for members, phrase in _PHRASES:
        if members <= rest:
            rest -= members
            phrases.append(phrase)
    phrases[0:0] = sorted(f'"{sign}"' for sign in rest)
    *most, last = phrases
    return f"{', '.join(most)} or {last}" if most else last


def _shown(found: str) -> str:
    if found in {"'", '"'}:
        return "a string that is not closed"
    if found == "/*":
        return "a comment that is not closed"
    shown = found if len(found) <= _SHOWN_MAX else f"{found[: _SHOWN_MAX - 1]}…"
    if not shown.isprintable():
        shown = shown.encode("unicode_escape").decode()
    return shown if shown[:1] in {"'", '"'} or shown[:1].isdigit() else f'"{shown}"'


def _advice(found: str, fits: set[str]) -> str:
    """Why a known word does not fit here, or the nearest word that does."""
    if found in "‘’“”`":
        return "; a string is in straight quotes"
    for misplaced, fitting, why in _MISPLACED:
        if (found in misplaced or found.upper() in misplaced) and found not in fits and fitting & fits:
            return f"; {why}"
    if fits == {")"} and found in EXTRACTORS:
        return "; distinct values are counted by unique(…).count()"
    if fits == {"{"}:
        return f"; it is written sources({{exclude: {found}}})"
    if found.lower() in {"null", "nil", "none", "undefined"} and fits >= _VALUES:
        return "; what is not there is found with .absent()"
    nearest = _nearest(found, fits)
    if nearest:
        return f'; did you mean "{nearest}"?'
    is_bare_text = fits >= _CONSTANTS and not fits & _PREFIXES and found.isidentifier() and found not in EXTRACTORS
    return "; a text is in quotes" if is_bare_text else ""


def _nearest(found: str, fits: set[str]) -> str | None:
    synonym = SYNONYMS.get(found.lower())
    if synonym in fits:
        return synonym
    names = {name.lower(): name for name in fits - _CONSTANTS if name.replace("_", "").isalpha()}
    close = get_close_matches(found.lower(), names, n=1)
    return names[close[0]] if close else None
