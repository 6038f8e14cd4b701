"""Why a record is refused, and where: closed lists. A refusal is a value, never an exception.

The order of ``Reason`` is precedence: a record that could be refused for several reasons is refused for the
one that stands first. ``docs/dead-letters.md`` is held against this module by a test.
"""

from enum import StrEnum
from typing import NamedTuple, Self


class _Explained(StrEnum):
    """A string constant that carries one line of explanation."""

    explanation: str

    def __new__(cls, value: str, explanation: str) -> Self:
        member = str.__new__(cls, value)
        member._value_ = value
        member.explanation = explanation
        return member


class Stage(_Explained):
    """How far a record had come when it was refused."""

    DECODE = "decode", "The value, looked at by itself, breaks the contract of its record."
    ROUTE = "route", "The value is good, but it cannot be given to a profile."
    FOLD = "fold", "The profile is known, but its state does not let the record in."


class Reason(_Explained):
    """Why a record became a dead letter. Sources: docs/dead-letters.md; Segment, "Delivery Overview"."""

    TOO_LARGE = "too_large", "The value is larger than 32 KiB; it was not decoded."
    MALFORMED_JSON = "malformed_json", "The value is not JSON (RFC 8259, UTF-8, finite numbers)."
    MALFORMED_AVRO = "malformed_avro", "The value has an Avro frame, but does not decode with its schema."
    UNKNOWN_SCHEMA = "unknown_schema", "The schema id of the Avro frame is not known to the registry."
    NOT_AN_OBJECT = "not_an_object", "The value is JSON, but not an object."
    TOO_DEEP = "too_deep", "Objects and arrays are nested deeper than 64; the value itself is 1."
    MISSING_TYPE = "missing_type", "`type` is absent or null."
    INVALID_TYPE = "invalid_type", "`type` is not one of the six calls, nor `passthrough`."
    NO_USER_ANON_ID = "no_user_anon_id", "There is neither a `userId` nor an `anonymousId`."
    ID_NOT_STRING = "id_not_string", "An id is an object, an array or a boolean, or the only ids are empty."
    EVENT_NOT_DEFINED = "event_not_defined", "A track call has no `event`."
    EVENT_NOT_STRING = "event_not_string", "`event` is not a string."
    PROPERTIES_NOT_OBJECT = "properties_not_object", "`properties` is not an object."
    TRAITS_NOT_OBJECT = "traits_not_object", "`traits` is not an object."
    CONTEXT_NOT_OBJECT = "context_not_object", "`context` is not an object."
    NAME_NOT_STRING = "name_not_string", "`name` is not a string."
    CATEGORY_NOT_STRING = "category_not_string", "`category` is not a string."
    TOO_MANY_PROPERTIES = "too_many_properties", "`properties` has more than 300 keys."
    TOO_MANY_TRAITS = (
        "too_many_traits",
        "`traits` has 300 keys or more (identify), more than 300 (other calls).",
    )
    TOO_MANY_IDENTIFIERS = "too_many_identifiers", "The event carries more than 100 identifiers."
    IDENTIFIER_TOO_LONG = "identifier_too_long", "An identifier is longer than 500 characters."
    MESSAGE_ID_TOO_LONG = "message_id_too_long", "`messageId` is longer than 100 characters."
    MESSAGE_ID_NOT_STRING = "message_id_not_string", "`messageId` is not a string."
    GROUP_ID_MISSING = "group_id_missing", "A group call has no `groupId`."
    GROUP_ID_EMPTY = (
        "group_id_empty",
        "The `groupId` of a group call, or a track's `context.groupId`, is empty.",
    )
    GROUP_ID_TOO_LONG = "group_id_too_long", "`groupId` or `context.groupId` is longer than 500 characters."
    INVALID_TIMESTAMP = "invalid_timestamp", "A time of the event is not an ISO 8601 date and time."
    TIMESTAMP_BEFORE_1970 = "timestamp_before_1970", "The corrected `timestamp` lies before 1970."
    NO_MATCHING_IDENTIFIERS = (
        "no_matching_identifiers",
        "No identifier is left after blocked values are gone.",
    )
    IDENTIFIER_COUNT = "identifier_count", "`identifiers` does not hold exactly one identifier."
    IDENTIFIER_NOT_HIGH_CONFIDENCE = (
        "identifier_not_high_confidence",
        "The identifier's type is not among `high_confidence` of the identity settings.",
    )
    UNKNOWN_ACTION = "unknown_action", "`action` is neither `qualify` nor `disqualify`."
    AUDIENCE_ID_MISSING = "audience_id_missing", "`data.audience_id` is not a string, or is empty."
    TS_INVALID = (
        "ts_invalid",
        "`data.ts` is not a number of seconds since 1970 (10^11 or more: milliseconds).",
    )
    UNKNOWN_AUDIENCE = "unknown_audience", "No definition names this external audience, and one is required."
    RESERVED_KEY = "reserved_key", "The key belongs to an audience or a trait of another kind."
    UNKNOWN_OPERATION = "unknown_operation", "`operation` is neither `UPDATE` nor `DELETE`."
    SEGMENT_MISSING = "segment_missing", "Neither `segment_id` nor `segment_technical_name` is given."
    SEGMENT_CONFLICT = "segment_conflict", "`segment_id` and `segment_technical_name` name two segments."
    IDENTIFIER_MISSING = "identifier_missing", "The command names no user."
    IDENTIFIER_CONFLICT = "identifier_conflict", "The identifiers of the command belong to several profiles."
    EXPIRATION_MISSING = "expiration_missing", "Neither `expiration_duration` nor `expiration_ts` is given."
    EXPIRATION_INVALID = "expiration_invalid", "`expiration_duration` or `expiration_ts` is no such number."
    DATA_BAG_INVALID = "data_bag_invalid", "`data_bag` is not JSON in a string."
    UNKNOWN_REGULATION = "unknown_regulation", "`regulation` is not one of the known ones."
    USER_ID_MISSING = "user_id_missing", "The regulation names no `userId`."
    INVALID_DEFINITION = (
        "invalid_definition",
        "The definition is not valid; the last good one stays in force.",
    )


class Refusal(NamedTuple):
    """A record that is not accepted: the reason from the closed list and one line for a human."""

    reason: Reason
    detail: str
