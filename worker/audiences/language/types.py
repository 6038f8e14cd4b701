"""Whether a query that parses also means something: types, places and limits.

Source: Segment, "Query Language Reference" (return types, notes, sugar) and "Product limits" (sessions);
docs/query-language.md. What is valid but not evaluated yet is refused where it is compiled, not here.
"""

from datetime import datetime
from math import isfinite
from typing import Literal as OneOf

from worker.audiences.language import tree
from worker.audiences.language.errors import QueryError
from worker.audiences.language.signatures import SIGNATURES, TYPES_OF_REDUCERS, Signature, is_numeric

PRIMARY_EXPRESSIONS_MAX = 50
"""Comparisons outside ``where``: Segment's limit. Higher: definitions that cannot be taken elsewhere."""
SESSION_MS_MIN = 30 * 60_000
SESSION_MS_MAX = 90 * 86_400_000
"""Segment's limits of ``expires_after``."""
SPAN_MS_MAX = 36_500 * 86_400_000
"""A hundred years. Lower may refuse a birthday; higher runs out of the calendar, counted from today."""

_Node = tree.Query | tree.Window | tree.Duration


def check(query: tree.Query, *, kind: OneOf["audience", "trait"], accounts: bool = False) -> list[QueryError]:
    """Everything that is wrong with the types of a query, in the order of the text; empty when nothing is.

    ``accounts``: the definition is of accounts, which may quantify over their users with ANY and ALL.
    """
    checker = _Checker(accounts=accounts)
    match query:
        case tree.Compare() | tree.And() | tree.Or() | tree.Not() | tree.AnyUser() | tree.AllUsers():
            if kind == "trait":
                checker.fault(query, "expected a value, for a trait, found a condition")
            checker.condition(query, scope=0)
        case _:
            if kind == "audience":
                checker.fault(query, "expected a condition, for an audience, found a value; compare it, as in … >= 1")
            checker.value(query, scope=0)
    return sorted(checker.faults, key=lambda fault: (fault.line or 0, fault.column or 0))


