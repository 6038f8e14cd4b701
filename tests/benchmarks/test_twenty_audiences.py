"""The audiences of table B are what its page says they are: a realistic mix, in which few events change anything."""

import json
from typing import Any

from consumers.definitions import interpret
from tests.benchmarks.events import WIDE_SPAN_MS, Event, introductions, iso, wide_stream
from tests.benchmarks.wide_job import DEFINITIONS
from worker.audiences.catalogue import Catalogue, build
from worker.audiences.leaves import TimesLeaf
from worker.cli.definition_files import documents_of
from worker.cli.simulate import simulate_lines
from worker.identity.rules import DEFAULT_CAPS, Rules

BASE_MS = 1_794_268_800_000  # 2026-11-10T00:00:00Z
USERS = 500
EVENTS = 3 * USERS  # as in table B, where 100,000 send 300,000
DAY_MS = 86_400_000


def catalogue() -> Catalogue:
    documents = documents_of({"definitions": DEFINITIONS.read_text(encoding="utf-8")})
    definitions = [interpret(document.key, document.value, caps=DEFAULT_CAPS) for document in documents]
    return build([one for one in definitions if not isinstance(one, Rules)], version=1)


def line(event: Event) -> str:
    return json.dumps({"at": iso(event.at_ms), "topic": "tracking-events", "value": json.loads(event.value)})


def changes() -> list[dict[str, Any]]:
    """Of the stream of table B in small, everybody having been introduced before."""
    first = introductions(USERS, base_ms=BASE_MS - 3_600_000, step_ms=3_600_000 / USERS)
    stream = wide_stream(EVENTS, users=USERS, base_ms=BASE_MS, step_ms=WIDE_SPAN_MS / EVENTS)
    events = [*first, *sorted(stream, key=lambda event: event.at_ms)]
    outputs = simulate_lines(DEFINITIONS.read_text(encoding="utf-8"), map(line, events), BASE_MS + WIDE_SPAN_MS)
    return [output["value"] for output in outputs if output["topic"] == "audience-changes"]


def test_between_one_event_in_twenty_and_one_in_ten_changes_an_audience() -> None:
    causes = {change["context"]["audience"]["caused_by"] for change in changes()} - {None}

    assert EVENTS / 20 < len(causes) < EVENTS / 10


def test_every_event_of_the_stream_is_counted_by_some_audience() -> None:
    names = {event.name for event in wide_stream(1_000, users=USERS, base_ms=BASE_MS, step_ms=1)}

    assert set(catalogue().selectors) == names


def test_most_of_the_twenty_count_over_days_and_a_few_over_an_hour_at_most() -> None:
    windows_ms = [leaf.window.far_ms for leaf in catalogue().leaves.values() if isinstance(leaf, TimesLeaf)]

    assert len(catalogue().computations) == 20
    assert max(windows_ms) == 30 * DAY_MS
    assert len([window_ms for window_ms in windows_ms if window_ms <= 3_600_000]) == 2
    assert len([window_ms for window_ms in windows_ms if window_ms >= DAY_MS]) >= 15
