"""The default identity of a replica."""

import subprocess
import sys
from pathlib import Path

import pytest

from worker.cli.instance_id import take_instance_id
from worker.errors import InputError

HOLD = """
import pathlib, sys
from worker.cli.instance_id import take_instance_id
taken = take_instance_id("h", group="g", folder=pathlib.Path(sys.argv[1]))
print(taken.value, flush=True)
sys.stdin.read()
"""


def test_the_lowest_free_number_is_taken_and_given_back(tmp_path: Path) -> None:
    first = take_instance_id("h", group="g", folder=tmp_path)
    second = take_instance_id("h", group="g", folder=tmp_path)
    third = take_instance_id("h", group="g", folder=tmp_path)
    assert [first.value, second.value, third.value] == ["h-0", "h-1", "h-2"]

    second.release()

    with take_instance_id("h", group="g", folder=tmp_path) as again:
        assert again.value == "h-1"
    first.release()
    third.release()


def test_groups_count_for_themselves(tmp_path: Path) -> None:
    with (
        take_instance_id("h", group="one", folder=tmp_path) as one,
        take_instance_id("h", group="two", folder=tmp_path) as two,
    ):
        assert (one.value, two.value) == ("h-0", "h-0")


def test_a_killed_process_leaves_its_number_to_the_next(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "h-0\n"
        with take_instance_id("h", group="g", folder=tmp_path) as beside:
            assert beside.value == "h-1"
        holder.kill()
        holder.wait()

    with take_instance_id("h", group="g", folder=tmp_path) as after:
        assert after.value == "h-0"


def test_a_planted_link_is_not_followed(tmp_path: Path) -> None:
    with take_instance_id("h", group="g", folder=tmp_path):
        lock = next(tmp_path.iterdir())
    lock.unlink()
    victim = tmp_path / "victim"
    lock.symlink_to(victim)

    with take_instance_id("h", group="g", folder=tmp_path) as taken:
        assert taken.value == "h-1"
    assert not victim.exists()


def test_an_unusable_folder_is_told_with_what_to_set(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="AW_INSTANCE_ID"):
        take_instance_id("h", group="g", folder=tmp_path / "missing")
