"""Avro in and out of the whole engine: what comes in Avro is what it would be in JSON, and so is what goes out."""

import io
import json
from base64 import b64encode
from collections.abc import Iterable, Iterator
from typing import Any

import fastavro
import pytest

from schemas.codec import AvroDecoder, avro_schema
from schemas.json_text import VALUE_BYTES_MAX
from tests.acceptance.lines import (
    Line,
    Output,
    as_text,
    audience,
    audiences,
    call,
    definition,
    line,
    moves,
    of_topic,
    passthrough,
    raw_line,
    refusals,
)
from tests.acceptance.moments import ms
from tests.registry import Registry, serve
from tests.simulation.avro_world import AvroWorld, RefusedOnceError, framed
from worker.adapters.schema_registry import SchemaRegistryClient
from worker.cli.simulate import simulate_lines
from worker.errors import DependencyError

T0, T1, T2, T3 = (f"2025-01-01T00:00:0{second}Z" for second in range(4))
LATER = "2025-02-01T00:00:00Z"
BUYERS = audiences(buyers="event('X').where(property('price') >= 10).count() >= 1")


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody's proxy stands between a test and the loopback."""
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture
def registry() -> Iterator[Registry]:
    with serve() as registry:
        yield registry


def simulated(
    lines: Iterable[Line], registry: Registry | None = None, *, definitions: dict[str, Any] = BUYERS
) -> list[Output]:
    """What ``simulate`` makes of lines, with this registry or with none."""
    avro = None if registry is None else AvroDecoder(SchemaRegistryClient(registry.url).schema)
    text = as_text(lines).splitlines()
    return list(simulate_lines(json.dumps(definitions), text, ms(LATER), avro=avro))


def in_avro(one: Line, record: str, registry: Registry) -> Line:
    """The same line, its value framed by one of our schemas, which the registry has."""
    value = framed(record, one["value"], schema_id=registry.add(avro_schema(record)))
    rest = {name: item for name, item in one.items() if name != "value"}
    return {**rest, "value_base64": b64encode(value).decode()}


def bought(at: str, user: str = "u1", **properties: Any) -> Line:
    event = call("track", event="X", user=user, message_id=f"m-{at}-{user}", properties={"price": 12.5, **properties})
    return line(at, event)


# --- in ------------------------------------------------------------------------------------------------------


def test_json_and_avro_may_be_mixed_on_one_topic(registry: Registry) -> None:
    qualified = passthrough(T1, "qualify", "vip", ts=1.5, identifiers={"email": "a@b.c"}, message_id="p-1")
    qualified["topic"] = "tracking-events"
    lines = [bought(T0), qualified, bought(T2, "u2"), bought(T3, "u3")]
    mixed = [
        in_avro(lines[0], "tracking-event", registry),
        in_avro(lines[1], "passthrough-event", registry),
        lines[2],
        in_avro(lines[3], "tracking-event", registry),
    ]

    outputs = simulated(mixed, registry)

    assert outputs == simulated(lines)
    assert moves(outputs) == ["ENTER buyers", "ENTER vip", "ENTER buyers", "ENTER buyers"]
    assert len(registry.asked) == 2, "each schema is asked for once"


def test_a_definition_in_avro_acts_like_one_in_json(registry: Registry) -> None:
    told = definition(T0, "early", audience("early", "event('X').count() >= 1", history="90 days", emit=["identify"]))
    none: dict[str, Any] = {"audiences": []}

    outputs = simulated([in_avro(told, "definition", registry), bought(T1)], registry, definitions=none)

    assert outputs == simulated([told, bought(T1)], definitions=none)
    assert [output["value"]["type"] for output in of_topic(outputs, "audience-changes")] == ["identify"]


def test_what_cannot_be_read_is_a_dead_letter_with_the_original_bytes(registry: Registry) -> None:
    schema_id = registry.add(avro_schema("tracking-event"))
    good = framed("tracking-event", bought(T0)["value"], schema_id=schema_id)
    bad = [b"\x00", good[:-3], good + b"\x00", b"\x00\x00\x00\x30\x39" + good[5:], b"\x00\xff\xff\xff\xff" + good[5:]]
    lines = [raw_line(T0, value) for value in bad]

    outputs = simulated(lines, registry)

    assert refusals(outputs) == ["malformed_avro"] * 3 + ["unknown_schema"] * 2
    letters = of_topic(outputs, "dead-letters")
    assert [letter["value_base64"] for letter in letters] == [one["value_base64"] for one in lines]


def test_a_definition_that_cannot_be_read_is_a_dead_letter_too(registry: Registry) -> None:
    [letter] = simulated([raw_line(T0, b"\x00garbage", topic="definitions", key="audience:a")], registry)

    assert letter["headers"]["reason"] == "invalid_definition"
    assert "schema" in letter["headers"]["__connect.errors.exception.message"]


def test_without_a_registry_no_frame_can_be_read(registry: Registry) -> None:
    outputs = simulated([in_avro(bought(T0), "tracking-event", registry), bought(T1)])

    assert refusals(outputs) == ["unknown_schema"]
    assert moves(outputs) == ["ENTER buyers"]
    assert registry.asked == []


