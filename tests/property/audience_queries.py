"""Random queries of audiences and computed traits, as text, over those parts of the language that are asked for.

Names are few and values collide; lengths of time are those by which records lie apart (``audience_logs``).
"""

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Literal, NamedTuple

from hypothesis import strategies as st

SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000
SPANS = {
    "90 seconds": 90 * SECOND,
    "30 minutes": 30 * MINUTE,
    "1 hour": HOUR,
    "1 day": DAY,
    "3 days": 3 * DAY,
}
DEPTH_MAX = 2
"""Events around an event. One is a funnel; two is a funnel inside one; more only take longer."""


class Feature(StrEnum):
    """A part of the language, in words that finish the sentence "… is not evaluated yet"."""

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
Kind = Literal["number", "text", "date", "list", "membership"]
Texts = st.SearchStrategy[str]


class Value(NamedTuple):
    """The text of a value and how it can be compared."""

    text: str
    kind: Kind


NAMES = st.sampled_from(["Bought", "Bought", "Seen", "Page Viewed"])
NUMBERS = st.sampled_from(["0", "1", "2", "2.5", "-3", "10", "'2'", "'10'"])
COUNTED = st.sampled_from(["0", "1", "1", "2", "3", "'1'"])
WORDS = st.sampled_from(["'red'", "'Red'", "'green'", "'re'", "'2'", "'true'", "''"])
PIECES = st.sampled_from(["'re'", "'d'", "'R'", "'2'", "'blue'"])
CONSTANT_DATES = st.sampled_from(["2025-01-01", "2025-01-02", "'2025-01-03T00:00:00Z'", "2025-01-02T06:00:00Z"])
OPERATORS = st.sampled_from(["=", "==", "!=", ">", ">=", "<", "<="])
ORDERS = st.sampled_from(["greater_than", "at_least", "less_than", "at_most", "equals", "differs"])
SPAN_TEXTS = st.sampled_from(list(SPANS))
WITHINS = SPAN_TEXTS.map(".within({})".format)
PARENT_WITHINS = SPAN_TEXTS.map(".within(parent: {})".format)
BETWEENS = st.sampled_from(["0 days, 1 hour", "30 minutes, 1 hour", "1 hour, 1 day", "90 seconds, 3 days"]).map(
    ".between({})".format
)
SESSIONS = st.sampled_from(["30 minutes", "1 hour", "1 day"]).map(".expires_after({})".format)
SOURCES = st.sampled_from(["'web'", "'app'", "'web', 'app'", "['web']"]).map(".sources({{exclude: {}}})".format)


# --- Comparisons ------------------------------------------------------------------------------------------------


def lists(items: Texts) -> Texts:
    return st.lists(items, min_size=1, max_size=3).map(", ".join)


def compared(left: Texts, right: Texts) -> Texts:
    """Equality and order, by sign or by name."""
    return st.one_of(
        st.builds("{} {} {}".format, left, OPERATORS, right),
        st.builds("{}.{}({})".format, left, ORDERS, right),
    )


def present(left: Texts) -> Texts:
    return st.builds("{}.{}()".format, left, st.sampled_from(["exists", "absent"]))


def choices(left: Texts, right: Texts) -> Texts:
    return st.builds("{}.{}({})".format, left, st.sampled_from(["one_of", "none_of"]), lists(right))


def number_conditions(left: Texts, numbers: Texts = NUMBERS) -> Texts:
    return st.one_of(compared(left, numbers), choices(left, numbers), present(left))


def text_conditions(left: Texts) -> Texts:
    return st.one_of(
        compared(left, WORDS),
        choices(left, WORDS),
        st.builds("{}.contains({})".format, left, lists(PIECES)),
        st.builds("{}.{}({})".format, left, st.sampled_from(["omits", "starts_with", "ends_with"]), PIECES),
        present(left),
    )


def element_conditions(left: Texts) -> Texts:
    """Of each element of an array."""
    pieces = st.builds("{}.{}({})".format, left, st.sampled_from(["contains", "omits"]), PIECES)
    return st.one_of(st.builds("{} {} {}".format, left, st.sampled_from(["=", "!="]), WORDS), pieces, present(left))


def fixed_date_conditions(left: Texts) -> Texts:
    return st.builds("{}.{}({})".format, left, st.sampled_from(["before_date", "after_date"]), CONSTANT_DATES)


def date_conditions(left: Texts) -> Texts:
    moving = st.sampled_from(["within_last", "within_next", "before_last", "after_next"])
    return st.builds("{}.{}({})".format, left, moving, SPAN_TEXTS) | fixed_date_conditions(left)


def membership_conditions(left: Texts) -> Texts:
    tests = st.sampled_from([" = true", " = false", " != true", ".exists()", ".absent()"])
    return st.builds("{}{}".format, left, tests)


def conditions_on(value: Value, *, moving: bool) -> Texts:
    """Any comparison that makes sense for such a value; ``moving``: dates may move with the clock."""
    text = st.just(value.text)
    match value.kind:
        case "number":
            return number_conditions(text)
        case "text":
            return text_conditions(text)
        case "date":
            return date_conditions(text) if moving else fixed_date_conditions(text)
        case "list":
            return st.one_of(text_conditions(text), element_conditions(st.just(f"{value.text[:-2]}.$')")))
    return membership_conditions(text)


def field_conditions(extractor: str) -> Texts:
    """Conditions on ``trait`` or ``property``: both have the same names and kinds of values."""

    def of(*names: str) -> Texts:
        return st.sampled_from([f"{extractor}('{name}')" for name in names])

    return st.one_of(
        number_conditions(of("number", "deep.number", "text")),
        text_conditions(of("text", "number", "deep.text", "list")),
        st.builds("{} = {}".format, of("flag"), st.sampled_from(["true", "false", "'true'"])),
        element_conditions(of("list.$")),
        number_conditions(of("items.$.number")),
        fixed_date_conditions(of("date")),
    )


def junctions(leaves: Texts, *, leaves_max: int = 5) -> Texts:
    """AND, OR and NOT over these; in parentheses: precedence is not the matter here."""
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.builds("({}) {} ({})".format, inner, st.sampled_from(["AND", "OR"]), inner),
            st.builds("NOT ({})".format, inner),
        ),
        max_leaves=leaves_max,
    )


# --- Events -----------------------------------------------------------------------------------------------------

TEXT_REDUCERS = ["first({})", "last({})", "mode({}, 1)", "mode({}, 2)", "min({} as string)", "max({} as string)"]
NUMBER_REDUCERS = ["sum({})", "avg({})", "min({})", "max({})", "sum({})", "max({} as number)"]
NUMBER_FIELDS = ["property('number')", "property('mixed')", "property('items.$.number')"]
TEXT_FIELDS = ["property('word')", "property('words.$')", "context('page.title')"]


def _filled(reducers: Sequence[str], fields: Sequence[str]) -> Texts:
    return st.builds(lambda reducer, field: reducer.format(field), st.sampled_from(reducers), st.sampled_from(fields))


@st.composite
def reducers(draw: st.DrawFn, features: Features) -> Value:
    """A reducer and the kind of value that it gives."""
    if Feature.REDUCERS not in features or draw(st.integers(0, 3)) == 0:
        return Value("count()", "number")
    if Feature.FUNNELS in features and Feature.REDUCED_FUNNELS not in features:
        return Value(draw(st.just("count()") | _filled(["unique({}).count()"], TEXT_FIELDS)), "number")
    texts = _filled(TEXT_REDUCERS, TEXT_FIELDS) | st.just("mode(property('words.$') as array, 1)")
    return draw(
        st.one_of(
            _filled([*NUMBER_REDUCERS, "unique({}).count()"], NUMBER_FIELDS[:1]).map(lambda text: Value(text, "number")),
            _filled(NUMBER_REDUCERS, NUMBER_FIELDS).map(lambda text: Value(text, "number")),
            _filled(["unique({}).count()"], TEXT_FIELDS).map(lambda text: Value(text, "number")),
            texts.map(lambda text: Value(text, "text")),
            _filled(["first({})", "last({})"], ["property('date')"]).map(lambda text: Value(text, "date")),
        )
    )


