"""Strict JSON, read with care: what exactly is wrong with a value, when something is.

RFC 8259 in UTF-8 and nothing beside it: no NaN, no Infinity, no number that overflows a double, nothing after
the value. One leniency: an unpaired surrogate escape, which real clients send, becomes U+FFFD.

Source: docs/records.md, "JSON".
"""

import json
import math
import re
from decimal import Decimal
from typing import Any, NoReturn

from schemas.reasons import Reason, Refusal

VALUE_BYTES_MAX = 32 * 1024
"""Segment's limit for one event. Lower: events that Segment takes are refused. Higher: one record costs more
memory and time than a batch is planned for."""

DEPTH_MAX = 64
"""Lower: legitimate nested properties are refused. Higher: recursive readers downstream may not cope."""

_TOKEN = re.compile(
    rb"""[ \t\n\r]*(?:
        (?P<mark>[\[\]{},:])
      | (?P<text>"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*+")
      | (?P<atom>-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?|true|false|null)
    )""",
    re.VERBOSE,
)
_SURROGATE = re.compile("[\ud800-\udfff]")


class Measured(bytes):
    """JSON made of a record in another encoding, whose size was checked as it came: it is not checked again.

    The limit is a promise about the bytes that a sender sends, not about what we make of them.
    """


def read_object(value: bytes) -> dict[str, Any] | Refusal:
    """The object that the bytes hold, or what is wrong with them, the first of the list that holds."""
    read = read_value(value)
    if isinstance(read, Refusal):
        return read
    if not isinstance(read, dict):
        return Refusal(Reason.NOT_AN_OBJECT, f"the value is {name_of(read)}, not an object")
    return read


def read_value(value: bytes) -> Any | Refusal:
    """Any JSON value, or ``malformed_json``, ``not_an_object`` (deep ones only) or ``too_deep``."""
    if value.count(b"{") + value.count(b"[") > DEPTH_MAX:
        deep = _refuse_deep(value)
        if deep is not None:
            return deep
    try:
        text = value.decode("utf-8")
        read = json.loads(text, parse_constant=_not_a_number, parse_float=_finite_float, parse_int=_finite_integer)
    except ValueError as error:  # also JSONDecodeError, UnicodeDecodeError
        return Refusal(Reason.MALFORMED_JSON, f"not JSON: {error}")
    if "\\ud" in text or "\\uD" in text:
        return _without_surrogates(read)
    return read


def shortest(number: float) -> str:
    """The shortest decimal text that reads back as the same number: ``42`` for 42.0, ``0.1``, ``1e+21``.

    Shapes:
        number: an int of any size, or a finite float.

    Source: docs/decisions.md, "Ids"; ECMAScript, "Number::toString", for the whole floats.
    """
    if isinstance(number, int):
        return str(number)
    text = repr(number)
    if number.is_integer() and abs(number) < 1e21:
        whole = format(Decimal(text), "f").removesuffix(".0")
        return "0" if whole == "-0" else whole
    return text


def name_of(value: object) -> str:
    """The JSON name of a decoded value's type, with its article, for messages."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "a string"
    return "an array" if isinstance(value, list) else "an object"


def _not_a_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a number")


def _finite_float(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"a number overflows: {text[:20]}")
    return number


def _finite_integer(text: str) -> int:
    _finite_float(text)  # 400 digits are as much an overflow as 1e400
    return int(text)


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return _SURROGATE.sub("\ufffd", value)
    if isinstance(value, list):
        return [_without_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {_without_surrogates(key): _without_surrogates(item) for key, item in value.items()}
    return value


def _refuse_deep(value: bytes) -> Refusal | None:
    """What to say of a value that nests too deep; None when it does not. Reads without recursion."""
    deepest, is_json = _scan(value)
    if deepest <= DEPTH_MAX:
        return None
    if not is_json:
        return Refusal(Reason.MALFORMED_JSON, "not JSON, and nested too deep for the fault to be located")
    if not value.lstrip().startswith(b"{"):
        return Refusal(Reason.NOT_AN_OBJECT, "the value is an array, not an object")
    return Refusal(Reason.TOO_DEEP, f"nested deeper than {DEPTH_MAX}")


# What may follow what, as a table: (state, token) -> state. Tokens: s a string, x another atom, and marks.
# States: v a value, a an array's first element or "]", k a key, o an object's first key or "}", c a colon,
# e the end of a value. That brackets match is the stack's business.
_NEXT = {
    ("v", b"x"): "e", ("v", b"s"): "e", ("v", b"["): "a", ("v", b"{"): "o",
    ("a", b"x"): "e", ("a", b"s"): "e", ("a", b"["): "a", ("a", b"{"): "o", ("a", b"]"): "e",
    ("o", b"s"): "c", ("o", b"}"): "e", ("k", b"s"): "c", ("c", b":"): "v",
    ("e", b"]"): "e", ("e", b"}"): "e", ("e", b","): "v",
}  # fmt: skip
_OPENING = {b"]": b"[", b"}": b"{"}


def _scan(value: bytes) -> tuple[int, bool]:
    """How deep the text nests up to its end or first fault, and whether it is one well-formed JSON text."""
    open_marks: list[bytes] = []
    state, at, deepest = "v", 0, 0
    while token := _TOKEN.match(value, at):
        at = token.end()
        kind = token["mark"] or (b"x" if token["text"] is None else b"s")
        following = _NEXT.get((state, kind))
        if following is None or not _keeps_brackets(kind, open_marks):
            return deepest, False
        state = "k" if kind == b"," and open_marks[-1] == b"{" else following
        deepest = max(deepest, len(open_marks))
    ended = state == "e" and not open_marks and not value[at:].strip(b" \t\n\r")
    return deepest, ended and _is_utf8(value)


def _keeps_brackets(kind: bytes, open_marks: list[bytes]) -> bool:
    """Open or close a bracket; False when a closing one, or a comma, has nothing that it belongs to."""
    if kind in {b"{", b"["}:
        open_marks.append(kind)
        return True
    if kind in _OPENING:
        return bool(open_marks) and open_marks.pop() == _OPENING[kind]
    return kind != b"," or bool(open_marks)


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
