"""One seed, from its plan to the verdict."""

from collections import Counter
from dataclasses import dataclass

from tests.simulation.checks import violations
from tests.simulation.evidence import Evidence
from tests.simulation.plan import Plan, draw
from tests.simulation.process import Happening
from tests.simulation.schedule import START_MS, Schedule


@dataclass(frozen=True, slots=True)
class Verdict:
    """``violations``: empty when every promise was kept."""

    plan: Plan
    violations: list[str]
    counts: Counter[str]
    trace: list[Happening]

    def report(self, *, trace: bool = False) -> str:
        """What was wrong and how to see it again."""
        lines = [f"seed {self.plan.seed}: {len(self.violations)} violations", *self.violations]
        if trace:
            lines += [str(self.plan), *(f"{at_ms - START_MS:>10} {who:<18} {what}" for at_ms, who, what in self.trace)]
        lines.append(f"again, step by step: python -m tests.simulation --replay {self.plan.seed} --trace")
        return "\n".join(lines)


def run(seed: int) -> Verdict:
    return run_plan(draw(seed))


def run_plan(plan: Plan) -> Verdict:
    """A schedule by a plan; the same plan gives the same schedule."""
    schedule = Schedule(plan)
    schedule.storm()
    schedule.calm()
    return Verdict(plan, violations(Evidence(schedule)), schedule.counts, schedule.around.trace)
