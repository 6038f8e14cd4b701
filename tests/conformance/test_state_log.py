"""``worker.ports.StateLog``, sentence by sentence, in memory and for real."""

from tests.conformance.kafka_steps import announced
from tests.conformance.kafka_worlds import NOW_MS, World
from worker.errors import DependencyError
from worker.ports import LoggedState, PendingOutputs, Producer, StateLog
from worker.profiles.log import headers_of, key_of

ANN, BOB = b"a" * 16, b"b" * 16
MINUTE_MS = 60_000
MORE_THAN_IS_LOOKED_AT_FIRST = 12


def log_state(
    producer: Producer, topic: str, profile: bytes, blob: bytes, *kept: PendingOutputs, partition: int = 0
) -> None:
    headers = headers_of(LoggedState(blob, kept))
    producer.produce(topic, key=key_of(profile), value=blob, headers=headers, partition=partition)


def blobs(log: StateLog, partition: int = 0, horizon_ms: int = MINUTE_MS) -> dict[bytes, bytes]:
    found = log.latest(partition, horizon_ms)
    return {} if found is None else {profile: state.blob for profile, state in found.states.items()}


def test_the_newest_state_of_each_profile_is_found(world: World) -> None:
    topic = world.topic(partitions=2)
    producer = announced(world)
    for blob in (b"1", b"2"):
        producer.begin()
        log_state(producer, topic, ANN, b"ann" + blob)
        log_state(producer, topic, BOB, b"bob" + blob, partition=1)
        producer.commit()
    producer.begin()
    log_state(producer, topic, BOB, b"bob3")
    producer.commit()

    log = world.state_log(topic)
    assert blobs(log) == {ANN: b"ann2", BOB: b"bob3"}
    assert blobs(log, 1) == {BOB: b"bob2"}


def test_what_a_state_has_kept_is_logged_with_it(world: World) -> None:
    topic = world.topic()
    producer = announced(world)
    kept = [PendingOutputs(offset, ANN, b"\x00out%d" % offset) for offset in (7, 1 << 40)]
    producer.begin()
    log_state(producer, topic, ANN, b"ann1", *kept)
    log_state(producer, topic, BOB, b"bob1")
    producer.commit()

    found = world.state_log(topic).latest(0, MINUTE_MS)
    assert found is not None
    assert {profile: list(state.kept) for profile, state in found.states.items()} == {ANN: kept, BOB: []}


def test_nothing_is_found_in_an_empty_log(world: World) -> None:
    assert blobs(world.state_log(world.topic())) == {}


def test_what_was_not_committed_was_not_logged(world: World) -> None:
    topic = world.topic()
    producer = announced(world)
    producer.begin()
    log_state(producer, topic, ANN, b"ann1")
    producer.commit()
    producer.begin()
    log_state(producer, topic, ANN, b"ann2")
    producer.abort()

    assert blobs(world.state_log(topic)) == {ANN: b"ann1"}


def test_a_log_of_aborted_transactions_only_is_as_good_as_empty(world: World) -> None:
    topic = world.topic()
    producer = announced(world)
    producer.begin()
    log_state(producer, topic, ANN, b"ann1")
    producer.abort()

    assert blobs(world.state_log(topic)) == {}


def test_the_horizon_counts_back_from_the_last_state(world: World) -> None:
    """Not from now: the workers may have been away for long."""
    topic = world.topic()
    last_ms = NOW_MS - 60 * MINUTE_MS
    for profile, at_ms in ((ANN, last_ms - MINUTE_MS - 1), (BOB, last_ms - MINUTE_MS), (BOB, last_ms)):
        world.append(topic, b"%d" % at_ms, key=key_of(profile), timestamp_ms=at_ms)

    log = world.state_log(topic)
    assert blobs(log) == {BOB: b"%d" % last_ms}
    assert blobs(log, horizon_ms=MINUTE_MS + 1) == {ANN: b"%d" % (last_ms - MINUTE_MS - 1), BOB: b"%d" % last_ms}


def test_a_state_logged_after_others_were_put_back_says_how_far_to_look(world: World) -> None:
    """They are older than it by more than the horizon, and Redis may lose them once more."""
    topic = world.topic()
    times_ms = [NOW_MS - hours * 60 * MINUTE_MS for hours in (5, 4, 3)]
    for profile, at_ms, since_ms in zip((b"c" * 16, ANN, BOB), times_ms, (None, None, times_ms[1]), strict=True):
        headers = headers_of(LoggedState(b""), since_ms)
        world.append(topic, b"%d" % at_ms, key=key_of(profile), timestamp_ms=at_ms, headers=headers)

    found = world.state_log(topic).latest(0, MINUTE_MS)
    assert found is not None
    assert found.since_ms == times_ms[1]
    assert {profile: int(state.blob) for profile, state in found.states.items()} == dict(
        zip((ANN, BOB), times_ms[1:], strict=True)
    )


def test_the_last_state_is_found_behind_many_markers(world: World) -> None:
    topic = world.topic()
    producer = announced(world)
    producer.begin()
    log_state(producer, topic, ANN, b"ann1")
    producer.commit()
    for _ in range(MORE_THAN_IS_LOOKED_AT_FIRST // 2):
        producer.begin()
        log_state(producer, topic, BOB, b"bob1")
        producer.abort()

    assert blobs(world.state_log(topic)) == {ANN: b"ann1"}


def test_an_open_transaction_is_waited_for(world: World) -> None:
    topic = world.topic()
    producer = announced(world)
    producer.begin()
    log_state(producer, topic, ANN, b"ann1")
    producer.commit()
    producer.begin()
    log_state(producer, topic, ANN, b"ann2")
    log = world.state_log(topic)
    assert world.until(lambda: not is_complete(log, 0)), "it is open as soon as the broker has its first record"
    producer.commit()

    assert blobs(log) == {ANN: b"ann2"}


def is_complete(log: StateLog, partition: int) -> bool:
    try:
        log.latest(partition, MINUTE_MS)
    except DependencyError:
        return False
    return True
