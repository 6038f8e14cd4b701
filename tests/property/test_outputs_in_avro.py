"""Every record that is written survives the way through its Avro schema."""

import io
import json
from typing import Any

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import changes
from schemas.codec import AvroEncoder, avro_schema
from schemas.events import ExternalId, encode_external_ids
from schemas.topics import AUDIENCE_CHANGES, PROFILE_MERGES, TRAIT_CHANGES
from worker.engine.avro import AVRO_TOPICS

pytestmark = pytest.mark.property

texts = st.text(st.characters(codec="utf-8"), max_size=10)
maybe = st.none() | texts
numbers = st.integers(-(10**20), 10**20) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
moments = st.integers(0, 4_102_444_800_000)
forms: st.SearchStrategy[changes.Form] = st.sampled_from(["track", "identify"])
profiles = st.builds(
    changes.ProfileIds,
    texts,
    user_id=maybe,
    anonymous_id=maybe,
    email=maybe,
    external_ids=st.lists(st.builds(ExternalId, id=texts, type=texts), max_size=3).map(encode_external_ids),
)
transitions = st.builds(
    changes.Transition,
    key=texts,
    number=st.integers(1, 2**62),
    revision=st.integers(0, 2**62),
    reason=st.sampled_from(["event", "time", "passthrough", "import", "merge", "definition", "deletion", "identifier"]),
    at_ms=moments,
    sent_ms=moments,
    caused_by=maybe,
    merged_into=maybe,
    data_bag=values,
)
trait_changes = st.builds(
    changes.TraitChange, key=texts, value=values, version=st.integers(1, 99), at_ms=moments, sent_ms=moments
)


def through_avro(record: str, value: bytes) -> Any:
    """A value encoded, and decoded by a reader that knows the schema only."""
    text = avro_schema(record)
    frame = AvroEncoder.of(text, schema_id=7).encode(value)
    assert frame[:5] == b"\x00\x00\x00\x00\x07"
    body = io.BytesIO(frame[5:])
    read = fastavro.schemaless_reader(body, fastavro.parse_schema(json.loads(text)), None)
    assert body.read() == b""
    return said(read, json.loads(text), embedded=True)


def as_it_was(record: str, value: bytes) -> Any:
    return said(json.loads(value), json.loads(avro_schema(record)), embedded=False)


def said(value: Any, schema: Any, *, embedded: bool) -> Any:
    """What a record says: without fields that are null, and with the JSON in strings as what it is."""
    if value is None or isinstance(schema, str):
        return value
    if isinstance(schema, list):
        return said(value, next(branch for branch in schema if branch != "null"), embedded=embedded)
    if schema["type"] == "array":
        return [said(item, schema["items"], embedded=embedded) for item in value]
    assert value.keys() <= {field["name"] for field in schema["fields"]}, "a field that the schema does not have"
    fields = {}
    for field in schema["fields"]:
        item = value.get(field["name"])
        if item is not None and field.get("json"):
            fields[field["name"]] = json.loads(item) if embedded else item
        elif item is not None:
            fields[field["name"]] = said(item, field["type"], embedded=embedded)
    return fields


@given(profiles, transitions, forms, maybe)
def test_audience_changes(
    profile: changes.ProfileIds, transition: changes.Transition, form: changes.Form, name: str | None
) -> None:
    message = changes.audience_change(
        space_id="s", profile=profile, transition=transition, form=form, event_name=name or None
    )

    assert through_avro("audience-change", message.value) == as_it_was("audience-change", message.value)


@given(profiles, trait_changes, forms)
def test_trait_changes(profile: changes.ProfileIds, change: changes.TraitChange, form: changes.Form) -> None:
    message = changes.trait_change(space_id="s", profile=profile, change=change, form=form)

    assert through_avro("trait-change", message.value) == as_it_was("trait-change", message.value)


@given(texts, texts, moments)
def test_profile_merges(child: str, parent: str, at_ms: int) -> None:
    message = changes.profile_merge(space_id="s", child=child, parent=parent, at_ms=at_ms, caused_by="m1")

    assert through_avro("profile-merge", message.value) == as_it_was("profile-merge", message.value)


def test_these_are_all_that_are_written_in_avro() -> None:
    assert set(AVRO_TOPICS) == {AUDIENCE_CHANGES, TRAIT_CHANGES, PROFILE_MERGES}
