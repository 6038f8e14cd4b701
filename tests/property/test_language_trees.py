"""Every tree can be written, in more ways than one, and means itself when it is read."""

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.property.language_sentences import sentences_of
from tests.property.language_trees import conditions, queries
from worker.audiences.language import tree
from worker.audiences.language.parser import LENGTH_MAX, parse
from worker.audiences.language.render import render
from worker.audiences.language.types import check

unhurried = settings(deadline=None)  # the first example reads the grammar, however long that takes


@unhurried
@given(query=queries)
def test_a_tree_is_read_back_from_its_canonical_text(query: tree.Query) -> None:
    text = render(query)
    assume(len(text) <= LENGTH_MAX)

    # By repr too: to Python 1, 1.0 and True are equal, and to the language they are not.
    assert repr(parse(text)) == repr(query)
    assert parse(text) == query


@settings(unhurried, max_examples=400)
@given(query=queries, data=st.data())
def test_a_tree_is_read_back_however_it_is_written(query: tree.Query, data: st.DataObject) -> None:
    """Signs or names, units, quotes, escapes, letter cases, order of filters, parentheses, layout, comments."""
    text = data.draw(sentences_of(query))
    assume(len(text) <= LENGTH_MAX)

    assert repr(parse(text)) == repr(query)


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
