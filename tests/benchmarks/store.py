"""What a run costs Redis: CPU, and memory by kind of key."""

from collections.abc import Iterable
from secrets import token_hex
from typing import Any

from redis import Redis

from worker.slots import STATE_SLOTS

SCAN_KEYS = 5_000


def draw_space() -> str:
    """A space that no other run has. Every key names it: seven letters, as ``default`` has, for honest bytes."""
    return "b" + token_hex(3)


def owners_of_slots(redis_url: str, space: str) -> dict[int, bytes]:
    """In whose name state slots are written to, as a worker has left it there."""
    with Redis.from_url(redis_url) as client:
        values = client.mget([f"aw:{{{space}:s{slot}}}:owner" for slot in range(STATE_SLOTS)])
    return {slot: owner or b"" for slot, owner in enumerate(values)}


class Store:
    """The Redis of a run, seen from outside.

    Keys are named ``aw:{SPACE}:…`` (identity), ``aw:{SPACE:cN}:…`` (claims of message ids) and
    ``aw:{SPACE:sN}:…`` (states, timers, kept outputs of a slot).
    """

    def __init__(self, url: str, *, space: str) -> None:
        self._redis: Any = Redis.from_url(url)
        self._space = space

    def version(self) -> str:
        return str(self._redis.info("server")["redis_version"])

    def cpu_s(self) -> float:
        """User and system time of the server since its start."""
        used = self._redis.info("cpu")
        return float(used["used_cpu_user"]) + float(used["used_cpu_sys"])

    def used_bytes(self) -> int:
        """What the server has allocated, for everything."""
        return int(self._redis.info("memory")["used_memory"])

    def bytes_of(self, identity_keys: Iterable[bytes]) -> int:
        """What keys of the identity graph and their values take, without their share of the server's key table."""
        prefix = f"aw:{{{self._space}}}:".encode()
        pipeline = self._redis.pipeline(transaction=False)
        for key in identity_keys:
            pipeline.memory_usage(prefix + key)
        return sum(pipeline.execute())

    def free_claims(self) -> int:
        """Delete the claims of message ids; the bytes that became free."""
        return self._free(f"aw:{{{self._space}:c*")

    def free_states(self) -> int:
        """Delete the states of profiles with their timers; the bytes that became free."""
        return self._free(f"aw:{{{self._space}:s*")

    def free_identity(self) -> int:
        """Delete the identity graph and all else of the space; the bytes that became free."""
        return self._free(f"aw:{{{self._space}*")

    def _free(self, pattern: str) -> int:
        """What deleting gives back is what keeping cost, the share of the server's key table included."""
        before = self.used_bytes()
        doomed: list[bytes] = []
        for key in self._redis.scan_iter(match=pattern, count=SCAN_KEYS):
            doomed.append(key)
            if len(doomed) == SCAN_KEYS:
                self._redis.delete(*doomed)
                doomed.clear()
        if doomed:
            self._redis.delete(*doomed)
        return before - self.used_bytes()