def windows(features: Features, *, depth: int, is_filtered: bool) -> Texts:
    """None most of the time for a nested event, which has a window of its own: that it comes after its parent."""
    offered = [st.just("")]
    if depth:
        offered += [PARENT_WITHINS, PARENT_WITHINS]
    if Feature.WITHIN in features:
        offered += [WITHINS] if depth else [WITHINS, WITHINS]
    if Feature.BETWEEN in features:
        offered.append(BETWEENS)
    if Feature.SESSIONS in features and not (Feature.FUNNELS in features and is_filtered):
        offered.append(SESSIONS)
    return st.one_of(offered)


@st.composite
def reductions(draw: st.DrawFn, features: Features, depth: int = 0) -> Value:
    """``event(…)``, perhaps filtered, perhaps in a window, reduced."""
    is_filtered = Feature.WHERE in features and draw(st.booleans())
    filters = [f".where({draw(wheres(features, depth + 1))})"] if is_filtered else []
    filters.append(draw(windows(features, depth=depth, is_filtered=is_filtered)))
    if Feature.SOURCES in features and draw(st.booleans()):
        filters.append(draw(SOURCES))
    name = draw(NAMES)
    reducer = draw(reducers(features))
    return Value(f"event('{name}'){''.join(draw(st.permutations(filters)))}.{reducer.text}", reducer.kind)


@st.composite
def event_conditions(draw: st.DrawFn, features: Features, depth: int = 0) -> str:
    reduction = draw(reductions(features, depth))
    if reduction.kind == "number" and Feature.REFERENCES in features and draw(st.booleans()):
        right = draw(others(features, depth=depth))
        return f"{reduction.text} {draw(OPERATORS)} {right}"
    if reduction.text.endswith("count()"):
        return draw(number_conditions(st.just(reduction.text), COUNTED))
    return draw(conditions_on(reduction, moving=Feature.DATES in features))


@st.composite
def others(draw: st.DrawFn, features: Features, *, depth: int) -> str:
    """A value that is compared with in place of a constant."""
    fields = ["trait('number')", "trait('number')", "trait('text')"]
    if depth:
        fields += ["property('number')", "property('text')"]
    if Feature.FUNNELS in features and depth > 1:
        fields.append("property(parent: 'number')")
    if depth <= DEPTH_MAX and (not depth or Feature.FUNNELS in features) and draw(st.integers(0, 3)) == 0:
        return draw(reductions(features, depth)).text
    return draw(st.sampled_from(fields))


def wheres(features: Features, depth: int) -> Texts:
    """Conditions of an event; ``depth``: how many events it is inside, itself included."""
    offered = [field_conditions("property"), st.just("property('number') > 0")]
    if Feature.CONTEXT in features:
        offered.append(text_conditions(st.sampled_from(["context('page.title')", "property('page_name')"])))
    if Feature.MOVING_PROPERTIES in features:
        offered.append(date_conditions(st.just("property('date')")))
    if Feature.REFERENCES in features:
        left = st.sampled_from(["property('number')", "property('text')", "trait('number')"])
        offered.append(st.builds("{} {} {}".format, left, OPERATORS, others(features, depth=depth)))
        texts = st.sampled_from(["contains", "omits", "starts_with", "ends_with"])
        offered.append(st.builds("property('text').{}(trait('text'))".format, texts))
    if Feature.FUNNELS in features and depth <= DEPTH_MAX:
        offered += [event_conditions(features, depth)] * 3
    if Feature.FUNNELS in features and depth > 1:
        same = st.sampled_from(["number", "word", "text"])
        offered += [st.builds("property('{0}') {1} property(parent: '{0}')".format, same, OPERATORS)] * 2
    return junctions(st.one_of(offered), leaves_max=3)


# --- Whole queries ----------------------------------------------------------------------------------------------


def leaves(features: Features, known: Iterable[Value]) -> Texts:
    """One condition of an audience; ``known``: definitions that it may refer to."""
    moving = Feature.DATES in features
    offered: list[Texts] = []
    if Feature.COUNTS in features:
        offered += [event_conditions(features)] * 2
    if Feature.TRAITS in features:
        offered.append(field_conditions("trait"))
    if moving:
        offered.append(date_conditions(st.just("trait('date')")))
    if Feature.TRAITS in features and Feature.REFERENCES in features:
        offered.append(st.builds("trait('number') {} {}".format, OPERATORS, others(features, depth=0)))
    references = [conditions_on(value, moving=moving) for value in known]
    return st.one_of(*offered, st.one_of(references)) if references else st.one_of(offered)
