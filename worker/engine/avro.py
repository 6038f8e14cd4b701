"""Outputs as readers with a schema registry want them: framed Avro for JSON.

``resolved-events`` stays JSON, since the fold reads it back; dead letters keep their original bytes. What is kept
beside a state (``pending``) is JSON too: it is encoded when it is sent, each time with the same result.

Source: docs/records.md, "Avro"; Confluent, "Subject name strategy" (TopicNameStrategy).
"""

from collections.abc import Mapping, Sequence

from schemas.codec import AvroEncoder, SchemaRegistry, avro_schema
from schemas.topics import AUDIENCE_CHANGES, PROFILE_MERGES, TRAIT_CHANGES, full_name
from worker.engine.output import Output
from worker.ports import Headers

AVRO_TOPICS = (AUDIENCE_CHANGES, TRAIT_CHANGES, PROFILE_MERGES)

CONTENT_TYPE = "content-type"
AVRO_CONTENT_TYPE = b"application/avro"


class AvroOutputs:
    """``encoders``: by topic, its name before the prefix."""

    def __init__(self, encoders: Mapping[str, AvroEncoder]) -> None:
        self._encoders = encoders

    def __call__(self, outputs: Sequence[Output]) -> list[Output]:
        """The same outputs in the same order, those of Avro topics encoded."""
        return [self._written(output) for output in outputs]

    def _written(self, output: Output) -> Output:
        encoder = self._encoders.get(output.topic)
        if encoder is None or output.value is None:
            return output
        return output._replace(value=encoder.encode(output.value), headers=_of_avro(output.headers))


def register_outputs(registry: SchemaRegistry, *, topic_prefix: str) -> AvroOutputs:
    """Register the schema of every Avro topic under ``<topic>-value``.

    Raises:
        DependencyError: the registry did not answer.
        InputError: it refuses a schema.
    """
    encoders = {}
    for topic in AVRO_TOPICS:
        text = avro_schema(topic.record)
        schema_id = registry.register(f"{full_name(topic_prefix, topic)}-value", text)
        encoders[topic.name] = AvroEncoder.of(text, schema_id=schema_id)
    return AvroOutputs(encoders)


def _of_avro(headers: Headers) -> Headers:
    return [(name, AVRO_CONTENT_TYPE if name == CONTENT_TYPE else value) for name, value in headers]
