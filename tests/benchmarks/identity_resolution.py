"""Table D, first part: what resolving costs, and what the graph takes in Redis.

The router's own ``Directory`` over the real Redis, without anything around it: no Kafka, no decoding, no mailbox.
"""

import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from secrets import token_bytes
from typing import NamedTuple
from uuid import UUID

from msgspec import Raw

from schemas.events import TrackingEvent
from tests.benchmarks.in_process import as_in_a_worker, open_space
from tests.benchmarks.store import Store
from worker.adapters.redis import RedisStore
from worker.engine.directory import Directory, Resolved
from worker.engine.intake import Accepted
from worker.identity.graph import identifier_key, profile_key
from worker.identity.rules import Identifier, Rules
from worker.ports import Record

BATCH_EVENTS = 1_000
CACHED_IDENTIFIERS = 200_000  # the default of AW_IDENTITY_CACHE_ENTRIES
SAMPLED_PROFILES = 1_000
BASE_MS = 1_794_268_800_000

# The rows, by what the graph knows of an event's three identifiers.
CACHED = "all known, in the router's cache"
COLD = "all known, not in the cache"
EXTENDED = "one is new to a known profile"
CREATED = "all new: a profile is created"
MERGED = "they lead to two profiles, which are merged"

Batch = Sequence[tuple[Record, Accepted]]


class Cost(NamedTuple):
    """Of one event, in microseconds: of the thread that resolves, and of the Redis server.

    ``asked``: events that the cache could not answer; ``merged``: profiles that were merged away. They say whether
    what was measured is what the row says.
    """

    client_us: float
    redis_us: float
    asked: int
    merged: int


@dataclass(frozen=True, kw_only=True)
class Memory:
    """``bytes_per_profile``: all that came to Redis's memory, per profile; of them one ``record_bytes`` and three
    ``identifier_bytes``, the rest being the server's own table of keys.
    """

    profiles: int
    profiles_per_s: float
    bytes_per_profile: float
    record_bytes: float
    identifier_bytes: float


class Resolver:
    """A directory that knows nothing yet, and the Redis whose work it makes."""

    def __init__(self, graph: RedisStore, server: Store) -> None:
        self._server = server
        self._rules = Rules()
        self._directory = Directory(graph, draw_profile=lambda: token_bytes(16), cached_identifiers=CACHED_IDENTIFIERS)

    def resolve(self, batch: Batch) -> Resolved:
        return self._directory.resolve(batch, self._rules)

    def cost(self, batches: Iterable[Batch], *, cold: bool = False) -> Cost:
        """What resolving one event of these has cost. ``cold``: with an empty cache for each batch."""
        events = asked = merged = 0
        client_s, redis_s = 0.0, self._server.cpu_s()
        for batch in batches:
            if cold:
                self._directory.forget()
            began_s = time.thread_time()
            resolved = self.resolve(batch)
            client_s += time.thread_time() - began_s
            events += len(batch)
            asked += len(resolved.found)
            merged += sum([len(found.merged) for found in resolved.found.values()])
        redis_s = self._server.cpu_s() - redis_s
        return Cost(client_s / events * 1e6, redis_s / events * 1e6, asked, merged)


def costs(redis_url: str, *, space: str, events: int) -> dict[str, Cost]:
    """What one of so many events costs, for each of the rows."""
    server = Store(redis_url, space=space)
    try:
        with open_space(redis_url, space) as graph, as_in_a_worker():
            return _costs(Resolver(graph, server), events)
    finally:
        server.free_identity()


def _costs(resolver: Resolver, events: int) -> dict[str, Cost]:
    def each(person: Callable[[int], Sequence[Identifier]]) -> Iterator[Batch]:
        return _batches(map(person, range(events)))

    created = resolver.cost(each(_person))
    cached = resolver.cost(each(_person))
    cold = resolver.cost(each(_person), cold=True)
    extended = resolver.cost(each(_with_new_device))
    for batch in each(_second_self):
        resolver.resolve(batch)
    merged = resolver.cost(each(_both_selves))
    return {CACHED: cached, COLD: cold, EXTENDED: extended, CREATED: created, MERGED: merged}


def memory(redis_url: str, *, space: str, profiles: int) -> Memory:
    """Create so many profiles of three identifiers each, and weigh them."""
    server = Store(redis_url, space=space)
    try:
        with open_space(redis_url, space) as graph, as_in_a_worker():
            return _memory(Resolver(graph, server), server, profiles)
    finally:
        server.free_identity()


def _memory(resolver: Resolver, server: Store, profiles: int) -> Memory:
    sampled = min(profiles, SAMPLED_PROFILES)
    owners: list[bytes] = []
    seconds = 0.0
    before = server.used_bytes()
    for batch in _batches(map(_person, range(profiles))):
        began_s = time.perf_counter()
        resolved = resolver.resolve(batch)
        seconds += time.perf_counter() - began_s
        owners += resolved.owners[: sampled - len(owners)]
    added = server.used_bytes() - before
    identifiers = [one for number in range(sampled) for one in _person(number)]
    return Memory(
        profiles=profiles,
        profiles_per_s=profiles / seconds,
        bytes_per_profile=added / profiles,
        record_bytes=server.bytes_of(profile_key(owner) for owner in owners) / sampled,
        identifier_bytes=server.bytes_of(identifier_key(one) for one in identifiers) / len(identifiers),
    )


def _person(number: int) -> list[Identifier]:
    return [
        Identifier("user_id", f"u{number:07d}"),
        Identifier("email", f"u{number:07d}@shop.example"),
        Identifier("anonymous_id", _uuid(f"device {number}")),
    ]


def _with_new_device(number: int) -> list[Identifier]:
    user, email, _ = _person(number)
    return [user, email, Identifier("anonymous_id", _uuid(f"new device {number}"))]


def _second_self(number: int) -> list[Identifier]:
    """Somebody who has not said yet who it is: another profile of three identifiers."""
    return [
        Identifier("email", f"second.{number:07d}@shop.example"),
        Identifier("anonymous_id", _uuid(f"second device {number}")),
        Identifier("ios.id", _uuid(f"phone {number}")),
    ]


def _both_selves(number: int) -> list[Identifier]:
    user, email, _ = _person(number)
    return [user, email, _second_self(number)[1]]


def _uuid(name: str) -> str:
    return str(UUID(bytes=blake2b(name.encode(), digest_size=16).digest()))


_numbers = itertools.count()


def _batches(people: Iterable[Sequence[Identifier]]) -> Iterator[Batch]:
    """Accepted events of these people, one each, in batches."""
    events = map(_accepted, people)
    while batch := list(itertools.islice(events, BATCH_EVENTS)):
        yield batch


# Resolving looks at the identifiers and at nothing else of an event.
_CALL = TrackingEvent(type="track", messageId="", event="Product Viewed")
_NO_EXTERNAL_IDS = Raw(b"[]")


def _accepted(identifiers: Sequence[Identifier]) -> tuple[Record, Accepted]:
    number = next(_numbers)
    record = Record("tracking-events", 0, number, BASE_MS + number, None, None, [])
    return record, Accepted(_uuid(f"message {number}"), _CALL, identifiers, _NO_EXTERNAL_IDS, BASE_MS + number)
