"""Random queries of audiences and computed traits, as text, over those parts of the language that are asked for.

Names are few and values collide; lengths of time are those by which records lie apart (``audience_logs``).
"""

from collections.abc import Sequence
from enum import StrEnum
from functools import cache
from typing import Literal, NamedTuple, TypeVar

from hypothesis import strategies as st

from tests.acceptance.moments import DAY, HOUR, MINUTE

SPANS = {"30 minutes": 30 * MINUTE, "1 hour": HOUR, "1 day": DAY}
DEPTH_MAX = 2
"""Events around an event. One is a funnel; two is a funnel inside one; more only take longer."""


class Feature(StrEnum):
    """A part of the language."""

    COUNTS = "a count of events"
    WITHIN = "'within'"
    BETWEEN = "'between'"
    SESSIONS = "'expires_after'"
    SOURCES = "'sources'"
    WHERE = "'where' over properties"
    CONTEXT = "'where' over the context"
    REDUCERS = "a reducer other than 'count'"
    FUNNELS = "an event inside 'where'"
    REDUCED_FUNNELS = "a funnel that is reduced by more than a count"
    REFERENCES = "a comparison with another value"
    MOVING_PROPERTIES = "a moving date inside 'where'"
    TRAITS = "a trait"
    DATES = "a date that moves with the clock"
    CHAINS = "a reference to another definition"
    PASSTHROUGH = "an external audience"
    COMPUTED_TRAITS = "a computed trait"


Features = frozenset[Feature]
Texts = st.SearchStrategy[str]
Kind = Literal["count", "number", "text", "flag", "date", "list", "elements", "membership"]


class Value(NamedTuple):
    """The text of a value, and what it can be compared as."""

    text: str
    kind: Kind


Drawn = TypeVar("Drawn")


def evenly(*strategies: st.SearchStrategy[Drawn]) -> st.SearchStrategy[Drawn]:
    """One of these, each as likely as the others, or as often as it is named.

    ``st.one_of`` takes alternatives apart into theirs, all of them equally likely, and forgets repetitions.
    """
    return st.sampled_from(range(len(strategies))).flatmap(strategies.__getitem__)


# --- Comparisons: what stands behind a value --------------------------------------------------------------------

OPERATORS = st.sampled_from([" = ", " == ", " != ", " > ", " >= ", " >= ", " < ", " <= "])
NUMBERS = ["0", "1", "2", "2", "2.5", "'2'", "-3"]
WORDS = ["'red'", "'red'", "'Red'", "'green'", "'2'", "'true'", "''"]
PIECES = ["'re'", "'d'", "'R'", "'2'"]
CONSTANT_DATES = ["2025-01-01", "2025-01-02", "'2025-01-03T00:00:00Z'"]


def called(names: Sequence[str], arguments: Sequence[str], *, arguments_max: int = 1) -> Texts:
    """``.name(arguments)``."""
    drawn = st.lists(st.sampled_from(arguments), min_size=1, max_size=arguments_max).map(", ".join)
    return st.builds(".{}({})".format, st.sampled_from(names), drawn)


def compared(arguments: Sequence[str]) -> Texts:
    """By sign or by name, with one of these or with several."""
    named = ["greater_than", "at_least", "less_than", "at_most", "equals", "differs"]
    by_sign = st.builds("{}{}".format, OPERATORS, st.sampled_from(arguments))
    return evenly(
        by_sign,
        by_sign,
        called(named, arguments),
        called(["one_of", "none_of"], arguments, arguments_max=3),
    )


PRESENT = st.sampled_from([".exists()", ".absent()"])
FIXED_DATES = called(["before_date", "after_date"], CONSTANT_DATES)
MOVING_DATES = called(["within_last", "within_next", "before_last", "after_next"], list(SPANS))
TEXT_COMPARISONS = evenly(
    compared(WORDS),
    called(["contains"], PIECES, arguments_max=3),
    called(["omits", "starts_with", "ends_with"], PIECES),
    PRESENT,
)
COMPARISONS: dict[Kind, Texts] = {
    "count": evenly(
        compared(["0", "1", "2", "3", "'1'"]), st.sampled_from([" >= 1", " >= 1", " >= 2", " = 0", " = 1", " < 2"])
    ),
    "number": evenly(compared(NUMBERS), compared(NUMBERS), PRESENT),
    "text": TEXT_COMPARISONS,
    "flag": st.sampled_from([" = true", " = false", " = 'true'", " != true"]),
    "date": evenly(FIXED_DATES, FIXED_DATES, PRESENT),
    "list": TEXT_COMPARISONS,
    "elements": evenly(called(["contains", "omits"], PIECES), called(["equals", "differs"], WORDS), PRESENT),
    "membership": st.sampled_from([" = true", " = false", " != true", ".exists()", ".absent()"]),
}


@cache
def comparisons_of(kind: Kind, features: Features) -> Texts:
    """Comparisons that make sense for such a value."""
    return (
        evenly(MOVING_DATES, MOVING_DATES, COMPARISONS[kind])
        if kind == "date" and Feature.DATES in features
        else COMPARISONS[kind]
    )


def conditions_on(value: Value, comparisons: Texts | None = None) -> Texts:
    return (COMPARISONS[value.kind] if comparisons is None else comparisons).map(value.text.__add__)


FIELDS: dict[str, Kind] = {
    "number": "number",
    "deep.number": "number",
    "items.$.number": "number",
    "text": "text",
    "deep.text": "text",
    "list": "list",
    "list.$": "elements",
    "flag": "flag",
    "date": "date",
}
"""What is inside the traits of an identify and the properties of an event."""


@cache
def field_conditions(extractor: str) -> Texts:
    """Conditions on ``trait`` or ``property``; a number may be text, and the other way round."""
    values = [Value(f"{extractor}('{name}')", kind) for name, kind in FIELDS.items()]
    values += [Value(f"{extractor}('text')", "number"), Value(f"{extractor}('number')", "text")]
    return evenly(*(conditions_on(value) for value in values))


@st.composite
def junctions(draw: st.DrawFn, leaves: Texts, *, more: Sequence[int]) -> str:
    """AND, OR and NOT over these; in parentheses: precedence is not the matter here.

    ``more``: how many there are beside the first one, as often as it is named.
    """
    text = draw(leaves)
    for _ in range(draw(st.sampled_from(more))):
        if draw(st.integers(0, 3)) == 0:
            text = f"NOT ({text})"
        text = f"({text}) {draw(st.sampled_from(['AND', 'OR']))} ({draw(leaves)})"
    return f"NOT ({text})" if draw(st.integers(0, 3)) == 0 else text


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
REDUCERS = evenly(
    DISTINCT,
    _reducers("number", ["sum({})", "avg({})", "min({})", "max({})", "max({} as number)"], NUMBER_FIELDS),
    _reducers("number", ["first({})", "last({})"], ["property('number')"]),
    _reducers("text", ["first({})", "last({})", "mode({}, 1)", "mode({}, 2)"], TEXT_FIELDS),
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
        offered.append(texts.map("property('text')".__add__))
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
