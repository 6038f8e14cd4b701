"""The pages, the Avro schemas and the models say the same."""

import io
import json
import re
from pathlib import Path
from typing import Any

import fastavro
import msgspec
import pytest
from fastavro.schema import load_schema

import schemas
from schemas import dead_letter
from schemas.definition import MODELS
from schemas.events import PassthroughEvent, TrackingEvent
from schemas.reasons import Reason, Refusal, Stage
from schemas.topics import RESOLVED_EVENTS, TOPICS, full_name
from worker.identity.resolve import ViolationKind

pytestmark = [pytest.mark.unit, pytest.mark.docs]

ROOT = Path(schemas.__file__).parent
DOCS = ROOT.parent / "docs"
AVSC = {path.stem: json.loads(path.read_text()) for path in (ROOT / "avro").glob("*.avsc")}
NOT_YET = {"segment-import", "regulation"}  # their topics exist, their readers do not


def table(page: str, heading: str) -> list[list[str]]:
    """The cells of the last table of a section, without code marks."""
    text = (DOCS / page).read_text(encoding="utf-8")
    section = re.split(r"^## ", text.split(f"\n## {heading}\n", 1)[1], flags=re.MULTILINE)[0]
    rows = [line.strip("| \n").split(" | ") for line in section.splitlines() if line.startswith("| ")]
    return [[cell.strip("`") for cell in row] for row in rows[1:]]


def fields_of(name: str) -> list[str]:
    return [field["name"] for field in AVSC[name]["fields"]]


def wire_fields(model: type[msgspec.Struct]) -> list[str]:
    return [field.encode_name for field in msgspec.structs.fields(model)]


def all_fields(schema: Any) -> list[dict[str, Any]]:
    """Every field of a schema, at any depth."""
    if isinstance(schema, list):
        return [field for item in schema for field in all_fields(item)]
    if not isinstance(schema, dict):
        return []
    own: list[dict[str, Any]] = schema.get("fields", [])
    return own + [field for item in schema.values() for field in all_fields(item)]


def test_the_page_lists_the_reasons_in_their_order() -> None:
    expected = [[reason.value, reason.explanation.replace("`", "")] for reason in Reason]

    assert [[row[0], row[1].replace("`", "")] for row in table("dead-letters.md", "Reasons")] == expected


def test_the_page_lists_the_stages() -> None:
    assert table("dead-letters.md", "Stages") == [[stage.value, stage.explanation] for stage in Stage]


def test_the_page_lists_the_headers() -> None:
    refusal = Refusal(Reason.TOO_DEEP, "")
    written = dead_letter.headers(
        original=(), refusal=refusal, stage=Stage.FOLD, topic="t", partition=0, offset=0, task_id="0"
    )

    listed = [row[0] for row in table("dead-letters.md", "Headers")]
    assert sorted(listed) == sorted(name for name, _ in written)
    documented = [field["doc"] for field in AVSC["dead-letter"]["fields"]]
    assert len(documented) == len(listed)
    assert {name for name in listed if name.startswith("__")} <= set(documented)


def test_the_page_lists_the_violations() -> None:
    assert [row[0] for row in table("records.md", "Resolved events")] == [kind.value for kind in ViolationKind]


def test_the_page_lists_the_topics() -> None:
    assert table("records.md", "Topics") == [
        [
            topic.name,
            topic.key,
            topic.record,
            topic.writer.value,
            str(topic.partitions),
            topic.cleanup_policy,
            str(topic.retention_ms),
            str(topic.max_message_bytes),
            topic.timestamp_type,
        ]
        for topic in TOPICS
    ]


def test_a_prefix_is_taken_as_it_is() -> None:
    assert full_name("shop-", RESOLVED_EVENTS) == "shop-resolved-events"
    assert full_name("", RESOLVED_EVENTS) == "resolved-events"


def test_every_topic_has_a_schema_and_every_schema_a_topic() -> None:
    assert {topic.record for topic in TOPICS} - NOT_YET == set(AVSC)


def test_the_page_lists_the_fields_of_the_schemas() -> None:
    listed = {row[0]: re.findall(r"[\w]+", row[1]) for row in table("records.md", "Avro")}

    assert listed == {name: fields_of(name) for name in AVSC}


def test_the_page_lists_the_keys_of_definitions() -> None:
    listed = {row[0]: re.findall(r"\w+", row[1]) for row in table("records.md", "Definitions")}

    assert listed == {kind: list(model.model_fields) for kind, model in MODELS.items()}


def test_schemas_have_the_fields_of_the_models() -> None:
    front = ["profile_id", "at", "timestamp_ms", "external_ids"]
    tracking, passthrough = wire_fields(TrackingEvent), wire_fields(PassthroughEvent)

    assert set(fields_of("tracking-event")) == set(tracking) - set(front)
    assert set(fields_of("passthrough-event")) == set(passthrough) - set(front)
    assert set(fields_of("resolved-event")) == set(tracking) | set(passthrough)
    assert fields_of("resolved-event")[:4] == tracking[:4] == passthrough[:4] == front
    assert set(fields_of("definition")) == {name for model in MODELS.values() for name in model.model_fields}


@pytest.mark.parametrize("name", sorted(AVSC))
def test_schemas_can_evolve(name: str) -> None:
    """Every field has a default: a reader copes with a writer that has never heard of it, and the reverse."""
    load_schema(str(ROOT / "avro" / f"{name}.avsc"))
    assert [field["name"] for field in all_fields(AVSC[name]) if "default" not in field] == []
    empty = fastavro.parse_schema({**AVSC[name], "fields": []})

    filled = read_with(b"", writer=empty, reader=fastavro.parse_schema(AVSC[name]))

    assert list(filled) == fields_of(name)


def read_with(body: bytes, *, writer: Any, reader: Any) -> dict[str, Any]:
    record = fastavro.schemaless_reader(io.BytesIO(body), writer, reader)
    assert isinstance(record, dict)
    return record
