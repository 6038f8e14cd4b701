"""What the Kafka adapters do without a broker: their configuration, their log lines, their silence."""

import logging
import time
from collections.abc import Callable
from threading import Event
from typing import cast

import pytest
from confluent_kafka import Producer
from structlog.testing import capture_logs

from tests.services import free_ports
from worker.adapters import kafka_producer
from worker.adapters.aside import Aside
from worker.adapters.kafka import KafkaAdmin, KafkaProducer, KafkaSource
from worker.adapters.kafka_client import CLIENT_LOG, Properties, merged
from worker.adapters.kafka_publisher import publish
from worker.adapters.kafka_reader import read_to_end
from worker.errors import InputError, TransactionRefusedError
from worker.ports import Partition

Make = Callable[[str, Properties], object]
NOBODY = "127.0.0.1:1"


def make_source(servers: str, properties: Properties) -> KafkaSource:
    return KafkaSource(servers, topics=["t"], group="g", instance_id="i", properties=properties)


def make_producer(servers: str, properties: Properties) -> KafkaProducer:
    producer = KafkaProducer(servers, transactional_id="t", properties=properties, init_timeout_s=0.1)
    producer.replace()
    return producer


def make_admin(servers: str, properties: Properties) -> KafkaAdmin:
    return KafkaAdmin(servers, properties)


def make_publisher(servers: str, properties: Properties) -> None:
    publish(servers, {name: str(value) for name, value in properties.items()}, [])


def make_reader(servers: str, properties: Properties) -> None:
    read_to_end(servers, {name: str(value) for name, value in properties.items()}, Partition("t", 0), start=0)


@pytest.fixture
def nobody() -> str:
    """An address at which nobody listens."""
    [port] = free_ports(1)
    return f"127.0.0.1:{port}"


def test_the_users_properties_win_over_defaults_but_not_over_what_must_hold() -> None:
    configuration = merged(
        {"linger.ms": 0, "client.id": "ours"},
        {"linger.ms": 5, "acks": "1", "sasl.username": "u"},
        {"acks": "all"},
    )

    assert configuration == {"linger.ms": 5, "client.id": "ours", "acks": "all", "sasl.username": "u"}


@pytest.mark.parametrize("make", [make_source, make_producer, make_admin, make_publisher, make_reader])
@pytest.mark.parametrize(
    ("properties", "said"),
    [
        ({"no.such.property": "1"}, 'No such configuration property: "no.such.property"'),
        ({"socket.timeout.ms": "soon"}, "socket.timeout.ms"),
    ],
)
def test_a_property_that_cannot_be_is_the_users_mistake(
    nobody: str, make: Make, properties: Properties, said: str
) -> None:
    with pytest.raises(InputError, match=said) as raised:
        make(nobody, properties)

    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("make", [make_source, make_admin])
def test_properties_of_other_kinds_of_client_do_no_harm(nobody: str, make: Make) -> None:
    """The user's properties go to every client; ``compression.type`` is a producer's alone."""
    with capture_logs() as lines:
        made = make(nobody, {"compression.type": "lz4"})
        if isinstance(made, KafkaSource):
            made.poll(1, 0.1)
            made.close()

    assert not [line for line in lines if "compression.type" in line["said"]]


def test_what_is_fatal_to_a_client_is_a_warning() -> None:
    with capture_logs() as lines:
        CLIENT_LOG.log(logging.CRITICAL, "%s [%s] %s", "FATAL", "producer-1", "fenced")
        CLIENT_LOG.log(logging.INFO, "%s [%s] %s", "NOTE", "producer-1", "fine")

    assert lines == [
        {"log_level": "warning", "event": "kafka client", "said": "FATAL [producer-1] fenced"},
        {"log_level": "info", "event": "kafka client", "said": "NOTE [producer-1] fine"},
    ]


def test_a_producer_gives_up_on_brokers_that_do_not_answer(nobody: str) -> None:
    producer = KafkaProducer(nobody, transactional_id="t", init_timeout_s=0.2)
    begun_s = time.monotonic()

    for _ in range(2):
        with pytest.raises(TransactionRefusedError, match=r"^init transactions: [^\n]+$"):
            producer.replace()

    producer.abort()
    producer.close()
    assert time.monotonic() - begun_s < 5


def test_a_source_without_brokers_has_nothing_and_knows_nothing(nobody: str) -> None:
    source = KafkaSource(nobody, topics=["t"], group="g", instance_id="i")

    poll = source.poll(10, 0.1)

    assert (poll.records, poll.changed) == ([], False)
    assert (source.assignment(), source.at_end(), source.lag()) == (frozenset(), frozenset(), {})
    source.close()


class Stuck:
    """A client library's producer that is in the middle of a transaction and whose calls may never return."""

    def __init__(self) -> None:
        self.let_go = Event()

    def send_offsets_to_transaction(self, *_: object) -> None:
        self.let_go.wait()


def test_a_client_that_never_returns_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """`send_offsets_to_transaction` waits for ever for a coordinator that is gone (librdkafka, issue 5456)."""
    monkeypatch.setattr(kafka_producer, "OVERDUE_S", 0.05)
    producer, stuck = KafkaProducer(NOBODY, transactional_id="t", transaction_timeout_ms=50), Stuck()
    producer._client = cast(Producer, stuck)

    with pytest.raises(TransactionRefusedError, match="send offsets: it has not returned"):
        producer.send_offsets({Partition("t", 0): 1}, None)
    with pytest.raises(TransactionRefusedError, match="no usable producer"):
        producer.send_offsets({Partition("t", 0): 1}, None)
    producer.close()
    stuck.let_go.set()


def test_what_a_call_made_aside_raises_is_raised() -> None:
    aside = Aside("test")
    with pytest.raises(ZeroDivisionError):
        aside.make(lambda: 1 // 0, 5)
    aside.make(lambda: None, 5)
    aside.end()
