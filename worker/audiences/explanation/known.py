"""A query with values in the place of names: what another event would have to be like, said of one event."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar

from worker.audiences.language import tree

N = TypeVar("N")


def with_values(node: tree.Condition, values: Mapping[Any, Any]) -> tree.Condition:
    """The filter of an inner event. ``values``: of the event around it, by the field as that event names it.

    A field that is absent, or a list, keeps its name, and so does one that is compared first.
    """
    match node:
        case tree.And() | tree.Or():
            return replace(node, items=tuple(with_values(item, values) for item in node.items))
        case tree.Not():
            return replace(node, item=with_values(node.item, values))
        case tree.Compare():
            return replace(node, arguments=tuple(_valued(one, values) for one in node.arguments))
    return node


def _valued(node: N, values: Mapping[Any, Any]) -> N | tree.Literal:
    if not isinstance(node, tree.Property) or not node.parent:
        return node
    value = values.get(tree.Property(node.path))
    if isinstance(value, bool):
        return tree.Literal(value, "boolean")
    if isinstance(value, str):
        return tree.Literal(value, "string")
    return tree.Literal(value, "number") if isinstance(value, int | float) else node
