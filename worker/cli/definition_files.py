"""Files of definitions: read, checked as a whole, and turned into records of the ``definitions`` topic."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from consumers.definitions import canonical, definition_of
from schemas.definition import AudienceDefinition, TraitDefinition, record_key
from schemas.definition_file import Definitions, load
from schemas.scalar_text import ScalarText
from worker.audiences.catalogue import faults, keys_of
from worker.audiences.definitions import Definition
from worker.audiences.doubts import doubts, hints
from worker.audiences.language.errors import QueryError
from worker.audiences.language.parser import parse
from worker.errors import InputError

SUFFIXES = (".yaml", ".yml", ".json")


class Document(NamedTuple):
    """One document as it goes into the topic."""

    key: str
    value: bytes


class _Place(NamedTuple):
    source: str
    query: ScalarText | None


class _Computation(NamedTuple):
    definition: Definition
    place: _Place


def read_files(paths: Iterable[Path]) -> dict[str, str]:
    """Text by file name; a folder stands for the YAML and JSON files below it.

    Raises:
        InputError: a file cannot be read, or there is none.
    """
    texts: dict[str, str] = {}
    for path in paths:
        files = _files_below(path) if path.is_dir() else [path]
        if not files:
            raise InputError(f"{path}: no {', '.join(SUFFIXES)} file in this folder")
        for file in files:
            try:
                texts[str(file)] = file.read_text(encoding="utf-8")
            except OSError as error:
                raise InputError(f"{file}: {error.strerror}") from error
            except UnicodeDecodeError as error:
                raise InputError(f"{file}: not UTF-8") from error
    return texts


def _files_below(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if file.suffix in SUFFIXES)


def documents_of(texts: Mapping[str, str]) -> list[Document]:
    """Every document of some files, checked by itself and beside the others; identity settings come first.

    Raises:
        InputError: one line ``file:line:column: message`` for everything that is wrong.
    """
    documents, computations = _read(texts)
    identity = [document for document in documents.values() if document.key == "identity"]
    return identity + [documents[key] for key in computations]


class Doubts(NamedTuple):
    """Lines as of ``documents_of``. ``faults``: what can never hold. ``hints``: what may be a slip."""

    faults: list[str]
    hints: list[str]


def doubts_of(texts: Mapping[str, str]) -> Doubts:
    """What is valid in some files and can hardly be meant.

    Raises:
        InputError: something is not valid.
    """
    computations = _read(texts)[1]
    definitions = {definition.key: definition for definition, _ in computations.values()}
    keys, found = keys_of(definitions), Doubts([], [])
    for definition, place in computations.values():
        if definition.query is None:
            continue
        query = parse(definition.query)
        found.faults.extend(_fault_in(definition, place, one) for one in doubts(query, keys))
        found.hints.extend(_fault_in(definition, place, one) for one in hints(query, keys))
    return found


def _read(texts: Mapping[str, str]) -> tuple[dict[str, Document], dict[str, _Computation]]:
    """All documents and those of audiences and traits, by record key."""
    loaded = {source: load(text, source=source) for source, text in texts.items()}
    found = [str(fault) for definitions in loaded.values() for fault in definitions.faults]
    if found:
        raise InputError(*found)
    documents: dict[str, Document] = {}
    computations: dict[str, _Computation] = {}
    for source, definitions in loaded.items():
        found += _collect(source, definitions, documents, computations)
    found += _check(computations)
    if found:
        raise InputError(*found)
    return documents, computations


def _collect(
    source: str,
    definitions: Definitions,
    documents: dict[str, Document],
    computations: dict[str, _Computation],
) -> list[str]:
    """What a file defines, by record key; returns what is wrong beside the files before it."""
    found = []
    if definitions.identity is not None:
        if "identity" in documents:
            found.append(f"{source}: identity settings stand in another file too")
        documents["identity"] = Document("identity", canonical(definitions.identity))
    documented: list[TraitDefinition | AudienceDefinition] = [*definitions.traits, *definitions.audiences]
    for document in documented:
        key = record_key(document)
        definition = definition_of(document)
        place = _Place(source, definitions.queries.get(key))
        if key in documents:
            found.append(_located(definition, place, f"{definition.kind} {definition.key!r} is defined twice"))
        documents[key] = Document(key, canonical(document))
        computations[key] = _Computation(definition, place)
    return found


def _check(computations: Mapping[str, _Computation]) -> list[str]:
    """Faults of each audience and trait beside all the others that have none by themselves."""
    found = []
    sound = {key: definition for key, (definition, _) in computations.items() if not faults(definition, {})}
    for key, (definition, place) in computations.items():
        others = {one.key: one for other, one in sound.items() if other != key}
        found += [_fault_in(definition, place, error) for error in faults(definition, others)]
    return found


def _fault_in(definition: Definition, place: _Place, error: QueryError) -> str:
    return _located(definition, place, f"{definition.kind} {definition.key!r}: {error.message}", error)


def _located(definition: Definition, place: _Place, message: str, error: QueryError | None = None) -> str:
    """``file:line:column: message``, counted in the file: where the query has it, else where the query begins."""
    if place.query is None:
        return f"{place.source}: {message}"
    line, column = (error.line or 1, error.column or 1) if error is not None else (1, 1)
    at = place.query.position(definition.query or "", line, column)
    return f"{place.source}:{at.line}:{at.column}: {message}"
