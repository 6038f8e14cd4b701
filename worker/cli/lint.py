"""``audience-worker lint``: check definitions offline."""

from pathlib import Path
from typing import Annotated

import typer

from worker.cli.definition_files import documents_of, doubts_of, read_files
from worker.errors import InputError


def register(app: typer.Typer) -> None:
    app.command("lint")(_command)


def _command(
    definitions: Annotated[list[Path], typer.Argument(help="Files or folders of definitions.", metavar="DEFS…")],
) -> None:
    """Check definitions: file, line, column and what is wrong; exit 1 on any error.

    Also found is what is valid and can never hold. What may be a slip is told as a warning.
    """
    texts = read_files(definitions)
    documents, doubts = documents_of(texts), doubts_of(texts)
    for hint in doubts.hints:
        typer.echo(f"warning: {hint}", err=True)
    if doubts.faults:
        raise InputError(*doubts.faults)
    typer.echo(f"{len(documents)} definitions, no faults")
