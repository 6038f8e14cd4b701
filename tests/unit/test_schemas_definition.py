"""Definition documents, from the topic and from files."""

import json
from typing import Any

import pytest

from schemas.definition import (
    AudienceDefinition,
    BlockedPattern,
    Deletion,
    IdentitySettings,
    TraitDefinition,
    read,
    record_key,
)
from schemas.definition_file import Definitions, load
from schemas.reasons import Reason, Refusal

pytestmark = pytest.mark.unit

QUERY = "event('X').count() >= 1"

EXAMPLE = """\
audiences:
  - key: shoe_buyers              # immutable
    name: Shoe buyers
    description: They bought shoes
    type: users
    query: "event('Shoes Bought').where(property('price') >= 100).within(7 days).count() >= 1"
    include_anonymous: false
    history: 90 days
    emit: [track]
  - key: vip
    definition: {external: {external_audience_id: audience_1}}
traits:
  - {key: total_revenue, query: "event('Order Completed').within(180 days).sum(property('revenue'))"}
identity:
  identifiers:
    - {type: user_id, limit: 1, period: ever}
    - {type: email, limit: 5, period: annually}
    - {type: app_id, limit: 5, period: ever, key: app_id}
  blocked_values: [-1, "null", anonymous, {pattern: "^[0-]*$"}]
  high_confidence: [user_id, email, customer_id]
"""


def record(key: str, document: Any) -> Any:
    return read(key.encode(), json.dumps(document).encode())


def invalid(key: str, document: Any) -> str:
    refusal = record(key, document)
    assert isinstance(refusal, Refusal), refusal
    assert refusal.reason is Reason.INVALID_DEFINITION
    return refusal.detail


def faults(text: str) -> list[str]:
    return [str(fault) for fault in load(text, source="f.yaml").faults]


# Records


def test_an_audience_has_defaults() -> None:
    audience = record("audience:a", {"key": "a", "query": QUERY})

    assert isinstance(audience, AudienceDefinition)
    assert (audience.type, audience.include_anonymous, audience.history) == ("users", False, True)
    assert audience.forms == ("track",)
    assert audience.external_audience_id is None


def test_accounts_are_sent_as_groups_unless_said_otherwise() -> None:
    assert record("audience:a", {"key": "a", "query": QUERY, "type": "accounts"}).forms == ("group",)
    assert record("trait:t", {"key": "t", "query": "q", "emit": ["track", "identify", "track"]}).forms == (
        "track",
        "identify",
    )


def test_odps_document_takes_the_key_of_its_record() -> None:
    document = {"definition": {"external": {"external_audience_id": "x"}}, "description": "d", "metadata": {}}

    audience = record("audience:vip", document)

    assert isinstance(audience, AudienceDefinition)
    assert (audience.key, audience.external_audience_id) == ("vip", "x")


def test_identity_settings_have_the_documented_defaults() -> None:
    settings = record("identity", {})

    assert isinstance(settings, IdentitySettings)
    assert [(rule.type, rule.limit, rule.period) for rule in settings.identifiers] == [
        ("user_id", 1, "ever"),
        ("email", 5, "ever"),
    ]
    assert settings.blocked_values == ["-1", "null", "anonymous", BlockedPattern(pattern="^[0-]*$")]
    assert record("identity", {"blocked_values": []}).blocked_values == []


@pytest.mark.parametrize(
    ("key", "deletion"),
    [("audience:a", ("audience", "a")), ("trait:t", ("trait", "t")), ("identity", ("identity", ""))],
)
def test_a_null_deletes(key: str, deletion: tuple[str, str]) -> None:
    assert read(key.encode(), None) == Deletion(*deletion)  # type: ignore[arg-type]


@pytest.mark.parametrize("key", [None, b"", b"a", b"audience:", b"audience", b"identity:x", b"\xff", b"rule:a"])
@pytest.mark.parametrize("value", [None, b"{}"])
def test_a_record_key_of_no_kind_is_refused(key: bytes | None, value: bytes | None) -> None:
    refusal = read(key, value)

    assert isinstance(refusal, Refusal)
    assert refusal.reason is Reason.INVALID_DEFINITION


