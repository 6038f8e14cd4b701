"""Random sets of definitions: audiences and computed traits that share conditions and refer to each other."""

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from tests.property.audience_logs import DEFINED_SEGMENT, UNDEFINED_SEGMENT, segment_id
from tests.property.audience_oracle_records import Computation, Definitions
from tests.property.audience_queries import Feature, Features, Texts, Value, junctions, leaves, reductions
from worker.audiences.language.parser import parse

KEYS = ("a", "k", "z")
TRAIT_KEYS = ("b", "y")
"""Drawn in any order, so that what is depended on comes now before and now after what depends on it."""


@st.composite
def definition_sets(draw: st.DrawFn, features: Features) -> dict[str, Any]:
    """A definitions file: up to three audiences and, where they are a feature, up to two computed traits.

    Each may refer to those that were drawn before it; the conditions are drawn from a few that all may use.
    """
    documents: dict[str, list[dict[str, Any]]] = {"audiences": _segments(features), "traits": []}
    known = _memberships(features)
    shared = st.sampled_from(draw(st.lists(leaves(features, known), min_size=1, max_size=2)))
    for kind, key in draw(_keys(features)):
        referable = known if Feature.CHAINS in features else []
        if kind == "traits":
            value = draw(trait_queries(features))
            known.append(Value(f"trait('{key}')", value.kind))
        else:
            value = Value(draw(junctions(shared | leaves(features, referable))), "membership")
            known.append(Value(f"trait('{key}')", "membership"))
        documents[kind].append({"key": key, "query": value.text, "include_anonymous": draw(st.booleans())})
    return {kind: draw(st.permutations(listed)) for kind, listed in documents.items() if listed}


@st.composite
def trait_queries(draw: st.DrawFn, features: Features) -> Value:
    value = draw(reductions(features))
    if Feature.REDUCED_FUNNELS not in features and Feature.FUNNELS in features:
        return value
    if draw(st.integers(0, 4)):
        return value
    events = value.text[: value.text.rindex(")", 0, value.text.rindex("."))]
    return Value(f"{events}).unique(property('word'))", "list")


def _keys(features: Features) -> st.SearchStrategy[Sequence[tuple[str, str]]]:
    """What is defined, in the order in which it may be referred to."""
    offered = [("audiences", key) for key in KEYS]
    if Feature.COMPUTED_TRAITS in features:
        offered += [("traits", key) for key in TRAIT_KEYS]
    chosen = st.lists(st.sampled_from(offered), min_size=1, max_size=len(offered), unique=True)
    if Feature.COMPUTED_TRAITS in features:
        return chosen.map(lambda keys: list(dict.fromkeys([*keys, ("traits", "b")])))
    return chosen


def _segments(features: Features) -> list[dict[str, Any]]:
    if Feature.PASSTHROUGH not in features:
        return []
    external = {"external_audience_id": segment_id(DEFINED_SEGMENT)}
    return [{"key": DEFINED_SEGMENT, "definition": {"external": external}}]


def _memberships(features: Features) -> list[Value]:
    if Feature.PASSTHROUGH not in features:
        return []
    return [Value(f"trait('{key}')", "membership") for key in (DEFINED_SEGMENT, UNDEFINED_SEGMENT)]


def as_the_oracle_reads(documents: dict[str, Any]) -> Definitions:
    """The same definitions, parsed."""

    def parsed(document: dict[str, Any]) -> Computation:
        return Computation(parse(document["query"]), include_anonymous=document["include_anonymous"])

    audiences = documents.get("audiences", [])
    return Definitions(
        audiences={one["key"]: parsed(one) for one in audiences if "query" in one},
        traits={one["key"]: parsed(one) for one in documents.get("traits", [])},
        segments=frozenset(one["key"] for one in audiences if "query" not in one),
    )
