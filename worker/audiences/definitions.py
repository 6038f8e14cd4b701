"""Definitions: audiences and computed traits as the control plane holds them, and as they are evaluated."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

from worker.audiences.conditions import Condition
from worker.audiences.scalars import Scalar


class Definition(NamedTuple):
    """One audience or computed trait as the control plane holds it.

    Of ``query`` and ``external_id`` exactly one is set; a trait has a query. ``revision`` counts the changes of the
    definition, from 1; ``emit``: forms of its output; ``entered``/``exited``/``computed``: names of its events.
    ``since``: None when every event counts that can still be had; else what names the definition's own beginning, so
    that it shares no leaf with one that began earlier. ``history_ms``: how far before that beginning events count
    (None: all the way, 0: not at all).
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
    kind: Literal["audience", "trait"] = "audience"
    computed: str = "Trait Computed"


@dataclass(frozen=True, slots=True)
class Computation:
    """A definition that can be evaluated: an audience has a condition, a trait a value.

    ``number`` is its place in the order of evaluation, ``rank`` in the order in which readers see changes: audiences,
    then traits, each dependencies first, then by key. ``eligibility``: how much of one
    (``worker.audiences.evaluate.Profile``) it asks of its profiles.
    """

    number: int
    rank: int
    key: str
    definition: Definition
    eligibility: int
    leaf_ids: frozenset[bytes]
    condition: Condition | None
    value: Scalar | None
    counts: bool
