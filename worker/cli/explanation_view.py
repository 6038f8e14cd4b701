"""An explanation as plain values for ``--json``, and as a tree made of these for people."""

from collections.abc import Iterator

import msgspec
from rich.text import Text
from rich.tree import Tree

from worker.audiences.explanation.parts import Explained, Part, Seen, Side
from worker.audiences.windows import NEVER
from worker.cli.graph_view import View, moment
from worker.cli.tables import printable

VALUES = {True: "true", False: "false", None: "undecided"}

_encode = msgspec.json.Encoder().encode


def part_view(part: Part) -> View:
    """One part of a query."""
    view: View = {
        "kind": part.kind,
        "query": part.query,
        "value": part.value,
        "next_due": never_or(part.due_ms),
        "changes_at": never_or(part.changes_ms),
    }
    if part.kind in ("comparison", "segment"):
        return {**view, "sides": [side_view(side) for side in part.sides], "would_change": list(part.remedies)}
    return {**view, "parts": [part_view(one) for one in part.parts]}


def side_view(side: Side) -> View:
    """A value that is compared, and the events behind it."""
    return {
        "query": side.query,
        "value": side.value,
        "wanted": side.wanted,
        "undecided": side.undecided,
        "told": side.told,
        "events": [_event_view(one) for one in side.events],
        "events_not_shown": side.unseen,
        "definition": None if side.definition is None else _definition_view(side.definition),
    }


def _event_view(seen: Seen) -> View:
    return {
        "at": moment(seen.at_ms),
        "counts": seen.counts,
        "values": dict(seen.values),
        "leaves_at": None if seen.waits else never_or(seen.until_ms),
        "comes_in_at": never_or(seen.until_ms) if seen.waits else None,
        "explanation": None if seen.part is None else part_view(seen.part),
    }


def _definition_view(explained: Explained) -> View:
    return {
        "kind": explained.definition.kind,
        "key": explained.definition.key,
        "eligible": explained.eligible,
        "explanation": None if explained.part is None else part_view(explained.part),
        "value": None if explained.side is None else side_view(explained.side),
    }


def never_or(ms: int) -> str | None:
    """A moment as text; None for one that does not come."""
    return None if ms == NEVER else moment(ms)


# --- For people ---------------------------------------------------------------------------------------------


def explanation_tree(view: View) -> Tree:
    """One part and what it is made of."""
    tree = Tree(_label(view), guide_style="dim")
    _grow(tree, view)
    return tree


def _label(part: View) -> Text:
    name = {"and": "AND", "or": "OR", "not": "NOT", "segment": "passthrough segment"}.get(part["kind"], part["query"])
    label = Text(VALUES[part["value"]], style="bold").append(printable(f"  {name}"), style="not bold")
    if part["changes_at"] is not None:
        label.append(f"  until {part['changes_at']}", style="not bold")
    return label


def _grow(tree: Tree, part: View) -> None:
    for one in part.get("parts", ()):
        _grow(tree.add(_label(one)), one)
    for side in part.get("sides", ()):
        _add_side(tree, side, named=len(part["sides"]) > 1)
    for remedy in part.get("would_change", ()):
        tree.add(Text(printable(f"would change with {remedy}")))


def _add_side(tree: Tree, side: View, *, named: bool) -> None:
    branch = tree.add(Text(printable(_side_text(side, named=named))))
    for event in side["events"]:
        leaf = branch.add(Text(printable(_event_text(event))))
        if event["explanation"] is not None:
            _grow(leaf.add(_label(event["explanation"])), event["explanation"])
    if side["events_not_shown"]:
        branch.add(Text(f"and {side['events_not_shown']} older ones"))
    definition = side["definition"]
    if definition is not None and definition["explanation"] is not None:
        _grow(branch.add(_label(definition["explanation"])), definition["explanation"])
    if definition is not None and definition["value"] is not None:
        _add_side(branch, definition["value"], named=True)


def _side_text(side: View, *, named: bool) -> str:
    value = "nothing" if side["value"] is None else _encode(side["value"]).decode()
    if side["wanted"] is not None:
        value += f" of {side['wanted']}"
    if side["undecided"]:
        value += " so far"
    told = f"; {side['told']}" if side["told"] else ""
    return f"{side['query']} is {value}{told}" if named else f"{value}{told}"


def _event_text(event: View) -> str:
    return ", ".join(_event_words(event))


def _event_words(event: View) -> Iterator[str]:
    yield event["at"]
    for name, value in event["values"].items():
        yield f"{name} is {'nothing' if value is None else _encode(value).decode()}"
    if event["comes_in_at"] is not None:
        yield f"comes in at {event['comes_in_at']}"
    elif event["counts"] is not True:
        yield "does not count" if event["counts"] is False else "may yet count"
    if event["leaves_at"] is not None:
        yield f"drops out at {event['leaves_at']}"
