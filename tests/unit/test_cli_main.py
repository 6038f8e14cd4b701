"""The command line: exit codes, and where messages go."""

import sys
from types import ModuleType

import pytest

from worker.cli import main as command_line
from worker.errors import DependencyError, InputError, InvariantError, SupersededError, UsageError


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> list[BaseException]:
    """The only command is ``fail``; it raises what the test puts into this list."""
    errors: list[BaseException] = []

    def fail() -> None:
        """Fail on purpose."""
        for error in errors:
            raise error

    module = ModuleType("tests_failing_command")
    module.__spec__ = __spec__
    module.register = lambda app: app.command("fail")(fail)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tests_failing_command", module)
    monkeypatch.setattr(command_line, "COMMANDS", {"fail": "tests_failing_command"})
    return errors


def run(*argv: str) -> int | str | None:
    with pytest.raises(SystemExit) as ended:
        command_line.main(argv)
    return ended.value.code


def test_a_users_mistakes_are_one_line_each_and_exit_1(
    failing: list[BaseException], capsys: pytest.CaptureFixture[str]
) -> None:
    failing.append(InputError("a.yaml:3:7: expected a number", "a.yaml:9:1: unknown key\nnearest is `query`"))

    assert run("fail") == 1
    assert capsys.readouterr() == (
        "",
        "a.yaml:3:7: expected a number\na.yaml:9:1: unknown key nearest is `query`\n",
    )


def test_a_missing_dependency_exits_3(failing: list[BaseException], capsys: pytest.CaptureFixture[str]) -> None:
    failing.append(DependencyError("Kafka at localhost:9092 did not answer in 10 s"))

    assert run("fail") == 3
    assert capsys.readouterr() == ("", "Kafka at localhost:9092 did not answer in 10 s\n")


def test_a_command_line_that_cannot_be_meant_exits_2(
    failing: list[BaseException], capsys: pytest.CaptureFixture[str]
) -> None:
    failing.append(UsageError("fail: --this needs --that"))

    assert run("fail") == 2
    assert capsys.readouterr() == ("", "fail: --this needs --that\n")


def test_a_worker_whose_name_another_has_taken_exits_3(
    failing: list[BaseException], capsys: pytest.CaptureFixture[str]
) -> None:
    failing.append(SupersededError("Kafka: this consumer cannot go on"))

    assert run("fail") == 3
    assert capsys.readouterr() == ("", "Kafka: this consumer cannot go on\n")


def test_an_interrupt_exits_130_without_a_traceback(
    failing: list[BaseException], capsys: pytest.CaptureFixture[str]
) -> None:
    failing.append(KeyboardInterrupt())

    assert run("fail") == 130
    assert "Traceback" not in capsys.readouterr().err


def test_a_bug_of_ours_is_not_dressed_up(failing: list[BaseException]) -> None:
    failing.append(InvariantError("the books do not balance"))

    with pytest.raises(InvariantError):
        command_line.main(["fail"])


@pytest.mark.parametrize("argv", [["nonsense"], ["--nonsense"], ["fail", "extra"], []])
def test_wrong_usage_exits_2(failing: list[BaseException], argv: list[str]) -> None:
    assert failing == []
    assert run(*argv) == 2


def test_done_exits_0(failing: list[BaseException]) -> None:
    assert failing == []
    assert run("fail") == 0


def test_the_version_and_the_help_go_to_stdout(
    failing: list[BaseException], capsys: pytest.CaptureFixture[str]
) -> None:
    assert failing == []
    assert run("--version") == 0
    assert capsys.readouterr().out.startswith("audience-worker ")
    assert run("--help") == 0
    assert "Fail on purpose." in capsys.readouterr().out


def test_a_command_whose_module_is_missing_does_not_break_the_others(
    failing: list[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(command_line.COMMANDS, "absent", "worker.cli.absent_for_ever")

    assert run("absent") == 2
    assert run("fail") == 0


@pytest.mark.parametrize("name", list(command_line.COMMANDS))
def test_only_the_command_that_is_asked_for_is_registered(name: str) -> None:
    """What one command needs to load, the others do not wait for."""
    app = command_line.application(name)

    names = {command.name for command in app.registered_commands} | {group.name for group in app.registered_groups}
    assert names <= {name}
