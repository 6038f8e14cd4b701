"""What only a real Redis can show: connections that break, memory, keys, and what the server says of itself."""

import contextlib
import signal
import time
from collections.abc import Iterator
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from worker.adapters.redis import RedisStore
from worker.adapters.redis_claims import CLAIM_SLICES, bucket_divisors
from worker.clock import VirtualClock
from worker.errors import InputError, StoreUnavailableError
from worker.ports import SCAN_START, Claim, Lists, PendingOutputs, StateWrite, Swap

DAY_MS = 86_400_000
MINUTE_MS = 60_000
NOW_MS = 1_767_268_800_000
HERE, THERE = b"here!", b"there"
PROFILE = b"a profile of 16b"


@pytest.fixture
def admin(redis_url: str) -> Iterator[redis.Redis]:
    with contextlib.closing(redis.Redis.from_url(redis_url)) as client:
        yield client


@pytest.fixture
def space() -> str:
    return uuid4().hex


@pytest.fixture
def reconnects() -> list[str]:
    return []


@pytest.fixture
def store(redis_url: str, space: str, reconnects: list[str]) -> Iterator[RedisStore]:
    """One that goes by the server's clock."""
    store = RedisStore(
        redis_url,
        space=space,
        dedup_expected_ids_per_day=1_000,
        on_reconnect=lambda: reconnects.append("again"),
    )
    with contextlib.closing(store):
        yield store


def drop(admin: redis.Redis, store: RedisStore) -> None:
    """Cut the connection of a store, and of no other."""
    cut = f"cut-{uuid4().hex}"
    store._nodes.connection.send((b"CLIENT", b"SETNAME", cut)).receive()
    [victim] = [each["id"] for each in admin.client_list() if each["name"] == cut]
    admin.client_kill_filter(_id=victim)


def keys_of(admin: redis.Redis, space: str) -> list[bytes]:
    return sorted(admin.scan_iter(match=f"*{space}*", count=10_000))


def test_a_lost_connection_fails_what_was_asked_and_is_made_again(
    admin: redis.Redis, store: RedisStore, reconnects: list[str]
) -> None:
    assert store.swap([Swap(b"key", None, b"value")]).get()
    drop(admin, store)
    with pytest.raises(StoreUnavailableError):
        store.read([b"key"]).get()
    assert reconnects == []
    assert store.read([b"key"]).get() == [b"value"]
    assert reconnects == ["again"]


def test_every_reply_that_was_still_to_come_fails(admin: redis.Redis, store: RedisStore) -> None:
    """Whoever sent a write before the failure must not take silence for success."""
    came = store.swap([Swap(b"key", None, b"value")])
    assert came.get()
    admin.set(f"aw:{{{store._space}}}:wrong", "no sorted set")
    refused = store._nodes.connection.send((b"ZRANGE", f"aw:{{{store._space}}}:wrong", 0, 1))
    behind = store.read([b"key"])
    with pytest.raises(StoreUnavailableError, match="WRONGTYPE"):
        refused.receive()
    with pytest.raises(StoreUnavailableError, match="WRONGTYPE"):
        behind.get()
    assert store.read([b"key"]).get() == [b"value"]


def test_a_server_that_lost_the_scripts_gets_them_again(admin: redis.Redis, store: RedisStore) -> None:
    claims = [Claim(b"\x01" * 16, HERE, NOW_MS)]
    assert store.claim(claims, epoch=0, evict_before_ms=0).get() == []
    admin.script_flush()
    with pytest.raises(StoreUnavailableError, match=r"NOSCRIPT|No matching script"):
        store.claim(claims, epoch=0, evict_before_ms=0).get()
    assert store.claim(claims, epoch=0, evict_before_ms=0).get() == []


def test_a_full_server_refuses_a_swap_whole(admin: redis.Redis, store: RedisStore) -> None:
    """It lets removals pass: one that came before the first refusal would have been done alone."""
    assert store.swap([Swap(b"a", None, b"1"), Swap(b"b", None, b"1")], Lists(added=[(b"s", b"x")])).get()
    admin.config_set("maxmemory", 1)
    try:
        for swaps, lists in (
            ([Swap(b"a", b"1", None), Swap(b"b", b"1", b"2")], Lists()),
            ([Swap(b"a", b"1", None)], Lists(noted=[(PROFILE, 5)])),
            ([Swap(b"a", b"1", None)], Lists(removed=[(b"s", b"x")], added=[(b"s", b"y")])),
        ):
            with pytest.raises(StoreUnavailableError, match="maxmemory"):
                store.swap(swaps, lists).get()
    finally:
        admin.config_set("maxmemory", 0)
    assert store.read([b"a", b"b"]).get() == [b"1", b"1"]
    assert store.members(b"s").get() == [b"x"]
    assert store.notes(9, 9).get() == []


