"""Table D as text."""

import statistics
from collections.abc import Callable, Sequence

from tests.benchmarks import identity_traffic
from tests.benchmarks.big_profiles import IDENTIFIERS
from tests.benchmarks.identity_job import Outcome
from tests.benchmarks.identity_resolution import BATCH_EVENTS, Memory
from tests.benchmarks.identity_traffic import Traffic
from tests.benchmarks.latency import Percentiles
from tests.benchmarks.report import spread, table


def identity_section(outcomes: Sequence[Outcome], memory: Memory) -> str:
    """Table D in four parts."""
    parts = [
        "### D. Identity",
        f"Resolving an event with three identifiers, in batches of {BATCH_EVENTS:,}:",
        _costs(outcomes),
        f"The graph with {memory.profiles:,} profiles of three identifiers:",
        _memory(memory),
        f"A merge of two profiles with {IDENTIFIERS} identifiers each, turn by turn:",
        _turns(outcomes),
        f"Changes of other profiles at {identity_traffic.OTHERS_PER_S:,} events/s, while such profiles are merged:",
        _traffic(outcomes),
    ]
    return "\n\n".join(parts)


def _costs(outcomes: Sequence[Outcome]) -> str:
    rows = [
        [
            row,
            spread([run.costs[row].client_us for run in outcomes], digits=1),
            spread([run.costs[row].redis_us for run in outcomes], digits=1),
        ]
        for row in outcomes[0].costs
    ]
    return table(["its identifiers", "CPU of the router, µs/event", "CPU of Redis, µs/event"], rows)


def _memory(memory: Memory) -> str:
    rows = [
        ["Redis: bytes per profile", f"{memory.bytes_per_profile:.0f}"],
        ["of these: each of its three identifiers", f"{memory.identifier_bytes:.0f}"],
        ["of these: its record", f"{memory.record_bytes:.0f}"],
        ["new profiles/s (resolving alone)", f"{memory.profiles_per_s:,.0f}"],
    ]
    return table(["", "worker"], rows)


def _turns(outcomes: Sequence[Outcome]) -> str:
    rows = []
    for row in outcomes[0].turns.seconds:
        all_ms = [seconds * 1000 for run in outcomes for seconds in run.turns.seconds[row]]
        rows.append([row, f"{statistics.median(all_ms):.1f}", f"{max(all_ms):.1f}"])
    merges = sum([run.turns.merges for run in outcomes])
    rows += [
        ["merges timed", f"{merges:,}", ""],
        ["bytes of the child's state", f"{outcomes[0].turns.state_bytes:,}", ""],
        ["bytes of all the changes that a merge makes", f"{outcomes[0].turns.change_bytes:,.0f}", ""],
    ]
    return table(["", "median, ms", "max, ms"], rows)


def _traffic(outcomes: Sequence[Outcome]) -> str:
    def both(pick: Callable[[Percentiles], float], digits: int) -> list[str]:
        found = [[getattr(run.traffic, when) for run in outcomes] for when in ("alone", "beside")]
        return [spread([pick(each) for each in column], digits=digits) for column in found]

    def merging(pick: Callable[[Traffic], float], digits: int = 0) -> list[str]:
        return ["–", spread([pick(run.traffic) for run in outcomes], digits=digits)]

    rows = [
        ["change latency p50, ms", *both(lambda found: found.p50_ms, 1)],
        ["change latency p99, ms", *both(lambda found: found.p99_ms, 1)],
        ["changes timed", *both(lambda found: found.measured, 0)],
        ["merges asked for", *merging(lambda found: found.merges_sent)],
        ["merges that came", *merging(lambda found: found.merges)],
        ["merges/s, from the first to the last that came", *merging(lambda found: found.merges_per_s, 1)],
    ]
    return table(["", "without merges", f"{identity_traffic.MERGES_PER_S} merges/s asked for"], rows)
