"""Avro as the settings describe it: read by the schemas of a registry, written when there is one."""

from typing import NamedTuple

from schemas.codec import AvroDecoder
from worker.adapters.schema_registry import SchemaRegistryClient
from worker.engine.avro import AvroOutputs, register_outputs
from worker.settings import Settings


class Avro(NamedTuple):
    """``outputs`` None: values are written as JSON."""

    decoder: AvroDecoder
    outputs: AvroOutputs | None


def open_decoder(settings: Settings) -> AvroDecoder:
    """Reads framed values; asks the registry when it meets a schema for the first time, and not before."""
    registry = _registry(settings)
    return AvroDecoder() if registry is None else AvroDecoder(registry.schema)


def open_avro(settings: Settings) -> Avro:
    """For both directions. Registers the schemas of what this replica writes.

    Raises:
        DependencyError: the registry did not answer.
        InputError: it refuses a schema.
    """
    registry = _registry(settings)
    if registry is None:
        return Avro(AvroDecoder(), None)
    writes = "fold" in settings.roles
    outputs = register_outputs(registry, topic_prefix=settings.topic_prefix) if writes else None
    return Avro(AvroDecoder(registry.schema), outputs)


def _registry(settings: Settings) -> SchemaRegistryClient | None:
    url = settings.schema_registry_url.get_secret_value()
    return SchemaRegistryClient(url) if url else None
