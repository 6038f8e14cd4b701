"""A worker with a schema registry, over real Kafka and Redis: mixed input, Avro out."""

import io
import json
from collections.abc import Iterator
from typing import Any

import fastavro
import pytest

from schemas.codec import avro_schema
from tests.acceptance.lines import audiences, call, track
from tests.acceptance.moments import ms
from tests.integration.broker import Sent
from tests.integration.world import World
from tests.registry import Registry, serve
from tests.simulation.avro_world import framed

T0, T1 = "2025-01-01T00:00:00Z", "2025-01-01T00:00:01Z"


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    monkeypatch.setenv("no_proxy", "*")  # nobody's proxy stands between a test and the loopback
    with serve() as registry:
        yield registry


def test_avro_and_json_in_and_avro_out(world: World, registry: Registry) -> None:
    world.define(audiences(twice="event('X').count() >= 2"))
    event = call("track", event="X", user="u1", message_id="m1")
    value = framed("tracking-event", event, schema_id=registry.add(avro_schema("tracking-event")))

    with world.worker(AW_SCHEMA_REGISTRY_URL=registry.url):
        world.broker.write([Sent(world.topic("tracking-events"), b"u1", value, ms(T0))])
        world.write([track(T1, "X", user="u1")])
        world.settle()

    [change] = world.read("audience-changes")
    subject = world.topic("audience-changes") + "-value"
    assert int.from_bytes((change.value or b"")[1:5], "big") == registry.subjects[subject]
    schema = fastavro.parse_schema(json.loads(registry.schemas[registry.subjects[subject]]["schema"]))
    read: Any = fastavro.schemaless_reader(io.BytesIO((change.value or b"")[5:]), schema, None)
    assert (read["event"], json.loads(read["properties"])["audience_key"]) == ("Audience Entered", "twice")
    assert change.headers["content-type"] == b"application/avro"


def test_a_worker_whose_registry_is_away_gives_up_and_says_so(world: World, registry: Registry) -> None:
    registry.answer = 503, b""

    done = world.command("run", AW_SCHEMA_REGISTRY_URL=registry.url, AW_START_WAIT_MAX_S="0")

    assert done.returncode == 3
    assert "answers 503" in done.stderr
