"""How an accepted event is written into the mailbox of its profile."""

from collections.abc import Callable

from schemas.events import ExternalId, PassthroughEvent, TrackingEvent, encode_resolved
from worker.profiles.ids import profile_text


def encoding(event: TrackingEvent | PassthroughEvent, external_ids: list[ExternalId]) -> Callable[[bytes, int], bytes]:
    """A function of (profile, the record's time in ms) that fills in the front fields and encodes the event.

    ``external_ids``: what the event promotes, by priority.
    """

    def encode(profile: bytes, at_ms: int) -> bytes:
        event.profile_id = profile_text(profile)
        event.at = at_ms
        event.external_ids = external_ids
        return encode_resolved(event)

    return encode
