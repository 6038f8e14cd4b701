"""Break the code in every way that matters, one at a time, and see whether anything notices.

    python -m tests.mutants                 all of them
    python -m tests.mutants no-pending …    some of them

Each mutant is made in a copy of the tree. Those without tests of their own must be noticed by the simulation within a
bounded number of seeds, the others by the tests that they name. Exits 1 when one goes unnoticed, or cannot be made.
"""

import argparse
import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from tests import services
from tests.mutants import explain, fold, merge, restore, route, transactions
from tests.mutants.mutant import Mutant

ROOT = Path(__file__).parents[2]
COPIED = ("schemas", "worker", "consumers", "tests", "pyproject.toml")
MUTANTS: tuple[Mutant, ...] = (
    *route.MUTANTS,
    *fold.MUTANTS,
    *merge.MUTANTS,
    *transactions.MUTANTS,
    *restore.MUTANTS,
    *explain.MUTANTS,
)

SEEDS = 1_500
"""Schedules until a mutant counts as unnoticed by the simulation. Most are noticed within ten."""

TIMEOUT_S = 300.0
CAUGHT = "caught"
UNKILLED, KILLED = 0, 1
"""Exit codes of pytest and of the simulation. Any other is a mutant that does not run, which proves nothing."""

NOTICED = re.compile(r"^seed (?P<seed>\d+): \d+ violations\n(?P<check>\w+)|^FAILED \S+::(?P<test>\S+)", re.MULTILINE)


class Verdict(NamedTuple):
    """``by``: what has noticed the mutant; else what there is to say about it."""

    what: str
    by: str


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="of mutants; by default all")
    parser.add_argument("--list", action="store_true", help="show them and what each of them breaks")
    arguments = parser.parse_args()
    chosen = [mutant for mutant in MUTANTS if not arguments.names or mutant.name in arguments.names]
    if unknown := set(arguments.names) - {mutant.name for mutant in MUTANTS}:
        parser.error(f"there is no mutant {', '.join(sorted(unknown))}")
    if arguments.list:
        _say(*(f"{mutant.name:<32} {mutant.rule}" for mutant in chosen))
        return
    sys.exit(not _all_killed(chosen))


def _all_killed(mutants: Sequence[Mutant]) -> bool:
    caught = 0
    with _copy() as copy, contextlib.ExitStack() as stack:
        environment = _environment(copy, mutants, stack)
        for mutant in mutants:
            began_s = time.monotonic()
            verdict = _verdict(mutant, copy, environment)
            caught += verdict.what == CAUGHT
            _say(f"{verdict.what:<9} {mutant.name:<30} {time.monotonic() - began_s:4.0f} s  {verdict.by}")
    _say(f"{caught} of {len(mutants)} mutants are caught")
    return caught == len(mutants)


@contextlib.contextmanager
def _copy() -> Iterator[Path]:
    """The tree, without what was made from it."""
    with tempfile.TemporaryDirectory(prefix="audience-worker-mutants-") as name:
        copy = Path(name)
        for part in COPIED:
            if (ROOT / part).is_dir():
                shutil.copytree(ROOT / part, copy / part, ignore=shutil.ignore_patterns("__pycache__", "lib"))
            else:
                shutil.copy(ROOT / part, copy / part)
        yield copy


def _environment(copy: Path, mutants: Sequence[Mutant], stack: contextlib.ExitStack) -> dict[str, str]:
    """Of the child processes: they import the copy, and find servers that run already."""
    environment = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1", "CI": "true"}
    if any(test.startswith("tests/conformance") for mutant in mutants for test in mutant.tests):
        environment[services.KAFKA_VARIABLE] = stack.enter_context(services.kafka_server())
        environment[services.REDIS_VARIABLE] = stack.enter_context(services.redis_server())
    return environment


def _verdict(mutant: Mutant, copy: Path, environment: dict[str, str]) -> Verdict:
    """Make the mutant, have it tested, and undo it."""
    originals = {edit.file: (copy / edit.file).read_text("utf-8") for edit in mutant.edits}
    try:
        for edit in mutant.edits:
            text = (copy / edit.file).read_text("utf-8")
            if text.count(edit.old) != 1:
                return Verdict("no match", edit.file)
            (copy / edit.file).write_text(text.replace(edit.old, edit.new), "utf-8")
        return _outcome(mutant, copy, environment)
    finally:
        for file, text in originals.items():
            (copy / file).write_text(text, "utf-8")


def _outcome(mutant: Mutant, copy: Path, environment: dict[str, str]) -> Verdict:
    if mutant.tests:
        command = ["-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *mutant.tests]
    else:
        command = ["-m", "tests.simulation", "--first", "0", "--seeds", str(SEEDS), "--until-failure"]
    try:
        done = subprocess.run(
            [sys.executable, *command], cwd=copy, env=environment, capture_output=True, timeout=TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        return Verdict("stuck", f"no end within {TIMEOUT_S:.0f} s")
    told = done.stdout.decode()
    if done.returncode == UNKILLED:
        return Verdict("MISSED", mutant.rule)
    if done.returncode == KILLED and (found := NOTICED.search(told)):
        return Verdict(CAUGHT, _in_one_line(found))
    return Verdict("broken", (told + done.stderr.decode())[-1_500:])


def _in_one_line(found: re.Match[str]) -> str:
    """By which seed and check, or by which test."""
    if found["test"]:
        return found["test"]
    return f"seed {found['seed']}: {found['check']}"


def _say(*lines: str) -> None:
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
