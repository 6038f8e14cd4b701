"""Redis as the engine sees it. One file in ``lua/`` for every step that must be atomic.

What is touched together lies together: the keys of a call share a hash tag, hence a slot of a Redis Cluster.

    aw:{SPACE}:KEY             identity graph, catalogue of definitions, …
    aw:{SPACE}:notes           merges that are not over
    aw:{SPACE:cN}:             claim slice N: ``epoch``, and buckets of claims under 3 raw bytes
    aw:{SPACE:sN}:             state slot N: states under 16 raw bytes, ``timers``, ``pending``, ``sizes``, ``owner``
    aw:{SPACE:p}               how far each input partition has come

Source: docs/decisions.md, "Deduplication"; ARCHITECTURE.md, "Redis".
"""

from collections.abc import Callable, Mapping, Sequence
from hashlib import sha1
from importlib import resources
from typing import Any, Final, NamedTuple

import msgspec

from worker.adapters import redis_replies as replies
from worker.adapters.resp import Command, SentReply, SplitConnection
from worker.clock import Clock
from worker.ports import NO_LISTS, Claim, Lists, PendingOutputs, StateWrite, Swap
from worker.slots import STATE_SLOTS

MINUTE_MS: Final = 60_000
DAY_MS: Final = 24 * 60 * MINUTE_MS
MINUTE_MAX: Final = 2**32 - 1
PROFILE_BYTES: Final = 16
SCAN_KEYS: Final = 1_000

CLAIM_SLICES: Final = 16
"""Fixed for life: a change forgets the window. Fewer could not be spread over a cluster's nodes."""

IDS_PER_BUCKET: Final = 48
"""Claims in a bucket when the plan holds; up to twice as many, buckets being a power of two. More take less memory and
more of Redis's time: 30 take 21.5 bytes and 4.7 us an id, 61 take 18.2 and 5.0, 122 take 16.9 and 6.0."""

BUCKET_BITS_MIN: Final = 8
"""So many buckets a slice at least that a plan which is far too low costs time, but does not stop the worker."""

BUCKET_BITS_MAX: Final = 24
NO_STATE: Final = b"\xff" * 8


class Script(NamedTuple):
    source: str
    digest: str


def _script(name: str) -> Script:
    source = resources.files("worker.adapters").joinpath("lua", f"{name}.lua").read_text("utf-8")
    return Script(source, sha1(source.encode(), usedforsecurity=False).hexdigest())


class ServerFacts(NamedTuple):
    """What a server says of itself. ``mode``: ``standalone``, ``cluster`` or ``sentinel``; ``role``: ``master`` or
    ``slave``; ``eviction_policy``: its ``maxmemory-policy``; ``append_only``: whether it writes an AOF.
    """

    version: str
    mode: str
    role: str
    replicas: int
    eviction_policy: str
    append_only: bool


CLAIM, RAISE_EPOCH, SWAP, COMMIT = map(_script, ("claim", "raise_epoch", "swap", "commit"))


