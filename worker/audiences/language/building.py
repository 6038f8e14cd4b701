"""What each rule of the grammar builds. Called by the parser, bottom up, while it parses."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from math import isinf
from typing import Any, TypeVar, cast

from lark import Token, Transformer, v_args

from worker.audiences.language import tree
from worker.audiences.language.errors import QueryError
from worker.audiences.language.quoting import read_path, read_string

OPERATORS: dict[str, tree.Comparator] = {
    "=": "equals",
    "==": "equals",
    "!=": "differs",
    ">": "greater_than",
    ">=": "at_least",
    "<": "less_than",
    "<=": "at_most",
}
UNITS_MS = {"second": 1_000, "minute": 60_000, "hour": 3_600_000, "day": 86_400_000}

Read = TypeVar("Read")


@v_args(inline=True)
class TreeBuilder(Transformer[Token, Any]):
    """One method for each rule or alias of ``grammar.lark``. Without state; shared by all parses."""

    # --- Junctions ------------------------------------------------------------------------------------------
    def any_of(self, *items: tree.Condition) -> tree.Or:
        flat = [part for item in items for part in (item.items if isinstance(item, tree.Or) else (item,))]
        return tree.Or(tuple(flat), items[0].position)

    def all_of(self, *items: tree.Condition) -> tree.And:
        return _all_of(*items)

    def negated(self, word: Token, item: tree.Condition) -> tree.Not:
        return tree.Not(item, _position(word))

    def any_user(self, word: Token, item: tree.Condition) -> tree.AnyUser:
        return tree.AnyUser(item, _position(word))

    def all_users(self, word: Token, item: tree.Condition) -> tree.AllUsers:
        return tree.AllUsers(item, _position(word))

    # --- Comparisons ----------------------------------------------------------------------------------------
    def compared(self, left: tree.Scalar, comparator: tree.Comparator, right: tree.Scalar) -> tree.Compare:
        return tree.Compare(left, comparator, (right,), _start(left))

    def called(
        self, left: tree.Scalar, comparator: tree.Comparator, *arguments: tree.Scalar | tree.Duration
    ) -> tree.Compare:
        return tree.Compare(left, comparator, arguments, _start(left))

    def operator(self, sign: Token) -> tree.Comparator:
        return OPERATORS[sign]

    def comparator(self, word: Token) -> tree.Comparator:
        return cast("tree.Comparator", str(word))

    presence = comparator

    # --- Values ---------------------------------------------------------------------------------------------
    def quoted(self, string: Token) -> tree.Literal:
        return tree.Literal(_read(read_string, string), "string", _position(string))

    def numeral(self, digits: Token) -> tree.Literal:
        return tree.Literal(_number(digits), "number", _position(digits))

    def boolean(self, word: Token) -> tree.Literal:
        return tree.Literal(word.lower() == "true", "boolean", _position(word))

    def date(self, day: Token) -> tree.Literal:
        return tree.Literal(_moment(day), "date", _position(day))

    def timestamp(self, moment: Token) -> tree.Literal:
        return tree.Literal(_moment(moment), "timestamp", _position(moment))

    def trait(self, word: Token, path: Token) -> tree.Trait:
        return tree.Trait(_read(read_path, path), _position(word))

    def entity(self, word: Token, slug: Token) -> tree.Entity:
        return tree.Entity(_read(read_string, slug), _position(word))

    def property(self, word: Token, path: Token) -> tree.Property:
        return tree.Property(_read(read_path, path), position=_position(word))

    def parent_property(self, word: Token, path: Token) -> tree.Property:
        return tree.Property(_read(read_path, path), parent=True, position=_position(word))

    def context(self, word: Token, path: Token) -> tree.Context:
        return tree.Context(_read(read_path, path), _position(word))

    # --- Events ---------------------------------------------------------------------------------------------
    def events(self, word: Token, name: Token) -> tree.Events:
        read = _read(read_string, name)
        if not read:
            raise _fault("expected the name of an event, found nothing in the quotes", name)
        return tree.Events(read, position=_position(word))

    def filtered(self, events: tree.Events, _: Token, condition: tree.Condition) -> tree.Events:
        return replace(events, where=condition if events.where is None else _all_of(events.where, condition))

    def without_sources(self, events: tree.Events, names: tuple[str, ...]) -> tree.Events:
        return replace(events, excluded_sources=(*events.excluded_sources, *names))

    def windowed(self, events: tree.Events, window: tree.Window) -> tree.Events:
        if events.window is not None:
            raise QueryError(
                "expected one window for an event, found a second",
                line=window.position.line,
                column=window.position.column,
            )
        return replace(events, window=window)

    def names(self, *names: Token) -> tuple[str, ...]:
        return tuple(_read(read_string, name) for name in names)

    def within(self, word: Token, parent: Token | None, span: tree.Duration) -> tree.Within:
        return tree.Within(span.ms, parent=parent is not None, position=_position(word))

    def between(self, word: Token, parent: Token | None, near: tree.Duration, far: tree.Duration) -> tree.Between:
        return tree.Between(near.ms, far.ms, parent=parent is not None, position=_position(word))

    def expires_after(self, word: Token, gap: tree.Duration) -> tree.ExpiresAfter:
        return tree.ExpiresAfter(gap.ms, _position(word))

    def duration(self, digits: Token, unit_ms: int) -> tree.Duration:
        return tree.Duration(
            _whole(digits, "a whole number of seconds, minutes, hours or days") * unit_ms, _position(digits)
        )

    def unit(self, word: Token) -> int:
        return UNITS_MS[word.removesuffix("s")]

    # --- Reducers -------------------------------------------------------------------------------------------
    def count(self, events: tree.Events, word: Token) -> tree.Reduce:
        return tree.Reduce(events, "count", position=_position(word))

    def aggregated(self, events: tree.Events, word: Token, reduced: "_Reduced") -> tree.Reduce:
        of, as_type = reduced
        return tree.Reduce(events, cast("tree.Reducer", str(word)), of, as_type, position=_position(word))

    def most_frequent(
        self, events: tree.Events, word: Token, reduced: "_Reduced", minimum: Token | None
    ) -> tree.Reduce:
        of, as_type = reduced
        least = None if minimum is None else _whole(minimum, "a whole number, the least frequency")
        return tree.Reduce(events, "mode", of, as_type, least, _position(word))

    def unique(self, events: tree.Events, word: Token, reduced: "_Reduced") -> tree.Reduce:
        of, as_type = reduced
        return tree.Reduce(events, "unique", of, as_type, position=_position(word))

    def distinct_count(self, unique: tree.Reduce, _: Token) -> tree.Reduce:
        return replace(unique, reducer="unique_count")

    def aggregate(self, word: Token) -> Token:
        return word

    def reduced_field(self, of: tree.Property | tree.Context, as_type: Token | None) -> "_Reduced":
        return of, cast("_AsType", as_type if as_type is None else str(as_type))

    def type(self, word: Token) -> Token:
        return word


_AsType = Any  # one of the three words of the grammar, or None; the tree spells them out
_Reduced = tuple[tree.Property | tree.Context, _AsType]


def _position(token: Token) -> tree.Position:
    return tree.Position(cast("int", token.line), cast("int", token.column))


def _start(left: tree.Scalar) -> tree.Position:
    """Where a comparison starts: what is reduced stands before the reducer."""
    return left.events.position if isinstance(left, tree.Reduce) else left.position


def _fault(message: str, token: Token) -> QueryError:
    return QueryError(message, line=token.line, column=token.column)


def _all_of(*items: tree.Condition) -> tree.And:
    flat = [part for item in items for part in (item.items if isinstance(item, tree.And) else (item,))]
    return tree.And(tuple(flat), items[0].position)


def _read(reader: Callable[[str], Read], quoted: Token) -> Read:
    try:
        return reader(quoted)
    except ValueError as error:
        raise _fault(str(error), quoted) from None


def _number(digits: Token) -> int | float:
    value = float(digits)
    if isinf(value):
        raise _fault("expected a number below 1.8e308, found a larger one", digits)
    return value if any(sign in digits for sign in ".eE") else int(digits)


def _whole(digits: Token, expected: str) -> int:
    value = _number(digits)
    if not isinstance(value, int) or value < 0:
        raise _fault(f"expected {expected}, found {digits}", digits)
    return value


def _moment(written: Token) -> str:
    """The text as it is: it is read again where it is compared."""
    try:
        datetime.fromisoformat(written)
    except ValueError:
        raise _fault(f"expected a date or time that there is (ISO 8601), found {written}", written) from None
    return str(written)