def test_a_closed_store_connects_again_when_it_is_used(store: RedisStore) -> None:
    outstanding = store.read([b"key"])
    store.close()
    with pytest.raises(StoreUnavailableError, match="closed"):
        outstanding.get()
    assert store.read([b"key"]).get() == [None]


def test_nobody_listens() -> None:
    store = RedisStore("redis://127.0.0.1:1/0", space="s", dedup_expected_ids_per_day=1_000)
    with pytest.raises(StoreUnavailableError):
        store.read([b"key"]).get()


def test_a_server_that_does_not_answer_in_time_is_given_up(admin: redis.Redis, redis_url: str) -> None:
    impatient = RedisStore(redis_url, space="s", dedup_expected_ids_per_day=1_000, timeout_s=0.1)
    with contextlib.closing(impatient):
        impatient.read([b"key"]).get()
        with pytest.raises(StoreUnavailableError, match=r"[Tt]imeout"):
            impatient._nodes.connection.send((b"BLPOP", b"aw:nothing-ever-comes", 30)).receive()
        assert impatient.read([b"key"]).get() == [None]


def test_an_interrupted_wait_leaves_no_answer_for_somebody_else(store: RedisStore) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    assert store.swap([Swap(b"key", None, b"value")]).get()
    slow = store._nodes.connection.send((b"BLPOP", f"aw:{{{store._space}}}:nothing-ever-comes", 1))
    behind = store.read([b"key"])
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(KeyboardInterrupt):
            slow.receive()
    finally:
        signal.signal(signal.SIGALRM, before)
    with pytest.raises(StoreUnavailableError, match="interrupted"):
        behind.get()
    assert store.read([b"key", b"none"]).get() == [b"value", None]


@pytest.mark.parametrize(
    "url", ["http://:secret@here/0", "redis://:secret@here/0?db=secret", "redis://:secret@here/0?no_such_option=1"]
)
def test_a_url_that_is_not_understood_is_the_users_mistake_and_not_repeated(url: str) -> None:
    with pytest.raises(InputError, match="URL of Redis") as raised:
        RedisStore(url, space="s", dedup_expected_ids_per_day=1_000)
    assert "secret" not in str(raised.value)


def test_a_user_with_a_password_and_rights_to_our_keys_only(admin: redis.Redis, redis_url: str, space: str) -> None:
    user, where = f"user-{space}", urlsplit(redis_url)
    admin.acl_setuser(user, enabled=True, passwords=["++p/w:d"], keys=["aw:*"], categories=["+@all"])
    try:
        url = f"redis://{user}:%2Bp%2Fw%3Ad@{where.hostname}:{where.port}{where.path}"
        with contextlib.closing(RedisStore(url, space=space, dedup_expected_ids_per_day=1_000)) as store:
            assert store.claim([Claim(b"\x01" * 16, HERE, NOW_MS)], epoch=0, evict_before_ms=0).get() == []
            assert (
                store.commit(1, [StateWrite(PROFILE, -1, bytes(8), 5)], [PendingOutputs(0, PROFILE, b"")], 0).get()
                == []
            )
        with pytest.raises(StoreUnavailableError):
            RedisStore(url.replace("%2B", "no"), space=space, dedup_expected_ids_per_day=1_000).read([b"key"]).get()
    finally:
        admin.acl_deluser(user)


def test_without_a_clock_the_servers_bounds_the_time_of_a_claim(store: RedisStore) -> None:
    now_ms = time.time_ns() // 1_000_000
    far = [Claim(b"\x01" * 16, HERE, now_ms + 9 * DAY_MS)]
    assert store.claim(far, epoch=0, evict_before_ms=0).get() == []
    assert store.claim([Claim(b"\x01" * 16, THERE, now_ms)], epoch=0, evict_before_ms=0).get() == [0]
    assert store.claim([Claim(b"\x01" * 16, THERE, now_ms - 2 * DAY_MS)], epoch=0, evict_before_ms=0).get() == []


def test_all_keys_of_a_call_share_a_hash_tag(admin: redis.Redis, store: RedisStore, space: str) -> None:
    """What a script touches must lie in one slot of a cluster."""
    claims = [Claim(bytes([number, 0, 0, 0]) + bytes(12), HERE, NOW_MS) for number in range(CLAIM_SLICES)]
    store.claim(claims, epoch=0, evict_before_ms=0).get()
    store.raise_epoch(1).get()
    store.swap([Swap(b"key", None, b"value")]).get()
    store.commit(63, [StateWrite(PROFILE, -1, bytes(8), 5)], [PendingOutputs(0, PROFILE, b"")], 0).get()
    store.publish_progress({"t:0": (1, 2)}).get()

    expected = {f"aw:{{{space}}}:key", f"aw:{{{space}:p}}"}
    expected |= {f"aw:{{{space}:s63}}:{name}" for name in (PROFILE.decode(), "timers", "pending")}
    for number in range(CLAIM_SLICES):
        expected |= {f"aw:{{{space}:c{number}}}:{name}" for name in ("epoch", "\0\0\0")}
    assert {key.decode() for key in keys_of(admin, space)} == expected


