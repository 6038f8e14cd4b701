"""Kafka through librdkafka: ``worker.ports`` as promised, over confluent-kafka."""

from worker.adapters.kafka_admin import KafkaAdmin, TopicDescription
from worker.adapters.kafka_producer import KafkaProducer
from worker.adapters.kafka_source import KafkaSource

__all__ = ["KafkaAdmin", "KafkaProducer", "KafkaSource", "TopicDescription"]
