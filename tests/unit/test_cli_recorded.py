"""Events of the past, however they were written down."""

import json
from typing import Any

import pytest

from worker.cli.line import Line
from worker.cli.recorded import Recorded, read_recorded
from worker.errors import InputError

pytestmark = pytest.mark.unit

AT_MS = 1_736_503_260_000
EVENT = {"type": "track", "messageId": "m1", "event": "X", "userId": "u1", "properties": {"big": 2**60, "tiny": 1e-7}}
ARCHIVED = {"profile_id": "use_" + "0" * 32, "at": AT_MS, "timestamp_ms": AT_MS - 5, "external_ids": [], **EVENT}
TRACK = {"at": "2025-01-10T10:01:00Z", "topic": "tracking-events", "value": EVENT}


def read(*lines: dict[str, Any] | str) -> Recorded:
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    return read_recorded(texts, topic_prefix="shop-")


def dumped(**fields: Any) -> dict[str, Any]:
    return {"topic": "resolved-events", **fields}


@pytest.mark.parametrize(
    "line",
    [
        TRACK,
        dumped(at="2025-01-10T10:01:00Z", key="use_1", value=ARCHIVED, headers={"kind": "event"}),
        dumped(value=ARCHIVED),
        dumped(topic="shop-resolved-events", value=ARCHIVED, partition=3, offset=17),
        dumped(value=json.dumps(ARCHIVED), headers=None),
        dumped(payload=json.dumps(ARCHIVED), headers=["traceparent", "00-1", "kind", "event"], ts=5),
        dumped(payload=ARCHIVED, headers=[]),
    ],
    ids=["input", "of simulate", "bare", "with a prefix", "as text", "of kcat", "a payload"],
)
def test_an_event_is_what_its_sender_sent_at_the_time_of_its_record(line: dict[str, Any]) -> None:
    ((event,), passed_over) = read(line)

    assert isinstance(event, Line)
    assert (event.at_ms, event.topic, event.key, event.headers) == (AT_MS, "tracking-events", None, [])
    assert json.loads(event.value or b"") == EVENT
    assert passed_over == 0


@pytest.mark.parametrize(
    "line",
    [
        {"at": "2025-01-10T10:01:00Z", "topic": "audience-changes", "key": "use_1", "value": {"type": "track"}},
        {"at": "2025-01-10T10:01:00Z", "topic": "dead-letters", "key": None, "value_base64": "AA=="},
        dumped(topic="shop-profile-merges", value={"child": "use_1"}),
        dumped(value={"profile_id": "use_1", "at": 1}),
        dumped(value={**ARCHIVED}, headers={"kind": "forward"}),
        dumped(payload=json.dumps(ARCHIVED), headers=["kind", "forward", "at", "5"]),
        dumped(value=None),
        dumped(value_base64="gA=="),
    ],
    ids=["change", "dead letter", "merge", "tick", "forward", "forward of kcat", "nothing", "bytes"],
)
def test_what_is_no_input_is_counted_and_passed_over(line: dict[str, Any]) -> None:
    assert read(line, TRACK, "", "  \n").passed_over == 1


def test_lines_come_in_order_of_time() -> None:
    """Those of one moment as they stand."""
    later = dumped(value={**ARCHIVED, "at": AT_MS + 1, "messageId": "later"})
    twin = {**TRACK, "value": {**EVENT, "messageId": "twin"}}

    lines, _ = read(later, TRACK, twin, {**TRACK, "at": "2025-01-10T10:00:59Z"})

    assert [(line.at_ms - AT_MS, json.loads(line.value or b"")["messageId"]) for line in lines] == [
        (-1000, "m1"),
        (0, "m1"),
        (0, "twin"),
        (1, "later"),
    ]


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("nonsense", "line 2: not JSON"),
        ("\udcff", "line 2: not UTF-8"),
        ({**TRACK, "topic": "shop-tracking-events"}, "line 2: 'shop-tracking-events' is no topic that is read"),
        ({"topic": 5}, "line 2: "),
        (dumped(value={**EVENT, "at": "2025"}), "line 2: no record of resolved-events"),
        (dumped(value=EVENT), "line 2: no record of resolved-events"),
        (dumped(value={**EVENT, "at": 10**15}), "line 2: no record of resolved-events"),
        (dumped(value=[1]), "line 2: no record of resolved-events"),
        (dumped(value="{"), "line 2: no record of resolved-events"),
    ],
)
def test_a_line_that_is_neither_is_refused_with_its_number(line: dict[str, Any] | str, fault: str) -> None:
    with pytest.raises(InputError) as refused:
        read(TRACK, line)

    assert str(refused.value).startswith(fault)
