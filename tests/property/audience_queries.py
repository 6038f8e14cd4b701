"""Random queries of audiences and computed traits, as text, over those parts of the language that are asked for."""

from collections.abc import Sequence
from functools import cache

from hypothesis import strategies as st

from tests.property.alternatives import evenly
from tests.property.audience_comparisons import (
    MOVING_DATES,
    OPERATORS,
    SPANS,
    Feature,
    Features,
    Kind,
    Texts,
    Value,
    called,
    comparisons_of,
    conditions_on,
    field_conditions,
)

DEPTH_MAX = 2
"""Events around an event. One is a funnel; two is a funnel inside one; more only take longer."""


@st.composite
def junctions(draw: st.DrawFn, leaves: Texts, *, more: Sequence[int]) -> str:
    """AND, OR and NOT over these; in parentheses: precedence is not the matter here.

    ``more``: how many there are beside the first one, as often as it is named.
    """
    text = draw(leaves)
    for _ in range(draw(st.sampled_from(more))):
        if draw(st.integers(0, 3)) == 3:
            text = f"NOT ({text})"
        text = f"({text}) {draw(st.sampled_from(['AND', 'OR']))} ({draw(leaves)})"
    return f"NOT ({text})" if draw(st.integers(0, 3)) == 3 else text


# --- Events -----------------------------------------------------------------------------------------------------

NAMES = st.sampled_from(["Bought"] * 4 + ["Seen"] * 4 + ["Page Viewed"])
WITHINS = st.sampled_from([f".within({span})" for span in SPANS])
PARENT_WITHINS = st.sampled_from([f".within(parent: {span})" for span in SPANS])
BETWEENS = st.sampled_from(
    [f".between({ends})" for ends in ("0 days, 1 hour", "30 minutes, 1 hour", "1 hour, 1 day", "1 day, 2 days")]
)
SESSIONS = st.sampled_from([f".expires_after({gap})" for gap in ("30 minutes", "1 hour", "1 day")])
SOURCES = st.sampled_from([f".sources({{exclude: {ids}}})" for ids in ("'web'", "'app'", "'web', 'app'", "['web']")])

TEXT_FIELDS = ["property('word')", "property('words.$')", "context('page.title')"]
NUMBER_FIELDS = ["property('number')", "property('mixed')", "property('items.$.number')"]


def _reducers(kind: Kind, names: Sequence[str], fields: Sequence[str]) -> st.SearchStrategy[Value]:
    texts = [name.format(field) for name in names for field in fields]
    return st.sampled_from([Value(text, kind) for text in texts])


COUNT = st.just(Value("count()", "count"))
DISTINCT = _reducers("count", ["unique({}).count()"], TEXT_FIELDS)
NUMERIC = _reducers("number", ["sum({})", "avg({})", "min({})", "max({})", "max({} as number)"], NUMBER_FIELDS)
TEXTUAL = _reducers("text", ["first({})", "last({})", "mode({}, 1)", "mode({}, 2)"], TEXT_FIELDS)
REDUCERS = evenly(
    *[NUMERIC] * 3,
    *[TEXTUAL] * 3,
    DISTINCT,
    _reducers("number", ["first({})", "last({})"], ["property('number')"]),
    _reducers("text", ["min({} as string)", "max({} as string)"], TEXT_FIELDS + NUMBER_FIELDS),
    _reducers("text", ["mode({} as array, 1)", "mode({} as array, 2)"], ["property('words.$')"]),
    _reducers("date", ["first({})", "last({})"], ["property('date')"]),
)


@cache
def reducers(features: Features) -> st.SearchStrategy[Value]:
    if Feature.REDUCERS not in features:
        return COUNT
    if Feature.FUNNELS in features and Feature.REDUCED_FUNNELS not in features:
        return evenly(COUNT, DISTINCT)
    return evenly(COUNT, REDUCERS, REDUCERS)


@cache
def windows(features: Features, depth: int, *, is_filtered: bool) -> Texts:
    """A nested event has a window of its own anyway: after its parent.

    No session of events that are undecided: how many there may be is then no range.
    """
    offered = [st.just(""), *([PARENT_WITHINS] * 4 if depth else [])]
    if Feature.WITHIN in features:
        offered += [WITHINS] * (1 if depth else 2)
    if Feature.BETWEEN in features:
        offered += [BETWEENS]
    if Feature.SESSIONS in features and not (Feature.FUNNELS in features and is_filtered):
        offered += [SESSIONS] * 2
    return evenly(*offered)


