"""Why a definition is as it is for a profile: every part of its query with the value that evaluation gives it.

Pure. Each part is compiled by itself, by the compiler of the whole and in the same place, and evaluated on the
profile's own state: an explanation cannot say anything else than the engine does.
Source: docs/explain.md.
"""

from dataclasses import replace
from functools import partial
from typing import NamedTuple

from worker.audiences.building import Beginning
from worker.audiences.catalogue import Catalogue, keys_of
from worker.audiences.comparisons import Comparison, Foreseen, Moving, RowsCount
from worker.audiences.compile import Compiler, Scope
from worker.audiences.conditions import (
    Around,
    Condition,
    CountBetween,
    CountEver,
    CountWithin,
    External,
    Facts,
    Verdict,
)
from worker.audiences.definitions import Computation, Definition
from worker.audiences.explanation.events import Rows, counted, rows_side, session_side, total_side
from worker.audiences.explanation.known import with_values
from worker.audiences.explanation.moments import changes_at
from worker.audiences.explanation.parts import Explained, Part, Person, Side
from worker.audiences.explanation.remedies import remedies
from worker.audiences.explanation.traits import segment_part, trait_side
from worker.audiences.language import tree
from worker.audiences.language.parser import parse
from worker.audiences.language.render import render
from worker.audiences.populations import Population
from worker.audiences.rows import FIRST, Row
from worker.audiences.scalars import CountValue, Field, RowsValue, Scalar, SessionValue, TotalValue
from worker.audiences.selections import split
from worker.audiences.windows import Rolling


def explain(computation: Computation, catalogue: Catalogue, person: Person) -> Explained:
    """Explain one definition of a catalogue, at the time of the facts. What it refers to is explained with it, once."""
    return _Explainer(catalogue, person).definition(computation)


def explain_segment(definition: Definition, person: Person) -> Explained:
    """Explain a passthrough segment, whether it is in a catalogue or not: whoever may be told of it is a member."""
    part = segment_part(External(definition.external_id or definition.key), person)
    return Explained(definition, eligible=True, part=part)


class _Place(NamedTuple):
    """Where a part stands: whose query it is in, and the events around it."""

    compiler: Compiler
    scope: Scope | None = None
    around: Around = ()

    def inside(self, node: tree.Reduce, row: Row) -> "_Place":
        return _Place(self.compiler, self.compiler.inside(node, self.scope), (*(self.around or ({},)), row))

    def known(self, node: tree.Compare) -> tree.Compare:
        """A comparison with the values of the event around in the place of their names."""
        if self.scope is None or not isinstance(node.left, tree.Reduce) or node.left.events.where is None:
            return node
        values = dict(zip(self.scope.fields, self.around[-1][FIRST:], strict=False))
        where = with_values(node.left.events.where, values)
        return replace(node, left=replace(node.left, events=replace(node.left.events, where=where)))

    def fresh(self) -> Around:
        """The events around, and no memory: what is remembered there belongs to conditions of another moment."""
        return ({}, *self.around[1:]) if self.around else ()


