"""What is wrong with a query, and where."""

from worker.errors import InputError


class QueryError(InputError):
    """A fault in a query. ``line`` and ``column`` are 1-based, in characters; None when it has no one place.

    Equal to another that says the same of the same place: lists of faults can be compared.
    """

    def __init__(self, message: str, *, line: int | None = None, column: int | None = None) -> None:
        super().__init__(message if line is None else f"line {line}, column {column}: {message}")
        self.message = message
        self.line = line
        self.column = column

    def __eq__(self, other: object) -> bool:
        return isinstance(other, QueryError) and self.faults == other.faults

    def __hash__(self) -> int:
        return hash(self.faults)
