"""The floor: consume, decode, produce every 65th record; no state and no guarantee. Run as a script.

What the Kafka client and a JSON decoder cost in this language, under which nothing that does the job can go.
"""

import os
import time

import msgspec
from confluent_kafka import Consumer, Message, Producer

BATCH_RECORDS = 500
COMMIT_INTERVAL_S = 0.1  # often enough that the harness sees a drain of two seconds
OUTPUT_EVERY = 65  # about as many records as the job makes


def main() -> None:
    servers = os.environ["BENCH_SERVERS"]
    consumer = Consumer(
        {
            "bootstrap.servers": servers,
            "group.id": os.environ["BENCH_GROUP"],
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
    )
    producer = Producer({"bootstrap.servers": servers, "linger.ms": 5})
    consumer.subscribe([os.environ["BENCH_INPUT"]])
    read = 0
    committed_s = time.monotonic()
    while True:
        batch = consumer.consume(BATCH_RECORDS, 0.05)
        read = _pass_on(batch, producer, os.environ["BENCH_OUTPUT"], read=read)
        if read and time.monotonic() - committed_s > COMMIT_INTERVAL_S:
            producer.flush()
            consumer.commit(asynchronous=True)
            committed_s = time.monotonic()


def _pass_on(batch: list[Message], producer: Producer, topic: str, *, read: int) -> int:
    for message in batch:
        value = message.value()
        if message.error() is not None or value is None:
            continue
        msgspec.json.decode(value)
        read += 1
        if read % OUTPUT_EVERY == 0:
            producer.produce(topic, b"{}", message.key())
    producer.poll(0)
    return read


if __name__ == "__main__":
    main()
