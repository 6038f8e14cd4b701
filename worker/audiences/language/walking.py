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
