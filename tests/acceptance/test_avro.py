"""``simulate`` with a schema registry: framed Avro in, JSON out."""

from collections.abc import Callable, Iterator

import pytest

from schemas.codec import avro_schema
from tests.acceptance.conftest import Definitions, Run, Simulate
from tests.acceptance.lines import as_text, audiences, call, raw_line, refusals, seen, track
from tests.registry import Registry, serve
from tests.simulation.avro_world import framed

T0 = "2025-01-01T00:00:00Z"
TWICE = audiences(twice="event('X').count() >= 2")
EVENT = call("track", event="X", user="u1", message_id="m1")


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    monkeypatch.setenv("no_proxy", "*")  # nobody's proxy stands between a test and the loopback
    with serve() as registry:
        yield registry


def test_framed_avro_is_read_by_the_registrys_schema(simulate: Simulate, registry: Registry) -> None:
    value = framed("tracking-event", EVENT, schema_id=registry.add(avro_schema("tracking-event")))
    lines = [raw_line(T0, value), track(T0, "X", user="u1")]

    outputs = simulate(TWICE, lines, T0, settings={"AW_SCHEMA_REGISTRY_URL": registry.url})

    assert seen(outputs) == ["ENTER twice [u1] @2025-01-01T00:00:00Z"]
    assert all("value" in output for output in outputs), "outputs are JSON"
    assert refusals(simulate(TWICE, lines, T0)) == ["unknown_schema"]


def test_a_registry_that_does_not_answer_ends_the_run(
    run: Run, definitions_file: Callable[[Definitions], str], registry: Registry
) -> None:
    registry.answer = 503, b""
    text = as_text([track(T0, "X", user="u1"), raw_line(T0, framed("tracking-event", EVENT, schema_id=1))])

    done = run(
        "simulate", "-d", definitions_file(TWICE), "--until", T0, "-",
        stdin=text, settings={"AW_SCHEMA_REGISTRY_URL": registry.url},
    )  # fmt: skip

    place = registry.url.removeprefix("http://")
    assert done.returncode == 3
    assert done.stderr.decode() == f"the schema registry at {place} answers 503\n"
