"""What only the in-memory adapters have: their clock, faults on demand, and what a test can do to the broker."""

import pytest

from worker.adapters.memory_kafka import MemoryKafka
from worker.adapters.memory_store import MemoryStore
from worker.adapters.murmur2 import murmur2
from worker.clock import VirtualClock
from worker.errors import DependencyError, StoreUnavailableError, SupersededError, TransactionRefusedError
from worker.ports import Claim, Partition, PendingOutputs, StateWrite

NOW_MS = 1_736_500_000_000
IN = Partition("in", 0)
PROFILE = bytes(16)


class Faults:
    """Raises at the requests that it was told of, once each."""

    def __init__(self, error: type[Exception]) -> None:
        self.error = error
        self.at: set[str] = set()

    def __call__(self, request: str) -> None:
        if request in self.at:
            self.at.remove(request)
            raise self.error(request)


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(NOW_MS)


@pytest.fixture
def faults() -> Faults:
    return Faults(TransactionRefusedError)


@pytest.fixture
def kafka(clock: VirtualClock, faults: Faults) -> MemoryKafka:
    kafka = MemoryKafka(clock, on_io=faults)
    kafka.create_topic("in", partitions=1)
    kafka.create_topic("out", partitions=1)
    kafka.append("in", key=b"k", value=b"1")
    return kafka


