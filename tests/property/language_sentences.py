"""Trees of the query language written in any of the ways that mean the same.

A writer gives the tokens of a sentence; whatever the language reads as nothing is put between them afterwards.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from hypothesis import strategies as st

from worker.audiences.language import tree

SIGNS: dict[str, list[str]] = {
    "equals": ["=", "=="],
    "differs": ["!="],
    "greater_than": [">"],
    "at_least": [">="],
    "less_than": ["<"],
    "at_most": ["<="],
}
UNITS_MS = {"second": 1_000, "minute": 60_000, "hour": 3_600_000, "day": 86_400_000}
NOTHINGS = ["", "", "", "", " ", "\n", "\t\r\n ", "\u00a0", "# it's\n", '// "so\n', "/* ) 'and */", "/**/"]
"""What may stand between any two tokens and means nothing."""
ESCAPES = {"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", "/": "\\/", "'": "\\'", '"': '\\"'}

Tokens = Iterator[str]


@st.composite
def sentences_of(draw: st.DrawFn, query: tree.Query) -> str:
    """Sentences that mean this tree."""
    tokens = list(_Writer(draw).query(query))
    text = draw(st.sampled_from(NOTHINGS))
    for token, following in zip(tokens, [*tokens[1:], ""], strict=True):
        text += token + _needed_space(token, following) + draw(st.sampled_from(NOTHINGS))
    return text


def _needed_space(token: str, following: str) -> str:
    """Between words, and after what would go on reading: a number, or a time, before a dot."""
    runs_on = token[-1:].isalnum() and (following[:1].isalnum() or (following == "." and token[0] not in "'\""))
    return " " if runs_on else ""


class _Writer:
    def __init__(self, draw: st.DrawFn) -> None:
        self._draw = draw

    def _pick(self, choices: Sequence[Any]) -> Any:
        return self._draw(st.sampled_from(choices))

    def _now_and_then(self) -> bool:
        return self._draw(st.integers(0, 5)) == 5

    def _word(self, word: str) -> str:
        """The words of junctions and booleans, in any case."""
        return str(self._pick([word.lower(), word.upper(), word.title()]))

    # --- Conditions -----------------------------------------------------------------------------------------
    def query(self, node: tree.Query) -> Tokens:
        match node:
            case tree.And(items=items):
                yield from self._joined("AND", items, looser=(tree.Or,))
            case tree.Or(items=items):
                yield from self._joined("OR", items, looser=())
            case tree.Not(item=item):
                yield from self._prefixed("NOT", item)
            case tree.AnyUser(item=item):
                yield from self._prefixed("ANY", item)
            case tree.AllUsers(item=item):
                yield from self._prefixed("ALL", item)
            case tree.Compare():
                yield from self._comparison(node)
            case _:
                yield from self._value(node)

    def _joined(self, word: str, items: Sequence[tree.Condition], *, looser: tuple[type, ...]) -> Tokens:
        for index, item in enumerate(items):
            if index:
                yield self._word(word)
            yield from self._operand(item, looser)

    def _prefixed(self, word: str, item: tree.Condition) -> Tokens:
        yield self._word(word)
        yield from self._operand(item, (tree.And, tree.Or))

    def _operand(self, node: tree.Condition, looser: tuple[type, ...]) -> Tokens:
        if isinstance(node, looser) or self._now_and_then():
            yield from ("(", *self.query(node), ")")
        else:
            yield from self.query(node)

    def _comparison(self, node: tree.Compare) -> Tokens:
        yield from self._value(node.left)
        signs = SIGNS.get(node.comparator, [])
        if (
            signs
            and len(node.arguments) == 1
            and not isinstance(node.arguments[0], tree.Duration)
            and self._pick([1, 0])
        ):
            yield self._pick(signs)
            yield from self._value(node.arguments[0])
            return
        yield from (".", node.comparator, "(")
        for index, argument in enumerate(node.arguments):
            yield from [","] if index else []
            yield from self._duration(argument.ms) if isinstance(argument, tree.Duration) else self._value(argument)
        yield ")"

    # --- Values ---------------------------------------------------------------------------------------------
    def _value(self, node: tree.Scalar) -> Tokens:
        can_be_in_parentheses = not (isinstance(node, tree.Reduce) and node.reducer == "unique")
        if can_be_in_parentheses and self._now_and_then():
            yield from ("(", *self._plain_value(node), ")")
        else:
            yield from self._plain_value(node)

    def _plain_value(self, node: tree.Scalar) -> Tokens:
        match node:
            case tree.Literal():
                constant = self._constant(node)
                yield from ("literal", "(", constant, ")") if self._now_and_then() else (constant,)
            case tree.Trait(path=path):
                yield from ("trait", "(", self._path(path), ")")
            case tree.Entity(slug=slug):
                yield from ("entity", "(", self._quoted(slug), ")")
            case tree.Property() | tree.Context():
                yield from self._field(node)
            case tree.Reduce():
                yield from self._events(node.events)
                yield from (".", *self._reducer(node))

    def _field(self, node: tree.Property | tree.Context) -> Tokens:
        yield from ("context" if isinstance(node, tree.Context) else "property", "(")
        if isinstance(node, tree.Property) and node.parent:
            yield from ("parent", ":")
        yield from (self._path(node.path), ")")

    def _constant(self, node: tree.Literal) -> str:
        match node.kind:
            case "string":
                return self._quoted(str(node.value))
            case "boolean":
                return self._word(str(node.value))
            case "number":
                text = repr(node.value).replace("e", str(self._pick("eE")))
                return text if text[0] == "-" else f"{self._pick(['', '', '+'])}{text}"
        return str(node.value)

    def _duration(self, ms: int) -> Tokens:
        unit, unit_ms = self._pick([(unit, unit_ms) for unit, unit_ms in UNITS_MS.items() if ms % unit_ms == 0])
        yield from (str(ms // unit_ms), f"{unit}{self._pick(['', 's'])}")

    # --- Events ---------------------------------------------------------------------------------------------
    def _events(self, node: tree.Events) -> Tokens:
        """The filters in any order; several conditions and several sources together or one after the other."""
        yield from ("event", "(", self._quoted(node.name), ")")
        filters = [list(self._filter_of_sources(names)) for names in self._groups(node.excluded_sources)]
        if node.where is not None:
            items = node.where.items if isinstance(node.where, tree.And) else (node.where,)
            filters[:0] = [list(self._where(group)) for group in self._groups(items)]
        if node.window is not None:
            filters.insert(self._draw(st.integers(0, len(filters))), list(self._window(node.window)))
        for tokens in filters:
            yield from (".", *tokens)

    def _groups(self, items: Sequence[Any]) -> list[Sequence[Any]]:
        """The items in their order, taken together or apart."""
        if len(items) > 1 and self._pick([True, False]):
            split = self._draw(st.integers(1, len(items) - 1))
            return [items[:split], items[split:]]
        return [items] if items else []

    def _where(self, items: Sequence[tree.Condition]) -> Tokens:
        condition = self.query(items[0] if len(items) == 1 else tree.And(tuple(items)))
        braces = self._pick([("", ""), ("{", "}")])
        yield from (token for token in ("where", "(", braces[0], *condition, braces[1], ")") if token)

    def _filter_of_sources(self, names: Sequence[str]) -> Tokens:
        brackets = self._pick([("", ""), ("[", "]")])
        listed = [token for name in names for token in (",", self._quoted(name))][1:]
        tokens = ("sources", "(", "{", "exclude", ":", brackets[0], *listed, brackets[1], "}", ")")
        yield from (token for token in tokens if token)

    def _window(self, window: tree.Window) -> Tokens:
        match window:
            case tree.Within(ms=ms, parent=parent):
                yield from ("within", "(", *_parent(parent), *self._duration(ms), ")")
            case tree.Between(near_ms=near_ms, far_ms=far_ms, parent=parent):
                ends = (*self._duration(near_ms), ",", *self._duration(far_ms))
                yield from ("between", "(", *_parent(parent), *ends, ")")
            case tree.ExpiresAfter(ms=ms):
                yield from ("expires_after", "(", *self._duration(ms), ")")

    def _reducer(self, node: tree.Reduce) -> Tokens:
        if node.of is None:
            yield from ("count", "(", ")")
            return
        as_type = () if node.as_type is None else ("as", node.as_type)
        minimum = () if node.minimum is None else (",", str(node.minimum))
        yield from (node.reducer.removesuffix("_count"), "(", *self._field(node.of), *as_type, *minimum, ")")
        if node.reducer == "unique_count":
            yield from (".", "count", "(", ")")

    # --- Strings --------------------------------------------------------------------------------------------
    def _quoted(self, text: str) -> str:
        quote = self._pick("'\"")
        return f"{quote}{''.join(self._characters(text, quote))}{quote}"

    def _path(self, path: tree.Path) -> str:
        """A dot that is part of a name is escaped, and a backslash never stands before a dot."""
        quote = self._pick("'\"")
        segments = ("".join(self._in_segment(segment, quote)) for segment in path)
        return f"{quote}{'.'.join(segments)}{quote}"

    def _in_segment(self, segment: str, quote: str) -> Iterable[str]:
        for character in segment:
            if character == ".":
                yield self._pick(["\\.", "\\\\.", "\\\\\\\\.", "\\u002e"])
            elif character == "\\":
                yield "\\u005c"
            else:
                yield from self._characters(character, quote)

    def _characters(self, text: str, quote: str) -> Iterable[str]:
        for character in text:
            if character in {quote, "\\", "\n", "\r"} or (character in ESCAPES and self._pick([True, False])):
                yield ESCAPES[character]
            elif self._now_and_then():
                units = character.encode("utf-16-be")
                yield "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
            else:
                yield character


def _parent(is_of_parent: bool) -> tuple[str, ...]:
    return ("parent", ":") if is_of_parent else ()
