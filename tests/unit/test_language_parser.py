"""Queries and the trees that they mean."""

import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from worker.audiences.language import tree
from worker.audiences.language.parser import LENGTH_MAX, NESTING_MAX, parse
from worker.audiences.language.tree import (
    AllUsers,
    And,
    AnyUser,
    Between,
    Compare,
    Context,
    Duration,
    Entity,
    Events,
    ExpiresAfter,
    Literal,
    Not,
    Or,
    Position,
    Property,
    Reduce,
    Trait,
    Within,
)

DAY = 86_400_000
HOUR = 3_600_000
MINUTE = 60_000


def number(value: float) -> Literal:
    return Literal(value, "number")


def string(value: str) -> Literal:
    return Literal(value, "string")


def at_least(left: tree.Scalar, value: float) -> Compare:
    return Compare(left, "at_least", (number(value),))


def counted(events: Events) -> Reduce:
    return Reduce(events, "count")


def trait_is(name: str, value: float = 1) -> Compare:
    return Compare(Trait((name,)), "equals", (number(value),))


SHOES = Events("Shoes Bought")
SPEND = Property(("spend",))
BOUGHT = at_least(counted(SHOES), 1)
RICH = Compare(Trait(("total_spend",)), "greater_than", (number(200),))
MONTH = Within(30 * DAY)

REFERENCE = {
    "event('Shoes Bought').where( property('price') >= 100 ).within(7 days).count() >= 1": at_least(
        counted(Events("Shoes Bought", at_least(Property(("price",)), 100), Within(7 * DAY))), 1
    ),
    """event('Shoes Bought').where(
        property('price') >= trait('avg_spend')
        AND
        event('Shoes Returned').within(parent: 5 days).count() >= 1
        ).within(30 days).count() >= 1""": at_least(
        counted(
            Events(
                "Shoes Bought",
                And(
                    (
                        Compare(Property(("price",)), "at_least", (Trait(("avg_spend",)),)),
                        at_least(counted(Events("Shoes Returned", window=Within(5 * DAY, parent=True))), 1),
                    )
                ),
                MONTH,
            )
        ),
        1,
    ),
    "NOT ( event('Shoes Bought').count() >= 1 AND trait('total_spend') > 200 )": Not(And((BOUGHT, RICH))),
    "ALL ( event('Shoes Bought').count() >= 1 AND trait('total_spend') > 200 )": AllUsers(And((BOUGHT, RICH))),
    "ALL NOT event('Shoes Bought').count() >= 1": AllUsers(Not(BOUGHT)),
    "ANY event('Shoes Bought').count() >= 1": AnyUser(BOUGHT),
    "event('Shoes Bought').within(30 days).avg(property('spend'))": Reduce(
        Events("Shoes Bought", window=MONTH), "avg", SPEND
    ),
    """event('Shoes Bought').where( property('price') > 100 AND property('brand') = 'My Brand' )
        .min(property('spend'))""": Reduce(
        Events(
            "Shoes Bought",
            And(
                (
                    Compare(Property(("price",)), "greater_than", (number(100),)),
                    Compare(Property(("brand",)), "equals", (string("My Brand"),)),
                )
            ),
        ),
        "min",
        SPEND,
    ),
    "event('Shoes Bought').within(30 days).first(property('spend'))": Reduce(
        Events("Shoes Bought", window=MONTH), "first", SPEND
    ),
    "event('Shoes Bought').within(30 days).mode(property('spend'), 2)": Reduce(
        Events("Shoes Bought", window=MONTH), "mode", SPEND, minimum=2
    ),
}


@pytest.mark.parametrize("text", REFERENCE, ids=range(len(REFERENCE)))
def test_the_examples_of_the_reference_mean_what_it_says(text: str) -> None:
    assert parse(text) == REFERENCE[text]


