"""Definition documents: audiences, computed traits, identity settings. Shape only: queries stay text here.

Source: Segment, "Audiences", "Computed Traits", "Identity Resolution Settings"; Optimizely, "Passthrough
segments" (ODP); docs/decisions.md, "Identity".
"""

import difflib
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from schemas.json_text import read_object
from schemas.reasons import Reason, Refusal

KEY_PATTERN = r"^[a-z][a-z0-9_]*$"
QUERY_CHARS_MAX = 10_000
RESERVED_KEYS = frozenset({"audience_key", "trait_key"})
"""Properties of every output; an audience of this name would overwrite them."""

_OF_ANOTHER = "default_factory_not_called"  # pydantic's fault of a default that depends on a field with a fault
_HISTORY = re.compile(r"^[1-9][0-9]{0,3} days?$")


def _free_key(key: str) -> str:
    if key in RESERVED_KEYS:
        raise PydanticCustomError("reserved", "{key} is the name of an output's own property", {"key": key})
    return key


def _history(value: object) -> object:
    if isinstance(value, bool) or (isinstance(value, str) and _HISTORY.match(value)):
        return value
    raise PydanticCustomError("history", 'history is false, true, or a number of days such as "90 days"')


def _number_as_text(value: object) -> object:
    """YAML reads an unquoted -1 as a number; a blocked value is text all the same."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Key = Annotated[str, Field(pattern=KEY_PATTERN, max_length=100), AfterValidator(_free_key)]
Query = Annotated[str, Field(min_length=1, max_length=QUERY_CHARS_MAX)]
IdentifierType = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_.]*$", max_length=100)]
Emit = Literal["track", "identify", "group"]


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class External(_Document):
    external_audience_id: str = Field(min_length=1, max_length=500)


class ExternalDefinition(_Document):
    external: External


class _Computation(_Document):
    """What audiences and traits have in common. ``emit`` None: ``track``, for accounts ``group``."""

    key: Key
    name: str | None = None
    description: str | None = None
    type: Literal["users", "accounts"] = "users"
    include_anonymous: bool = False
    emit: Annotated[list[Emit], Field(min_length=1, max_length=3)] | None = None
    metadata: dict[str, Any] = {}

    @property
    def forms(self) -> tuple[Emit, ...]:
        """The forms in which changes are sent, without repetition, in the order given."""
        return tuple(dict.fromkeys(self.emit or ["group" if self.type == "accounts" else "track"]))


class AudienceDefinition(_Computation):
    """An audience: a query, or an external audience that passthrough events speak of; exactly one.

    ``history``: whether events before the definition count; "90 days": those of the last 90 days.
    """

    query: Query | None = None
    definition: ExternalDefinition | None = None
    history: Annotated[bool | str, BeforeValidator(_history)] = True
    entered_event: str = Field(default="Audience Entered", min_length=1, max_length=200)
    exited_event: str = Field(default="Audience Exited", min_length=1, max_length=200)

    @property
    def external_audience_id(self) -> str | None:
        return self.definition.external.external_audience_id if self.definition else None

    @model_validator(mode="after")
    def _has_one_source(self) -> Self:
        if (self.query is None) == (self.definition is None):
            raise PydanticCustomError("source", "an audience has either a query or a definition, exactly one")
        return self


class TraitDefinition(_Computation):
    """A computed trait."""

    query: Query
    event: str = Field(default="Trait Computed", min_length=1, max_length=200)


def _default_limit(fields: Mapping[str, Any]) -> int:
    return 1 if fields.get("type") == "user_id" else 5


class IdentifierRule(_Document):
    """How many values of one identifier type a profile may hold, within which period.

    ``limit`` left out: 1 for ``user_id``, else 5. ``key``: the name under which traits and properties carry it, when
    it is not found by default.
    """

    type: IdentifierType
    limit: int = Field(default_factory=_default_limit, ge=1, le=1000)
    period: Literal["ever", "weekly", "monthly", "annually"] = "ever"
    key: str | None = Field(default=None, min_length=1, max_length=100)


class BlockedPattern(_Document):
    """Values that a regular expression finds are never identifiers."""

    pattern: str = Field(min_length=1, max_length=200)

    @model_validator(mode="after")
    def _compiles(self) -> Self:
        try:
            re.compile(self.pattern)
        except re.error as error:
            raise PydanticCustomError("pattern", "not a regular expression: {error}", {"error": str(error)}) from error
        return self


def _branch(value: object) -> str:
    return _PATTERN if isinstance(value, dict | BlockedPattern) else _TEXT


# Which branch of the union a value means is known from its shape; with spaces they are no keys of a document.
_PATTERN, _TEXT = "a pattern", "a text"
BlockedValue = Annotated[
    Annotated[BlockedPattern, Tag(_PATTERN)] | Annotated[str, BeforeValidator(_number_as_text), Tag(_TEXT)],
    Discriminator(_branch),
]

DEFAULT_IDENTIFIERS = (IdentifierRule(type="user_id"), IdentifierRule(type="email"))
DEFAULT_BLOCKED: tuple[BlockedValue, ...] = ("-1", "null", "anonymous", BlockedPattern(pattern="^[0-]*$"))
DEFAULT_HIGH_CONFIDENCE = ("user_id", "email", "customer_id")


class IdentitySettings(_Document):
    """How identifiers are limited, ranked (order = priority) and trusted.

    A type that is not listed: limit 5, ever, ranked after the listed ones alphabetically. ``blocked_values``
    left out: the default list; empty: none.

    Source: Segment, "Identity Resolution Settings"; docs/decisions.md, "Identity".
    """

    identifiers: list[IdentifierRule] = Field(default=list(DEFAULT_IDENTIFIERS), max_length=100)
    blocked_values: list[BlockedValue] = Field(default=list(DEFAULT_BLOCKED), max_length=1000)
    high_confidence: list[IdentifierType] = Field(default=list(DEFAULT_HIGH_CONFIDENCE), max_length=100)

    @model_validator(mode="after")
    def _types_are_unique(self) -> Self:
        types = [rule.type for rule in self.identifiers]
        for name in types:
            if types.count(name) > 1:
                raise PydanticCustomError("unique", "identifier {name} is listed twice", {"name": name})
        return self


class Deletion(NamedTuple):
    """A tombstone. ``key`` is empty for ``identity``: back to the defaults."""

    kind: Literal["audience", "trait", "identity"]
    key: str


Definition = AudienceDefinition | TraitDefinition | IdentitySettings
MODELS: dict[str, type[AudienceDefinition] | type[TraitDefinition] | type[IdentitySettings]] = {
    "audience": AudienceDefinition,
    "trait": TraitDefinition,
    "identity": IdentitySettings,
}


def record_key(definition: Definition) -> str:
    """The key of a definition's record: ``audience:KEY``, ``trait:KEY`` or ``identity``."""
    if isinstance(definition, IdentitySettings):
        return "identity"
    kind = "audience" if isinstance(definition, AudienceDefinition) else "trait"
    return f"{kind}:{definition.key}"


