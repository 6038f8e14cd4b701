"""From outcomes to the tables of ``docs/benchmarks.md``."""

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from tests.benchmarks import many_job, reference_job, silence, wide_job
from tests.benchmarks.expected import Verdict
from tests.benchmarks.latency import Percentiles
from tests.benchmarks.many_audiences import Size
from worker.metrics import PHASES

PAGE = Path(__file__).parents[2] / "docs" / "benchmarks.md"
BEGIN = "<!-- results: written by make bench -->"
END = "<!-- end of results -->"


def write_page(results: str, *, page: Path = PAGE) -> None:
    """Put the results between the markers of the page and leave the rest of it alone.

    Raises:
        ValueError: the page has not exactly one pair of markers.
    """
    text = page.read_text(encoding="utf-8")
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise ValueError(f"{page} must have {BEGIN!r} and {END!r} once each, in this order")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{BEGIN}\n\n{results.strip()}\n\n{END}{after}", encoding="utf-8")


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A markdown table; the first column is left-aligned, the figures to the right."""
    lines = [header, ["---", *("---:" for _ in header[1:])], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def spread(values: Sequence[float], *, digits: int = 0) -> str:
    """The median, and the smallest and largest of several: ``33,100 [32,000..34,000]``."""
    if not values:
        return "–"
    middle = f"{statistics.median(values):,.{digits}f}"
    if len(values) == 1:
        return middle
    return f"{middle} [{min(values):,.{digits}f}..{max(values):,.{digits}f}]"


def machine_section(machine: Mapping[str, str]) -> str:
    return "### Machine\n\n" + table(["", ""], [[name, value] for name, value in machine.items()])


def reference_section(outcomes: Mapping[str, Sequence[reference_job.Outcome]]) -> str:
    """Table A; contestants are columns. One that could not be run has an empty column."""
    rows: list[tuple[str, Callable[[Sequence[reference_job.Outcome]], str]]] = [
        ("events/s", lambda runs: spread([run.events_per_s for run in runs])),
        ("CPU, µs/event", lambda runs: spread([run.cpu_us_per_event for run in runs], digits=1)),
        ("peak memory, MB", lambda runs: spread([run.peak_rss_mb for run in runs])),
        ("entry latency p50, ms", lambda runs: _latency(runs, lambda found: found.p50_ms)),
        ("entry latency p99, ms", lambda runs: _latency(runs, lambda found: found.p99_ms)),
        ("CPU at 1,000 events/s, µs/event", lambda runs: spread(_present(runs, "live_cpu_us_per_event"))),
        ("backlog: entries that came", lambda runs: _share(runs, "after_drain", "entries")),
        ("backlog: exits that came", lambda runs: _share(runs, "after_drain", "exits")),
        ("with live traffic: entries", lambda runs: _share(runs, "after_live", "entries")),
        ("with live traffic: exits", lambda runs: _share(runs, "after_live", "exits")),
        ("repeated transitions", lambda runs: _faults(runs, "repeated")),
        ("wrong transitions", lambda runs: _faults(runs, "wrong")),
        ("runs", lambda runs: str(len(runs))),
        ("load average before", lambda runs: spread([run.load for run in runs], digits=1)),
    ]
    body = [[name, *(cell(runs) if runs else "not run" for runs in outcomes.values())] for name, cell in rows]
    parts = ["### A. The reference job", table(["", *outcomes], body)]
    if outcomes.get("worker"):
        parts.append(_phases([run.phases_us for run in outcomes["worker"]], outcomes.get("floor", ())))
    return "\n\n".join(parts)


def wide_section(
    outcomes: Sequence[wide_job.Outcome], *, bytes_per_event: float, floor: Sequence[reference_job.Outcome]
) -> str:
    """Table B, and the phases beside the floor."""
    latencies = [run.change_latency for run in outcomes]
    soaked = [run.rss_soaked_mb for run in outcomes if run.rss_soaked_mb is not None]
    rows = [
        ["events/s", spread([run.events_per_s for run in outcomes])],
        ["CPU, µs/event", spread([run.cpu_us_per_event for run in outcomes], digits=1)],
        ["CPU of Redis, µs/event", spread([run.redis_cpu_us_per_event for run in outcomes], digits=1)],
        ["changes per event", spread([run.changes_per_event for run in outcomes], digits=3)],
        [
            "new profiles/s (identify, three identifiers)",
            spread([run.new_profiles_per_s for run in outcomes]),
        ],
        ["change latency p50, ms", spread([found.p50_ms for found in latencies], digits=1)],
        ["change latency p99, ms", spread([found.p99_ms for found in latencies], digits=1)],
        ["changes timed", spread([found.measured for found in latencies])],
        ["Redis: bytes per message id", spread([run.claim_bytes_per_id for run in outcomes], digits=1)],
        ["Redis: bytes of state per profile", spread([run.state_bytes_per_profile for run in outcomes])],
        [
            "Redis: bytes of identity per profile",
            spread([run.identity_bytes_per_profile for run in outcomes]),
        ],
        ["worker's memory at start, MB", spread([run.rss_start_mb for run in outcomes])],
        ["worker's memory after the stream, MB", spread([run.rss_end_mb for run in outcomes])],
        ["worker's memory after 2 million more, MB", spread(soaked) if soaked else "run with `--soak`"],
        ["bytes per event", f"{bytes_per_event:.0f}"],
        ["runs", str(len(outcomes))],
        ["load average before", spread([run.load for run in outcomes], digits=1)],
    ]
    parts = [
        "### B. Twenty audiences, 100,000 profiles",
        table(["", "worker"], rows),
        _phases([run.phases_us for run in outcomes], floor),
    ]
    return "\n\n".join(parts)


def silence_section(outcomes: Mapping[silence.Crowd, Sequence[silence.Outcome]]) -> str:
    """Table C; crowds are columns."""
    rows: list[tuple[str, Callable[[Sequence[silence.Outcome]], str]]] = [
        ("exits that came", lambda runs: _worst(run.exits for run in runs) + f" of {runs[0].members:,}"),
        ("exits dated to the millisecond due", lambda runs: _worst(run.exact for run in runs)),
        ("sent after due, p50, ms", lambda runs: spread([run.sent_late.p50_ms for run in runs])),
        ("sent after due, p99, ms", lambda runs: spread([run.sent_late.p99_ms for run in runs])),
        ("readable after due, p50, ms", lambda runs: spread([run.readable_late.p50_ms for run in runs])),
        ("readable after due, p99, ms", lambda runs: spread([run.readable_late.p99_ms for run in runs])),
        ("runs", lambda runs: str(len(runs))),
    ]
    header = [f"{crowd.members:,} {_when(crowd)}" for crowd in outcomes]
    body = [[name, *(cell(runs) for runs in outcomes.values())] for name, cell in rows]
    return "### C. Members fall silent together\n\n" + table(["", *header], body)


def _when(crowd: silence.Crowd) -> str:
    return f"within {crowd.spread_s} seconds" if crowd.spread_s else "in one millisecond"


def audiences_section(outcomes: Sequence[Mapping[Size, many_job.Outcome]]) -> str:
    """Table E; sets of audiences are rows."""
    header = [
        "audiences",
        "of these in an event's section",
        "events/s",
        "CPU, µs/event",
        "CPU of Redis, µs/event",
        "Redis: bytes of state per profile",
        "changes per event",
    ]
    body = []
    for size in outcomes[0]:
        runs = [run[size] for run in outcomes]
        body.append(
            [
                f"{size.audiences:,}",
                str(size.of_a_section),
                spread([run.events_per_s for run in runs]),
                spread([run.cpu_us_per_event for run in runs], digits=1),
                spread([run.redis_cpu_us_per_event for run in runs], digits=1),
                spread([run.state_bytes_per_profile for run in runs]),
                spread([run.changes_per_event for run in runs], digits=3),
            ]
        )
    loads = spread([run.load for row in outcomes for run in row.values()], digits=1)
    notes = f"Runs: {len(outcomes)}; load average before: {loads}."
    return "\n\n".join(["### E. One to a thousand audiences", table(header, body), notes])


def _phases(runs: Sequence[Mapping[str, float]], floor: Sequence[reference_job.Outcome]) -> str:
    reported = {phase for phases_us in runs for phase in phases_us}
    order = [phase for phase in PHASES if phase in reported] + sorted(reported.difference(PHASES))
    rows = [[phase, spread([phases_us.get(phase, 0.0) for phases_us in runs], digits=2)] for phase in order]
    rows.append(["all phases", spread([sum(phases_us.values()) for phases_us in runs], digits=1)])
    rows.append(["floor: its CPU in all threads", spread([run.cpu_us_per_event for run in floor], digits=1)])
    return "Where the time of an event goes in the worker (waiting included):\n\n" + table(["phase", "µs/event"], rows)


def _latency(runs: Sequence[reference_job.Outcome], pick: Callable[[Percentiles], float]) -> str:
    return spread([pick(run.entry_latency) for run in runs if run.entry_latency is not None], digits=1)


def _present(runs: Sequence[reference_job.Outcome], name: str) -> list[float]:
    return [value for run in runs if (value := getattr(run, name)) is not None]


def _verdicts(runs: Sequence[reference_job.Outcome], name: str) -> list[Verdict]:
    return [verdict for run in runs if (verdict := getattr(run, name)) is not None]


def _share(runs: Sequence[reference_job.Outcome], when: str, what: str) -> str:
    """The run that missed most."""
    verdicts = _verdicts(runs, when)
    if not verdicts:
        return "–"
    came, expected = min(
        ((getattr(verdict, what), getattr(verdict, f"{what}_expected")) for verdict in verdicts),
        key=lambda share: share[0] - share[1],
    )
    return f"{came:,} of {expected:,}"


def _faults(runs: Sequence[reference_job.Outcome], what: str) -> str:
    verdicts = _verdicts(runs, "after_live")
    return str(max(getattr(verdict, what) for verdict in verdicts)) if verdicts else "–"


def _worst(counts: Iterable[int]) -> str:
    return f"{min(counts):,}"
