"""What routing gets of a passthrough event."""

import json

import pytest

from consumers.passthrough import consume
from tests.people import words
from worker.audiences.catalogue import Catalogue
from worker.engine.archive import archived
from worker.engine.intake import Accepted
from worker.identity.rules import Rules
from worker.ports import Record

pytestmark = pytest.mark.unit

RECEIVED_MS = 1_748_860_000_000
EVENT = {
    "type": "passthrough",
    "action": "qualify",
    "identifiers": {"customer_id": " c42 "},
    "data": {"audience_id": "audience_1", "ts": 1_748_851_070},
}


def test_its_one_identifier_links_nothing_and_its_time_is_its_own() -> None:
    record = Record("passthrough-events", 0, 1, RECEIVED_MS, None, json.dumps(EVENT).encode(), [])

    event = consume(record, Catalogue(), Rules(), require_definition=False)

    assert isinstance(event, Accepted)
    assert (words(event.identifiers), event.extends, event.blocked) == (["customer_id:c42"], False, ())
    assert event.event_at_ms == 1_748_851_070_000
    written = json.loads(archived(event, "use_" + "0" * 32, RECEIVED_MS))
    assert written["external_ids"] == [{"id": "c42", "type": "customer_id", "collection": "users", "encoding": "none"}]
    assert "context" not in written
