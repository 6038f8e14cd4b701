"""Framed Avro among JSON: each record says by its first byte what it is.

Source: docs/records.md, "Dispatch" and "Avro".
"""

from schemas.codec import AvroDecoder, is_framed
from schemas.reasons import Reason, Refusal
from worker.ports import Record


def as_json(record: Record, avro: AvroDecoder) -> Record | Refusal:
    """The record with a value that the readers of JSON take; the same record when it has one already.

    Raises:
        DependencyError: the schema registry did not answer.
    """
    value = record.value
    if value is None:
        return Refusal(Reason.NOT_AN_OBJECT, "the record has no value")
    if not is_framed(value):
        return record
    plain = avro.to_json(value)
    return plain if isinstance(plain, Refusal) else record._replace(value=plain)
