"""Every tree can be written, in more ways than one, and means itself when it is read."""

import re

from hypothesis import assume, given, note, settings
from hypothesis import strategies as st

from worker.audiences.language import tree
from worker.audiences.language.parser import LENGTH_MAX, parse
from worker.audiences.language.render import render
from worker.audiences.language.types import check
from worker.audiences.language.vocabulary import COMPARATORS

unhurried = settings(deadline=None)  # the first example reads the grammar, however long that takes

SECOND = 1_000
FIELD_REDUCERS = ("sum", "avg", "min", "max", "mode", "first", "last", "unique_count")
FREE_COMPARATORS = tuple(sorted(COMPARATORS - {"absent", "exists"}))

texts = st.text(st.characters(codec="utf-8"), max_size=8)
tricky = st.text(st.sampled_from("ab.\\'\"$\n/# u0é"), max_size=8)
strings = texts | tricky
names = strings.filter(bool)
paths = st.lists(names, min_size=1, max_size=3).map(tuple)
durations_ms = st.integers(0, 40_000_000).map(lambda seconds: seconds * SECOND)
durations = durations_ms.map(tree.Duration)

literals = st.one_of(
    st.builds(tree.Literal, strings, st.just("string")),
    st.builds(tree.Literal, st.integers(-(10**20), 10**20), st.just("number")),
    st.builds(tree.Literal, st.floats(allow_nan=False, allow_infinity=False), st.just("number")),
    st.builds(tree.Literal, st.booleans(), st.just("boolean")),
    st.builds(tree.Literal, st.dates().map(str), st.just("date")),
    st.builds(tree.Literal, st.datetimes().map(lambda moment: f"{moment.isoformat()}Z"), st.just("timestamp")),
)
fields = st.builds(tree.Property, paths, st.booleans()) | st.builds(tree.Context, paths)
windows = st.one_of(
    st.builds(tree.Within, durations_ms, st.booleans()),
    st.builds(tree.Between, durations_ms, durations_ms, st.booleans()),
    st.builds(tree.ExpiresAfter, durations_ms),
)


@st.composite
def reductions(draw: st.DrawFn, conditions: st.SearchStrategy[tree.Condition]) -> tree.Reduce:
    where = draw(st.none() | conditions)
    excluded = tuple(draw(st.lists(strings, max_size=2)))
    events = tree.Events(draw(names), where, draw(st.none() | windows), excluded)
    if draw(st.booleans()):
        return tree.Reduce(events, "count")
    reducer = draw(st.sampled_from(FIELD_REDUCERS))
    as_type = draw(st.sampled_from((None, "number", "string", "array")))
    minimum = draw(st.none() | st.integers(0, 9)) if reducer == "mode" else None
    return tree.Reduce(events, reducer, draw(fields), as_type, minimum)  # type: ignore[arg-type]


def values(conditions: st.SearchStrategy[tree.Condition]) -> st.SearchStrategy[tree.Scalar]:
    return st.one_of(
        literals,
        st.builds(tree.Trait, paths),
        fields,
        st.builds(tree.Entity, strings),
        reductions(conditions),
    )


@st.composite
def comparisons(draw: st.DrawFn, conditions: st.SearchStrategy[tree.Condition]) -> tree.Compare:
    left = draw(values(conditions))
    if draw(st.integers(0, 9)) == 0:
        return tree.Compare(left, draw(st.sampled_from(("absent", "exists"))))
    arguments = draw(st.lists(values(conditions) | durations, min_size=1, max_size=3))
    return tree.Compare(left, draw(st.sampled_from(FREE_COMPARATORS)), tuple(arguments))


def joined(
    junction: type[tree.And] | type[tree.Or], items: st.SearchStrategy[tree.Condition]
) -> st.SearchStrategy[tree.Condition]:
    """Two or three conditions, none of which is the same junction: that would be flattened."""
    others = items.filter(lambda item: not isinstance(item, junction))
    return st.lists(others, min_size=2, max_size=3).map(lambda some: junction(tuple(some)))


def junctions(items: st.SearchStrategy[tree.Condition]) -> st.SearchStrategy[tree.Condition]:
    return st.one_of(
        joined(tree.And, items),
        joined(tree.Or, items),
        st.builds(tree.Not, items),
        st.builds(tree.AnyUser, items),
        st.builds(tree.AllUsers, items),
        comparisons(items),
    )


