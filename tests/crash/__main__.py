"""``python -m tests.crash --faults 500 --seed 7``: faults on the real thing, and a table of what came of them.

Exit code 1 when anything was lost, doubled or otherwise not as it should be.
"""

import argparse
import signal
import sys
import time
from collections import Counter
from collections.abc import Sequence
from random import Random, SystemRandom

from tests.crash import page
from tests.crash.faults import BY_NAME, KINDS
from tests.crash.run import Outcome, drawn, run_round
from tests.crash.servers import servers

FAULTS_A_ROUND = 50
SHOWN = 8


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that nothing is left running
    arguments = _arguments()
    seed = SystemRandom().randrange(1_000_000) if arguments.seed is None else arguments.seed
    flags = [flag for flag, on in (("--cluster", arguments.cluster), ("--rebuild", arguments.rebuild)) if on]
    again = f"make crash FAULTS={arguments.faults} SEED={seed}" + (f' ARGS="{" ".join(flags)}"' if flags else "")
    settings = {"AW_REDIS_DURABILITY": "rebuild"} if arguments.rebuild else {}
    say(f"seed {seed}; the same again: {again}")
    kinds = [BY_NAME[name] for name in arguments.only] if arguments.only else KINDS
    rng = Random(seed)
    outcomes: list[Outcome] = []
    done, began_s = 0, time.monotonic()
    with servers(cluster=Random(f"nodes {seed}") if arguments.cluster else None) as both:
        while done < arguments.faults:
            count = min(FAULTS_A_ROUND, arguments.faults - done)
            outcome = run_round(seed + len(outcomes), drawn(kinds, count, rng), both, settings)
            outcomes.append(outcome)
            done += max(1, outcome.kinds.total())
            say(f"{done} faults, {time.monotonic() - began_s:.0f} s: {verdict(outcome)}; {outcome.figures}")
            if outcome.slow_calls:
                say(f"slowest calls: {', '.join(outcome.slow_calls[:SHOWN])}")
            if outcome.faults:
                say(outcome.report())
    say("")
    say(table(outcomes))
    if arguments.page:
        page.write("cluster" if arguments.cluster else "crash", f"`{again}`:\n\n{table(outcomes)}")
    sys.exit(any(outcome.faults for outcome in outcomes))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__)
    parser.add_argument("--faults", type=int, default=20, help="how many faults (default: 20)")
    parser.add_argument("--seed", type=int, help="what decides them; default: drawn, and printed")
    parser.add_argument("--only", action="append", choices=sorted(BY_NAME), metavar="KIND", help="only of this kind")
    parser.add_argument("--cluster", action="store_true", help="a Redis Cluster of three nodes in place of one Redis")
    parser.add_argument("--rebuild", action="store_true", help="workers with AW_REDIS_DURABILITY=rebuild")
    parser.add_argument("--page", action="store_true", help="write the table into docs/recovery.md")
    return parser.parse_args()


def verdict(outcome: Outcome) -> str:
    return f"FAILED, {len(outcome.faults)} faults" if outcome.faults else "as it should be"


def table(outcomes: Sequence[Outcome]) -> str:
    """Kinds of fault, how often, and whether the rounds that had them were as they should be; then the sums."""
    counts: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    figures: Counter[str] = Counter()
    ended: Counter[int] = Counter()
    for outcome in outcomes:
        counts += outcome.kinds
        figures.update(outcome.figures)
        ended += outcome.ended
        if outcome.faults:
            failed += outcome.kinds
    lines = ["| fault | times | result |", "| --- | ---: | --- |"]
    for kind in KINDS:
        if count := counts[kind.name]:
            bad = failed[kind.name]
            result = f"{bad} in failed rounds" if bad else "nothing lost or doubled"
            lines.append(f"| {kind.name} | {count} | {result} |")
    faults = sum(len(outcome.faults) for outcome in outcomes)
    result = f"{faults} FAULTS" if faults else f"{figures['lost']} lost, {figures['doubled']} doubled"
    lines.append(f"| **all** | **{counts.total()}** | **{result}** |")
    told = ", ".join(f"{count} {name}" for name, count in figures.items())
    by_code = ", ".join(f"{count} with {code}" for code, count in sorted(ended.items())) or "none"
    seconds = sum(outcome.seconds for outcome in outcomes)
    return "\n".join([*lines, "", f"Rounds: {len(outcomes)}, {seconds:.0f} s: {told}. Ended by themselves: {by_code}."])


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
