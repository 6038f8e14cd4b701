"""The words of the language by what they do, for messages and for the type checker."""

OPERATORS = frozenset({"=", "==", "!=", ">", ">=", "<", "<="})
COMPARATORS = frozenset({
    "absent", "exists", "equals", "differs", "greater_than", "at_least", "less_than", "at_most",
    "contains", "omits", "starts_with", "ends_with", "one_of", "none_of",
    "before_date", "after_date", "within_last", "within_next", "before_last", "after_next",
})  # fmt: skip
FILTERS = frozenset({"where", "sources", "within", "between", "expires_after"})
REDUCERS = frozenset({"count", "sum", "avg", "min", "max", "mode", "first", "last", "unique"})
EXTRACTORS = frozenset({"event", "trait", "property", "context", "entity", "literal"})
UNITS = frozenset({"second", "seconds", "minute", "minutes", "hour", "hours", "day", "days"})
TYPES = frozenset({"number", "string", "array"})

SYNONYMS = {
    "!": "NOT",
    "&": "AND",
    "&&": "AND",
    "|": "OR",
    "||": "OR",
    "average": "avg",
    "maximum": "max",
    "minimum": "min",
    "is": "=",
    "in": "one_of",
    "not_in": "none_of",
    "not_equals": "differs",
    "like": "contains",
    "filter": "where",
    "mins": "minutes",
    "secs": "seconds",
    "null": "absent",
    "is_null": "absent",
    "none": "ALL",
}
"""What other languages call it, where spelling alone does not lead there."""
