"""What a failure says to the user, and the exit code that it ends with."""

from collections.abc import Sequence
from typing import NamedTuple

import typer

from worker.errors import DependencyError, InputError, StoreLostError, SupersededError, UsageError

EXIT_INPUT = 1
EXIT_USAGE = 2
EXIT_DEPENDENCY = 3

EXPECTED = (InputError, UsageError, DependencyError, StoreLostError, SupersededError)
"""What is not our own bug, and ends in a message instead of a traceback."""


class Ending(NamedTuple):
    faults: Sequence[str]
    code: int

    def tell(self) -> None:
        """One line per fault on stderr, for a person or for grep; a fault never spreads over lines."""
        for fault in self.faults:
            typer.echo(" ".join(fault.splitlines()), err=True)


def ending_of(error: BaseException) -> Ending:
    """Of one of ``EXPECTED``; of anything else, which others show, the code alone."""
    match error:
        case InputError():
            return Ending(error.faults, EXIT_INPUT)
        case UsageError():
            return Ending([str(error)], EXIT_USAGE)
        case DependencyError() | StoreLostError() | SupersededError():
            return Ending([str(error) or type(error).__name__], EXIT_DEPENDENCY)
    return Ending([], EXIT_INPUT)
