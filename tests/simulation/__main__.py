"""Run schedules from the command line: for so many seconds, a range of seeds, or one of them step by step.

python -m tests.simulation --seconds 60
python -m tests.simulation --seeds 1000 --first 5000
python -m tests.simulation --replay 4711 --trace
"""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterator
from itertools import count

from tests.simulation.run import run

WORTH_A_LINE = (
    "calls",
    "crashes",
    "zombies",
    "second lives beside a zombie",
    "ends for another life of the same name",
    "members thrown out",
    "times when transactions expired",
    "commits in doubt",
    "commits with late markers",
    "broker requests refused or lost",
    "store calls refused",
    "store calls lost",
    "store calls late",
    "times when Redis lost states",
    "writes of states lost",
    "states brought back",
    "states written by somebody else",
    "batches abandoned",
)
SHOWN_MAX = 5


def main() -> None:
    arguments = _arguments()
    if arguments.replay is not None:
        verdict = run(arguments.replay)
        sys.stdout.write(verdict.report(trace=arguments.trace) + "\n")
        sys.exit(bool(verdict.violations))
    began_s = time.monotonic()
    counts: Counter[str] = Counter()
    failed: list[int] = []
    for seed in _seeds(arguments, began_s):
        verdict = run(seed)
        counts += verdict.counts
        counts["schedules"] += 1
        if verdict.violations:
            failed.append(seed)
            if len(failed) <= SHOWN_MAX:
                sys.stdout.write(verdict.report() + "\n\n")
            if arguments.until_failure:
                break
    _summarise(counts, failed, time.monotonic() - began_s, arguments.first)
    sys.exit(bool(failed))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, help="run seed after seed until this much time is over")
    parser.add_argument("--seeds", type=int, default=200, help="how many seeds, when no time is given")
    parser.add_argument("--first", type=int, help="the first seed; by default one that has not been run before")
    parser.add_argument("--until-failure", action="store_true", help="stop at the first seed that fails")
    parser.add_argument("--replay", type=int, metavar="SEED", help="one seed again")
    parser.add_argument("--trace", action="store_true", help="with --replay: everything that happened, in order")
    arguments = parser.parse_args()
    if arguments.first is None:
        arguments.first = time.time_ns() // 1_000_000 % 1_000_000_000
    return arguments


def _seeds(arguments: argparse.Namespace, began_s: float) -> Iterator[int]:
    if arguments.seconds is None:
        yield from range(arguments.first, arguments.first + arguments.seeds)
        return
    for seed in count(arguments.first):
        if time.monotonic() - began_s >= arguments.seconds:
            return
        yield seed


def _summarise(counts: Counter[str], failed: list[int], seconds: float, first: int) -> None:
    schedules = counts["schedules"]
    lines = [f"{schedules} schedules, seeds {first} to {first + schedules - 1}, {seconds:.0f} s"]
    lines += [f"{counts[name]:>12,} {name}" for name in WORTH_A_LINE]
    lines.append(f"{len(failed)} failed: {failed[:50]}" if failed else "all promises kept")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
