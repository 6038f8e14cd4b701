"""Random trees of the query language: all that can be written, whether it means something or not."""

from hypothesis import strategies as st

from tests.property.alternatives import evenly
from worker.audiences.language import tree
from worker.audiences.language.vocabulary import COMPARATORS

UNITS_MS = (1_000, 60_000, 3_600_000, 86_400_000)
FIELD_REDUCERS = ("sum", "avg", "min", "max", "mode", "first", "last", "unique_count")
SIGNED_COMPARATORS = ("equals", "equals", "differs", "greater_than", "at_least", "less_than", "at_most")
FREE_COMPARATORS = tuple(sorted(COMPARATORS - {"absent", "exists"}))

texts = st.text(st.characters(codec="utf-8"), max_size=8)
tricky = st.text(st.sampled_from("ab.\\'\"$\n/# u0é"), max_size=8)
strings = texts | tricky
names = strings.filter(bool)
paths = st.lists(names, min_size=1, max_size=3).map(tuple)
durations_ms = st.builds(lambda amount, unit_ms: amount * unit_ms, st.integers(0, 400), st.sampled_from(UNITS_MS))
durations = durations_ms.map(tree.Duration)

literals = evenly(
    st.builds(tree.Literal, strings, st.just("string")),
    st.builds(tree.Literal, st.integers(-(10**20), 10**20), st.just("number")),
    st.builds(tree.Literal, st.floats(allow_nan=False, allow_infinity=False), st.just("number")),
    st.builds(tree.Literal, st.booleans(), st.just("boolean")),
    st.builds(tree.Literal, st.dates().map(str), st.just("date")),
    st.builds(tree.Literal, st.datetimes().map(lambda moment: f"{moment.isoformat()}Z"), st.just("timestamp")),
)
fields = st.builds(tree.Property, paths, st.booleans()) | st.builds(tree.Context, paths)
windows: st.SearchStrategy[tree.Window] = st.one_of(
    st.builds(tree.Within, durations_ms, st.booleans()),
    st.builds(tree.Between, durations_ms, durations_ms, st.booleans()),
    st.builds(tree.ExpiresAfter, durations_ms),
)


@st.composite
def selections(draw: st.DrawFn, conditions: st.SearchStrategy[tree.Condition]) -> tree.Events:
    where = draw(st.none() | conditions)
    excluded = tuple(draw(st.lists(strings, max_size=2)))
    return tree.Events(draw(names), where, draw(st.none() | windows), excluded)


as_types = st.sampled_from((None, "number", "string", "array"))


@st.composite
def reductions(draw: st.DrawFn, conditions: st.SearchStrategy[tree.Condition]) -> tree.Reduce:
    events = draw(selections(conditions))
    if draw(st.booleans()):
        return tree.Reduce(events, "count")
    reducer = draw(st.sampled_from(FIELD_REDUCERS))
    minimum = draw(st.none() | st.integers(0, 9)) if reducer == "mode" else None
    return tree.Reduce(events, reducer, draw(fields), draw(as_types), minimum)  # type: ignore[arg-type]


def values(conditions: st.SearchStrategy[tree.Condition]) -> st.SearchStrategy[tree.Scalar]:
    reduced = reductions(conditions)
    return evenly(literals, st.builds(tree.Trait, paths), fields, st.builds(tree.Entity, strings), reduced, reduced)


@st.composite
def comparisons(draw: st.DrawFn, conditions: st.SearchStrategy[tree.Condition]) -> tree.Compare:
    left = draw(values(conditions))
    if draw(st.integers(0, 9)) == 0:
        return tree.Compare(left, draw(st.sampled_from(("absent", "exists"))))
    if draw(st.booleans()):
        return tree.Compare(left, draw(st.sampled_from(SIGNED_COMPARATORS)), (draw(values(conditions)),))
    arguments = draw(st.lists(values(conditions) | durations, min_size=1, max_size=3))
    return tree.Compare(left, draw(st.sampled_from(FREE_COMPARATORS)), tuple(arguments))


def joined(
    junction: type[tree.And] | type[tree.Or], items: st.SearchStrategy[tree.Condition]
) -> st.SearchStrategy[tree.Condition]:
    """Two or three conditions, none of which is the same junction: that would be flattened."""
    others = items.filter(lambda item: not isinstance(item, junction))
    return st.lists(others, min_size=2, max_size=3).map(lambda some: junction(tuple(some)))


def junctions(items: st.SearchStrategy[tree.Condition]) -> st.SearchStrategy[tree.Condition]:
    return evenly(
        joined(tree.And, items),
        joined(tree.Or, items),
        st.builds(tree.Not, items),
        st.builds(tree.AnyUser, items),
        st.builds(tree.AllUsers, items),
        comparisons(items),
    )


conditions = st.recursive(comparisons(st.nothing()), junctions, max_leaves=6)
lists = st.builds(tree.Reduce, selections(conditions), st.just("unique"), fields, as_types)
queries = evenly(conditions, conditions, values(conditions), lists)