conditions = st.recursive(comparisons(st.nothing()), junctions, max_leaves=6)
traits = values(conditions) | reductions(conditions).filter(lambda reduce: reduce.reducer == "unique_count").map(
    lambda reduce: tree.Reduce(reduce.events, "unique", reduce.of, reduce.as_type)
)
queries = conditions | traits


@unhurried
@given(query=queries)
def test_a_tree_is_read_back_from_its_canonical_text(query: tree.Query) -> None:
    text = render(query)
    assume(len(text) <= LENGTH_MAX)

    # By repr too: to Python 1, 1.0 and True are equal, and to the language they are not.
    assert repr(parse(text)) == repr(query)
    assert parse(text) == query


TOKEN = re.compile(r"'(?:[^'\\]|\\.)*'|\d{4}-[\dT:.Z-]+|[+-]?\d[\d.]*(?:e[+-]?\d+)?|\w+|[<>!]=|.", re.DOTALL)
SIGNS = {
    "=": "equals",
    "!=": "differs",
    ">": "greater_than",
    ">=": "at_least",
    "<": "less_than",
    "<=": "at_most",
}
gaps = st.sampled_from(("", " ", "\n", "\t\r\n ", "\u00a0", "# it's\n", '// "so\n', "/* ) 'and */", "/**/"))


@unhurried
@given(query=queries, data=st.data())
def test_layout_comments_quotes_case_and_parentheses_do_not_change_what_is_meant(
    query: tree.Query, data: st.DataObject
) -> None:
    """The canonical text with other gaps, quotes and letter cases, and an outer pair of parentheses."""
    text = ""
    for piece in TOKEN.findall(render(query)):
        if piece == " ":
            text += data.draw(gaps) + " "
        elif piece[0] == "'" and '"' not in piece and data.draw(st.booleans()):
            text += f'"{piece[1:-1]}"'
        elif piece in {"AND", "OR", "NOT", "ANY", "ALL", "true", "false"}:
            text += data.draw(st.sampled_from((piece.lower(), piece.upper(), piece.title())))
        else:
            text += data.draw(gaps) + piece if piece in "(),{}" else piece
    if not (isinstance(query, tree.Reduce) and query.reducer == "unique"):
        text = f"({text})"
    assume(len(text) <= LENGTH_MAX)
    note(text)

    assert parse(text) == query


@unhurried
@given(query=conditions)
def test_double_negation_is_kept(query: tree.Condition) -> None:
    text = f"NOT NOT ({render(query)})"
    assume(len(text) <= LENGTH_MAX)

    assert parse(text) == tree.Not(tree.Not(query))


@unhurried
@given(left=conditions, right=conditions)
def test_junctions_of_the_parts_are_the_parts_of_the_junction(left: tree.Condition, right: tree.Condition) -> None:
    """AND and OR over parenthesised parts: flattened where they are the same junction, kept where not."""
    texts = render(left), render(right)
    assume(sum(map(len, texts)) < LENGTH_MAX - 9)

    for word, junction in (("AND", tree.And), ("OR", tree.Or)):
        flat = [part for side in (left, right) for part in (side.items if isinstance(side, junction) else (side,))]
        assert parse(f"({texts[0]}) {word} ({texts[1]})") == junction(tuple(flat))


@unhurried
@given(query=queries, kind=st.sampled_from(("audience", "trait")), accounts=st.booleans())
def test_the_checker_judges_every_tree(query: tree.Query, kind: str, accounts: bool) -> None:
    """It never raises, tells the faults in the order of the text, and the same of a tree not from a text."""
    text = render(query)
    assume(len(text) <= LENGTH_MAX)

    faults = check(parse(text), kind=kind, accounts=accounts)  # type: ignore[arg-type]

    places = [(fault.line, fault.column) for fault in faults]
    assert places == sorted(places)
    assert all(column is not None and 1 <= column <= len(text) for _, column in places)
    again = check(query, kind=kind, accounts=accounts)  # type: ignore[arg-type]
    assert sorted(fault.message for fault in again) == sorted(fault.message for fault in faults)