def test_the_limit_of_size_is_on_the_records_bytes(registry: Registry) -> None:
    """JSON has the names of the fields, Avro has not: a record of the largest size is too large as JSON."""
    schema_id = registry.add(avro_schema("tracking-event"))

    def of_size(size: int) -> Line:
        room = size - len(framed("tracking-event", bought(T0, pad="x" * 20_000)["value"], schema_id=schema_id))
        return in_avro(bought(T0, pad="x" * (20_000 + room)), "tracking-event", registry)

    for size, expected in ((VALUE_BYTES_MAX, []), (VALUE_BYTES_MAX + 1, ["too_large"])):
        assert refusals(simulated([of_size(size)], registry)) == expected


def test_a_registry_that_is_down_stops_everything_and_loses_nothing(registry: Registry) -> None:
    world = AvroWorld(registry)
    schema_id = registry.add(avro_schema("tracking-event"))
    world.write([definition(T0, "buyers", BUYERS["audiences"][0])])
    world.settle()
    events = [bought(T1), bought(T2, "u2"), bought(T3, "u3")]
    events[1]["value"] = framed("tracking-event", events[1]["value"], schema_id=schema_id)
    world.write(events)

    registry.answer = 503, b""
    for _ in range(2):
        with pytest.raises(DependencyError, match="answers 503"):
            world.settle()
    assert world.read("resolved-events") == []

    registry.answer = None
    world.settle()
    archived = [record for record in world.read("resolved-events") if ("kind", b"event") in record.headers]
    assert [json.loads(record.value or b"")["userId"] for record in archived] == ["u1", "u2", "u3"]
    assert len(world.read("audience-changes")) == 3
    assert world.read("dead-letters") == []


def test_a_registry_that_is_down_holds_no_definition_against_anyone(registry: Registry) -> None:
    world = AvroWorld(registry)
    told = definition(T0, "buyers", BUYERS["audiences"][0])
    told["value"] = framed("definition", told["value"], schema_id=registry.add(avro_schema("definition")))
    world.write([told])

    registry.answer = 503, b""
    with pytest.raises(DependencyError):
        world.settle()

    registry.answer = None
    world.write([bought(T1)])
    world.settle()
    assert len(world.read("audience-changes")) == 1
    assert world.read("dead-letters") == []


# --- out -----------------------------------------------------------------------------------------------------

OUTPUTS = ("audience-changes", "trait-changes", "profile-merges")


def test_schemas_are_registered_under_the_full_names_of_their_topics(registry: Registry) -> None:
    AvroWorld(registry)

    assert sorted(registry.subjects) == sorted(f"shop-{name}-value" for name in OUTPUTS)


def test_changes_go_out_in_avro_and_everything_else_as_it_was(registry: Registry) -> None:
    world = AvroWorld(registry)
    refused = b'{"type": "click"}'
    world.write([definition(T0, "buyers", BUYERS["audiences"][0]), bought(T1)])
    world.write([{**bought(T2), "value": refused}])
    world.settle()

    [change] = world.read("audience-changes")
    assert change.value is not None
    schema_id = int.from_bytes(change.value[1:5], "big")
    assert (change.value[:1], schema_id) == (b"\x00", registry.subjects["shop-audience-changes-value"])
    schema = fastavro.parse_schema(json.loads(registry.schemas[schema_id]["schema"]))
    read: Any = fastavro.schemaless_reader(io.BytesIO(change.value[5:]), schema, None)
    assert (read["event"], read["userId"]) == ("Audience Entered", "u1")
    assert json.loads(read["properties"]) == {"audience_key": "buyers", "buyers": True}
    headers = dict(change.headers)
    assert (headers["content-type"], headers["audience_key"]) == (b"application/avro", b"buyers")
    assert headers["message_id"].decode() == read["messageId"]
    assert [letter.value for letter in world.read("dead-letters")] == [refused]
    mail = [json.loads(record.value or b"") for record in world.read("resolved-events")]
    assert mail[0]["messageId"] == f"m-{T1}-u1"


def test_an_output_that_is_sent_again_has_the_same_bytes(registry: Registry) -> None:
    calm, troubled = AvroWorld(registry), AvroWorld(registry)
    for world in (calm, troubled):
        world.write([definition(T0, "buyers", BUYERS["audiences"][0]), bought(T1)])
        world.loop.turn(0.0)  # routes; the next turn folds
    calm.settle()

    troubled.refuse_next_commit = True
    with pytest.raises(RefusedOnceError):
        troubled.loop.turn(0.0)
    assert troubled.read("audience-changes") == []
    troubled.clock.advance_to(ms(T3))  # another moment, at which it would say another `sentAt`
    troubled.settle()

    [sent], [again] = calm.read("audience-changes"), troubled.read("audience-changes")
    assert (again.key, again.value, again.headers) == (sent.key, sent.value, sent.headers)
