"""``make bench``: run the benchmarks over a real Kafka and Redis, print the tables, write them to the docs.

python -m tests.benchmarks [--repeats N] [--only TABLE…] [--soak] [--quick] [--no-page]
"""

import argparse
import shutil
import subprocess
import sys
from collections.abc import Callable

from tests import services
from tests.benchmarks import contestants, identity_job, machine, many_job, reference_job, report, silence, wide_job
from tests.benchmarks.cluster import Cluster
from tests.benchmarks.contestants import Contestant
from tests.benchmarks.expected import transitions
from tests.benchmarks.identity_report import identity_section
from tests.benchmarks.store import Store

TABLES = ("reference", "wide", "silence", "identity", "audiences")
# What the reference stream is known to hold. Other counts: the generator or the oracle has changed.
REFERENCE_ENTRIES = 3_698
REFERENCE_EXITS = 1_274

Job = Callable[[Contestant, Cluster, reference_job.Stream], reference_job.Outcome]


class Bench:
    """The servers, and what is run on them; results are collected as sections of the report."""

    def __init__(self, cluster: Cluster, *, redis_url: str, repeats: int, soak: bool, quick: bool) -> None:
        self._cluster = cluster
        self._redis_url = redis_url
        self._repeats = repeats
        self._soak = soak
        self._quick = quick
        self._identity = identity_job.QUICK if quick else identity_job.Sizes()
        self._stream = reference_job.make_stream()
        self._floor: list[reference_job.Outcome] = []
        _check_stream(self._stream)

    def warm(self) -> None:
        """Let the broker's virtual machine compile what everybody will use; nothing of it counts."""
        _say("warming the broker")
        self._run_floor()
        self._run_worker(reference_job.drain_only)

    def reference(self) -> str:
        """Table A: all contestants in turn, so that a slow minute of the machine meets them alike."""
        outcomes: dict[str, list[reference_job.Outcome]] = {
            "worker": [],
            "with rebuild": [],
            "Quix Streams 3.28": [],
            "floor": [],
        }
        for number in range(self._repeats):
            _say(f"reference job, run {number + 1}")
            outcomes["worker"].append(self._run_worker())
            outcomes["with rebuild"].append(self._run_worker(AW_REDIS_DURABILITY="rebuild"))
            outcomes["Quix Streams 3.28"] += self._run_quix()
            outcomes["floor"].append(self._run_floor())
        self._floor = outcomes["floor"]
        return report.reference_section(outcomes)

    def wide(self) -> str:
        """Table B."""
        stream = wide_job.make_stream()
        outcomes = []
        for number in range(self._repeats):
            _say(f"twenty audiences, run {number + 1}")
            soak = self._soak and number == self._repeats - 1
            outcomes.append(wide_job.run(self._cluster, redis_url=self._redis_url, stream=stream, soak=soak))
            self._cluster.delete_all_of("bench")
        floor = self._floor or [self._run_floor()]
        return report.wide_section(outcomes, bytes_per_event=stream.bytes_per_event, floor=floor)

    def silence(self) -> str:
        """Table C. The crowd of a minute is waited for once: a run takes three minutes."""
        crowds = [silence.AT_ONCE] * self._repeats
        crowds.append(silence.A_FEW_IN_A_MINUTE if self._quick else silence.IN_A_MINUTE)
        outcomes: dict[silence.Crowd, list[silence.Outcome]] = {}
        for number, crowd in enumerate(crowds):
            _say(f"silence, run {number + 1}: {crowd.members:,} members")
            outcomes.setdefault(crowd, []).append(silence.run(self._cluster, redis_url=self._redis_url, crowd=crowd))
            self._cluster.delete_all_of("bench")
        return report.silence_section(outcomes)

    def identity(self) -> str:
        """Table D. The graph is weighed once: its memory does not depend on how busy the machine is."""
        _say(f"weighing {self._identity.profiles:,} profiles")
        memory = identity_job.weigh(self._redis_url, self._identity)
        outcomes = []
        for number in range(self._repeats):
            _say(f"identity, run {number + 1}")
            outcomes.append(identity_job.run(self._cluster, redis_url=self._redis_url, sizes=self._identity))
            self._cluster.delete_all_of("bench")
        return identity_section(outcomes, memory)

    def audiences(self) -> str:
        """Table E."""
        scale = many_job.QUICK if self._quick else many_job.Scale()
        outcomes = []
        for number in range(self._repeats):
            _say(f"one to a thousand audiences, run {number + 1}")
            outcomes.append(many_job.run(self._cluster, redis_url=self._redis_url, scale=scale))
        return report.audiences_section(outcomes)

    def _run_floor(self) -> reference_job.Outcome:
        return self._run(contestants.floor(self._cluster), reference_job.drain_only)

    def _run_worker(self, job: Job = reference_job.run_job, **settings: str) -> reference_job.Outcome:
        contestant = contestants.worker(
            self._cluster, redis_url=self._redis_url, definitions=reference_job.DEFINITIONS, settings=settings
        )
        try:
            return self._run(contestant, job)
        finally:
            Store(self._redis_url, space=contestant.space).free_identity()

    def _run_quix(self) -> list[reference_job.Outcome]:
        """Nothing when the engine cannot be installed here: the rest of the table is still worth having."""
        try:
            contestant = contestants.quix(self._cluster)
        except (subprocess.SubprocessError, OSError) as error:
            _say(f"Quix Streams is left out: {error}")
            return []
        return [self._run(contestant, reference_job.run_job)]

    def _run(self, contestant: Contestant, job: Job) -> reference_job.Outcome:
        try:
            outcome = job(contestant, self._cluster, self._stream)
        finally:
            self._cluster.delete_all_of(contestant.run)
        _say(f"  {contestant.name}: {outcome}")
        return outcome


def main() -> int:
    arguments = _arguments()
    shutil.rmtree(contestants.SCRATCH / "runs", ignore_errors=True)
    with services.kafka_server() as servers, services.redis_server() as redis_url:
        sections = [report.machine_section(machine.describe(redis_version=Store(redis_url, space="").version()))]
        bench = Bench(
            Cluster(servers),
            redis_url=redis_url,
            repeats=arguments.repeats,
            soak=arguments.soak,
            quick=arguments.quick,
        )
        bench.warm()
        for name in TABLES:
            if name in arguments.only:
                sections.append(getattr(bench, name)())
                _say(f"\n{sections[-1]}\n")
    if arguments.page:
        report.write_page("\n\n".join(sections))
        _say(f"written to {report.PAGE}")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--repeats", type=int, default=3, help="runs of everything; the tables show medians")
    parser.add_argument("--only", nargs="+", choices=TABLES, default=TABLES, help="which tables")
    parser.add_argument("--soak", action="store_true", help="two million further events, for the memory")
    parser.add_argument("--quick", action="store_true", help="C, D and E in small, to try them out")
    parser.add_argument("--no-page", dest="page", action="store_false", help="leave docs/benchmarks.md alone")
    return parser.parse_args()


def _check_stream(stream: reference_job.Stream) -> None:
    """Refuse to measure against a stream that is not the one whose counts are known."""
    changes = transitions(stream.backlog, until_ms=max(event.at_ms for event in stream.backlog))
    entries = sum(change.entered for change in changes)
    if (entries, len(changes) - entries) != (REFERENCE_ENTRIES, REFERENCE_EXITS):
        raise RuntimeError(f"the stream holds {entries} entries and {len(changes) - entries} exits")


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