@pytest.mark.parametrize(
    ("document", "part"),
    [
        ({"key": "b", "query": QUERY}, "names 'a'"),
        ({"query": QUERY}, '"key" is missing'),
        ({"key": "A", "query": QUERY}, "key:"),
        ({"key": "audience_key", "query": QUERY}, "own property"),
        ({"key": "a"}, "exactly one"),
        (
            {"key": "a", "query": QUERY, "definition": {"external": {"external_audience_id": "x"}}},
            "exactly one",
        ),
        ({"key": "a", "query": QUERY, "descripton": "d"}, 'did you mean "description"?'),
        ({"key": "a", "definition": {"external": {"external_audience": "x"}}}, "external_audience_id"),
        ({"key": "a", "query": QUERY, "history": "90"}, "90 days"),
        ({"key": "a", "query": QUERY, "emit": ["mail"]}, "emit.0"),
        ({"key": "a", "query": QUERY, "emit": []}, "emit"),
        ({"key": "a", "query": QUERY, "include_anonymous": "yes"}, "include_anonymous"),
        ({"key": "a", "query": 5}, "query"),
        ([], "not an object"),
    ],
    ids=str,
)
def test_a_document_that_is_wrong_is_refused_and_told_what_is_wrong(document: Any, part: str) -> None:
    assert part in invalid("audience:a", document)


@pytest.mark.parametrize(
    ("document", "part"),
    [
        ({"identifiers": [{"type": "a"}, {"type": "a"}]}, "listed twice"),
        ({"identifiers": [{"type": "a", "limit": 0}]}, "identifiers.0.limit"),
        ({"identifiers": [{"type": "a", "peroid": "ever"}]}, 'did you mean "period"?'),
        ({"blocked_values": [{"pattern": "("}]}, "not a regular expression"),
    ],
    ids=str,
)
def test_identity_settings_that_are_wrong_are_refused(document: Any, part: str) -> None:
    assert part in invalid("identity", document)


# Files


def test_the_documented_file_is_read_whole() -> None:
    read_file = load(EXAMPLE, source="example.yaml")

    assert read_file.faults == ()
    assert [record_key(audience) for audience in read_file.audiences] == [
        "audience:shoe_buyers",
        "audience:vip",
    ]
    assert [record_key(trait) for trait in read_file.traits] == ["trait:total_revenue"]
    assert read_file.identity is not None
    assert read_file.identity.blocked_values[0] == "-1"
    assert read_file.audiences[0].history == "90 days"


def test_what_a_file_says_its_records_say() -> None:
    """A document that has been through the topic is the same document."""
    for audience in load(EXAMPLE, source="f").audiences:
        value = audience.model_dump_json(exclude_unset=True).encode()
        assert read(record_key(audience).encode(), value) == audience


@pytest.mark.parametrize("indent", [None, 2, "\t"])
def test_json_files_are_read_like_yaml(indent: int | str | None) -> None:
    text = json.dumps({"audiences": [{"key": "a", "query": QUERY}]}, indent=indent)

    assert [audience.key for audience in load(text, source="f.json").audiences] == ["a"]


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        (f'key: a\nquery: "{QUERY}"', ["audience:a"]),
        ("key: t\nquery: q\nevent: Changed", ["trait:t"]),
        (
            "audience:vip:\n  definition: {external: {external_audience_id: x}}\n  metadata: {}",
            ["audience:vip"],
        ),
        ("", []),
    ],
)
def test_single_documents_and_odps_shape(text: str, keys: list[str]) -> None:
    found = load(text, source="f")

    assert found.faults == ()
    assert [*map(record_key, found.audiences), *map(record_key, found.traits)] == keys


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "audiences:\n  - key: a\n    querry: q",
            ['f.yaml:3:5: unknown key "querry"; did you mean "query"?'],
        ),
        ("audience:\n  - key: a", ['f.yaml:1:1: unknown key "audience"; did you mean "audiences"?']),
        ("traits:\n  - key: t", ['f.yaml:2:5: "query" is missing']),
        ("audiences: {key: a}", ['f.yaml:1:1: "audiences" is a list']),
        ("audiences:\n  - a", ["f.yaml:2:5: a definition is a map"]),
        ("- a", ["f.yaml:1:1: a definition file is a map"]),
        (
            "audiences:\n  - {key: a, query: q}\n  - {key: a, query: q}",
            ['f.yaml:3:5: "audience:a" is defined twice'],
        ),
        ("key: a\nkey: b", ['f.yaml:2:1: "key" stands twice']),
        ("? [a]\n: b", ["f.yaml:1:3: a key must be a word"]),
        ("a: [", ["f.yaml:1:5: expected the node content, but found '<stream end>'"]),
        (
            "audience:a:\n  {key: b, query: q}",
            ['f.yaml:1:1: filed under "audience:a", but its key says "audience:b"'],
        ),
        ("identity:\n  identifiers:\n    - {type: a, limit: 0}", ["f.yaml:3:17:"]),
    ],
)
def test_a_fault_has_its_place(text: str, expected: list[str]) -> None:
    found = faults(text)

    assert len(found) == len(expected)
    for fault, start in zip(found, expected, strict=True):
        assert fault.startswith(start)


