"""What people see of what strangers have sent."""

import pytest

from worker.cli.tables import listing, printable, show

pytestmark = pytest.mark.unit

ENTRIES = [{"name": "[red]a[/]", "count": 3}, {"name": "\x1b[31mb\n\u202ec", "count": 12}, {"name": None, "count": 1}]
COLUMNS = {"name": "who", "count": "events"}


def shown(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return [line.rstrip() for line in capsys.readouterr().out.splitlines()]


def test_a_listing_has_a_row_for_each_entry_and_numbers_to_the_right(capsys: pytest.CaptureFixture[str]) -> None:
    show("a paragraph", listing("people", ENTRIES, COLUMNS))

    assert shown(capsys) == [
        "a paragraph",
        "",
        "people",
        "who                 events",
        "[red]a[/]                3",
        "\\x1b[31mb\\n\\u202ec      12",
        "                         1",
    ]


def test_without_entries_it_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    show(listing("people", [], COLUMNS))

    assert shown(capsys) == ["people: none"]


def test_nothing_is_folded_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    """An id that spreads over lines cannot be searched for."""
    long = "x" * 500
    show(long, listing(long, [{"name": long, "count": 1}], COLUMNS))

    assert [line.partition(" ")[0] for line in shown(capsys)] == [long, "", long, "who", long]


@pytest.mark.parametrize("text", ["jane@x.io", "Ünïcödé 日本", ""])
def test_what_can_be_printed_is_printed_as_it_is(text: str) -> None:
    assert printable(text) == text
