"""The catalogue: all definitions of a space, compiled, with the indexes that make an event cost what it touches.

event name -> filters -> leaves; leaf -> computations; trait key -> computations; external id -> computations;
computation -> dependants. Computations are numbered in the order in which they are evaluated: dependencies first, then
by key.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal, TypeVar

from worker.audiences.blank import blank
from worker.audiences.building import Beginning
from worker.audiences.compile import Compiled, Keys, compile_audience, compile_trait
from worker.audiences.conditions import External
from worker.audiences.definitions import Computation, Definition
from worker.audiences.dependencies import cycle_through, in_order, in_order_of
from worker.audiences.language.errors import QueryError
from worker.audiences.language.parser import REMEMBERED, parse
from worker.audiences.language.types import check
from worker.audiences.language.walking import traits_in
from worker.audiences.leaves import Leaf
from worker.audiences.selecting import Selector, selectors

K = TypeVar("K")
V = TypeVar("V")

CYCLES = {
    "audience": "The audience would create a cycle by referencing another audience",
    "trait": "The trait would create a cycle by referencing another trait or audience",
}
"""Source of the first: Segment, "Audiences" (audiences of audiences)."""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """``version`` grows with every accepted change; states remember the version they were evaluated under.

    ``blank``: by eligibility, the numbers of what is to be evaluated for a new profile, whatever its first record.
    """

    version: int = 0
    computations: tuple[Computation, ...] = ()
    by_key: Mapping[str, Computation] = field(default_factory=dict)
    leaves: Mapping[bytes, Leaf] = field(default_factory=dict)
    selectors: Mapping[str, Selector] = field(default_factory=dict)
    numbers_by_leaf: Mapping[bytes, tuple[int, ...]] = field(default_factory=dict)
    numbers_by_trait: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    numbers_by_external: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    dependants: tuple[tuple[int, ...], ...] = ()
    key_by_external: Mapping[str, str] = field(default_factory=dict)
    blank: tuple[tuple[int, ...], ...] = ((), (), ())

    def defines(self, kind: Literal["audience", "trait"], key: str) -> bool:
        """Whether a key is that of a definition of a kind."""
        computation = self.by_key.get(key)
        return computation is not None and computation.definition.kind == kind


def faults(definition: Definition, others: Mapping[str, Definition]) -> list[QueryError]:
    """What is wrong with a definition beside the others that are in force (an older one of it is not among them)."""
    other = others.get(definition.key)
    if other is not None:
        return [QueryError(f"the key {definition.key!r} is that of {_described(other)}")]
    if definition.query is None:
        taken = [one.key for one in others.values() if one.external_id == definition.external_id]
        return [QueryError(f"external audience {definition.external_id!r} is defined by {taken[0]!r}")] if taken else []
    together = {**others, definition.key: definition}
    try:
        found = check(parse(definition.query), kind=definition.kind, accounts=definition.accounts)
        if found:
            return found
        if definition.accounts:
            return [QueryError(f"account {definition.kind}s are not evaluated yet")]
        _compile(definition, keys_of(together))
    except QueryError as error:
        return [error]
    cycle = cycle_through(definition.key, lambda key: _names(together[key].query) if key in together else ())
    return [_closes(definition, cycle)] if cycle else []


def _closes(definition: Definition, cycle: Sequence[str]) -> QueryError:
    """The fault of a loop, where the query takes its first step."""
    step = next(trait for trait in traits_in(parse(definition.query or "")) if trait.path[0] == cycle[1])
    message = f"{CYCLES[definition.kind]} ({' -> '.join(cycle)})"
    return QueryError(message, line=step.position.line, column=step.position.column)


@lru_cache(maxsize=REMEMBERED)
def _names(query: str | None) -> frozenset[str]:
    """What a query calls traits: those that are defined are what it depends on."""
    return frozenset(() if query is None else (trait.path[0] for trait in traits_in(parse(query))))


def _described(definition: Definition) -> str:
    return "an audience" if definition.kind == "audience" else "a computed trait"


def _compile_all(definitions: Mapping[str, Definition]) -> dict[str, Compiled]:
    keys = keys_of(definitions)
    return {key: _compile(definition, keys) for key, definition in definitions.items()}


def keys_of(definitions: Mapping[str, Definition]) -> Keys:
    """What is defined, by kind."""
    traits = frozenset(key for key, definition in definitions.items() if definition.kind == "trait")
    return Keys(frozenset(definitions) - traits, traits)


def _compile(definition: Definition, keys: Keys) -> Compiled:
    if definition.query is None:
        return Compiled(condition=External(definition.external_id or definition.key))
    compile_query = compile_trait if definition.kind == "trait" else compile_audience
    return compile_query(parse(definition.query), keys, Beginning(definition.since, definition.history_ms))


def build(definitions: Iterable[Definition], *, version: int) -> Catalogue:
    """Compile definitions that have no ``faults``.

    Raises:
        QueryError: one of them has.
    """
    by_key = {definition.key: definition for definition in definitions}
    compiled = _compile_all(by_key)
    references = {key: one.references for key, one in compiled.items()}
    order = in_order(references)
    numbers = {key: number for number, key in enumerate(order)}
    keys = keys_of(by_key)
    seen = [*in_order_of(keys.audiences, references), *in_order_of(keys.traits, references)]
    ranks = {key: rank for rank, key in enumerate(seen)}
    computations = tuple(_computation(numbers[key], ranks[key], by_key[key], compiled[key]) for key in order)
    leaves = {leaf_id: leaf for one in compiled.values() for leaf_id, leaf in one.leaves.items()}
    externals = {d.external_id: key for key, d in by_key.items() if d.external_id is not None}
    # A trait that nobody defines may be an unregistered passthrough segment: a change of either touches the reader.
    readers = [(trait, numbers[key]) for key in order for trait in compiled[key].traits]
    dependants = tuple(tuple(numbers[other] for other in order if key in references[other]) for key in order)
    return Catalogue(
        version=version,
        computations=computations,
        by_key={one.key: one for one in computations},
        leaves=leaves,
        selectors=selectors(leaves.values()),
        numbers_by_leaf=_grouped((leaf_id, one.number) for one in computations for leaf_id in one.leaf_ids),
        numbers_by_trait=_grouped(readers),
        numbers_by_external=_grouped([*((external, numbers[key]) for external, key in externals.items()), *readers]),
        dependants=dependants,
        key_by_external=externals,
        blank=blank(computations, dependants),
    )


def _computation(number: int, rank: int, definition: Definition, compiled: Compiled) -> Computation:
    return Computation(
        number=number,
        rank=rank,
        key=definition.key,
        definition=definition,
        eligibility=_eligibility(definition),
        leaf_ids=frozenset(compiled.leaves),
        condition=compiled.condition,
        value=compiled.value,
        counts=compiled.counts,
    )


def _eligibility(definition: Definition) -> int:
    """Passthrough memberships are somebody else's decision: they ask for none.

    Source: docs/decisions.md, "Who can be a member".
    """
    if definition.external_id is not None:
        return 0
    return 1 if definition.include_anonymous else 2


def _grouped(pairs: Iterable[tuple[K, V]]) -> dict[K, tuple[V, ...]]:
    groups: defaultdict[K, list[V]] = defaultdict(list)
    for key, value in pairs:
        groups[key].append(value)
    return {key: tuple(values) for key, values in groups.items()}
