"""From a tree to the canonical text of a query: one way to write each tree, which parses back to it."""

from worker.audiences.language import tree
from worker.audiences.language.quoting import quote, quote_path
from worker.errors import InvariantError

_SIGNS: dict[tree.Comparator, str] = {
    "equals": "=",
    "differs": "!=",
    "greater_than": ">",
    "at_least": ">=",
    "less_than": "<",
    "at_most": "<=",
}
_UNITS = ((86_400_000, "day"), (3_600_000, "hour"), (60_000, "minute"), (1_000, "second"))


def render(query: tree.Query) -> str:
    """The canonical text of a tree; ``parse(render(query)) == query``.

    Leaves are named after it in stored states: a change to it forgets what profiles have accumulated.

    Raises:
        InvariantError: a time in the tree is not a whole number of seconds; no query says that.
    """
    match query:
        case tree.And():
            return " AND ".join(_operand(item, tree.Or) for item in query.items)
        case tree.Or():
            return " OR ".join(render(item) for item in query.items)
        case tree.Not():
            return f"NOT {_operand(query.item, tree.And | tree.Or)}"
        case tree.AnyUser():
            return f"ANY {_operand(query.item, tree.And | tree.Or)}"
        case tree.AllUsers():
            return f"ALL {_operand(query.item, tree.And | tree.Or)}"
        case tree.Compare():
            return _comparison(query)
        case _:
            return _value(query)


def _operand(node: tree.Condition, looser: type | object) -> str:
    text = render(node)
    return f"({text})" if isinstance(node, looser) else text  # type: ignore[arg-type]


def _comparison(node: tree.Compare) -> str:
    arguments = [duration(one.ms) if isinstance(one, tree.Duration) else _value(one) for one in node.arguments]
    sign = _SIGNS.get(node.comparator)
    if sign is not None and len(arguments) == 1 and not isinstance(node.arguments[0], tree.Duration):
        return f"{_value(node.left)} {sign} {arguments[0]}"
    return f"{_value(node.left)}.{node.comparator}({', '.join(arguments)})"


def _value(node: tree.Scalar) -> str:
    match node:
        case tree.Literal():
            return _constant(node)
        case tree.Trait():
            return f"trait({quote_path(node.path)})"
        case tree.Property():
            return f"property({'parent: ' if node.parent else ''}{quote_path(node.path)})"
        case tree.Context():
            return f"context({quote_path(node.path)})"
        case tree.Entity():
            return f"entity({quote(node.slug)})"
        case tree.Reduce():
            return f"{_events(node.events)}.{_reducer(node)}"


def _constant(literal: tree.Literal) -> str:
    match literal.kind:
        case "string":
            return quote(str(literal.value))
        case "boolean":
            return "true" if literal.value else "false"
    return str(literal.value)


def _events(events: tree.Events) -> str:
    text = f"event({quote(events.name)})"
    if events.where is not None:
        text += f".where({render(events.where)})"
    if events.excluded_sources:
        text += f".sources({{exclude: {', '.join(quote(name) for name in events.excluded_sources)}}})"
    match events.window:
        case tree.Within(ms, parent):
            text += f".within({'parent: ' if parent else ''}{duration(ms)})"
        case tree.Between(near_ms, far_ms, parent):
            text += f".between({'parent: ' if parent else ''}{duration(near_ms)}, {duration(far_ms)})"
        case tree.ExpiresAfter(ms):
            text += f".expires_after({duration(ms)})"
    return text


def _reducer(node: tree.Reduce) -> str:
    if node.of is None:
        return "count()"
    reduced = _value(node.of)
    if node.as_type is not None:
        reduced += f" as {node.as_type}"
    if node.minimum is not None:
        reduced += f", {node.minimum}"
    return f"unique({reduced}).count()" if node.reducer == "unique_count" else f"{node.reducer}({reduced})"


def duration(ms: int) -> str:
    """A time in the largest unit that says it in whole numbers."""
    for unit_ms, unit in _UNITS:
        if ms % unit_ms == 0:
            amount = ms // unit_ms
            return f"{amount} {unit}{'' if amount == 1 else 's'}"
    raise InvariantError(f"a duration of {ms} ms is not a whole number of seconds")
