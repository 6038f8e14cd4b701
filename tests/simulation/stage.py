"""Schedules that are written by hand: who runs, how far, and what happens in between."""

import json
from dataclasses import replace

from tests.simulation.checks import violations
from tests.simulation.evidence import Evidence
from tests.simulation.people import Sent
from tests.simulation.plan import BOTH, CALM, Plan, draw
from tests.simulation.process import Process
from tests.simulation.schedule import Schedule

CALLS_MAX = 10_000


def plan(**changes: object) -> Plan:
    """Two replicas with both roles, one partition of everything, no faults but those that the test brings about."""
    quiet = replace(
        draw(0),
        roles=(BOTH, BOTH),
        weather=CALM,
        tracking_partitions=1,
        mailbox_partitions=1,
        batch_records=20,
        ticks_max=50,
        cached=1000,
        interval_ms=0,
        clock_margin_ms=0,
        skews_ms=(0, 0),
        store_skew_ms=0,
        on_time=False,
        edits=0,
        merging=False,
        merges_max=100,
        one_input=True,
        people=1,
        records=0,
        backlog=False,
    )
    return replace(quiet, **changes)  # type: ignore[arg-type]


class Stage(Schedule):
    """A cluster on which nothing happens by itself."""

    def event(
        self,
        message_id: str,
        event: str = "Viewed",
        *,
        user: str | None = "u0",
        anonymous: str | None = None,
        partition: int = 0,
    ) -> None:
        """A track call arrives."""
        ids = {"userId": user, "anonymousId": anonymous}
        call = {"type": "track", "messageId": message_id, "event": event, **{k: v for k, v in ids.items() if v}}
        value = json.dumps(call).encode()
        self.arrive(Sent("tracking-events", partition, value, self.clock.now_ms(), message_id, good=True))

    def until(self, process: Process, call: str, times: int = 1) -> None:
        """Run a process until it is about to make a call, for so many times."""
        for _ in range(times):
            for _ in range(CALLS_MAX):
                self.go_on(process, 0.0)
                if process.at == call:
                    break
            else:
                raise AssertionError(f"{process.name} does not come to {call}, but waits at {process.at}")

    def turns(self, process: Process, count: int = 1) -> None:
        """Run a process for some turns."""
        self.until(process, "turn", count)

    def verdict(self) -> list[str]:
        """Let everything be finished; what is wrong then."""
        self.calm()
        return violations(Evidence(self))
