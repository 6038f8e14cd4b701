"""The tables of docs/recovery.md, which the commands that measure them write there when they are told to."""

from tests.docs.tables import DOCS, marked

PAGE = DOCS / "recovery.md"


def write(name: str, table: str) -> None:
    """Put a table between its marks: ``crash``, ``cluster`` or ``recovery``."""
    text = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(marked(name).sub(lambda found: found[1] + table + "\n" + found[3], text), encoding="utf-8")
