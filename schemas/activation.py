"""The mailbox record ``activate``: definitions have changed, the profile is to look at itself again.

Internal to the worker; readers of ``resolved-events`` skip it by its ``kind``.
"""

from msgspec import Struct, json


class Activation(Struct, frozen=True, gc=False):
    """``at``: when it was written (ms). ``version``: of the definitions in force then.

    ``history``: accumulators of leaves that are new, as (leaf id, a count, or times packed as 64-bit integers);
    bytes are base64 in the JSON.
    """

    profile_id: str
    at: int
    version: int
    history: list[tuple[bytes, int | bytes]] = []


_encode = json.Encoder().encode
_decode = json.Decoder(Activation).decode


def encode_activation(activation: Activation) -> bytes:
    return _encode(activation)


def decode_activation(value: bytes) -> Activation:
    """
    Raises:
        msgspec.DecodeError: not written by a worker.
    """
    return _decode(value)
