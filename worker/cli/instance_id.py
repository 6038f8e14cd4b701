"""The default identity of a replica: host name and the lowest free number on it."""

import fcntl
import os
from hashlib import blake2b
from pathlib import Path
from types import TracebackType
from typing import Self

from worker.errors import InputError

REPLICAS_PER_HOST_MAX = 1_000
"""Lower: a large host runs out of numbers. Higher: only slower to give up when the folder is unusable."""


class InstanceId:
    """A taken identity. It is free again after ``release``, and when the process ends, however it does."""

    def __init__(self, value: str, descriptor: int) -> None:
        self.value = value
        self._descriptor = descriptor

    def release(self) -> None:
        os.close(self._descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def take_instance_id(host: str, *, group: str, folder: Path) -> InstanceId:
    """Take ``HOST-N`` with the lowest N that no live process of this group on this host has.

    A replica that is started again thus gets the identity that it had, and with it its partitions and an
    end to whatever transaction it left open. The number is held by a lock on a file in ``folder``. The files
    stay: removing one could take it from under another process that has just opened it.

    Args:
        host: this machine's name.
        group: what replicas share, prefix and consumer group: others count for themselves.
        folder: the same one for all replicas of the host, usually that for temporary files.

    Raises:
        InputError: no number could be had; the message says what to set instead.
    """
    scope = blake2b(group.encode(), digest_size=4).hexdigest()
    for number in range(REPLICAS_PER_HOST_MAX):
        descriptor = _lock(folder / f"audience-worker-{scope}-{number}.lock")
        if descriptor is not None:
            return InstanceId(f"{host}-{number}", descriptor)
    raise InputError(f"no instance id could be locked in {folder}: set AW_INSTANCE_ID, different on every replica")


def _lock(path: Path) -> int | None:
    """An open descriptor with the lock on it; None when another process, or another user, has the file."""
    try:
        # O_NOFOLLOW: the folder may be writable by all, and a link in it could point at anything.
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor
