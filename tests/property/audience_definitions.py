"""Random sets of definitions: audiences and computed traits that share conditions and refer to each other."""

from collections.abc import Mapping, Sequence
from typing import Any

from hypothesis import strategies as st

from tests.property.alternatives import evenly
from tests.property.audience_comparisons import Feature, Features, Value
from tests.property.audience_logs import DEFINED_SEGMENT, UNDEFINED_SEGMENT, segment_id
from tests.property.audience_oracle_records import Computation, Definitions
from tests.property.audience_queries import chains, junctions, leaves, reductions, references
from worker.audiences.language.parser import parse

KEYS = ("a", "k", "z")
TRAIT_KEYS = ("b", "n", "y")
"""Drawn in any order, so that what is depended on comes now before and now after what depends on it."""


@st.composite
def definition_sets(draw: st.DrawFn, features: Features) -> dict[str, Any]:
    """A definitions file: up to three audiences and, where they are a feature, three computed traits.

    Each may refer to those that were drawn before it; some conditions are drawn once and used by several.
    """
    documents: dict[str, list[dict[str, Any]]] = {"audiences": _segments(features), "traits": []}
    known = _memberships(features)
    shared = draw(st.lists(leaves(features), min_size=1, max_size=2))
    for kind, key in draw(_keys(features)):
        if kind == "traits":
            value = draw(trait_queries(features))
        else:
            usable = [st.sampled_from(shared), leaves(features), leaves(features)]
            if known and Feature.CHAINS in features:
                usable += [references(known, features)] * 3
            value = Value(draw(junctions(evenly(*usable), more=[0, 0, 1, 2])), "membership")
        known.append(Value(f"trait('{key}')", value.kind))
        document = {"key": key, "query": value.text, "include_anonymous": draw(st.sampled_from([True, True, False]))}
        documents[kind].append(document)
    return {kind: draw(st.permutations(listed)) for kind, listed in documents.items()}


def trait_queries(features: Features) -> st.SearchStrategy[Value]:
    lists = chains(features, 0).map(lambda chain: Value(f"{chain}.unique(property('word'))", "list"))
    return evenly(reductions(features, 0), reductions(features, 0), lists)


def _keys(features: Features) -> st.SearchStrategy[Sequence[tuple[str, str]]]:
    """What is defined, in the order in which it may be referred to; of computed traits all, for they show values."""
    audiences = st.lists(st.sampled_from([("audiences", key) for key in KEYS]), min_size=1, max_size=3, unique=True)
    if Feature.COMPUTED_TRAITS not in features:
        return audiences
    return audiences.flatmap(lambda keys: st.permutations([*(("traits", key) for key in TRAIT_KEYS), *keys]))


def _segments(features: Features) -> list[dict[str, Any]]:
    if Feature.PASSTHROUGH not in features:
        return []
    external = {"external_audience_id": segment_id(DEFINED_SEGMENT)}
    return [{"key": DEFINED_SEGMENT, "definition": {"external": external}}]


def _memberships(features: Features) -> list[Value]:
    if Feature.PASSTHROUGH not in features:
        return []
    return [Value(f"trait('{key}')", "membership") for key in (DEFINED_SEGMENT, UNDEFINED_SEGMENT)]


def as_the_oracle_reads(documents: Mapping[str, Any]) -> Definitions:
    """The same definitions, parsed."""

    def parsed(document: Mapping[str, Any]) -> Computation:
        return Computation(parse(document["query"]), include_anonymous=document["include_anonymous"])

    audiences = documents.get("audiences", [])
    return Definitions(
        audiences={one["key"]: parsed(one) for one in audiences if "query" in one},
        traits={one["key"]: parsed(one) for one in documents.get("traits", [])},
        segments=frozenset(one["key"] for one in audiences if "query" not in one),
    )
