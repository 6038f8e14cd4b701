"""Records that other clients can send and ours cannot: produced through librdkafka's own interface."""

import ctypes
from collections.abc import Iterator
from pathlib import Path

import confluent_kafka
import pytest

from tests.conformance.kafka_steps import read
from tests.conformance.kafka_worlds import RealWorld

TOPIC, VALUE, MSGFLAGS, HEADERS, END = 1, 4, 7, 10, 0  # rd_kafka_vtype_t
COPY = 2  # RD_KAFKA_MSG_F_COPY
PRODUCER = 0  # RD_KAFKA_PRODUCER


@pytest.fixture
def world(kafka: str) -> Iterator[RealWorld]:
    world = RealWorld(kafka)
    yield world
    world.close()


@pytest.fixture(scope="session")
def librdkafka() -> ctypes.CDLL:
    """The library inside the client's wheel."""
    folder = Path(confluent_kafka.__file__).parents[1] / "confluent_kafka.libs"
    found = sorted(folder.glob("librdkafka*"))
    if not found:
        pytest.skip("this build of confluent-kafka does not bring its librdkafka along")
    library = ctypes.CDLL(str(found[0]))
    for name in ("rd_kafka_conf_new", "rd_kafka_new", "rd_kafka_headers_new"):
        getattr(library, name).restype = ctypes.c_void_p
    return library


def produce(library: ctypes.CDLL, servers: str, topic: str, value: bytes, header: tuple[bytes, bytes]) -> None:
    """Send one record with one header, whatever its name."""
    reason = ctypes.create_string_buffer(512)
    configuration = ctypes.c_void_p(library.rd_kafka_conf_new())
    library.rd_kafka_conf_set(configuration, b"bootstrap.servers", servers.encode(), reason, 512)
    client = ctypes.c_void_p(library.rd_kafka_new(PRODUCER, configuration, reason, 512))
    headers = ctypes.c_void_p(library.rd_kafka_headers_new(ctypes.c_size_t(1)))
    name, content = header
    library.rd_kafka_header_add(headers, name, ctypes.c_ssize_t(len(name)), content, ctypes.c_ssize_t(len(content)))
    refused = library.rd_kafka_producev(
        client,
        *(TOPIC, ctypes.c_char_p(topic.encode())),
        *(VALUE, ctypes.c_char_p(value), ctypes.c_size_t(len(value))),
        *(HEADERS, headers),
        *(MSGFLAGS, ctypes.c_int(COPY)),
        END,
    )
    assert refused == 0
    assert library.rd_kafka_flush(client, 10_000) == 0
    library.rd_kafka_destroy(client)


def test_a_header_name_that_is_not_utf8_stops_nobody(world: RealWorld, kafka: str, librdkafka: ctypes.CDLL) -> None:
    topic = world.topic()
    for _ in range(100):  # CPython checks less in a loop that has become hot
        world.append(topic, b"before")
    produce(librdkafka, kafka, topic, b"foreign", (b"\xff\xfe", b"v"))
    produce(librdkafka, kafka, topic, b"ordinary", (b"name", b"v"))

    *_, foreign, ordinary = read(world, world.source("group", "a", topic), 102)

    assert (foreign.value, list(foreign.headers)) == (b"foreign", [])
    assert (ordinary.value, list(ordinary.headers)) == (b"ordinary", [("name", b"v")])