class RedisStore:
    """One space on one Redis; implements ``worker.ports.Store``.

    ``clock``: only for tests; without it the server's clock bounds the time of claims. ``on_reconnect`` is called
    whenever a lost connection has been replaced.

    Not for several threads. Connects when it is first used.
    """

    def __init__(
        self,
        url: str,
        *,
        space: str,
        dedup_expected_ids_per_day: int,
        dedup_window_ms: int = DAY_MS,
        timeout_s: float = 5.0,
        clock: Clock | None = None,
        on_reconnect: Callable[[], None] | None = None,
    ) -> None:
        self._space = space
        self._clock = clock
        self._window_minutes = -(-dedup_window_ms // MINUTE_MS)
        self._divisors = bucket_divisors(dedup_expected_ids_per_day * dedup_window_ms // DAY_MS)
        self._slices = [b"aw:{%b:c%d}:" % (space.encode(), number) for number in range(CLAIM_SLICES)]
        self._identity = b"aw:{%b}:" % space.encode()
        self._notes = self._identity + b"notes"
        self._progress = b"aw:{%b:p}" % space.encode()
        scripts = (CLAIM, RAISE_EPOCH, SWAP, COMMIT)
        self._only_node = SplitConnection(
            url,
            timeout_s=timeout_s,
            client_name="audience-worker",
            prelude=[("SCRIPT", "LOAD", script.source) for script in scripts],
            on_reconnect=on_reconnect,
        )

    def claim(self, claims: Sequence[Claim], *, epoch: int, evict_before_ms: int) -> SentReply[list[int] | None]:
        ids: list[list[bytes]] = [[] for _ in range(CLAIM_SLICES)]
        indexes: list[list[int]] = [[] for _ in range(CLAIM_SLICES)]
        minutes: dict[int, bytes] = {}
        for index, (digest, coordinates, timestamp_ms) in enumerate(claims):
            minute = timestamp_ms // MINUTE_MS
            minute_bytes = minutes.get(minute)
            if minute_bytes is None:
                minute_bytes = minutes[minute] = min(max(minute, 0), MINUTE_MAX).to_bytes(4, "big")
            number = digest[0] % CLAIM_SLICES
            ids[number].append(digest[1:10] + minute_bytes + coordinates)
            indexes[number].append(index)
        touched = [number for number in range(CLAIM_SLICES) if ids[number]] or [0]
        now = b"" if self._clock is None else b"%d" % (self._clock.now_ms() // MINUTE_MS)
        arguments = (epoch, self._window_minutes, evict_before_ms // MINUTE_MS, now, *self._divisors)
        blobs = [b"".join(ids[number]) for number in touched]
        answer = self._node(self._slices[touched[0]]).send(
            _evaluate(CLAIM, [self._slices[number] for number in touched], *arguments, *blobs)
        )
        order = [index for number in touched for index in indexes[number]]

        def taken(values: list[Any]) -> list[int] | None:
            positions = values[0]
            return None if positions is None else sorted([order[position] for position in positions])

        return SentReply(answer, taken)

    def raise_epoch(self, epoch: int) -> SentReply[None]:
        copies = [prefix + b"epoch" for prefix in self._slices]
        return SentReply(self._node(copies[0]).send(_evaluate(RAISE_EPOCH, copies, epoch)), replies.nothing)

    def read(self, keys: Sequence[bytes]) -> SentReply[list[bytes | None]]:
        return self._mget(self._identity, keys)

    def swap(self, swaps: Sequence[Swap], lists: Lists = NO_LISTS) -> SentReply[bool]:
        commands: list[Command] = []
        if swaps or any(lists):
            changes = [*[(key, b"+" + one) for key, one in lists.added], *[(k, b"-" + one) for k, one in lists.removed]]
            names = [*[swap.key for swap in swaps], *[key for key, _ in changes]]
            arguments = [
                *[_present(swap.expected) for swap in swaps],
                *[_present(swap.new) for swap in swaps],
                *[part for profile, at_ms in lists.noted for part in (at_ms, profile)],
                *lists.settled,
                *[change for _, change in changes],
            ]
            keys = [self._notes, *[self._identity + name for name in names]]
            commands.append(_evaluate(SWAP, keys, len(swaps), len(lists.noted), len(lists.settled), *arguments))
        return SentReply(self._node(self._identity).send(*commands), lambda values: values != [0])

    def members(self, key: bytes) -> SentReply[list[bytes]]:
        return SentReply(self._node(self._identity).send((b"SMEMBERS", self._identity + key)), replies.first)

    def notes(self, until_ms: int, limit: int) -> SentReply[list[tuple[bytes, int]]]:
        answer = self._node(self._notes).send(
            (b"ZRANGEBYSCORE", self._notes, b"-inf", until_ms, b"WITHSCORES", b"LIMIT", 0, limit)
        )
        return SentReply(answer, replies.scored)

    def load(self, slot: int, profiles: Sequence[bytes]) -> SentReply[list[bytes | None]]:
        return self._mget(self._slot(slot), profiles)

    def load_pending(self, slot: int, first: int, last: int) -> SentReply[list[PendingOutputs]]:
        prefix = self._slot(slot)
        answer = self._node(prefix).send((b"ZRANGEBYSCORE", prefix + b"pending", first, last))
        return SentReply(answer, lambda values: [replies.pending(entry) for entry in values[0]])

    def own(self, slots: Sequence[int], owner: bytes) -> SentReply[None]:
        commands: list[Command] = [(b"SET", self._slot(slot) + b"owner", owner) for slot in slots]
        return SentReply(self._only_node.send(*commands), replies.nothing)

    def commit(
        self,
        slot: int,
        writes: Sequence[StateWrite],
        pending: Sequence[PendingOutputs],
        trim_below: int,
        owner: bytes = b"",
    ) -> SentReply[list[int]]:
        prefix = self._slot(slot)
        offsets = [entry.offset for entry in pending] or [0]
        position = {write.profile: index for index, write in enumerate(writes)}
        command = _evaluate(
            COMMIT,
            [prefix],
            trim_below,
            min(offsets),
            max(offsets),
            b"".join([write.profile + _applied(write.expected) for write in writes]),
            _packed_sizes(writes),
            owner,
            *[write.blob for write in writes],
            *["" if write.due_ms is None else write.due_ms for write in writes],
            *[
                argument
                for offset, profile, outputs in pending
                for argument in (position.get(profile, ""), offset, offset.to_bytes(8, "big") + profile + outputs)
            ],
        )
        return SentReply(self._node(prefix).send(command), replies.first)

    def due(self, slot: int, until_ms: int, limit: int) -> SentReply[list[tuple[bytes, int]]]:
        prefix = self._slot(slot)
        answer = self._node(prefix).send(
            (b"ZRANGEBYSCORE", prefix + b"timers", b"-inf", until_ms, b"WITHSCORES", b"LIMIT", 0, limit)
        )
        return SentReply(answer, replies.scored)

    def publish_progress(self, progress: Mapping[str, tuple[int, int]]) -> SentReply[None]:
        fields = [part for name, (at, said) in progress.items() for part in (name, b"%d %d" % (at, said))]
        commands: list[Command] = [(b"HSET", self._progress, *fields)] if fields else []
        return SentReply(self._node(self._progress).send(*commands), replies.nothing)

    def read_progress(self) -> SentReply[dict[str, tuple[int, int]]]:
        return SentReply(self._node(self._progress).send((b"HGETALL", self._progress)), replies.progress)

    def scan(self, cursor: bytes) -> SentReply[tuple[bytes, list[bytes]]]:
        pattern = b"aw:{%b:s*}:" % self._space.encode() + b"?" * PROFILE_BYTES
        answer = self._node(pattern).send((b"SCAN", cursor, b"MATCH", pattern, b"COUNT", SCAN_KEYS))

        def found(values: list[Any]) -> tuple[bytes, list[bytes]]:
            following, keys = values[0]
            return following, [key[-PROFILE_BYTES:] for key in keys]

        return SentReply(answer, found)

    def sizes(self) -> SentReply[dict[str, int]]:
        prefixes = [self._slot(slot) for slot in range(STATE_SLOTS)]
        answer = self._node(prefixes[0]).send(*[(b"HGETALL", prefix + b"sizes") for prefix in prefixes])
        return SentReply(answer, replies.sizes)

    def inspect(self) -> ServerFacts:
        """What the server is, for start-up checks."""
        [text] = self._only_node.send((b"INFO",)).receive()
        facts = dict(line.split(":", 1) for line in text.decode().splitlines() if ":" in line)
        return ServerFacts(
            version=facts["redis_version"],
            mode=facts["redis_mode"],
            role=facts["role"],
            replicas=int(facts["connected_slaves"]),
            eviction_policy=facts["maxmemory_policy"],
            append_only=facts["aof_enabled"] == "1",
        )

    def close(self) -> None:
        self._only_node.close()

    def _node(self, key: bytes) -> SplitConnection:  # noqa: ARG002 - a cluster would choose by the key's slot
        """The connection to whoever has a key; one for everything, as long as there is one node."""
        return self._only_node

    def _slot(self, slot: int) -> bytes:
        return b"aw:{%b:s%d}:" % (self._space.encode(), slot)

    def _mget(self, prefix: bytes, names: Sequence[bytes]) -> SentReply[list[bytes | None]]:
        if not names:
            return SentReply(self._node(prefix).send(), list)
        return SentReply(self._node(prefix).send((b"MGET", *[prefix + name for name in names])), replies.first)


def bucket_divisors(ids_in_window: int) -> tuple[int, int, int]:
    """Divisors of the three bytes that number a bucket in its slice: a power of two of buckets, as the plan needs."""
    wanted = max(1, ids_in_window // (CLAIM_SLICES * IDS_PER_BUCKET))
    bits = min(max(wanted.bit_length() - 1, BUCKET_BITS_MIN), BUCKET_BITS_MAX)
    high, middle = max(bits - 16, 0), min(max(bits - 8, 0), 8)
    return 1 << high, 1 << middle, 1 << 8


def _evaluate(script: Script, keys: Sequence[bytes], *arguments: bytes | str | int) -> Command:
    return (b"EVALSHA", script.digest, len(keys), *keys, *arguments)


def _applied(expected: int) -> bytes:
    return NO_STATE if expected < 0 else expected.to_bytes(8, "big")


def _present(value: bytes | None) -> bytes:
    return b"" if value is None else b"=" + value


def _packed_sizes(writes: Sequence[StateWrite]) -> bytes:
    changes = [(index, key, change) for index, write in enumerate(writes) for key, change in write.sizes]
    return msgspec.msgpack.encode(changes) if changes else b""