T = Trait(("t",))
FUNCTIONS = {
    "trait('t').equals(500)": Compare(T, "equals", (number(500),)),
    "trait('t').differs(500)": Compare(T, "differs", (number(500),)),
    "trait('t').absent()": Compare(T, "absent"),
    "trait('t').exists()": Compare(T, "exists"),
    "trait('t').greater_than(500)": Compare(T, "greater_than", (number(500),)),
    "trait('t').at_least(500)": Compare(T, "at_least", (number(500),)),
    "trait('t').less_than(500)": Compare(T, "less_than", (number(500),)),
    "trait('t').at_most(500)": Compare(T, "at_most", (number(500),)),
    "trait('t').contains('shoes','shirts')": Compare(T, "contains", (string("shoes"), string("shirts"))),
    "trait('t').omits('shoes')": Compare(T, "omits", (string("shoes"),)),
    "trait('t').starts_with('total')": Compare(T, "starts_with", (string("total"),)),
    "trait('t').ends_with('total')": Compare(T, "ends_with", (string("total"),)),
    "trait('t').one_of('shoes','shirts')": Compare(T, "one_of", (string("shoes"), string("shirts"))),
    "trait('t').none_of('shoes', 5)": Compare(T, "none_of", (string("shoes"), number(5))),
    "trait('t').before_date('2023-12-07T18:50:00Z')": Compare(T, "before_date", (string("2023-12-07T18:50:00Z"),)),
    "trait('t').after_date(2023-12-07)": Compare(T, "after_date", (Literal("2023-12-07", "date"),)),
    "trait('t').within_last(7 days)": Compare(T, "within_last", (Duration(7 * DAY),)),
    "trait('t').within_next(1 day)": Compare(T, "within_next", (Duration(DAY),)),
    "trait('t').before_last(2 hours)": Compare(T, "before_last", (Duration(2 * HOUR),)),
    "trait('t').after_next(1 hour)": Compare(T, "after_next", (Duration(HOUR),)),
    "context('page.url').exists()": Compare(Context(("page", "url")), "exists"),
    "property(parent: 'product_id').exists()": Compare(Property(("product_id",), parent=True), "exists"),
    "entity('slug').exists()": Compare(Entity("slug"), "exists"),
    "trait('t') = literal(100)": Compare(T, "equals", (number(100),)),
    "trait('t') = TRUE": Compare(T, "equals", (Literal(value=True, kind="boolean"),)),
    "trait('t') != false": Compare(T, "differs", (Literal(value=False, kind="boolean"),)),
    "event('E').where({property('p') > 1}).count()": counted(
        Events("E", Compare(Property(("p",)), "greater_than", (number(1),)))
    ),
    "event('E').sources({exclude: 'a1', '/;b2'}).count()": counted(Events("E", excluded_sources=("a1", "/;b2"))),
    "event('E').sources({exclude: ['a1', 'b2']}).count()": counted(Events("E", excluded_sources=("a1", "b2"))),
    "event('E').within(90 minutes).count()": counted(Events("E", window=Within(90 * MINUTE))),
    "event('E').between(7 days, 10 days).count()": counted(Events("E", window=Between(7 * DAY, 10 * DAY))),
    "event('E').between(parent: 1 hour, 1 day).count()": counted(Events("E", window=Between(HOUR, DAY, parent=True))),
    "event('E').expires_after(1800 seconds).count()": counted(Events("E", window=ExpiresAfter(30 * MINUTE))),
    "event('E').sum(property('spend'))": Reduce(Events("E"), "sum", SPEND),
    "event('E').max(property('spend') as string)": Reduce(Events("E"), "max", SPEND, "string"),
    "event('E').min(property('spend') as number)": Reduce(Events("E"), "min", SPEND, "number"),
    "event('E').mode(property('spend') as array, 2)": Reduce(Events("E"), "mode", SPEND, "array", 2),
    "event('E').mode(property('spend'))": Reduce(Events("E"), "mode", SPEND),
    "event('E').last(context('page.url'))": Reduce(Events("E"), "last", Context(("page", "url"))),
    "event('E').unique(property('spend'))": Reduce(Events("E"), "unique", SPEND),
    "event('E').unique(property('spend')).count()": Reduce(Events("E"), "unique_count", SPEND),
}


@pytest.mark.parametrize("text", FUNCTIONS)
def test_every_function_of_the_reference(text: str) -> None:
    assert parse(text) == FUNCTIONS[text]


@pytest.mark.parametrize(
    ("sign", "comparator"),
    [
        ("=", "equals"),
        ("==", "equals"),
        ("!=", "differs"),
        (">", "greater_than"),
        (">=", "at_least"),
        ("<", "less_than"),
        ("<=", "at_most"),
    ],
)
def test_an_operator_is_its_comparator(sign: str, comparator: str) -> None:
    assert parse(f"trait('t'){sign}-1") == parse(f"trait('t').{comparator}(-1)")


A, B, C, D = (trait_is(name) for name in "abcd")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a OR b AND c", Or((A, And((B, C))))),
        ("a AND b OR c", Or((And((A, B)), C))),
        ("(a OR b) AND c", And((Or((A, B)), C))),
        ("NOT a AND b", And((Not(A), B))),
        ("NOT (a AND b)", Not(And((A, B)))),
        ("NOT NOT a", Not(Not(A))),
        ("not a and b or c", Or((And((Not(A), B)), C))),
        ("ANY a AND ALL b", And((AnyUser(A), AllUsers(B)))),
        ("a AND (b AND c) AND d", And((A, B, C, D))),
        ("a OR (b OR (c OR d))", Or((A, B, C, D))),
        ("((((a))))", A),
        ("NOT ((a)) OR b", Or((Not(A), B))),
    ],
)
def test_precedence(text: str, expected: tree.Query) -> None:
    query = re.sub(r"\b[abcd]\b", lambda name: f"trait('{name[0]}') = 1", text)

    assert parse(query) == expected


