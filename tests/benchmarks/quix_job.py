"""The reference job for Quix Streams, as its user would write it. Run as a script in an environment apart.

Per user (the key): message ids with a time to live of 24 h, and a list of order times, so that the count is
exact to the millisecond as the worker's is. The engine has no timer that a job can set: a user leaves when
the next event of the same user is read.
"""

import os
from datetime import timedelta
from typing import Any

from quixstreams import Application, State  # type: ignore[import-not-found]  # installed apart

WINDOW_MS = 7 * 86_400_000
COUNT_NEEDED = 3
DEDUP_WINDOW = timedelta(hours=24)
COMMIT_INTERVAL_S = 0.5


def on_event(call: dict[str, Any], _key: str, at_ms: int, _headers: object, state: State) -> list[dict[str, Any]]:
    """Transitions that one event brings, oldest first; ``at_ms`` is the record's timestamp."""
    seen = f"seen:{call['messageId']}"
    if state.get(seen):
        return []
    state.set(seen, 1, ttl=DEDUP_WINDOW)
    stored = state.get("buyer")
    is_order = call["event"] == "Order Completed"
    if stored is None and not is_order:
        return []
    inside, orders = stored or (False, [])
    current = [order for order in orders if order > at_ms - WINDOW_MS]
    changes = []
    if inside and len(current) < COUNT_NEEDED:
        inside = False
        changes.append(_change(call, entered=False, at_ms=orders[-COUNT_NEEDED] + WINDOW_MS))
    if is_order:
        current.append(at_ms)
        if len(current) >= COUNT_NEEDED and not inside:
            inside = True
            changes.append(_change(call, entered=True, at_ms=at_ms))
    if is_order or changes:
        state.set("buyer", [inside, current])
    return changes


def _change(call: dict[str, Any], *, entered: bool, at_ms: int) -> dict[str, Any]:
    return {"userId": call["userId"], "entered": entered, "at": at_ms}


def main() -> None:
    app = Application(
        broker_address=os.environ["BENCH_SERVERS"],
        consumer_group=os.environ["BENCH_GROUP"],
        auto_offset_reset="earliest",
        processing_guarantee="exactly-once",
        commit_interval=COMMIT_INTERVAL_S,
        state_dir=os.environ["BENCH_STATE"],
        loglevel="WARNING",
    )
    events = app.topic(os.environ["BENCH_INPUT"], key_deserializer="str", value_deserializer="json")
    changes = app.topic(os.environ["BENCH_OUTPUT"], key_serializer="str", value_serializer="json")
    frame = app.dataframe(events)
    frame = frame.apply(on_event, stateful=True, metadata=True, expand=True)
    frame.to_topic(changes)
    app.run()


if __name__ == "__main__":
    main()
