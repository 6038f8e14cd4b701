"""Log lines as an operator gets them."""

import json
from collections.abc import Iterator

import pytest
import structlog

from worker.logs import configure


@pytest.fixture(autouse=True)
def _configuration_ends_with_the_test() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def test_json_lines_are_objects_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    configure("json")

    structlog.get_logger().info("started", roles=["route"])

    out, err = capsys.readouterr()
    line = json.loads(err)
    assert out == ""
    assert (line["event"], line["level"], line["roles"]) == ("started", "info", ["route"])
    assert line["timestamp"].endswith("Z")


def test_an_exception_stays_on_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure("json")

    try:
        int("of a test")
    except ValueError:
        structlog.get_logger().exception("failed")

    (line,) = capsys.readouterr().err.splitlines()
    assert json.loads(line)["exception"][0]["exc_type"] == "ValueError"


def test_lines_below_the_level_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    configure("console", "warning")

    structlog.get_logger().info("not this one")
    structlog.get_logger().warning("but this one")

    err = capsys.readouterr().err
    assert "not this one" not in err
    assert "but this one" in err