class _Checker:
    """``scope`` is how many events are around a node: 0 outside any ``where``, 2 inside a nested event's."""

    def __init__(self, *, accounts: bool) -> None:
        self.accounts = accounts
        self.faults: list[QueryError] = []
        self.primary_expressions = 0

    def fault(self, node: _Node, message: str) -> None:
        self.faults.append(QueryError(message, line=node.position.line, column=node.position.column))

    # --- Conditions ----------------------------------------------------------------------------------------
    def condition(self, node: tree.Condition, *, scope: int, quantified: bool = False) -> None:
        match node:
            case tree.And() | tree.Or():
                for item in node.items:
                    self.condition(item, scope=scope, quantified=quantified)
            case tree.Not():
                self.condition(node.item, scope=scope, quantified=quantified)
            case tree.AnyUser() | tree.AllUsers():
                self.quantifier(node, scope=scope, quantified=quantified)
                self.condition(node.item, scope=scope, quantified=True)
            case tree.Compare():
                self.comparison(node, scope=scope)

    def quantifier(self, node: tree.AnyUser | tree.AllUsers, *, scope: int, quantified: bool) -> None:
        word = "ANY" if isinstance(node, tree.AnyUser) else "ALL"
        if not self.accounts:
            self.fault(node, f"{word} is for definitions of accounts; this one is of users")
        elif scope:
            self.fault(node, f"{word} is about users, and stands outside 'where'")
        elif quantified:
            self.fault(node, f"{word} is about the users of an account, and not inside another ANY or ALL")

    def comparison(self, node: tree.Compare, *, scope: int) -> None:
        if not scope:
            self.primary_expressions += 1
            if self.primary_expressions == PRIMARY_EXPRESSIONS_MAX + 1:
                self.fault(
                    node,
                    f"expected at most {PRIMARY_EXPRESSIONS_MAX} comparisons outside 'where', found more",
                )
        if isinstance(node.left, tree.Literal):
            self.fault(node.left, "expected a trait, a property or a reduced event to compare, found a constant")
        self.value(node.left, scope=scope)
        signature = SIGNATURES[node.comparator]
        if signature.dates and is_numeric(node.left):
            self.fault(node, f"'{node.comparator}' compares dates, and this is a number")
        self.arity(node, signature)
        for argument in node.arguments[: signature.most]:
            self.argument(node, signature, argument, scope=scope)

    def arity(self, node: tree.Compare, signature: Signature) -> None:
        found = len(node.arguments)
        if found > signature.most:
            limit = f"{signature.most} argument" if signature.most else "no arguments"
            self.fault(node.arguments[signature.most], f"'{node.comparator}' takes {limit}, found {found}")
        elif found < signature.least:
            self.fault(node, f"'{node.comparator}' takes {signature.takes}, found nothing")

    # --- Arguments of comparators --------------------------------------------------------------------------
    def argument(
        self, node: tree.Compare, signature: Signature, argument: tree.Scalar | tree.Duration, *, scope: int
    ) -> None:
        wanted = f"'{node.comparator}' takes {signature.takes}"
        match argument:
            case tree.Duration():
                if not signature.duration:
                    self.fault(argument, f"{wanted}, found a duration")
                self.span(argument, zero=node.comparator in {"before_last", "after_next"})
            case tree.Literal():
                self.constant(argument, signature, wanted, numeric=is_numeric(node.left))
            case _:
                if signature.constant:
                    self.fault(argument, f"{wanted}, and only as a constant")
                self.value(argument, scope=scope)

    def constant(self, literal: tree.Literal, signature: Signature, wanted: str, *, numeric: bool) -> None:
        if literal.kind not in signature.kinds:
            hint = f"; write '{literal.value}'" if signature.text and literal.kind == "number" else ""
            self.fault(literal, f"{wanted}, found {_described(literal)}{hint}")
        elif signature.dates and not _is_moment(literal):
            self.fault(literal, f"{wanted}, found {_described(literal)}")
        elif signature.compares_values and numeric and not _is_number(literal):
            self.fault(literal, f"expected a number to compare a number with, found {_described(literal)}")

    def span(self, duration: tree.Duration, *, zero: bool) -> None:
        if duration.ms > SPAN_MS_MAX:
            self.fault(duration, "expected at most 36,500 days, found more")
        elif not duration.ms and not zero:
            self.fault(duration, "expected a duration above zero")

    # --- Values --------------------------------------------------------------------------------------------
    def value(self, node: tree.Scalar, *, scope: int) -> None:
        match node:
            case tree.Property(parent=True) if scope < 2:
                self.fault(node, "property(parent: …) is of the enclosing event: only inside an event inside 'where'")
            case tree.Property(parent=False) | tree.Context() if not scope:
                word = "property" if isinstance(node, tree.Property) else "context"
                self.fault(node, f"{word}(…) is of an event: only inside 'where' or a reducer")
            case tree.Reduce():
                self.reduction(node, scope=scope)

    def reduction(self, node: tree.Reduce, *, scope: int) -> None:
        if isinstance(node.of, tree.Property) and node.of.parent:
            self.fault(node.of, "a reducer reads the events that it reduces, not the enclosing one")
        allowed = TYPES_OF_REDUCERS.get(node.reducer, ())
        if node.as_type is not None and node.as_type not in allowed:
            choice = f"takes {' or '.join(allowed)}, found {node.as_type}" if allowed else "takes no type"
            self.fault(node, f"'{node.reducer.removesuffix('_count')}' {choice}")
        if node.minimum is not None and node.minimum < 1:
            self.fault(node, f"the least frequency of 'mode' is at least 1, found {node.minimum}")
        if node.events.where is not None:
            self.condition(node.events.where, scope=scope + 1)
        if node.events.window is not None:
            self.window(node.events.window, scope=scope)

    def window(self, window: tree.Window, *, scope: int) -> None:
        match window:
            case tree.Within():
                if window.parent and not scope:
                    self.fault(window, "within(parent: …) counts from the enclosing event: only inside 'where'")
                self.span(tree.Duration(window.ms, window.position), zero=False)
            case tree.Between():
                self.between(window)
            case tree.ExpiresAfter():
                if not SESSION_MS_MIN <= window.ms <= SESSION_MS_MAX:
                    self.fault(window, "'expires_after' takes 30 minutes to 90 days")

    def between(self, window: tree.Between) -> None:
        if window.parent:
            self.fault(window, "between(parent: …) is not supported; within(parent: …) is")
        if window.near_ms >= window.far_ms:
            self.fault(
                window,
                "'between' takes the nearer end first, and another one after it: between(2 days, 5 days)",
            )
        self.span(tree.Duration(window.far_ms, window.position), zero=True)


def _described(literal: tree.Literal) -> str:
    match literal.kind:
        case "string":
            return f"the string {str(literal.value)[:40]!r}"
        case "number":
            return f"the number {str(literal.value)[:40]}"
        case "boolean":
            return "true" if literal.value else "false"
    return f"the {literal.kind} {literal.value}"


def _is_number(literal: tree.Literal) -> bool:
    """Whether it is a number or a string that is one: the two are interchangeable."""
    if literal.kind == "string":
        try:
            return isfinite(float(literal.value))
        except ValueError:
            return False
    return literal.kind == "number"


def _is_moment(literal: tree.Literal) -> bool:
    try:
        datetime.fromisoformat(str(literal.value))
    except ValueError:
        return False
    return True
