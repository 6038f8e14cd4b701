"""Health and metrics of a running worker."""

from collections import Counter

from tests.acceptance.lines import Line, audiences, line, passthrough, track
from tests.integration.process import Page, Worker, until
from tests.integration.world import World

AT = "2025-01-01T00:00:00Z"
RECORDS = "audience_worker_records_total"
DEAD_LETTERS = "audience_worker_dead_letters_total"
CHANGES = "audience_worker_changes_total"


def test_a_running_worker_is_alive_and_ready(world: World) -> None:
    with world.worker() as worker:
        pages = {path: worker.page(path) for path in ("/livez", "/readyz", "/nothing")}

    assert {path: page.status for path, page in pages.items() if page is not None} == {
        "/livez": 200,
        "/readyz": 200,
        "/nothing": 404,
    }


def test_ready_says_so_in_the_metrics_too(world: World) -> None:
    with world.worker() as worker:
        until(lambda: worker.metrics("audience_worker_ready") == {(): 1.0}, "the metric of readiness")
        page = worker.page("/metrics")

    assert isinstance(page, Page)
    assert page.content_type.startswith("text/plain")
    assert "process_resident_memory_bytes" in page.body


def test_the_books_balance(world: World) -> None:
    world.define(audiences(active="event('Login').count() >= 1"))
    lines = [
        login("u1", "m1"),
        login("u2", "m2"),
        login("u3", "m2"),
        line(AT, {"type": "track", "userId": "u1"}),
        line(AT, {"type": "dance", "userId": "u1"}),
        passthrough(AT, "qualify", "vip", ts=1, identifiers={"customer_id": "c1"}),
        passthrough(AT, "enter", "vip", ts=1, identifiers={"customer_id": "c1"}),
        line(AT, {"key": "active", "query": "nonsense("}, topic="definitions", key="audience:active"),
    ]
    written = Counter(one["topic"] for one in lines) + Counter({"definitions": 1})  # and the worker's own file

    with world.worker() as worker:
        world.write(lines)
        until(lambda: received(worker) == written, f"the worker to have counted {dict(written)}")
        records = worker.metrics(RECORDS)
        letters = worker.metrics(DEAD_LETTERS)
        changes = worker.metrics(CHANGES)
        world.settle()

    assert records == {
        ("resolved", "tracking-events"): 2,
        ("duplicate", "tracking-events"): 1,
        ("dead_letter", "tracking-events"): 2,
        ("resolved", "passthrough-events"): 1,
        ("dead_letter", "passthrough-events"): 1,
        ("control", "definitions"): 1,
        ("dead_letter", "definitions"): 1,
    }
    assert letters == {
        ("event_not_defined", "tracking-events"): 1,
        ("invalid_type", "tracking-events"): 1,
        ("unknown_action", "passthrough-events"): 1,
        ("invalid_definition", "definitions"): 1,
    }
    assert changes.keys() <= {("active", "entered"), ("vip", "entered")}
    assert len(world.events()) == 3
    assert len(world.read("dead-letters")) == 4


def test_transitions_are_counted_by_audience_and_direction(world: World) -> None:
    world.define(audiences(once="event('Login').count() = 1"))
    lines = [login("u1", "m1"), login("u1", "m2"), login("u2", "m3")]

    with world.worker() as worker:
        world.write(lines)
        wanted = {("once", "entered"): 2.0, ("once", "exited"): 1.0}
        until(lambda: worker.metrics(CHANGES) == wanted, f"{wanted}")


def test_what_is_behind_is_shown_and_goes(world: World) -> None:
    with world.worker() as worker:
        world.write([login("u1", "m1")])
        world.settle()
        until(lambda: set(worker.metrics("audience_worker_lag_records").values()) == {0.0}, "no lag")
        partitions = set(worker.metrics("audience_worker_lag_records"))

    assert {(str(number), "resolved-events") for number in range(16)} <= partitions
    assert {(str(number), "tracking-events") for number in range(4)} <= partitions


def login(user: str, message_id: str) -> Line:
    return track(AT, "Login", user=user, message_id=message_id)


def received(worker: Worker) -> Counter[str]:
    """Records in, by topic, whatever became of them."""
    counted: Counter[str] = Counter()
    for (_, topic), count in worker.metrics(RECORDS).items():
        counted[topic] += int(count)
    return counted


def test_exits_that_wait_for_a_silent_input_are_seen_in_the_metrics(world: World) -> None:
    with world.worker(AW_ROLES="fold", AW_EXIT_HOLD_MAX_S="5") as worker:  # nobody routes: no input is heard of
        until(lambda: held(worker) > 1, "exits to be held back")
        until(lambda: worker.metrics("audience_worker_exit_holds_ended_total") == {(): 1.0}, "the end of the hold")
        until(lambda: held(worker) < 1, "exits to go by the clock")


def held(worker: Worker) -> float:
    return sum(worker.metrics("audience_worker_exit_hold_seconds").values())