def read(key: bytes | None, value: bytes | None) -> Definition | Deletion | Refusal:
    """Read one record of the ``definitions`` topic.

    The record's key must name the document's. A document in ODP's shape, which has no key of its own, takes
    the record's.

    Source: docs/records.md, "Definitions"; docs/decisions.md, "Definitions".
    """
    kind, _, name = (key or b"").decode("utf-8", "replace").partition(":")
    if kind not in MODELS or (kind == "identity") != (name == ""):
        detail = f"the record's key is none of audience:KEY, trait:KEY, identity: {(key or b'')[:60]!r}"
        return Refusal(Reason.INVALID_DEFINITION, detail)
    if value is None:
        return Deletion(kind, name)  # type: ignore[arg-type] # one of MODELS, as just checked
    fields = read_object(value)
    if isinstance(fields, Refusal):
        return Refusal(Reason.INVALID_DEFINITION, fields.detail)
    definition = validate(kind, with_key(fields, name) if kind == "audience" else fields)
    if isinstance(definition, list):
        problem = definition[0]
        where = ".".join(map(str, problem.path))
        return Refusal(Reason.INVALID_DEFINITION, f"{where}: {problem.message}" if where else problem.message)
    if record_key(definition) != (f"{kind}:{name}" if name else kind):
        detail = f"the record's key names {name!r}, the document {record_key(definition)!r}"
        return Refusal(Reason.INVALID_DEFINITION, detail)
    return definition


def with_key(fields: dict[str, Any], key: str) -> dict[str, Any]:
    """A document in ODP's shape with the key that it is filed under."""
    return {"key": key, **fields} if "definition" in fields else fields


class Problem(NamedTuple):
    """What is wrong, and where in the document: keys and indexes from the top."""

    path: tuple[str | int, ...]
    message: str


def validate(kind: str, fields: Mapping[str, Any]) -> Definition | list[Problem]:
    """A decoded document as its model, or everything that is wrong with it."""
    try:
        return MODELS[kind].model_validate(fields)
    except ValidationError as error:
        faults = [fault for fault in error.errors(include_url=False) if fault["type"] != _OF_ANOTHER]
        return [_problem(MODELS[kind], fault) for fault in faults]


def nearest(name: str, valid: list[str]) -> str:
    """``; did you mean "x"?``, or the list of what is valid."""
    close = difflib.get_close_matches(name, valid, n=1)
    return f'; did you mean "{close[0]}"?' if close else f"; valid are {', '.join(valid)}"


def _problem(model: type[BaseModel], details: ErrorDetails) -> Problem:
    path = tuple(part for part in details["loc"] if not _is_branch(part))
    if details["type"] == "extra_forbidden":
        name = str(path[-1])
        return Problem(path, f'unknown key "{name}"' + nearest(name, _names_at(model, path[:-1])))
    if details["type"] == "missing":
        return Problem(path[:-1], f'"{path[-1]}" is missing')
    if details["type"] == "string_pattern_mismatch" and details["ctx"]["pattern"] == KEY_PATTERN:
        return Problem(path, f'a key is a small letter, then small letters, digits and "_"; found {details["input"]!r}')
    message = details["msg"]
    return Problem(path, message[0].lower() + message[1:])


def _is_branch(part: str | int) -> bool:
    """Pydantic names the branch of a union in the path; the document has no such key."""
    return isinstance(part, str) and (part in {"str", "bool", _PATTERN, _TEXT} or "[" in part)


def _names_at(model: type[BaseModel], path: tuple[str | int, ...]) -> list[str]:
    """The keys that are valid at a place of a document."""
    for part in path:
        if isinstance(part, int):
            continue
        nested = _NESTED.get((model, part))
        if nested is None:
            return []
        model = nested
    return list(model.model_fields)


_NESTED: dict[tuple[type[BaseModel], str], type[BaseModel]] = {
    (AudienceDefinition, "definition"): ExternalDefinition,
    (ExternalDefinition, "external"): External,
    (IdentitySettings, "identifiers"): IdentifierRule,
    (IdentitySettings, "blocked_values"): BlockedPattern,
}
