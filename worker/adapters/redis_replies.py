"""What Redis answers to the commands of a call -> what the store's caller asked for."""

from typing import Any, Final

from worker.ports import PendingOutputs

_ENTRY_HEAD_BYTES: Final = 8 + 16  # offset, profile id


def sizes(values: list[Any]) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for flat in values:
        for key, size in zip(flat[::2], flat[1::2], strict=True):
            sizes[key.decode()] = sizes.get(key.decode(), 0) + int(size)
    return {key: size for key, size in sizes.items() if size}


def nothing(_: list[Any]) -> None:
    return None


def first(values: list[Any]) -> Any:
    return values[0]


def pending(entry: bytes) -> PendingOutputs:
    offset = int.from_bytes(entry[:8], "big")
    return PendingOutputs(offset, entry[8:_ENTRY_HEAD_BYTES], entry[_ENTRY_HEAD_BYTES:])


def scored(values: list[Any]) -> list[tuple[bytes, int]]:
    flat = values[0]
    return [(member, int(float(score))) for member, score in zip(flat[::2], flat[1::2], strict=True)]


def progress(values: list[Any]) -> dict[str, tuple[int, int]]:
    flat = values[0]
    found = {}
    for name, moments in zip(flat[::2], flat[1::2], strict=True):
        at, said = moments.split()
        found[name.decode()] = (int(at), int(said))
    return found