@pytest.mark.parametrize(
    ("key", "hashed"),
    [  # the vectors of Kafka's own UtilsTest.testMurmur2
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_keys_are_hashed_as_kafka_hashes_them(key: bytes, hashed: int) -> None:
    assert murmur2(key) == hashed % 2**32


def test_a_lost_answer_to_a_commit_leaves_the_transaction_committed(kafka: MemoryKafka, faults: Faults) -> None:
    source, producer = kafka.source("group", "one", ["in"]), kafka.producer("one")
    producer.replace()
    poll = source.poll(10, 0)
    producer.begin()
    producer.produce("out", key=b"k", value=b"made")
    producer.send_offsets({IN: 1}, poll.metadata)
    faults.at = {"commit:answer"}
    with pytest.raises(TransactionRefusedError):
        producer.commit()

    assert [record.value for record in kafka.visible("out", 0)] == [b"made"]
    assert kafka.committed("group", IN) == 1


def test_a_refused_commit_leaves_nothing_once_the_producer_is_replaced(kafka: MemoryKafka, faults: Faults) -> None:
    source, producer = kafka.source("group", "one", ["in"]), kafka.producer("one")
    producer.replace()
    poll = source.poll(10, 0)
    producer.begin()
    producer.produce("out", key=b"k", value=b"made")
    producer.send_offsets({IN: 1}, poll.metadata)
    faults.at = {"commit"}
    with pytest.raises(TransactionRefusedError):
        producer.commit()
    producer.replace()
    kafka.append("out", key=b"k", value=b"later")  # an open transaction would hide it

    assert [record.value for record in kafka.visible("out", 0)] == [b"later"]
    assert kafka.committed("group", IN) is None


def test_a_producer_under_the_same_id_fences_the_one_before(kafka: MemoryKafka) -> None:
    zombie, successor = kafka.producer("one"), kafka.producer("one")
    zombie.replace()
    zombie.begin()
    successor.replace()
    with pytest.raises(TransactionRefusedError):
        zombie.produce("out", key=b"k", value=b"too late")
    with pytest.raises(TransactionRefusedError):
        zombie.begin()


def test_offsets_in_doubt_hold_up_the_successor_until_the_transaction_times_out(
    kafka: MemoryKafka, clock: VirtualClock
) -> None:
    stuck, producer = kafka.source("group", "one", ["in"]), kafka.producer("one")
    producer.replace()
    poll = stuck.poll(10, 0)
    producer.begin()
    producer.send_offsets({IN: 1}, poll.metadata)
    kafka.evict("group", "one")
    successor = kafka.source("group", "two", ["in"])
    with pytest.raises(DependencyError):
        successor.poll(10, 0)
    clock.advance_to(NOW_MS + 10_001)

    assert [record.value for record in successor.poll(10, 0).records] == [b"1"]
    with pytest.raises(TransactionRefusedError):
        producer.commit()


def test_a_closed_member_keeps_its_partitions_until_its_session_ends(kafka: MemoryKafka, clock: VirtualClock) -> None:
    first = kafka.source("group", "one", ["in"])
    first.poll(0, 0)
    first.close()
    second = kafka.source("group", "two", ["in"])
    second.poll(0, 0)
    before = second.assignment()
    clock.advance_to(NOW_MS + 6_000)
    second.poll(0, 0)

    assert (before, second.assignment()) == (frozenset(), frozenset({IN}))


def test_who_takes_a_members_name_takes_its_partitions_and_ends_it(kafka: MemoryKafka) -> None:
    old, new = kafka.source("group", "one", ["in"]), kafka.source("group", "one", ["in"])
    stale = old.poll(1, 0).metadata
    assert [record.value for record in new.poll(1, 0).records] == [b"1"]
    with pytest.raises(SupersededError):
        old.poll(1, 0)
    producer = kafka.producer("one")
    producer.replace()
    producer.begin()
    with pytest.raises(SupersededError):
        producer.send_offsets({IN: 1}, stale)


def test_a_new_life_of_a_member_does_not_hold_what_the_one_before_was_to_give_up(kafka: MemoryKafka) -> None:
    kafka.create_topic("two", partitions=2)
    first = kafka.source("group", "one", ["two"])
    first.poll(0, 0)
    second = kafka.source("group", "two", ["two"])
    second.poll(0, 0)  # half of what the first one has is to be its own, at the first one's next poll
    again = kafka.source("group", "one", ["two"])
    again.poll(0, 0)
    second.poll(0, 0)

    assert len(again.assignment()) == len(second.assignment()) == 1


def test_a_decided_commit_is_seen_when_its_markers_are_written(kafka: MemoryKafka) -> None:
    source, producer = kafka.source("group", "one", ["in"]), kafka.producer("one")
    producer.replace()
    poll = source.poll(10, 0)
    kafka.delay_markers(until_asked=True)
    producer.begin()
    producer.produce("out", key=b"k", value=b"made")
    producer.send_offsets({IN: 1}, poll.metadata)
    producer.commit()
    assert kafka.visible("out", 0) == []
    with pytest.raises(DependencyError):
        source.rewind()
    producer.abort()  # too late
    kafka.write_markers()

    assert [record.value for record in kafka.visible("out", 0)] == [b"made"]
    source.rewind()
    assert source.position(IN) == 1


@pytest.mark.parametrize("end", ["commit", "abort"])
@pytest.mark.parametrize("successor", ["the same producer", "another one", "time"])
def test_what_is_decided_is_carried_out_before_the_next_transaction(
    kafka: MemoryKafka, end: str, successor: str
) -> None:
    producer = kafka.producer("one")
    producer.replace()
    kafka.delay_markers(until_asked=True)
    producer.begin()
    producer.produce("out", key=b"k", value=b"made")
    getattr(producer, end)()
    if successor == "time":
        kafka.expire_transactions()
    elif successor == "another one":
        kafka.producer("one").replace()
    else:
        producer.begin()

    expected = [b"made"] if end == "commit" else []
    assert [record.value for record in kafka.visible("out", 0)] == expected


def test_a_transaction_that_is_decided_takes_nothing_more(kafka: MemoryKafka) -> None:
    producer = kafka.producer("one")
    producer.replace()
    kafka.delay_markers(until_asked=True)
    producer.begin()
    producer.commit()
    with pytest.raises(TransactionRefusedError):
        producer.produce("out", key=b"k", value=b"too late")


def test_a_successor_whose_answer_is_lost_has_fenced_all_the_same(kafka: MemoryKafka, faults: Faults) -> None:
    producer = kafka.producer("one")
    producer.replace()
    producer.begin()
    faults.at = {"init_transactions:answer"}
    with pytest.raises(TransactionRefusedError):
        kafka.producer("one").replace()

    with pytest.raises(TransactionRefusedError):
        producer.commit()


def test_offsets_whose_answer_is_lost_are_sent_all_the_same(kafka: MemoryKafka, faults: Faults) -> None:
    source, producer = kafka.source("group", "one", ["in"]), kafka.producer("one")
    producer.replace()
    poll = source.poll(10, 0)
    producer.begin()
    faults.at = {"send_offsets:answer"}
    with pytest.raises(TransactionRefusedError):
        producer.send_offsets({IN: 1}, poll.metadata)
    producer.commit()

    assert kafka.committed("group", IN) == 1


def test_offsets_can_be_refused(kafka: MemoryKafka, faults: Faults) -> None:
    source = kafka.source("group", "one", ["in"])
    faults.at = {"committed_offset"}
    with pytest.raises(TransactionRefusedError):
        source.poll(10, 0)

    assert [record.value for record in source.poll(10, 0).records] == [b"1"]


def test_a_lost_answer_of_the_store_does_not_undo_the_write(clock: VirtualClock) -> None:
    faults = Faults(StoreUnavailableError)
    store = MemoryStore(clock, on_io=faults)
    write = StateWrite(PROFILE, -1, (7).to_bytes(8, "big"), None)
    faults.at = {"commit:answer"}
    reply = store.commit(0, [write], [], 0)
    with pytest.raises(StoreUnavailableError):
        reply.get()

    assert store.load(0, [PROFILE]).get() == [write.blob]


def test_a_refused_call_of_the_store_does_nothing(clock: VirtualClock) -> None:
    faults = Faults(StoreUnavailableError)
    store = MemoryStore(clock, on_io=faults)
    faults.at = {"commit"}
    with pytest.raises(StoreUnavailableError):
        store.commit(0, [StateWrite(PROFILE, -1, bytes(8), None)], [], 0)

    assert store.load(0, [PROFILE]).get() == [None]


def test_outputs_are_kept_by_offset_and_profile(clock: VirtualClock) -> None:
    """Made again they replace the first ones; those of another profile at the same offset stay."""
    store, other = MemoryStore(clock), b"\x01" * 16
    store.commit(0, [], [PendingOutputs(5, PROFILE, b"a"), PendingOutputs(5, other, b"b")], 0).get()
    store.commit(0, [], [PendingOutputs(5, PROFILE, b"c")], 0).get()

    assert store.load_pending(0, 0, 9).get() == [PendingOutputs(5, PROFILE, b"c"), PendingOutputs(5, other, b"b")]


def test_forgotten_claims_leave_no_memory_and_newer_ones_stay(clock: VirtualClock) -> None:
    store, hour_ms = MemoryStore(clock), 3_600_000
    digests = [number.to_bytes(16, "big") for number in range(3)]
    for number, digest in enumerate(digests):
        store.claim([Claim(digest, b"first", clock.now_ms())], epoch=0, evict_before_ms=0).get()
        clock.advance_to(NOW_MS + (number + 1) * 20 * hour_ms)
    now_ms = clock.now_ms()  # the claims are 60, 40 and 20 hours old
    again = [Claim(digest, b"other", now_ms) for digest in digests]

    assert store.claim(again, epoch=0, evict_before_ms=now_ms - 24 * hour_ms).get() == [2]
    assert {digest for digest, kept in store._claims._by_digest.items() if len(kept) > 1} == set()
