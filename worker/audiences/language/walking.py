"""Walks over trees."""

from collections.abc import Iterator

from worker.audiences.language import tree


def traits_in(node: object) -> Iterator[tree.Trait]:
    """Every trait that a query reads, wherever it stands."""
    match node:
        case tree.Trait():
            yield node
        case tree.And() | tree.Or():
            for item in node.items:
                yield from traits_in(item)
        case tree.Not() | tree.AnyUser() | tree.AllUsers():
            yield from traits_in(node.item)
        case tree.Compare():
            for part in (node.left, *node.arguments):
                yield from traits_in(part)
        case tree.Reduce():
            yield from traits_in(node.events.where)


def comparisons_in(node: object) -> Iterator[tree.Compare]:
    """Every comparison of a query, wherever it stands."""
    match node:
        case tree.And() | tree.Or():
            for item in node.items:
                yield from comparisons_in(item)
        case tree.Not() | tree.AnyUser() | tree.AllUsers():
            yield from comparisons_in(node.item)
        case tree.Compare():
            yield node
            for part in (node.left, *node.arguments):
                yield from comparisons_in(part)
        case tree.Reduce():
            yield from comparisons_in(node.events.where)
