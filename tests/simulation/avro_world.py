"""A worker over Kafka and Redis in memory and a schema registry on the loopback."""

import io
import json
from collections.abc import Iterable
from random import Random
from typing import Any

import fastavro

from consumers import catalog
from schemas.codec import AvroDecoder, avro_schema
from schemas.topics import RESOLVED_EVENTS, TOPICS
from tests.acceptance.lines import Line
from tests.acceptance.moments import ms
from tests.registry import Registry
from worker.adapters.memory_kafka import MemoryKafka
from worker.adapters.memory_store import MemoryStore
from worker.adapters.schema_registry import SchemaRegistryClient
from worker.cli.assembly import Connections, Options, assemble
from worker.clock import VirtualClock
from worker.engine.avro import register_outputs
from worker.errors import DependencyError
from worker.ports import Partition, Record

PREFIX = "shop-"


class RefusedOnceError(DependencyError):
    """What a test makes the broker say."""


class AvroWorld:
    """One replica that reads and writes Avro. Input and output topics have the prefix ``shop-``."""

    def __init__(self, registry: Registry) -> None:
        client = SchemaRegistryClient(registry.url)
        self.clock = VirtualClock()
        self.refuse_next_commit = False
        self.kafka = MemoryKafka(self.clock, on_io=self._io)
        for topic in TOPICS:
            self.kafka.create_topic(PREFIX + topic.name, partitions=1, log_append_time=topic is RESOLVED_EVENTS)
        random = Random(0)
        self.loop = assemble(
            Connections(
                producer=self.kafka.producer("test"),
                store=MemoryStore(self.clock),
                clock=self.clock,
                inputs=self.kafka.source("route", "test", [PREFIX + name for name in catalog.INPUT_TOPICS]),
                mailbox=self.kafka.source("fold", "test", [PREFIX + catalog.MAILBOX_TOPIC]),
                mailbox_partitions=1,
                event_partitions=[Partition(PREFIX + name, 0) for name in catalog.EVENT_TOPICS],
                draw_profile=lambda: random.randbytes(16),
                avro=AvroDecoder(client.schema),
                avro_outputs=register_outputs(client, topic_prefix=PREFIX),
            ),
            Options(topic_prefix=PREFIX, scan_interval_ms=0, progress_interval_ms=0, definitions_interval_ms=0),
        )

    def _io(self, request: str) -> None:
        if request == "commit" and self.refuse_next_commit:
            self.refuse_next_commit = False
            raise RefusedOnceError(request)

    def write(self, lines: Iterable[Line]) -> None:
        """Lines of ``simulate``; a value of bytes goes as it is."""
        for line in lines:
            self.clock.advance_to(ms(line["at"]))
            value = line["value"]
            self.kafka.append(
                PREFIX + line["topic"],
                partition=0,
                key=line.get("key", "").encode() or None,
                value=value if isinstance(value, bytes) else json.dumps(value).encode(),
                timestamp_ms=self.clock.now_ms(),
            )

    def settle(self) -> None:
        """Turn until nothing is left to do."""
        idle = 0
        while idle < 2:
            idle = idle + 1 if self.loop.turn(0.0) is None else 0

    def read(self, topic: str) -> list[Record]:
        """What a reader of committed records sees."""
        return self.kafka.visible(PREFIX + topic, 0)


def framed(record: str, value: Any, *, schema_id: int) -> bytes:
    """A record as a Confluent serializer writes it, by one of our own schemas."""
    schema = json.loads(avro_schema(record))
    marked = {field["name"] for field in schema["fields"] if field.get("json")}
    flat = {name: json.dumps(item) if name in marked else item for name, item in value.items()}
    body = io.BytesIO()
    fastavro.schemaless_writer(body, fastavro.parse_schema(schema), flat)
    return b"\x00" + schema_id.to_bytes(4, "big") + body.getvalue()
