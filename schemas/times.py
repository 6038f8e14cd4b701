"""ISO 8601 text to integer milliseconds since 1970, UTC, and back. Both directions are on the hot path.

Both remember the minutes that they have met: records of one batch were made within few minutes of each other.
"""

from datetime import UTC, datetime, timedelta
from functools import lru_cache

LAST_MS = 253_402_300_799_999
"""9999-12-31T23:59:59.999Z: the last moment that the text form can name."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MINUTE_CHARS = len("1970-01-01T00:00")
_SECOND_CHARS = len("1970-01-01T00:00:00")
_SECONDS = tuple(f":{second:02d}" for second in range(60))
_SECOND_MS = {second: number * 1000 for number, second in enumerate(_SECONDS)}
_FRACTIONS = tuple(f".{millis:03d}Z" for millis in range(1000))
_FRACTION_MS = {fraction: millis for millis, fraction in enumerate(_FRACTIONS)}

# Smaller: backlogs of several partitions miss more often (about 0.5 us each). Larger: memory, some 200 bytes a minute.
_MINUTES_REMEMBERED = 16_384


def parse_ms(text: str) -> int | None:
    """As ``read_ms``; None when it cannot be read."""
    try:
        return read_ms(text)
    except ValueError:
        return None


def read_ms(text: str) -> int:
    """Milliseconds since 1970 of an ISO 8601 date, with or without time of day; negative before 1970.

    Without a zone it is UTC, because the specification says that times are. Digits beyond the milliseconds
    are cut off. A leap second (``:60``) is not read.

    Raises:
        ValueError: it cannot be read.

    Source: Segment, "Spec: Common Fields"; docs/records.md, "Times".
    """
    fraction = _FRACTION_MS.get(text[_SECOND_CHARS:])
    second = _SECOND_MS.get(text[_MINUTE_CHARS:_SECOND_CHARS])
    if fraction is not None and second is not None:
        return _minute_ms(text[:_MINUTE_CHARS]) + second + fraction
    return _any_ms(text)


@lru_cache(maxsize=_MINUTES_REMEMBERED)
def _minute_ms(minute: str) -> int:
    """Of ``YYYY-MM-DDTHH:MM``, UTC."""
    if minute[13] != ":":  # other forms of this length, which no seconds can follow
        raise _unreadable(minute)
    return _any_ms(minute + ":00Z")


def _any_ms(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text.upper())  # RFC 3339 allows "t" and "z"
    except ValueError:
        raise _unreadable(text) from None
    since = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH
    return since.days * 86_400_000 + since.seconds * 1_000 + since.microseconds // 1_000


def _unreadable(text: str) -> ValueError:
    return ValueError(f"no ISO 8601 date and time: {text[:40]!r}")


def utc_text(ms: int) -> str:
    """``YYYY-MM-DDTHH:MM:SS.mmmZ`` of milliseconds since 1970.

    Raises:
        OverflowError: the moment is not in the years 1 to 9999.
    """
    minutes, rest = divmod(ms, 60_000)
    second, fraction = divmod(rest, 1000)
    return _minute_text(minutes) + _SECONDS[second] + _FRACTIONS[fraction]


@lru_cache(maxsize=_MINUTES_REMEMBERED)
def _minute_text(minutes: int) -> str:
    return (_EPOCH + timedelta(minutes=minutes)).isoformat()[:_MINUTE_CHARS]
