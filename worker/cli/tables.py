"""Lines and tables for people, on standard output: made of the same views that ``--json`` prints.

What is shown are senders' words: nothing in them is taken for markup, and what a terminal would act on is escaped.
"""

import sys
from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

UNFOLDED_COLUMNS = 10_000
"""Width of what goes into a file or a pipe: a folded id cannot be searched for."""


def printable(text: str) -> str:
    """The text with everything escaped that is no letter, number, sign or space."""
    if text.isprintable():
        return text
    return "".join([one if one.isprintable() else one.encode("unicode_escape").decode() for one in text])


def listing(title: str, entries: Iterable[Mapping[str, Any]], columns: Mapping[str, str]) -> Group:
    """A heading, and a table without lines: a row for each entry, a column for each of its keys that ``columns`` names.

    Columns of numbers stand to the right, None is an empty cell; without entries the heading says so.
    """
    rows = list(entries)
    if not rows:
        return Group(Text(f"{title}: none"))
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for key, name in columns.items():
        numbers = all(isinstance(row[key], int) for row in rows)
        made.add_column(name, justify="right" if numbers else "left", overflow="fold")
    for row in rows:
        made.add_row(*[Text("" if row[key] is None else printable(str(row[key]))) for key in columns])
    return Group(Text(title, style="bold"), made)


def show(*parts: str | Group) -> None:
    """Print paragraphs and listings, an empty line between them."""
    console = Console(width=None if sys.stdout.isatty() else UNFOLDED_COLUMNS)
    for number, part in enumerate(parts):
        if number:
            console.print()
        console.print(Text(printable(part)) if isinstance(part, str) else part)
