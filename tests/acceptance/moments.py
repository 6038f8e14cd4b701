"""Times of the examples: ISO 8601 in, integer milliseconds for arithmetic, ISO 8601 with milliseconds out."""

from datetime import UTC, datetime, timedelta

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def ms(moment: str) -> int:
    """Milliseconds since 1970 of an ISO 8601 time with zone; exact, as floats are not."""
    return (datetime.fromisoformat(moment) - _EPOCH) // timedelta(milliseconds=1)


def iso(moment_ms: int) -> str:
    """``2025-01-10T10:01:00.000Z``: the one form in which times leave the program."""
    text = (_EPOCH + timedelta(milliseconds=moment_ms)).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def after(moment: str, delay_ms: int) -> str:
    """The moment ``delay_ms`` later (earlier, when negative)."""
    return iso(ms(moment) + delay_ms)
