"""Which leaves take an event, what a new profile needs evaluated, and what definitions share."""

import json
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from worker.audiences.catalogue import Catalogue, build
from worker.audiences.definitions import Definition
from worker.audiences.evaluate import evaluate, evaluate_all
from worker.audiences.leaves import selects
from worker.profiles.state import ProfileState


@dataclass(frozen=True)
class Event:
    """Counts how often it is looked into."""

    properties: dict[str, Any]
    at_ms: int = 0
    received_ms: int = 0
    arrival: int = 0
    context: dict[str, Any] = field(default_factory=dict)
    sources: frozenset[str] = frozenset()


class Watched(dict[str, Any]):
    """Properties that remember how often each was asked for."""

    def __init__(self, properties: dict[str, Any]) -> None:
        super().__init__(properties)
        self.asked: list[str] = []

    def get(self, key: str, default: Any = None) -> Any:
        self.asked.append(key)
        return super().get(key, default)


def catalogue(*queries: str) -> Catalogue:
    return build([Definition(f"k{number:02}", query) for number, query in enumerate(queries)], version=1)


def test_a_filter_is_decided_once_for_all_that_stand_on_it() -> None:
    """Four windows, one predicate, one look at the property."""
    where = "event('X').where(property('price') > 5)"
    counts = [".count() >= 1", ".within(1 day).count() >= 1", ".between(1 day, 2 days).count() = 0"]
    properties = Watched({"price": 7})

    leaves = catalogue(*(where + count for count in counts)).selectors["X"].select(Event(properties), 0)

    assert len(leaves) == 3
    assert properties.asked == ["price"]


def test_a_condition_that_two_audiences_mean_is_one_leaf() -> None:
    queries = [
        "event('X').where(property('a') = 1 AND property('b') = 2).count() > 1",
        "event('X').where(property('a') = 1).where(property('b') = 2).count() < 5 AND trait('t') = 1",
    ]

    assert len(catalogue(*queries).leaves) == 1


def test_reducers_that_keep_the_same_share_it() -> None:
    queries = [f"event('X').{reducer} > 1" for reducer in ("sum(property('n'))", "avg(property('n'))")]

    assert len(catalogue(*queries).leaves) == 1


def test_a_text_that_a_property_must_be_leads_to_its_leaves() -> None:
    """Of a hundred filters one is looked at; a number may be equal to any of the texts."""
    many = catalogue(
        *(f"event('X').where(property('sku') = 's{n}' AND property('n') > {n}).count() > 1" for n in range(100))
    )
    text, number = Watched({"sku": "s7", "n": 8}), Watched({"sku": 7, "n": 8})

    assert len(many.selectors["X"].select(Event(text), 0)) == 1
    assert text.asked.count("n") == 1
    assert many.selectors["X"].select(Event(number), 0) == []


VALUES = st.sampled_from(["red", "blue", "2", 2, 2.0, True, "true", None, ["red"], {"a": 1}])
FILTERS = st.lists(
    st.builds(
        "property('{}') {} {}".format,
        st.sampled_from(["a", "b", "deep.a"]),
        st.sampled_from(["=", "=", "!=", ">"]),
        st.sampled_from(["'red'", "'2'", "'true'", "2"]),
    ),
    min_size=1,
    max_size=3,
)


@given(
    wheres=st.lists(FILTERS, min_size=1, max_size=6),
    properties=st.fixed_dictionaries(
        {}, optional={"a": VALUES, "b": VALUES, "deep": st.fixed_dictionaries({"a": VALUES})}
    ),
)
def test_the_index_finds_what_looking_at_every_leaf_finds(wheres: list[list[str]], properties: dict[str, Any]) -> None:
    queries = [f"event('X').where({' AND '.join(where)}).count() >= 1" for where in wheres]
    found = catalogue(*queries)
    event = Event(properties)

    expected = {leaf.leaf_id for leaf in found.leaves.values() if selects(leaf, event, 0)}
    assert {leaf.leaf_id for leaf in found.selectors["X"].select(event, 0)} == expected


CONDITIONS = st.sampled_from(
    [
        "event('X').count() = 0",
        "event('X').count() >= 1",
        "trait('plan').absent()",
        "trait('plan') = 'pro'",
        "NOT trait('plan') = 'pro'",
        "trait('plan').omits('x')",
        "event('X').where(property('a') > trait('plan')).count() = 0",
    ]
)


@st.composite
def definitions(draw: st.DrawFn) -> list[Definition]:
    """Audiences and traits that stand on nothing, and on each other."""
    made: list[Definition] = []
    for number in range(draw(st.integers(1, 6))):
        options = [CONDITIONS] if len(made) < 2 else []
        if made:
            keys = st.sampled_from([one.key for one in made])
            options.append(
                st.builds("trait('{}') {}".format, keys, st.sampled_from(["= true", "= false", "!= true", "= 1"]))
            )
        if draw(st.integers(0, 3)) == 0:
            query = draw(
                st.sampled_from(["event('X').count()", "1", "trait('plan')", *(f"trait('{o.key}')" for o in made)])
            )
            made.append(Definition(f"k{number}", query, kind="trait", include_anonymous=draw(st.booleans())))
        else:
            query = " AND ".join(draw(st.lists(st.one_of(options), min_size=1, max_size=2)))
            made.append(Definition(f"k{number}", query, include_anonymous=draw(st.booleans())))
    return made


@settings(max_examples=400)
@given(
    made=definitions(),
    identifiers=st.lists(st.sampled_from([("user_id", "u"), ("anonymous_id", "a"), ("phone", "1")]), min_size=1),
    touches=st.booleans(),
)
def test_what_a_new_profile_needs_is_all_that_matters(
    made: list[Definition], identifiers: list[tuple[str, str]], *, touches: bool
) -> None:
    """Whatever its first event touches: evaluating everything gives nothing more."""
    known = build(made, version=1)
    states = [ProfileState(), ProfileState()]
    event = Event({"a": 1})
    for state in states:
        state.add_identifiers(identifiers, 0)
    touched: set[int] = set(known.blank[states[0].eligibility])
    if touches and "X" in known.selectors:
        for leaf in known.selectors["X"].select(event, 0):
            touched.update(known.numbers_by_leaf[leaf.leaf_id])
            for state in states:
                leaf.add(state.accumulators, event, 0)

    some, every = evaluate(states[0], known, touched, "event"), evaluate_all(states[1], known, "event")

    assert some == every
    assert states[0].dues == states[1].dues
    assert json.dumps(states[0].computations) == json.dumps(states[1].computations)
