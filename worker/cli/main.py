"""The command line: finds the command, and turns what goes wrong into a message and an exit code.

Exit codes: 0 done, 1 the input is wrong, 2 usage, 3 a dependency is unreachable (or another process has taken this
one's name), 130 interrupted.

A command is a module of this package with ``register(app)``, which adds it to the application. Modules are
imported when they are asked for, so that ``lint`` does not wait for the Kafka client to load.
"""

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Annotated

import typer

from worker.cli.endings import EXPECTED, ending_of

PROGRAM = "audience-worker"

COMMANDS = {
    "demo": "worker.cli.demo",
    "run": "worker.cli.run",
    "simulate": "worker.cli.simulate",
    "lint": "worker.cli.lint",
    "profile": "worker.cli.profile",
    "explain": "worker.cli.explain",
    "audiences": "worker.cli.audiences",
    "members": "worker.cli.members",
    "definitions": "worker.cli.definitions",
    "import": "worker.cli.imports",
    "topics": "worker.cli.topics",
    "dead-letters": "worker.cli.dead_letters",
    "doctor": "worker.cli.doctor",
}
"""Command and the module that registers it, in the order of the help page."""


def application(only: str | None = None) -> typer.Typer:
    """The Typer application: with one command, when ``only`` names it, else with all that are installed."""
    app = typer.Typer(
        name=PROGRAM,
        help="Kafka events in, Audience Entered and Audience Exited out, exactly once.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_program)
    for module in [COMMANDS[only]] if only in COMMANDS else COMMANDS.values():
        if find_spec(module) is not None:
            import_module(module).register(app)
    return app


def main(argv: Sequence[str] | None = None) -> None:
    """Run a command line (default: the process's); always ends in ``SystemExit``.

    Raises:
        SystemExit: with the exit code. A bug of ours goes through as it is, with its traceback.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    command = application(arguments[0] if arguments else None)
    try:
        command(args=arguments, prog_name=PROGRAM)
    except EXPECTED as error:
        ending = ending_of(error)
        ending.tell()
        sys.exit(ending.code)


def _show_version(wanted: bool) -> None:
    if wanted:
        try:
            typer.echo(f"{PROGRAM} {version(PROGRAM)}")
        except PackageNotFoundError:
            typer.echo(f"{PROGRAM} (a source tree that is not installed)")
        raise typer.Exit


def _program(
    *,
    version_wanted: Annotated[
        bool,
        typer.Option("--version", help="Show the version and exit.", is_eager=True, callback=_show_version),
    ] = False,
) -> None:
    """Options of the program itself."""


if __name__ == "__main__":
    main()