def test_two_spaces_do_not_see_each_other(redis_url: str, space: str, store: RedisStore) -> None:
    other = RedisStore(redis_url, space=f"{space}.2", dedup_expected_ids_per_day=1_000)
    with contextlib.closing(other):
        for each, place in ((store, HERE), (other, THERE)):
            assert each.swap([Swap(b"key", None, b"value")]).get()
            assert each.claim([Claim(b"\x01" * 16, place, NOW_MS)], epoch=0, evict_before_ms=0).get() == []
            assert each.commit(1, [StateWrite(PROFILE, -1, bytes(8), 5)], [], 0).get() == []
            cursor = SCAN_START
            found: list[bytes] = []
            while not found or cursor != SCAN_START:
                cursor, profiles = each.scan(cursor).get()
                found += profiles
            assert found == [PROFILE]


def test_two_replicas_compete_for_the_same_ids(redis_url: str, space: str, store: RedisStore) -> None:
    with contextlib.closing(RedisStore(redis_url, space=space, dedup_expected_ids_per_day=1_000)) as other:
        assert store.claim([Claim(b"\x01" * 16, HERE, NOW_MS)], epoch=0, evict_before_ms=0).get() == []
        assert other.claim([Claim(b"\x01" * 16, THERE, NOW_MS)], epoch=0, evict_before_ms=0).get() == [0]
        other.raise_epoch(1).get()
        assert store.claim([Claim(b"\x02" * 16, HERE, NOW_MS)], epoch=0, evict_before_ms=0).get() is None


def test_the_window_takes_no_more_memory_after_many_days_than_after_two(
    admin: redis.Redis, redis_url: str, space: str
) -> None:
    """What is past the window makes room for what comes."""
    clock = VirtualClock(NOW_MS)
    store = RedisStore(redis_url, space=space, dedup_expected_ids_per_day=1_000, clock=clock)
    sizes = []
    with contextlib.closing(store):
        for hour in range(6 * 24):
            at_ms = NOW_MS + hour * 60 * MINUTE_MS
            clock.advance_to(at_ms)
            claims = [Claim(b"\x05bkt" + (hour * 20 + n).to_bytes(6, "big") + bytes(6), HERE, at_ms) for n in range(20)]
            assert store.claim(claims, epoch=0, evict_before_ms=at_ms - DAY_MS).get() == []
            sizes.append(sum(admin.strlen(key) for key in keys_of(admin, space)))
    assert sizes[-1] <= sizes[2 * 24] <= 1.1 * 25 * 20 * 14


def test_a_fingerprint_is_not_found_across_the_fields_of_a_record(redis_url: str, space: str) -> None:
    """A claim whose bytes, read from its second one on, look like a claim of another id at the same time."""
    byte = b"\xbf"
    minute = 2**24 - 1 + int.from_bytes(3 * byte, "big")
    clock = VirtualClock(minute * MINUTE_MS)
    store = RedisStore(redis_url, space=space, dedup_expected_ids_per_day=1_000, clock=clock)
    looks_like = Claim(bytes(4) + b"\x01" + 11 * byte, 5 * byte, clock.now_ms())
    claim = Claim(bytes(4) + 12 * byte, THERE, clock.now_ms())
    with contextlib.closing(store):
        assert store.claim([looks_like, claim], epoch=0, evict_before_ms=0).get() == []


def test_inspect_tells_what_start_up_checks_ask(admin: redis.Redis, store: RedisStore) -> None:
    [facts] = store.inspect().values()
    server = admin.info()
    assert facts.version == server["redis_version"]
    assert (facts.mode, facts.role) == (server["redis_mode"], server["role"])
    assert facts.eviction_policy == server["maxmemory_policy"]
    assert facts.append_only == bool(server["aof_enabled"])
    assert facts.replicas == server["connected_slaves"]


@given(ids=st.integers(0, 10**13))
def test_buckets_are_as_many_as_the_plan_needs_within_bounds(ids: int) -> None:
    """Between 48 and 96 ids a bucket at plan, unless the plan is out of all proportion."""
    first, second, third = divisors = bucket_divisors(ids)
    buckets = first * second * third
    assert all(1 <= each <= 256 and each.bit_count() == 1 for each in divisors)
    assert 2**8 <= buckets <= 2**24
    if 2**8 < buckets < 2**24:
        assert 48 <= ids / CLAIM_SLICES / buckets < 97
