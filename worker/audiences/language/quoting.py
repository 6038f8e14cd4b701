r"""Quoted strings and dotted paths: how they are written in a query, and what they mean.

A string is in single or double quotes. Its escapes are JSON's without ``\b`` and ``\f``, and ``\'``.
In a path a dot traverses, and a dot after one or more backslashes is itself: the reference shows four, which
is one after a string inside JSON inside a shell has taken its share. A backslash before a traversing dot is
therefore written ``\u005c``.
Source: Segment, "Query Language Reference" (trait, notes); docs/query-language.md.
"""

import re

from worker.audiences.language.tree import Path

_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_LITERAL_DOT = re.compile(r"\\+\.")
_MEANING = {"\\": "\\", "'": "'", '"': '"', "/": "/", "n": "\n", "r": "\r", "t": "\t"}
_WRITTEN = {"'": "\\'", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def read_string(quoted: str) -> str:
    """What a quoted string means.

    Raises:
        ValueError: an escape that the language has not, or half a surrogate pair; the text is for the user.
    """
    return _unescape(quoted[1:-1])


def read_path(quoted: str) -> Path:
    """The segments of a quoted path.

    Raises:
        ValueError: as ``read_string``, or a segment is empty; the text is for the user.
    """
    path = tuple(_unescape(segment) for segment in _LITERAL_DOT.sub(r"\\u002e", quoted[1:-1]).split("."))
    if "" in path:
        raise ValueError(f"expected a name, found nothing {'between dots' if len(path) > 1 else 'in the quotes'}")
    return path


def quote(text: str) -> str:
    """A string as the language writes it, in single quotes."""
    return f"'{''.join(_escaped(character) for character in text)}'"


def quote_path(path: Path) -> str:
    """A path as the language writes it: one backslash before a dot that is part of a name."""
    return f"'{'.'.join(''.join(_escaped_in_path(character) for character in segment) for segment in path)}'"


def _unescape(written: str) -> str:
    text = _ESCAPE.sub(_meaning, written)
    try:
        # JSON writes a character beyond U+FFFF as two escapes; together they are one.
        return text.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError:
        raise ValueError("expected a character, found half of a surrogate pair") from None


def _meaning(escape: re.Match[str]) -> str:
    code = escape[1]
    if len(code) == len("uXXXX"):
        return chr(int(code[1:], 16))
    if code not in _MEANING:
        raise ValueError(rf'expected an escape (\\ \' \" \/ \n \r \t \uXXXX), found "\{code}"; a backslash is "\\"')
    return _MEANING[code]


def _escaped(character: str) -> str:
    if character == "\\":
        return "\\\\"
    if character in _WRITTEN:
        return _WRITTEN[character]
    return character if character.isprintable() or ord(character) > 0xFFFF else f"\\u{ord(character):04x}"


def _escaped_in_path(character: str) -> str:
    if character == "\\":
        return "\\u005c"
    return "\\." if character == "." else _escaped(character)
