"""Who a command is about, as users write it: ``TYPE:VALUE``, or the id of a profile."""

from worker.errors import UsageError
from worker.identity.extract import normalised
from worker.identity.rules import Identifier
from worker.profiles.ids import PREFIX, profile_bytes

Subject = Identifier | bytes
"""An identifier, or a profile id as the store keeps it (16 bytes)."""


def read_subject(text: str) -> Subject:
    """``email:Jane@x.io`` as it is found in events: trimmed, an address in lower case; ``use_…`` as it is.

    The value begins after the first colon and may have more of them.

    Raises:
        UsageError: it is neither.
    """
    kind, colon, raw = text.partition(":")
    if colon:
        value = normalised(kind, raw)
        if kind and value:
            return Identifier(kind, value)
    elif text.startswith(PREFIX):
        try:
            return profile_bytes(text)
        except ValueError:
            pass
    raise UsageError(f"{text!r} is neither TYPE:VALUE nor a profile id ({PREFIX} and 32 hex digits)")
