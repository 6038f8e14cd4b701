"""The client of the schema registry, over real HTTP on the loopback."""

import json
import socket
from base64 import b64decode
from collections.abc import Iterator

import pytest

from tests.registry import Registry, serve
from tests.services import free_ports
from worker.adapters.schema_registry import UNKNOWN_KEPT_S, SchemaRegistryClient
from worker.errors import DependencyError, InputError

TEXT = '{"type": "record", "name": "R", "fields": []}'


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody's proxy stands between a test and the loopback."""
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture
def registry() -> Iterator[Registry]:
    with serve() as registry:
        yield registry


def test_a_schema_is_found_by_its_id(registry: Registry) -> None:
    schema_id = registry.add(TEXT)

    assert SchemaRegistryClient(registry.url + "/").schema(schema_id) == TEXT
    assert registry.asked == [f"GET /schemas/ids/{schema_id}"]


def test_an_unknown_id_is_an_answer_and_is_not_asked_for_again_at_once(registry: Registry) -> None:
    now_s = 1000.0
    client = SchemaRegistryClient(registry.url, now_s=lambda: now_s)

    for _ in range(3):
        with pytest.raises(LookupError):
            client.schema(100)
    assert len(registry.asked) == 1

    registry.add(TEXT)
    now_s += UNKNOWN_KEPT_S
    assert client.schema(100) == TEXT


def test_an_id_that_no_registry_gives_is_not_asked_for(registry: Registry) -> None:
    """A registry has no proper answer to it; taken for a fault of the registry it would stop the worker for good."""
    with pytest.raises(LookupError):
        SchemaRegistryClient(registry.url).schema(0xFFFF_FFFF)

    assert registry.asked == []


def test_a_schema_of_another_kind_is_none(registry: Registry) -> None:
    schema_id = registry.add('{"type": "string"}', schemaType="JSON")

    with pytest.raises(LookupError, match="it is JSON, not Avro"):
        SchemaRegistryClient(registry.url).schema(schema_id)


def test_what_a_schema_refers_to_is_asked_for_with_it(registry: Registry) -> None:
    schema_id = registry.add("{}", references=[{"name": "x"}], resolved=TEXT)

    assert SchemaRegistryClient(registry.url).schema(schema_id) == TEXT


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (404, b'{"error_code": 404, "message": "HTTP 404 Not Found"}', "answers 404: HTTP 404 Not Found"),
        (404, b"<html>no such page</html>", "answers 404: <html>no such page</html>"),
        (401, b'{"error_code": 401, "message": "Unauthorized"}', "answers 401: Unauthorized"),
        (503, b"", "answers 503"),
        (200, b"<html>hello</html>", "no schema registry"),
        (200, b'{"schema": 1}', "no schema registry"),
        (200, b'{"schema": "\xff"}', "no schema registry"),
        (302, b"http://127.0.0.1:1/elsewhere", "answers 302"),
    ],
    ids=["no-such-path", "a-page", "unauthorized", "down", "another-page", "other-json", "no-utf-8", "redirect"],
)
def test_no_other_answer_is_held_against_a_record(registry: Registry, status: int, body: bytes, told: str) -> None:
    registry.answer = status, body
    client = SchemaRegistryClient(registry.url)

    with pytest.raises(DependencyError, match=told):
        client.schema(100)
    with pytest.raises(DependencyError, match=told if b'"schema"' not in body else "no schema registry"):
        client.register("x-value", TEXT)


def test_a_registry_that_is_not_there_is_named_without_its_password() -> None:
    [port] = free_ports(1)

    with pytest.raises(DependencyError) as error:
        SchemaRegistryClient(f"http://user:secret@127.0.0.1:{port}").schema(100)

    assert f"127.0.0.1:{port}" in str(error.value)
    assert "secret" not in str(error.value)


def test_a_registry_that_accepts_and_says_nothing_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(DependencyError, match="timed out"):
            SchemaRegistryClient(url, timeout_s=0.05).schema(100)


def test_user_and_password_of_the_url_are_sent_decoded(registry: Registry) -> None:
    schema_id = registry.add(TEXT)
    SchemaRegistryClient(registry.url).schema(schema_id)
    SchemaRegistryClient(registry.url.replace("://", "://key:p%40ss%3A%2F@")).schema(schema_id)

    plain, basic = registry.authorization
    assert plain is None
    assert basic is not None
    kind, _, credentials = basic.partition(" ")
    assert (kind, b64decode(credentials)) == ("Basic", b"key:p@ss:/")


def test_registering_gives_the_id_and_the_same_one_again(registry: Registry) -> None:
    client = SchemaRegistryClient(registry.url)

    assert client.register("a/b-value", TEXT) == client.register("a/b-value", TEXT)

    assert registry.asked == ["POST /subjects/a%2Fb-value/versions"] * 2
    [document] = registry.schemas.values()
    assert document == {"schema": TEXT}


@pytest.mark.parametrize("status", [409, 422])
def test_a_schema_that_is_refused_is_for_the_user_to_mend(registry: Registry, status: int) -> None:
    registry.answer = status, json.dumps({"error_code": status, "message": "incompatible\nwith version 1"}).encode()

    with pytest.raises(InputError, match="refuses the schema of x-value: incompatible with version 1"):
        SchemaRegistryClient(registry.url).register("x-value", TEXT)
