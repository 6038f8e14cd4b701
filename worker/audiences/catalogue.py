"""The catalogue: all definitions of a space, compiled, with the indexes that make an event cost what it touches.

event name -> leaves; leaf -> audiences; trait key -> audiences; external id -> audiences; audience -> dependants.
Audiences are numbered in the order in which they are evaluated: dependencies first, then by key.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from worker.audiences.building import Beginning
from worker.audiences.compile import Compiled, compile_audience
from worker.audiences.conditions import Condition, External
from worker.audiences.dependencies import find_cycle, in_order
from worker.audiences.language.errors import QueryError
from worker.audiences.language.parser import parse
from worker.audiences.language.types import check
from worker.audiences.leaves import Leaf

K = TypeVar("K")
V = TypeVar("V")

CYCLE = "The audience would create a cycle by referencing another audience"


class Definition(NamedTuple):
    """One audience as the control plane holds it. Exactly one of ``query`` and ``external_id`` is set.

    ``revision`` counts the changes of the definition, from 1; ``emit``: forms of its output;
    ``entered``/``exited``: names of its events. ``since``: None when every event counts that can still be had;
    else what names the audience's own beginning, so that it shares no leaf with one that began earlier.
    ``history_ms``: how far before that beginning events count (None: all the way, 0: not at all).
    """

    key: str
    query: str | None = None
    external_id: str | None = None
    accounts: bool = False
    include_anonymous: bool = False
    since: str | None = None
    history_ms: int | None = None
    revision: int = 1
    emit: tuple[str, ...] = ("track",)
    entered: str = "Audience Entered"
    exited: str = "Audience Exited"


@dataclass(frozen=True, slots=True)
class Audience:
    """A definition that can be evaluated. ``number`` is its place in the order of evaluation.

    ``eligibility``: how much of one (``worker.audiences.evaluate.Profile``) it asks of its members.
    """

    number: int
    key: str
    definition: Definition
    condition: Condition
    leaf_ids: frozenset[bytes]
    eligibility: int


@dataclass(frozen=True, slots=True)
class Catalogue:
    """``version`` grows with every accepted change; states remember the version they were evaluated under."""

    version: int = 0
    audiences: tuple[Audience, ...] = ()
    by_key: Mapping[str, Audience] = field(default_factory=dict)
    leaves: Mapping[bytes, Leaf] = field(default_factory=dict)
    leaves_by_event: Mapping[str, tuple[Leaf, ...]] = field(default_factory=dict)
    numbers_by_leaf: Mapping[bytes, tuple[int, ...]] = field(default_factory=dict)
    numbers_by_trait: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    numbers_by_external: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    dependants: tuple[tuple[int, ...], ...] = ()
    key_by_external: Mapping[str, str] = field(default_factory=dict)


def faults(definition: Definition, others: Mapping[str, Definition]) -> list[QueryError]:
    """What is wrong with a definition beside the others that are in force (an older one of its key is ignored)."""
    if definition.query is None:
        taken = [o.key for o in others.values() if o.external_id == definition.external_id and o.key != definition.key]
        return [QueryError(f"external audience {definition.external_id!r} is defined by {taken[0]!r}")] if taken else []
    try:
        query = parse(definition.query)
        found = check(query, kind="audience", accounts=definition.accounts)
        if found:
            return found
        if definition.accounts:
            return [QueryError("account audiences are not evaluated yet")]
        keys = frozenset(others) | {definition.key}
        compile_audience(query, audience_keys=keys, beginning=_beginning(definition))
    except QueryError as error:
        return [error]
    together = {**others, definition.key: definition}
    cycle = find_cycle({key: compiled.audiences for key, compiled in _compile_all(together).items()})
    return [QueryError(f"{CYCLE} ({' -> '.join(cycle)})")] if cycle else []


def _compile_all(definitions: Mapping[str, Definition]) -> dict[str, Compiled]:
    keys = frozenset(definitions)
    return {
        key: compile_audience(parse(definition.query), audience_keys=keys, beginning=_beginning(definition))
        if definition.query is not None
        else Compiled(External(definition.external_id or key))
        for key, definition in definitions.items()
    }


def _beginning(definition: Definition) -> Beginning:
    return Beginning(definition.since, definition.history_ms)


def build(definitions: Iterable[Definition], *, version: int) -> Catalogue:
    """Compile definitions that have no ``faults``.

    Raises:
        QueryError: one of them has.
    """
    by_key = {definition.key: definition for definition in definitions}
    compiled = _compile_all(by_key)
    order = in_order({key: one.audiences for key, one in compiled.items()})
    numbers = {key: number for number, key in enumerate(order)}
    audiences = tuple(_audience(number, by_key[key], compiled[key]) for number, key in enumerate(order))
    leaves = {leaf_id: leaf for one in compiled.values() for leaf_id, leaf in one.leaves.items()}
    externals = {d.external_id: key for key, d in by_key.items() if d.external_id is not None}
    # A trait that nobody defines may be an unregistered passthrough segment: a change of either touches the reader.
    readers = [(trait, numbers[key]) for key in order for trait in compiled[key].traits]
    return Catalogue(
        version=version,
        audiences=audiences,
        by_key={audience.key: audience for audience in audiences},
        leaves=leaves,
        leaves_by_event=_grouped((leaf.selection.event, leaf) for leaf in leaves.values()),
        numbers_by_leaf=_grouped((leaf_id, audience.number) for audience in audiences for leaf_id in audience.leaf_ids),
        numbers_by_trait=_grouped(readers),
        numbers_by_external=_grouped([*((external, numbers[key]) for external, key in externals.items()), *readers]),
        dependants=tuple(tuple(numbers[other] for other in order if key in compiled[other].audiences) for key in order),
        key_by_external=externals,
    )


def _audience(number: int, definition: Definition, compiled: Compiled) -> Audience:
    leaf_ids = frozenset(compiled.leaves)
    return Audience(number, definition.key, definition, compiled.condition, leaf_ids, _eligibility(definition))


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
