"""A worker is killed in the middle of its work, and nobody can tell from what was committed."""

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from tests.acceptance.moments import ms
from tests.integration.broker import Received, Sent
from tests.integration.crowd import DEFINITIONS, crowd
from tests.integration.crowd_oracle import Moves, Transition, moves
from tests.integration.process import Worker, until
from tests.integration.world import World

INPUTS = ("tracking-events", "passthrough-events")
"""A record is read by its own shape, so that either topic takes any event. With both of them in use each worker has
some, whichever partitions it is given."""

EVENTS = 50_000
SEED = 20_250_301
DONE_BEFORE = 2_000  # events that both workers have routed when one is killed
SLOWLY = {
    "AW_BATCH_RECORDS_MAX": "250",
    # Evenly from all partitions: one worker alone must not finish those that the other is about to be given.
    "AW_KAFKA__MAX_PARTITION_FETCH_BYTES": "32768",
    "AW_KAFKA__QUEUED_MIN_MESSAGES": "500",
}
"""So that there is a middle to be killed in."""

DONE_TIMEOUT_S = 180.0


def test_a_kill_neither_loses_nor_repeats_anything(world: World) -> None:
    world.define(DEFINITIONS)
    records = list(crowd([world.topic(name) for name in INPUTS], EVENTS, seed=SEED))
    world.broker.write(records)  # all of it before the start: the hold of exits is for inputs that lag

    workers = [world.start(instance, **SLOWLY) for instance in ("one", "two")]
    until(lambda: min(map(routed, workers)) >= DONE_BEFORE, "both workers to be at work")
    workers[1].kill()
    done = routed_by_all(world)
    workers[1] = world.start("two", **SLOWLY)
    world.settle(timeout_s=DONE_TIMEOUT_S)

    assert 2 * DONE_BEFORE <= done < EVENTS, "it was not killed in the middle"
    nobody_can_tell(world, records)
    assert [worker.stop() for worker in workers] == [0, 0]


def routed_by_all(world: World) -> int:
    """Events whose transaction has committed."""
    return sum(world.broker.committed(world.group("route"), world.topic(name)) for name in INPUTS)


def nobody_can_tell(world: World, records: Sequence[Sent]) -> None:
    """All is there once, and what readers have been told is what the oracle makes of the archive."""
    archive = world.events()
    expected = moves(archive)
    world.changes(sum(map(len, expected.values())))  # the last exits are the timers'
    world.settle()
    every_event_is_there_once(records, archive)
    assert world.read("dead-letters") == []
    found = told(world.read("audience-changes"))
    assert differences(found, expected) == {}


def routed(worker: Worker) -> float:
    counted = worker.metrics("audience_worker_records_total")
    return sum(count for (outcome, _), count in counted.items() if outcome == "resolved")


def every_event_is_there_once(records: Sequence[Sent], archive: Sequence[Mapping[str, Any]]) -> None:
    """The books: what came in is in the archive, once, or a duplicate of what is."""
    resolved = Counter(event["messageId"] for event in archive)
    sent = Counter(json.loads(record.value or b"")["messageId"] for record in records)
    assert resolved == Counter(dict.fromkeys(sent, 1))
    duplicates = sent.total() - len(sent)
    assert 0 < duplicates == len(records) - len(archive)


def told(records: Sequence[Received]) -> Moves:
    """The transitions as they were committed; that they are numbered from 1 without a gap in the order of the log."""
    found: defaultdict[tuple[str, str], list[Transition]] = defaultdict(list)
    places: defaultdict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
    for record in records:
        value: dict[str, Any] = json.loads(record.value or b"")
        about = value["context"]["audience"]
        name = about["profile_id"], value["properties"]["audience_key"]
        entered = value["event"] == "Audience Entered"
        found[name].append(Transition(ms(value["timestamp"]), entered, about["reason"], about["caused_by"]))
        places[name].append((record.partition, record.offset))
        assert about["transition"] == len(found[name]), (name, record)
        assert entered == bool(about["transition"] % 2), (name, record)
    for log in places.values():
        assert all(one[0] == next_one[0] and one[1] < next_one[1] for one, next_one in pairwise(log))
    return found


def differences(found: Moves, expected: Moves) -> dict[tuple[str, str], tuple[object, object]]:
    """A few memberships that went otherwise, each with what was found and what was expected; empty when none did."""
    names = [name for name in {**expected, **found} if found.get(name) != expected.get(name)]
    return {name: (found.get(name), expected.get(name)) for name in names[:5]}
