"""A text inside a YAML or JSON file: where each of its characters stands.

Quotes, escapes, indentation and folded lines make the text another one than the file shows; what stays the same is the
order of the characters that are no white space.
"""

import re
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

_ESCAPE = re.compile(
    r"\\(?:x[0-9A-Fa-f]{2}|u[dD][89abAB][0-9A-Fa-f]{2}\\u[dD][c-fC-F][0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}"
    r"|\s*\n\s*|.)",
    re.DOTALL,
)
"""Two surrogates are one character, as JSON has it."""
_BLANK_ESCAPES = frozenset("ntr 0_NLPabevf\t\n")
"""What stands behind a backslash for white space, or for nothing to be seen."""


class Position(NamedTuple):
    """1-based line and column."""

    line: int
    column: int


class ScalarText(NamedTuple):
    """``raw``: the text as it is written, with its quotes or its ``|``; ``at``: where that begins."""

    raw: str
    at: Position

    def position(self, text: str, line: int, column: int) -> Position:
        """Where a place of the text stands. White space, and the end, stand behind the character before.

        Shapes:
            text: what ``raw`` was read as; line, column: 1-based, in ``text``.
        """
        offset = sum(len(one) + 1 for one in text.split("\n")[: line - 1]) + column - 1
        before = sum(not one.isspace() for one in text[:offset])
        if text[offset : offset + 1].strip():
            found = next(islice(self._characters(), before, None), None)
            return self._at(self._begins() if found is None else found)
        found = next(islice(self._characters(), before - 1, None), None) if before else None
        return self._at(self._begins() if found is None else found + 1)

    def _begins(self) -> int:
        """The place behind the quote or the line with the ``|``."""
        if self.raw[:1] in {"|", ">"}:
            return self.raw.find("\n") + 1
        return int(self.raw[:1] in {"'", '"'})

    def _characters(self) -> Iterator[int]:
        """The places in ``raw`` of the characters of the text that are no white space."""
        raw, index = self.raw, self._begins()
        quote = raw[:1] if raw[:1] in {"'", '"'} else ""
        while index < len(raw):
            width, seen = 1, not raw[index].isspace()
            if quote == '"' and (escape := _ESCAPE.match(raw, index)):
                width, seen = len(escape[0]), escape[0][1] not in _BLANK_ESCAPES
            elif quote == "'" and raw[index : index + 2] == "''":
                width = 2
            if seen:
                yield index
            index += width

    def _at(self, index: int) -> Position:
        before = self.raw[:index]
        line = before.count("\n")
        return Position(self.at.line + line, index - before.rfind("\n") if line else self.at.column + index)