@cache
@st.composite
def chains(draw: st.DrawFn, features: Features, depth: int) -> str:
    """``event(…)``, perhaps filtered, perhaps in a window; ``depth``: how many events are around it."""
    is_filtered = Feature.WHERE in features and draw(
        st.sampled_from([True, True, False] if not depth else [False, True])
    )
    filters = [f".where({draw(wheres(features, depth + 1))})"] if is_filtered else []
    filters.append(draw(windows(features, depth, is_filtered=is_filtered)))
    if Feature.SOURCES in features and draw(st.booleans()):
        filters.append(draw(SOURCES))
    if draw(st.booleans()):
        filters.reverse()
    return f"event('{draw(NAMES)}'){''.join(filters)}"


@cache
@st.composite
def reductions(draw: st.DrawFn, features: Features, depth: int) -> Value:
    chain = draw(chains(features, depth))
    reducer = draw(reducers(features))
    return Value(f"{chain}.{reducer.text}", reducer.kind)


@cache
@st.composite
def event_conditions(draw: st.DrawFn, features: Features, depth: int) -> str:
    reduction = draw(reductions(features, depth))
    if Feature.REFERENCES in features and reduction.kind in {"count", "number"} and draw(st.booleans()):
        return reduction.text + draw(OPERATORS) + draw(others(features, depth))
    return reduction.text + draw(comparisons_of(reduction.kind, features))


@cache
def others(features: Features, depth: int) -> Texts:
    """A value that is compared with in place of a constant."""
    named = ["trait('number')", "trait('number')", "trait('text')"]
    if depth:
        named += ["property('number')", "property('text')"]
    if Feature.FUNNELS in features and depth > 1:
        named.append("property(parent: 'number')")
    values = st.sampled_from(named)
    if Feature.COUNTS in features and (not depth or (Feature.FUNNELS in features and depth <= DEPTH_MAX)):
        return evenly(values, values, reductions(features, depth).map(lambda reduction: reduction.text))
    return values


SAME = st.builds("property('{0}'){1}property(parent: '{0}')".format, st.sampled_from(["number", "word"]), OPERATORS)


@cache
def wheres(features: Features, depth: int) -> Texts:
    """Conditions of an event; ``depth``: how many events it is inside, itself included."""
    simple = st.sampled_from(["property('number') > 0", "property('number') = 2", "property('word') = 'red'"])
    offered = [field_conditions("property"), simple]
    if Feature.CONTEXT in features:
        offered += [conditions_on(Value("context('page.title')", "text")), st.just("property('page_name') = 'Home'")]
    if Feature.MOVING_PROPERTIES in features:
        offered += [conditions_on(Value("property('date')", "date"), MOVING_DATES)] * 2
    if Feature.REFERENCES in features:
        left = st.sampled_from(["property('number')", "property('text')", "trait('number')"])
        offered.append(st.builds("{}{}{}".format, left, OPERATORS, others(features, depth)))
        texts = called(["contains", "omits", "starts_with", "ends_with"], ["trait('text')", "property('word')"])
        offered.append(texts.map("property('text'){}".format))
    if Feature.FUNNELS in features and depth <= DEPTH_MAX:
        offered += [event_conditions(features, depth)] * (4 if depth < DEPTH_MAX else 1)
    if Feature.FUNNELS in features and depth > 1:
        offered += [SAME] * 3
    return junctions(evenly(*offered), more=[0, 0, 0, 1])


FUNNELS = st.builds(
    "event('{0}').where(event('{1}'){2}.within(parent: {3}).count(){4}){5}.count(){6}".format,
    st.sampled_from(["Bought", "Seen"]),
    st.sampled_from(["Seen", "Bought"]),
    evenly(st.just(""), SAME.map(".where({})".format)),
    st.sampled_from(list(SPANS)),
    st.sampled_from([" >= 1", " = 0", " = 0", " = 1"]),
    evenly(st.just(""), WITHINS),
    st.sampled_from([" >= 1", " >= 1", " = 1", " = 0"]),
)
"""The plain ones: did one thing, and then did or did not do another. Of what ``wheres`` makes they are few."""


# --- Conditions of audiences ------------------------------------------------------------------------------------


@cache
def leaves(features: Features) -> Texts:
    """One condition of an audience, without reference to another definition."""
    offered = [event_conditions(features, 0)] * 2 if Feature.COUNTS in features else []
    if Feature.FUNNELS in features:
        offered += [FUNNELS] * 2
    if Feature.TRAITS in features:
        offered.append(field_conditions("trait"))
    if Feature.DATES in features:
        offered.append(conditions_on(Value("trait('date')", "date"), MOVING_DATES))
    if Feature.TRAITS in features and Feature.REFERENCES in features:
        offered.append(st.builds("trait('number'){}{}".format, OPERATORS, others(features, 0)))
    return evenly(*offered)


def references(known: Sequence[Value], features: Features) -> Texts:
    """A condition on one of these memberships and computed traits."""
    elements = [Value(f"{value.text[:-2]}.$')", "elements") for value in known if value.kind == "list"]
    return evenly(*(conditions_on(value, comparisons_of(value.kind, features)) for value in (*known, *elements)))