def test_filters_come_in_any_order_and_several_where_are_one() -> None:
    one = parse("event('E').where(property('a') = 1).where(property('b') = 2).within(1 day).count() > 0")
    other = parse("event('E').within(1 day).where(property('a') = 1 AND property('b') = 2).count() > 0")

    assert one == other


def test_sources_excluded_twice_are_excluded_together() -> None:
    query = parse("event('E').sources({exclude: 'a'}).sources({exclude: 'b'}).count()")

    assert query == counted(Events("E", excluded_sources=("a", "b")))


def test_a_value_may_stand_in_parentheses_and_on_either_side() -> None:
    assert parse("(trait('t')) >= (event('E').count())") == Compare(T, "at_least", (counted(Events("E")),))


@pytest.mark.parametrize(
    ("written", "path"),
    [
        ("a", ("a",)),
        ("a.b.c", ("a", "b", "c")),
        ("products.$.sku", ("products", "$", "sku")),
        (r"a\.b", ("a.b",)),
        (r"a\\.b", ("a.b",)),
        (r"a\\\\.b.c", ("a.b", "c")),
        (r"\.", (".",)),
        (r"a\u005c.b", ("a\\", "b")),
        (r"a\\b", ("a\\b",)),
        (r"it\'s", ("it's",)),
        (" a . b ", (" a ", " b ")),
    ],
)
def test_a_dot_traverses_unless_escaped(written: str, path: tree.Path) -> None:
    assert parse(f"trait('{written}')") == Trait(path)
    assert parse(f"event('E').sum(property('{written}'))") == Reduce(Events("E"), "sum", Property(path))


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("'it\\'s'", "it's"),
        ('"it\'s"', "it's"),
        ('"say \\"hi\\""', 'say "hi"'),
        ("'a\\\\b'", "a\\b"),
        ("'a.b'", "a.b"),
        (r"'a\n\t\r\/'", "a\n\t\r/"),
        (r"'\u00e9\ud83d\ude00'", "é😀"),
        ("'Größe 👟'", "Größe 👟"),
        ("''", ""),
        ("'# no // comment /* here */'", "# no // comment /* here */"),
    ],
)
def test_strings_and_their_escapes(written: str, meant: str) -> None:
    assert parse(f"trait('t') = {written}") == Compare(T, "equals", (string(meant),))


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("100", 100),
        ("-5", -5),
        ("+5", 5),
        ("30.00", 30.0),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("1E3", 1000.0),
        ("-2.5E-1", -0.25),
    ],
)
def test_numbers(written: str, value: float) -> None:
    query = parse(f"trait('t') = {written}")

    assert query == Compare(T, "equals", (number(value),))
    assert isinstance(query, Compare)
    assert isinstance(query.arguments[0], Literal)
    assert type(query.arguments[0].value) is type(value)


@pytest.mark.parametrize(
    ("written", "kind"),
    [
        ("2025-02-28", "date"),
        ("2025-02-28T10:00:00Z", "timestamp"),
        ("2025-02-28T10:00:00.123+02:00", "timestamp"),
        ("2025-02-28T10:00", "timestamp"),
    ],
)
def test_dates_and_timestamps_stand_without_quotes(written: str, kind: str) -> None:
    assert parse(f"trait('t') > {written}") == Compare(T, "greater_than", (Literal(written, kind),))  # type: ignore[arg-type]


def test_comments_and_whitespace_mean_nothing() -> None:
    spread = """
    # members of the shoe club
    event ( 'E' )   // bought
      . within( 7 /* not 30 */ days )
      .count ( )\u00a0>=
      1 # at least once"""

    assert parse(spread) == parse("event('E').within(7days).count()>=1")


def test_names_of_functions_are_ordinary_words_elsewhere() -> None:
    assert parse("trait('within') = 'AND'") == Compare(Trait(("within",)), "equals", (string("AND"),))


def test_positions_are_those_of_the_text() -> None:
    query = parse("trait('a') = 1 AND\n  NOT event('E').within(7 days)\n    .count() > 2")

    assert isinstance(query, And)
    negation = query.items[1]
    assert isinstance(negation, Not)
    compare = negation.item
    assert isinstance(compare, Compare)
    count = compare.left
    assert isinstance(count, Reduce)
    assert isinstance(count.events.window, Within)
    assert query.position == Position(1, 1)
    assert negation.position == Position(2, 3)
    assert count.events.position == Position(2, 7)
    assert count.events.window.position == Position(2, 18)
    assert count.position == Position(3, 6)
    assert compare.arguments[0].position == Position(3, 16)
    assert compare.position == Position(2, 7)


def test_the_limits_themselves_are_allowed() -> None:
    # One level is the trait's own pair.
    assert parse("(" * (NESTING_MAX - 1) + "trait('a') = 1" + ")" * (NESTING_MAX - 1)) == A
    assert parse("trait('a') = 1".ljust(LENGTH_MAX)) == A


def test_many_threads_parse_at_once() -> None:
    texts = list(REFERENCE) * 8

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(parse, texts)) == [REFERENCE[text] for text in texts]