class _Explainer:
    def __init__(self, catalogue: Catalogue, person: Person) -> None:
        self._catalogue, self._person = catalogue, person
        self._keys = keys_of({key: one.definition for key, one in catalogue.by_key.items()})
        self._explained: set[str] = set()

    def definition(self, computation: Computation) -> Explained:
        definition = computation.definition
        eligible = self._person.eligibility >= computation.eligibility
        if computation.key in self._explained:
            return Explained(definition, eligible)
        self._explained.add(computation.key)
        if definition.query is None:
            return explain_segment(definition, self._person)
        node = parse(definition.query)
        place = _Place(Compiler(self._keys, Beginning(definition.since, definition.history_ms)))
        if definition.kind == "trait":
            side = self._side(node, place.compiler.scalar(node, None), place)  # type: ignore[arg-type]
            return Explained(definition, eligible, side=side)
        return Explained(definition, eligible, self._part(node, place))  # type: ignore[arg-type]

    def _referred(self, key: str) -> Explained | None:
        computation = self._catalogue.by_key.get(key)
        return None if computation is None else self.definition(computation)

    # --- Conditions --------------------------------------------------------------------------------------------
    def _part(self, node: tree.Condition, place: _Place) -> Part:
        compiled = place.compiler.condition(node, place.scope)

        def evaluate(facts: Facts) -> Verdict:
            return compiled.evaluate(facts, place.fresh())

        value, due_ms = evaluate(self._person)
        made = partial(
            Part, query=render(node), value=value, due_ms=due_ms, changes_ms=changes_at(evaluate, self._person)
        )
        match node:
            case tree.And() | tree.Or():
                kind = "and" if isinstance(node, tree.And) else "or"
                return made(kind, parts=tuple(self._part(item, place) for item in node.items))  # type: ignore[arg-type]
            case tree.Not():
                return made("not", parts=(self._part(node.item, place),))
            case tree.Compare():
                sides = tuple(replace(one, wanted=_wanted(node)) for one in self._sides(node, compiled, place))
                hints = remedies(place.known(node), compiled, self._person, place.fresh())
                return made("comparison", sides=sides, remedies=hints)
        raise TypeError(node)  # the compiler refuses ANY and ALL

    def _sides(self, node: tree.Compare, compiled: Condition, place: _Place) -> tuple[Side, ...]:
        """What is compared, without the constants."""
        match compiled:
            case CountEver():
                return (counted(node.left, compiled.leaf_id, None, self._person),)
            case CountWithin():
                return (counted(node.left, compiled.leaf_id, Rolling(0, compiled.window_ms), self._person),)
            case CountBetween():
                return (counted(node.left, compiled.leaf_id, compiled.window, self._person),)
            case RowsCount():
                return (self._rows(node.left, compiled.population, None, place),)  # type: ignore[arg-type]
            case Foreseen() | Moving():
                return (self._side(node.left, compiled.scalar, place),)
            case Comparison():
                others = [one for one in node.arguments if not isinstance(one, tree.Literal | tree.Duration)]
                scalars = zip([node.left, *others], [compiled.left, *compiled.others], strict=True)
                return tuple(self._side(one, scalar, place) for one, scalar in scalars)
        return (trait_side(node.left, self._person, self._referred),)

    # --- Values ------------------------------------------------------------------------------------------------
    def _side(self, node: tree.Scalar, scalar: Scalar, place: _Place) -> Side:
        match scalar:
            case CountValue():
                return counted(node, scalar.leaf_id, scalar.window, self._person)
            case TotalValue():
                return total_side(node, scalar, self._person)  # type: ignore[arg-type]
            case SessionValue():
                return session_side(node, scalar, self._person)  # type: ignore[arg-type]
            case RowsValue():
                return self._rows(node, scalar.population, scalar, place)  # type: ignore[arg-type]
            case Field():
                return Side(render(node), scalar.read(self._person, place.around).value, "of the event")
        if isinstance(node, tree.Trait):
            return trait_side(node, self._person, self._referred)
        return Side(render(node), scalar.read(self._person).value, "a constant")

    def _rows(self, node: tree.Reduce, population: Population, scalar: RowsValue | None, place: _Place) -> Side:
        """Events that are kept one by one, each with what is asked of it."""
        dynamic = split(node.events.where).dynamic
        fields = place.compiler.inside(node, place.scope).fields
        if place.scope is None and dynamic is None and node.of is not None:
            fields = (node.of,)

        def judged(row: Row) -> Part | None:
            return None if dynamic is None else self._part(dynamic, place.inside(node, row))

        return rows_side(Rows(node, population, fields, judged), scalar, self._person, place.fresh())


def _wanted(node: tree.Compare) -> int | None:
    """How many events a count needs, where more is enough."""
    if not isinstance(node.left, tree.Reduce) or node.left.reducer not in ("count", "unique_count"):
        return None
    match node.comparator, node.arguments:
        case "at_least", (tree.Literal(value=int(count)),):
            return count
        case "greater_than", (tree.Literal(value=int(count)),):
            return count + 1
    return None
