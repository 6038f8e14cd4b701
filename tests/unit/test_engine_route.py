"""What the router counts."""

import json
from collections import Counter
from random import Random
from typing import Any

import pytest

from consumers import catalog
from schemas.codec import AvroDecoder
from worker.adapters.memory_store import MemoryStore
from worker.audiences.catalogue import Catalogue
from worker.clock import VirtualClock
from worker.engine.books import Books
from worker.engine.directory import Directory
from worker.engine.progress import Progress
from worker.engine.route import Router
from worker.identity.rules import Caps, Rules
from worker.ports import Record

pytestmark = pytest.mark.unit

DAY_MS = 86_400_000


def left_out(*calls: dict[str, Any], rules: Rules) -> Counter[str]:
    """By kind, what one batch of calls has left out of its profiles."""
    store, random = MemoryStore(VirtualClock(1_000)), Random(0)
    router = Router(
        store=store,
        directory=Directory(store, draw_profile=lambda: random.randbytes(16), cached_identifiers=100),
        consumers=catalog.event_consumers(require_external_definition=False, avro=AvroDecoder()),
        mailbox_partitions=1,
        dedup_window_ms=DAY_MS,
        progress=Progress(store, partitions=(), interval_ms=0, margin_ms=0),
    )
    records = [
        Record("tracking-events", 0, offset, 1_000, None, json.dumps({"type": "page", **call}).encode(), ())
        for offset, call in enumerate(calls)
    ]
    books = Books()
    batch = router.begin(records, books, Catalogue(), rules)
    router.receive(batch)
    router.resolve(batch)
    router.address(batch)
    return books.violations


def test_identifiers_that_are_left_out_are_counted_by_kind() -> None:
    """Of accepted events: one that nothing is left of is a dead letter, and counted as that."""
    rules = Rules(caps=Caps(merges_max=0, mappings_max=3))

    counted = left_out(
        {"userId": "u1", "anonymousId": "null"},
        {"userId": "u1", "anonymousId": "-1"},
        {"userId": "null"},
        {"userId": "u1", "anonymousId": "a1"},
        {"userId": "u2", "anonymousId": "a1"},
        {"anonymousId": "a2"},
        {"userId": "u1", "anonymousId": "a2"},
        {"userId": "u1", "anonymousId": "a3"},
        {"userId": "u1", "anonymousId": "a4"},
        rules=rules,
    )

    assert counted == {
        "ID value blocked": 2,
        "Identifier value limit exceeded": 1,
        "Profile merge limit exceeded": 1,
        "Identifier mapping limit exceeded": 1,
    }
