"""Redis as the engine sees it, one server or a cluster. One file in ``lua/`` for every step that must be atomic.

What is touched together lies together: the keys of a command share a hash tag, hence a slot of a Redis Cluster. On a
single server one command takes several slices of claims.

    aw:{SPACE}:KEY             identity graph, catalogue of definitions, …
    aw:{SPACE}:notes           merges that are not over
    aw:{SPACE:cN}:             claim slice N: ``epoch``, and buckets of claims under 3 raw bytes
    aw:{SPACE:sN}:             state slot N: states under 16 raw bytes, ``timers``, ``pending``, ``sizes``, ``owner``
    aw:{SPACE:p}               how far each input partition has come

Source: docs/decisions.md, "Deduplication"; ARCHITECTURE.md, "Keys in Redis".
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from worker.adapters import redis_replies as replies
from worker.adapters.redis_claims import CLAIM_SLICES, MINUTE_MS, bucket_divisors, slice_claims
from worker.adapters.redis_nodes import ClusterNodes, Connect, Nodes, OneNode
from worker.adapters.redis_scripts import CLAIM, COMMIT, LOAD, RAISE_EPOCH, SWAP, evaluate
from worker.adapters.redis_server import inspect, keep_commands, kept
from worker.adapters.resp import Answer, Command, SentReply, SplitConnection
from worker.clock import Clock
from worker.errors import InputError, StoreUnavailableError
from worker.ports import NO_LISTS, Claim, Lists, PendingOutputs, StateWrite, Swap
from worker.redis_facts import Keeping, ServerFacts
from worker.redis_url import is_cluster, node_urls
from worker.slots import STATE_SLOTS

DAY_MS: Final = 24 * 60 * MINUTE_MS
PROFILE_BYTES: Final = 16
SCAN_KEYS: Final = 1_000

NO_STATE: Final = b"\xff" * 8


KEEP_SHARE: Final = 0.5
"""Of the timeout of an answer: what is not kept by then is reported by the server itself. More, and a slow answer would
count as a broken connection; less, and a disk that is busy for a moment costs a batch."""


class KeepReply:
    """Says whether everything has been kept everywhere."""

    def __init__(self, keeping: Keeping, answers: Sequence[Answer]) -> None:
        self._keeping = keeping
        self._answers = answers

    def get(self) -> None:
        if not all(kept(self._keeping, answer.receive()) for answer in self._answers):
            where = " and ".join(["its disk"] * self._keeping.disk + ["its replicas"] * bool(self._keeping.replicas))
            raise StoreUnavailableError(f"Redis: what was written has not reached {where} in time")


class RedisStore:
    """One space in Redis; implements ``worker.ports.Store``.

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
        self._timeout_s = timeout_s
        self._keeping = Keeping(disk=False, replicas=0)
        self._window_minutes = -(-dedup_window_ms // MINUTE_MS)
        self._divisors = bucket_divisors(dedup_expected_ids_per_day * dedup_window_ms // DAY_MS)
        self._slices = [b"aw:{%b:c%d}:" % (space.encode(), number) for number in range(CLAIM_SLICES)]
        self._identity = b"aw:{%b}:" % space.encode()
        self._notes = self._identity + b"notes"
        self._progress = b"aw:{%b:p}" % space.encode()

        def connect(node_url: str, on_failure: Callable[[], None] | None = None) -> SplitConnection:
            return SplitConnection(
                node_url,
                timeout_s=timeout_s,
                client_name="audience-worker",
                prelude=LOAD,
                on_reconnect=on_reconnect,
                on_failure=on_failure,
            )

        self._nodes = _nodes(url, connect)
        self._node = self._nodes.of

    def claim(self, claims: Sequence[Claim], *, epoch: int, evict_before_ms: int) -> SentReply[list[int] | None]:
        sliced = slice_claims(claims)
        groups = [[number] for number in sliced.touched] if self._nodes.apart else [sliced.touched]
        now = b"" if self._clock is None else b"%d" % (self._clock.now_ms() // MINUTE_MS)
        arguments = (epoch, self._window_minutes, evict_before_ms // MINUTE_MS, now, *self._divisors)
        commands = []
        for group in groups:
            prefixes, ids = [self._slices[number] for number in group], [b"".join(sliced.ids[each]) for each in group]
            commands.append((prefixes[0], evaluate(CLAIM, prefixes, *arguments, *ids)))
        orders = [[index for number in group for index in sliced.indexes[number]] for group in groups]

        def taken(values: list[Any]) -> list[int] | None:
            if None in values:
                return None
            return sorted([order[each] for order, found in zip(orders, values, strict=True) for each in found])

        return SentReply(self._nodes.send(commands), taken)

    def raise_epoch(self, epoch: int) -> SentReply[None]:
        copies = [prefix + b"epoch" for prefix in self._slices]
        groups = [[copy] for copy in copies] if self._nodes.apart else [copies]
        commands = [(group[0], evaluate(RAISE_EPOCH, group, epoch)) for group in groups]
        return SentReply(self._nodes.send(commands), replies.nothing)

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
            commands.append(evaluate(SWAP, keys, len(swaps), len(lists.noted), len(lists.settled), *arguments))
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

    def own(self, slots: Sequence[int], owner: bytes, *, again: bool = False) -> SentReply[list[int]]:
        keys = [self._slot(slot) + b"owner" for slot in slots]
        how = (b"GET", b"XX") if again else (b"GET",)
        answers = self._nodes.send([(key, (b"SET", key, owner, *how)) for key in keys])
        return SentReply(answers, lambda values: [slot for slot, old in zip(slots, values, strict=True) if old is None])

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
        command = evaluate(
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
        connection, inner, after = self._nodes.walk(cursor)
        answer = connection.send((b"SCAN", inner, b"MATCH", pattern, b"COUNT", SCAN_KEYS))

        def found(values: list[Any]) -> tuple[bytes, list[bytes]]:
            following, keys = values[0]
            return after(following), [key[-PROFILE_BYTES:] for key in keys]

        return SentReply(answer, found)

    def sizes(self) -> SentReply[dict[str, int]]:
        keys = [self._slot(slot) + b"sizes" for slot in range(STATE_SLOTS)]
        return SentReply(self._nodes.send([(key, (b"HGETALL", key)) for key in keys]), replies.sizes)

    def wait_for(self, keeping: Keeping) -> None:
        """Decide what ``keep`` waits for; nothing as long as this has not been called."""
        self._keeping = keeping

    def keep(self) -> KeepReply:
        commands = keep_commands(self._keeping, self._timeout_s * KEEP_SHARE)
        return KeepReply(self._keeping, self._nodes.send_all(commands) if commands else [])

    def inspect(self) -> dict[str, ServerFacts]:
        """What each server that takes writes is, by its address; for start-up checks."""
        return {address: inspect(connection) for address, connection in self._nodes.masters().items()}

    def close(self) -> None:
        self._nodes.close()

    def _slot(self, slot: int) -> bytes:
        return b"aw:{%b:s%d}:" % (self._space.encode(), slot)

    def _mget(self, prefix: bytes, names: Sequence[bytes]) -> SentReply[list[bytes | None]]:
        if not names:
            return SentReply(self._node(prefix).send(), list)
        return SentReply(self._node(prefix).send((b"MGET", *[prefix + name for name in names])), replies.first)


def _nodes(url: str, connect: Connect) -> Nodes:
    try:
        urls = node_urls(url)
    except ValueError:
        raise InputError("the URL of Redis is not understood") from None
    return ClusterNodes(urls, connect) if is_cluster(url) else OneNode(url, connect)


def _applied(expected: int) -> bytes:
    return NO_STATE if expected < 0 else expected.to_bytes(8, "big")


def _present(value: bytes | None) -> bytes:
    return b"" if value is None else b"=" + value


def _packed_sizes(writes: Sequence[StateWrite]) -> bytes:
    changes = [(index, key, change) for index, write in enumerate(writes) for key, change in write.sizes]
    return msgspec.msgpack.encode(changes) if changes else b""
