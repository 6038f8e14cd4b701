"""Profile ids: 16 random bytes in the store, ``use_`` and 32 hex digits for users."""

PREFIX = "use_"
PROFILE_BYTES = 16


def profile_text(profile: bytes) -> str:
    """A profile id as users see it."""
    return PREFIX + profile.hex()


def profile_bytes(text: str) -> bytes:
    """A profile id as the store keeps it.

    Raises:
        ValueError: the text is no profile id.
    """
    if not text.startswith(PREFIX) or len(text) != len(PREFIX) + 2 * PROFILE_BYTES:
        raise ValueError(f"{text!r} is no profile id")
    return bytes.fromhex(text[len(PREFIX) :])
