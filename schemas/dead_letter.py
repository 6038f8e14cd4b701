"""Dead letters: the refused record untouched, with headers that say where it came from and what was wrong.

The headers are Kafka Connect's, so its tools read them, and two of our own: ``reason`` and ``stage``.

Source: Apache Kafka, KIP-298 "Error Handling in Connect"; docs/dead-letters.md.
"""

from collections.abc import Sequence

from schemas.reasons import Refusal, Stage

CONNECTOR_NAME = "audience-worker"
PREFIX = "__connect.errors."
_OURS = ("reason", "stage")

Header = tuple[str, bytes]


def headers(
    *,
    original: Sequence[Header],
    refusal: Refusal,
    stage: Stage,
    topic: str,
    partition: int,
    offset: int,
    task_id: str,
) -> list[Header]:
    """The headers of a dead letter: the original's first, as they were, then those of the error.

    What an earlier refusal of the same bytes left behind (a replayed dead letter) is replaced, not repeated.

    Shapes:
        topic, partition, offset: coordinates of the original record. task_id: the replica that refused it.

    Source: Apache Kafka, KIP-298; docs/dead-letters.md, "Headers".
    """
    kept = [header for header in original if not _is_of_an_error(header[0])]
    added = {
        PREFIX + "topic": topic,
        PREFIX + "partition": str(partition),
        PREFIX + "offset": str(offset),
        PREFIX + "connector.name": CONNECTOR_NAME,
        PREFIX + "task.id": task_id,
        PREFIX + "stage": stage.value,
        PREFIX + "class.name": f"{CONNECTOR_NAME}.{stage.value}",
        PREFIX + "exception.class.name": refusal.reason.value,
        PREFIX + "exception.message": refusal.detail,
        "reason": refusal.reason.value,
        "stage": stage.value,
    }
    # a detail may quote what the sender wrote, which need not be encodable
    return kept + [(name, text.encode("utf-8", "replace")) for name, text in added.items()]


def _is_of_an_error(name: str) -> bool:
    return name in _OURS or name.startswith(PREFIX)
