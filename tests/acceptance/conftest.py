"""The door of these tests: the real command as a person runs it, in a folder and environment of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import pytest

from tests.acceptance.lines import Line, Output, as_text

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT_S = 60  # far above the second that a run takes; below it, a run that hangs would hold up the suite

Definitions = str | Mapping[str, Any]
Run = Callable[..., subprocess.CompletedProcess[bytes]]


class Simulate(Protocol):
    """Runs the command to a good end and gives what it printed."""

    def __call__(
        self,
        definitions: Definitions,
        lines: Iterable[Line],
        until: str,
        topics: Sequence[str] = (),
        settings: Mapping[str, str] | None = None,
    ) -> list[Output]: ...


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """``audience-worker`` with arguments, standard input and settings; whatever its exit code."""

    def run_command(
        *arguments: str, stdin: str | bytes = "", settings: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [sys.executable, "-m", "worker.cli.main", *arguments],
            input=stdin.encode() if isinstance(stdin, str) else stdin,
            capture_output=True,
            cwd=tmp_path_factory.mktemp("cwd"),
            env=_environment(settings or {}),
            timeout=TIMEOUT_S,
            check=False,
        )

    return run_command


@pytest.fixture(scope="session")
def definitions_file(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Definitions], str]:
    """The path of a file with these definitions: YAML as it is, anything else as JSON."""

    def write(definitions: Definitions) -> str:
        folder = tmp_path_factory.mktemp("definitions")
        if isinstance(definitions, str):
            path, text = folder / "definitions.yaml", definitions
        else:
            path, text = folder / "definitions.json", json.dumps(definitions)
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


@pytest.fixture(scope="session")
def simulate(run: Run, definitions_file: Callable[[Definitions], str]) -> Simulate:
    """What ``simulate`` prints for these definitions and lines; a run that fails fails the test."""

    def simulate_lines(
        definitions: Definitions,
        lines: Iterable[Line],
        until: str,
        topics: Sequence[str] = (),
        settings: Mapping[str, str] | None = None,
    ) -> list[Output]:
        filters = [word for topic in topics for word in ("--topic", topic)]
        command = ["simulate", "-d", definitions_file(definitions), "--until", until, *filters, "-"]
        finished = run(*command, stdin=as_text(lines), settings=settings)
        assert finished.returncode == 0, finished.stderr.decode()
        return [json.loads(text) for text in finished.stdout.splitlines()]

    return simulate_lines


def _environment(settings: Mapping[str, str]) -> dict[str, str]:
    """This process's environment without settings of the program, so that nobody's shell decides a test."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AW_")}
    return {**inherited, "PYTHONPATH": str(ROOT), **settings}