def test_all_faults_are_reported_in_the_order_of_the_file() -> None:
    text = "audiences:\n  - key: A\n    query: q\n  - key: b\n    emit: [mail]\n    query: q\n"

    assert [fault.line for fault in load(text, source="f").faults] == [2, 5]


@pytest.mark.parametrize(
    "text",
    [
        "[" * 5000,
        "a: &a [x, x]\nb: &b [*a, *a]\n" + "\n".join(f"c{i}: &c{i} [*b, *b]" for i in range(3)),
        "a: &a [*a]",
        "a: \x00",
        "a: !!python/object:os.system x",
        "a: 0b",
        "a: !!int x",
    ],
    ids=lambda text: ascii(text[:20]),
)
def test_no_file_brings_the_reader_down(text: str) -> None:
    assert load(text, source="f").faults


QUERY = "trait('a') = 'x' AND trait('b') = 2"


@pytest.mark.parametrize(
    ("written", "position"),
    [
        ("'trait(''a'') = ''x'' AND trait(''b'') = 2'", (2, 34)),
        (QUERY, (2, 29)),
        ("\"trait('a') = 'x' AND trait('b') = 2\"", (2, 30)),
        ("\"trait(\\u0027a\\x27) = 'x'\\tAND trait('b') = 2\"", (2, 39)),
        ("|\n  trait('a') = 'x' AND trait('b') = 2", (3, 24)),
        ("|2-  # why\n    trait('a') = 'x'\n    AND\n\n    trait('b') = 2", (6, 5)),
        (">-\n  trait('a') = 'x'\n  AND trait('b') = 2", (4, 7)),
        ("trait('a') = 'x'\n  AND trait('b') = 2", (3, 7)),
        ("\"trait('a') = 'x'\n  AND \\\n  trait('b') = 2\"", (4, 3)),
    ],
)
def test_a_place_in_a_query_is_found_in_the_file(written: str, position: tuple[int, int]) -> None:
    """Whatever makes another text of it: quotes, escapes, indentation, folded lines. Here, of the second trait."""
    found: Definitions = load(f"key: a\nquery: {written}", source="f")

    (audience,) = found.audiences
    query = audience.query or ""
    offset = query.index("trait('b')")
    line, column = query.count("\n", 0, offset) + 1, offset - query.rfind("\n", 0, offset)
    assert found.queries["audience:a"].position(query, line, column) == position


@pytest.mark.parametrize("written", ["'q '", "q", '"q"', "|\n  q\n", ">\n  q"])
def test_the_end_of_a_query_is_behind_its_last_character(written: str) -> None:
    found: Definitions = load(f"key: a\nquery: {written}", source="f")

    query = found.audiences[0].query or ""
    written_at = found.queries["audience:a"]
    last = written_at.position(query, 1, 1)
    assert written_at.position(query, 1, len(query) + 1) == (last.line, last.column + 1)


def test_a_quote_that_is_not_closed_is_told_with_its_line() -> None:
    (fault,) = load('key: a\nquery: "q\nname: b\n', source="f").faults

    assert str(fault) == "f:4:1: found unexpected end of stream, while scanning a quoted scalar that begins in line 2"


def test_documents_are_typed() -> None:
    assert isinstance(record("trait:t", {"key": "t", "query": "q"}), TraitDefinition)
