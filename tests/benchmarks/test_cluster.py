"""What the harness does with a broker."""

from uuid import uuid4

from tests.benchmarks.cluster import Cluster, Reader, fill
from tests.benchmarks.events import Event

ANSWER_TIMEOUT_S = 20.0


def event(value: bytes) -> Event:
    return Event(value.decode(), "u", "", 1_794_268_800_000, value)


def test_a_reader_keeps_what_is_new_and_not_too_large(kafka: str) -> None:
    cluster, topic = Cluster(kafka), f"reader-{uuid4().hex}"
    cluster.create(topic)
    fill(cluster, topic, [event(b"before")])

    with Reader(cluster, topic, skip=True, value_bytes_max=10) as reader:
        fill(cluster, topic, [event(b"x" * 11), event(b"y" * 10), event(b"last")])
        received = reader.wait_for(2, timeout_s=ANSWER_TIMEOUT_S)

    assert [record.value for record in received] == [b"y" * 10, b"last"]


def test_a_group_that_nobody_has_heard_of_has_read_nothing(kafka: str) -> None:
    """Asking the admin client for it has ended the harness with a segmentation fault."""
    cluster, topic = Cluster(kafka), f"unread-{uuid4().hex}"
    cluster.create(topic)
    group = f"nobody-{topic}"

    assert not cluster.has_unread(group, topic)
    fill(cluster, topic, [event(b"one")])

    assert cluster.has_unread(group, topic)
    assert cluster.committed(group, topic) == 0
