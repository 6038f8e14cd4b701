"""Random comparisons of values, as text, and the features of the language that the random queries are made of.

Names are few and values collide; lengths of time are those by which records lie apart (``audience_logs``).
"""

from collections.abc import Sequence
from enum import StrEnum
from functools import cache
from typing import Literal, NamedTuple

from hypothesis import strategies as st

from tests.acceptance.moments import DAY, HOUR, MINUTE
from tests.property.alternatives import evenly

SPANS = {"30 minutes": 30 * MINUTE, "1 hour": HOUR, "1 day": DAY}


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
    return (COMPARISONS[value.kind] if comparisons is None else comparisons).map(
        lambda comparison: value.text + comparison
    )


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
