"""Which contract a value was written to: its own shape says so, not the topic that it came by.

Source: docs/records.md, "Dispatch".
"""

from enum import StrEnum
from typing import Any

from msgspec import UNSET, Struct, json

from schemas.json_text import VALUE_BYTES_MAX, Measured, read_object
from schemas.reasons import Refusal


class Shape(StrEnum):
    TRACKING = "tracking"
    PASSTHROUGH = "passthrough"
    IMPORT = "import"


class _Marks(Struct, gc=False):
    type: Any = UNSET
    operation: Any = UNSET


_decode_marks = json.Decoder(_Marks).decode


def shape_of(value: bytes) -> Shape:
    """Passthrough if ``type`` is that, an import if there is an ``operation`` and no ``type``, else tracking.

    Any bytes have a shape; those that are no JSON object are tracking's, whose reader says what is wrong with
    them. A value that ``schemas.tracking`` has accepted is tracking's without asking.
    """
    if b"passthrough" not in value and b"operation" not in value and b"\\" not in value:
        return Shape.TRACKING  # a backslash may spell either word in another way
    if len(value) > VALUE_BYTES_MAX and not isinstance(value, Measured):
        return Shape.TRACKING
    try:
        marks = _decode_marks(value)
        kind, operation = marks.type, marks.operation
    except (ValueError, RecursionError):
        fields = read_object(value)
        if isinstance(fields, Refusal):
            return Shape.TRACKING
        kind, operation = fields.get("type", UNSET), fields.get("operation", UNSET)
    if kind == "passthrough":
        return Shape.PASSTHROUGH
    if operation is not UNSET and (kind is UNSET or kind is None):
        return Shape.IMPORT
    return Shape.TRACKING
