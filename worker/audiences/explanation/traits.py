"""What stands behind ``trait('…')``: a custom trait, a membership, a computed trait or a passthrough membership."""

from collections.abc import Callable

from worker.audiences.conditions import External, computed_value, current_value, membership
from worker.audiences.explanation.moments import named
from worker.audiences.explanation.parts import Explained, Part, Person, Side
from worker.audiences.language import tree
from worker.audiences.language.render import render
from worker.audiences.values import find, find_each
from worker.audiences.windows import NEVER


def trait_side(node: tree.Scalar, person: Person, referred: Callable[[str], Explained | None]) -> Side:
    """A trait as it is now. ``referred``: the definition that a key is of."""
    if not isinstance(node, tree.Trait):
        raise TypeError(node)
    key, explained = node.path[0], referred(node.path[0])
    if explained is None:
        value, told = current_value(person, key), _custom(key, person)
    elif explained.definition.kind == "trait":
        value, told = computed_value(person, key), "a computed trait"
    else:
        value, told = membership(person, key), _member(key, person)
    found = (find_each if "$" in node.path else find)({key: value}, node.path)
    return Side(render(node), found, told, definition=explained)


def _custom(key: str, person: Person) -> str:
    word = person.externals.get(key)
    if word is not None:
        return _said(key, person)
    kept = person.traits.get(key)
    if kept is None:
        return "no event has set it"
    return f"{'set' if person.trait(key) is not None else 'removed'} at {named(kept.at_ms)}"


def _member(key: str, person: Person) -> str:
    kept = person.memberships.get(key)
    if kept is None:
        return "has never been a member"
    return f"{'a member' if person.member(key) else 'not a member'} since {named(kept.since_ms)}"


def _said(external_id: str, person: Person) -> str:
    word = person.externals.get(external_id)
    if word is None:
        return "nothing was ever said of it"
    return f"{'qualified' if word.qualified else 'disqualified'} at {named(round(word.at_s * 1000))}"


def segment_part(condition: External, person: Person) -> Part:
    """A passthrough segment: what its sender has said last."""
    value, external_id = condition.evaluate(person)[0], condition.external_id
    side = Side(external_id, person.external(external_id), _said(external_id, person))
    other = "disqualify" if value else "qualify"
    remedy = f"a passthrough event with the action {other}, not older than the last one"
    return Part("segment", external_id, value, NEVER, NEVER, (remedy,), sides=(side,))
