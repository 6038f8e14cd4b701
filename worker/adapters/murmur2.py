"""Which partition a key belongs to, as Kafka's own clients decide it (``murmur2`` of the key).

Source: Apache Kafka, ``org.apache.kafka.common.utils.Utils.murmur2``; librdkafka, "partitioner".
"""

_WORD = 0xFFFFFFFF
_M = 0x5BD1E995


def murmur2(key: bytes) -> int:
    """MurmurHash2, 32 bit, with Kafka's seed; unsigned."""
    length = len(key)
    whole = length & ~3
    h = 0x9747B28C ^ length
    for at in range(0, whole, 4):
        k = int.from_bytes(key[at : at + 4], "little") * _M & _WORD
        k = (k ^ k >> 24) * _M & _WORD
        h = (h * _M & _WORD) ^ k
    if whole < length:
        h = (h ^ int.from_bytes(key[whole:], "little")) * _M & _WORD
    h = (h ^ h >> 13) * _M & _WORD
    return h ^ h >> 15


def partition_for(key: bytes, partitions: int) -> int:
    return (murmur2(key) & 0x7FFFFFFF) % partitions
