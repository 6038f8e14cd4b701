"""Definitions in YAML or JSON files: everything that is wrong, each with its line and column.

A file holds the lists ``audiences`` and ``traits`` and the map ``identity``, or one document, or documents in
ODP's shape filed under ``audience:KEY``.

Source: docs/records.md, "Definitions".
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import yaml

from schemas.definition import (
    AudienceDefinition,
    Definition,
    IdentitySettings,
    TraitDefinition,
    nearest,
    record_key,
    validate,
    with_key,
)
from schemas.scalar_text import Position, ScalarText

NODES_MAX = 200_000
"""Lower: large files are refused. Higher: aliases of aliases can fill the memory before they are noticed."""
_DEPTH_MAX = 64
_LISTS = {"audiences": "audience", "traits": "trait"}

_Path = tuple[str | int, ...]


class Fault(NamedTuple):
    """One mistake in a file; as text ``file:line:column: message``."""

    source: str
    line: int
    column: int
    message: str

    def __str__(self) -> str:
        return f"{self.source}:{self.line}:{self.column}: {self.message}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Definitions:
    """What a file defines, and what is wrong with it. Nothing of it is to be used while there are faults.

    ``queries``: how each query is written, by record key, so that faults inside it can be located.
    """

    audiences: tuple[AudienceDefinition, ...] = ()
    traits: tuple[TraitDefinition, ...] = ()
    identity: IdentitySettings | None = None
    faults: tuple[Fault, ...] = ()
    queries: Mapping[str, ScalarText] = field(default_factory=dict)


def load(text: str, *, source: str) -> Definitions:
    """Read a file's text; never raises for what is in it.

    Shapes:
        source: the file's name, for the faults.

    Source: docs/records.md, "Definitions".
    """
    try:
        tree = _Tree(_compose(text), text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        return Definitions(faults=(Fault(source, line, column, _unreadable(error)),))
    except yaml.YAMLError as error:  # a character that no YAML may hold
        return Definitions(faults=(Fault(source, 1, 1, str(error).splitlines()[0]),))
    except RecursionError:
        return Definitions(faults=(Fault(source, 1, 1, "nested too deep"),))
    return _Reader(tree, source).definitions()


def _unreadable(error: yaml.MarkedYAMLError) -> str:
    """With what was being read, when that began on another line: a quote that is not closed is told at the end."""
    mark, problem = error.context_mark, error.problem or "not YAML"
    if mark is None or error.problem_mark is None or mark.line == error.problem_mark.line:
        return problem
    return f"{problem}, {error.context} that begins in line {mark.line + 1}"


def _compose(text: str) -> yaml.Node | None:
    if text.lstrip()[:1] in {"{", "["}:
        text = text.replace("\t", " ")  # JSON may be indented with tabs, YAML may not; its strings hold none
    node: yaml.Node | None = yaml.compose(text, Loader=yaml.SafeLoader)
    return node


class _Tree:
    """A document as plain values, and where in the text each of them stands."""

    def __init__(self, root: yaml.Node | None, text: str) -> None:
        self._text = text
        self._marks: dict[_Path, Position] = {}
        self._texts: dict[_Path, ScalarText] = {}
        self._nodes = 0
        self._constructor = yaml.constructor.SafeConstructor()
        self.value: Any = {} if root is None else self._value(root, ())

    def position(self, path: _Path) -> Position:
        """The place of a path, or of the nearest thing around it."""
        while path and path not in self._marks:
            path = path[:-1]
        return self._marks.get(path, Position(1, 1))

    def written(self, path: _Path) -> ScalarText | None:
        """How a string is written; None when there is no string."""
        return self._texts.get(path)

    def _value(self, node: yaml.Node, path: _Path) -> Any:
        self._nodes += 1
        if self._nodes > NODES_MAX or len(path) > _DEPTH_MAX:
            raise yaml.MarkedYAMLError(problem="too much, or nested too deep", problem_mark=node.start_mark)
        self._marks.setdefault(path, _position(node))
        if isinstance(node, yaml.MappingNode):
            return {name: self._value(item, (*path, name)) for name, item in self._items(node, path)}
        if isinstance(node, yaml.SequenceNode):
            return [self._value(item, (*path, index)) for index, item in enumerate(node.value)]
        self._texts[path] = ScalarText(self._text[node.start_mark.index : node.end_mark.index], _position(node))
        if node.tag == "tag:yaml.org,2002:timestamp":
            return node.value  # dates are text in definitions
        try:
            value = self._constructor.construct_object(node)
            return _paired(value) if isinstance(value, str) else value
        except ValueError as error:  # an int or float of YAML's that Python does not read
            raise yaml.MarkedYAMLError(problem=str(error), problem_mark=node.start_mark) from error

    def _items(self, node: yaml.MappingNode, path: _Path) -> Iterator[tuple[str, yaml.Node]]:
        seen = set()
        for key, item in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.MarkedYAMLError(problem="a key must be a word", problem_mark=key.start_mark)
            if key.value in seen:
                raise yaml.MarkedYAMLError(problem=f'"{key.value}" stands twice', problem_mark=key.start_mark)
            seen.add(key.value)
            self._marks[*path, key.value] = _position(key)
            yield key.value, item


def _paired(text: str) -> str:
    """JSON escapes a character beyond 16 bits as two surrogates, which YAML takes for two characters."""
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _position(node: yaml.Node) -> Position:
    return Position(node.start_mark.line + 1, node.start_mark.column + 1)


class _Reader:
    """Finds the documents of a file and collects them, or their faults."""

    def __init__(self, tree: _Tree, source: str) -> None:
        self._tree = tree
        self._source = source
        self._faults: list[Fault] = []
        self._found: dict[str, Definition] = {}
        self._queries: dict[str, ScalarText] = {}

    def definitions(self) -> Definitions:
        value = self._tree.value
        if not isinstance(value, dict):
            self._fault((), "a definition file is a map")
        elif "key" in value:
            self._read(_kind(value), value, ())
        else:
            for name in value:
                self._section(str(name), value[name])
        found = self._found.values()
        return Definitions(
            audiences=tuple(item for item in found if isinstance(item, AudienceDefinition)),
            traits=tuple(item for item in found if isinstance(item, TraitDefinition)),
            identity=next((item for item in found if isinstance(item, IdentitySettings)), None),
            faults=tuple(sorted(self._faults, key=lambda fault: fault[1:3])),
            queries=self._queries,
        )

    def _section(self, name: str, value: Any) -> None:
        kind, _, key = name.partition(":")
        if name in _LISTS:
            if not isinstance(value, list):
                self._fault((name,), f'"{name}" is a list')
                return
            for index, item in enumerate(value):
                self._read(_LISTS[name], item, (name, index))
        elif name == "identity":
            self._read("identity", value, (name,))
        elif key and kind in {"audience", "trait"}:
            self._read(kind, with_key(value, key) if isinstance(value, dict) else value, (name,), key=key)
        else:
            self._fault((name,), f'unknown key "{name}"' + nearest(name, [*_LISTS, "identity"]))

    def _read(self, kind: str, value: Any, path: _Path, *, key: str | None = None) -> None:
        if not isinstance(value, dict):
            self._fault(path, "a definition is a map")
            return
        read = validate(kind, value)
        if isinstance(read, list):
            for problem in read:
                self._fault((*path, *problem.path), problem.message)
            return
        name = record_key(read)
        if key is not None and name != f"{kind}:{key}":
            self._fault(path, f'filed under "{kind}:{key}", but its key says "{name}"')
        elif name in self._found:
            self._fault(path, f'"{name}" is defined twice')
        else:
            self._found[name] = read
            written = self._tree.written((*path, "query"))
            if written is not None:
                self._queries[name] = written

    def _fault(self, path: _Path, message: str) -> None:
        self._faults.append(Fault(self._source, *self._tree.position(path), message))


def _kind(document: Mapping[str, Any]) -> str:
    """A document by itself is an audience, unless it has the key that only traits have."""
    return "trait" if "event" in document else "audience"
