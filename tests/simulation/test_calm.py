"""Schedules without faults: what is only a matter of time when something fails must not happen when nothing does."""

from dataclasses import replace

from tests.acceptance.moments import SECOND
from tests.simulation.audiences import LATELY_MS
from tests.simulation.plan import BOTH, CALM, draw
from tests.simulation.replay import kind_of
from tests.simulation.run import run_plan
from tests.simulation.schedule import START_MS
from tests.simulation.stage import Stage, plan

LOGGED = 1e-12
"""States are logged; that they are lost is out of the question."""


def test_a_replica_by_itself_never_gives_up_a_batch() -> None:
    """An abort for no reason keeps every promise, and readers waiting."""
    for seed in range(40):
        # Time goes slowly, or transactions would time out in the middle of a turn.
        calm = replace(draw(seed), weather=CALM, roles=(BOTH,), paces_ms=(2, 20, 200), forgets=LOGGED * (seed % 2))
        verdict = run_plan(calm)

        assert not verdict.violations, verdict.report()
        assert verdict.counts["batches abandoned"] == 0, verdict.report(trace=True)


def test_a_tick_that_comes_too_early_is_nothing() -> None:
    """An event that lay before it in the mailbox has moved what was due; the next event finds all as it was."""
    stage = Stage(plan(roles=(BOTH,), hold_max_ms=0))
    replica = stage.start(0)
    for later_ms in (0, LATELY_MS - SECOND):
        stage.clock.advance_to(START_MS + later_ms)
        stage.event(f"m{later_ms}")
        stage.turns(replica)
        if not later_ms:
            stage.turns(replica)
    stage.clock.advance_to(START_MS + LATELY_MS + SECOND)
    stage.turns(replica, 2)  # folds the second event and ticks for the first; folds the tick
    assert [kind_of(record) for record in stage.kafka.visible("resolved-events", 0)].count("tick") == 1
    stage.event("last")

    assert stage.verdict() == []
    assert stage.counts["batches abandoned"] == 0
