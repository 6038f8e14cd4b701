"""The examples of README and docs are run as they stand."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.acceptance.moments import ms
from worker.audiences.compile import Keys
from worker.audiences.doubts import doubts
from worker.audiences.language.parser import parse
from worker.cli.assembly import Options
from worker.cli.audiences import audience_views, audiences_listing
from worker.cli.definition_files import documents_of
from worker.cli.in_force import read_in_force
from worker.cli.members import member_line, member_views
from worker.cli.simulate import play
from worker.cli.tables import show
from worker.cli.virtual import VirtualWorker
from worker.identity.rules import DEFAULT_CAPS

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SIMULATE = (ROOT / "docs/simulate.md").read_text(encoding="utf-8")
IDENTITY = (ROOT / "docs/identity.md").read_text(encoding="utf-8")
LANGUAGE = (ROOT / "docs/query-language.md").read_text(encoding="utf-8")
EXPLAIN = (ROOT / "docs/explain.md").read_text(encoding="utf-8")
BLOCK = r"<!-- %s -->\n```\w*\n(.*?)```"


SHOWN = BLOCK % "run" + r"\n" + BLOCK % "output"


def files(page: str) -> dict[str, str]:
    return dict(re.findall(BLOCK % r"file: (\S+)", page, re.DOTALL))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every file of the pages, and the commands of this environment first on the path."""
    for name, text in {**files(README), **files(SIMULATE), **files(IDENTITY), **files(EXPLAIN)}.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    commands = str(Path(sys.executable).parent)
    monkeypatch.setenv("PATH", f"{commands}:/usr/bin:/bin")
    monkeypatch.chdir(tmp_path)
    assert shutil.which("audience-worker", path=commands)
    return tmp_path


def run(script: str) -> str:
    finished = subprocess.run(["bash", "-euc", script], capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


def test_the_commands_of_readme_do_what_it_says(folder: Path) -> None:
    """One entry at 10:01, one exit a week after the first view."""
    (script,) = re.findall(BLOCK % "run", README, re.DOTALL)

    output = run(script)

    assert re.findall(r'"event":"(Audience \w+)".*?"timestamp":"([^"]+)"', output) == [
        ("Audience Entered", "2025-01-10T10:01:00.000Z"),
        ("Audience Exited", "2025-01-17T10:00:00.000Z"),
    ]


def test_the_shell_test_of_simulate_passes_and_can_fail(folder: Path) -> None:
    (script,) = re.findall(BLOCK % "run", SIMULATE, re.DOTALL)
    run(script)

    (folder / "events.ndjson").write_text("", encoding="utf-8")
    finished = subprocess.run(["bash", "-euc", script], capture_output=True, check=False)
    assert finished.returncode != 0


def test_the_pytest_tests_of_simulate_pass_and_can_fail(folder: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_audiences.py"]
    finished = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert "3 passed" in finished.stdout, finished.stdout

    definitions = folder / "audiences.yaml"
    definitions.write_text(definitions.read_text(encoding="utf-8").replace(">= 2", ">= 1"), encoding="utf-8")
    finished = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert "2 failed, 1 passed" in finished.stdout, finished.stdout


@pytest.mark.parametrize(("script", "output"), re.findall(SHOWN, IDENTITY, re.DOTALL), ids=["why", "what if"])
def test_the_commands_of_identity_print_what_it_shows(folder: Path, script: str, output: str) -> None:
    """But for spaces at the ends of lines."""
    assert [line.rstrip() for line in run(script).splitlines()] == output.splitlines()


def test_what_the_page_on_the_language_calls_impossible_is_a_fault() -> None:
    found = LANGUAGE[LANGUAGE.index("## What lint finds") :]
    (queries,) = re.findall(r"```sql\n(.*?)```", found, re.DOTALL)

    assert [len(doubts(parse(query), Keys())) for query in queries.splitlines()] == [1, 1, 1, 1]


@pytest.mark.parametrize(("script", "output"), re.findall(SHOWN, EXPLAIN, re.DOTALL), ids=["why", "funnel"])
def test_the_commands_of_explain_print_what_it_shows(folder: Path, script: str, output: str) -> None:
    """But for spaces at the ends of lines."""
    assert [line.rstrip() for line in run(script).splitlines()] == output.splitlines()


def test_the_lists_of_explain_are_those_of_the_next_day(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What the live commands print, over the store of a replay."""
    shown = dict(re.findall(BLOCK % r"output: (\w+)", EXPLAIN, re.DOTALL))
    worker = VirtualWorker(Options())
    documents = documents_of({"shop": (folder / "shop.yaml").read_text(encoding="utf-8")})
    lines = (folder / "shop.ndjson").read_text(encoding="utf-8").splitlines()
    for _ in play(worker, documents, lines, ms("2025-01-08T00:00:00Z")):
        pass

    show(audiences_listing(audience_views(worker.store, read_in_force(worker.store, DEFAULT_CAPS), quick=False)))

    printed = capsys.readouterr().out
    assert [line.rstrip() for line in printed.splitlines()] == shown["audiences"].splitlines()
    assert [member_line(view) for view in member_views(worker.store, "cart_left")] == shown["members"].splitlines()


def test_the_rules_of_identity_are_right(folder: Path) -> None:
    assert files(IDENTITY).keys() >= {"identity.yaml", "tighter.yaml"}
    run("audience-worker lint identity.yaml && audience-worker lint tighter.yaml")


def test_every_file_that_readme_names_is_there() -> None:
    """Links and the proofs of the promises."""
    named = re.findall(r"\]\(([^)#:]+)\)", README) + re.findall(r"`(tests/[^`]+)`", README)
    assert named
    assert [name for name in named if not (ROOT / name).exists()] == []
