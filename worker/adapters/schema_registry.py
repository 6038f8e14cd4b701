"""A Confluent Schema Registry, over its REST API.

"There is no such schema" is an answer about a record, and a ``LookupError``. Everything else that goes wrong is the
world's, and a ``DependencyError``: no record may be refused because a registry was down, or its address wrong.

Source: Confluent, "Schema Registry API Reference".
"""

import time
from base64 import b64encode
from collections.abc import Callable
from http import HTTPStatus
from http.client import HTTPException
from typing import Any, TypeVar
from urllib.parse import quote, unquote, urlsplit
from urllib.request import HTTPHandler, HTTPSHandler, OpenerDirector, ProxyHandler, Request

import msgspec

from worker.errors import DependencyError, InputError

CONTENT_TYPE = "application/vnd.schemaregistry.v1+json"

TIMEOUT_S = 5.0
"""For one step of an exchange. Lower: a registry that is slow counts as down. Higher: a batch, and with it every
partition of this replica, stands still for longer before it is told why."""

UNKNOWN_KEPT_S = 10.0
"""How long an id that the registry does not know is not asked for again. Lower: a flood of bad records becomes a flood
of requests. Higher: records of a schema that is registered late are refused for longer."""

UNKNOWN_MAX = 10_000
"""Unknown ids remembered. Lower: garbage with ever new ids is asked for more often. Higher: memory."""

ANSWER_BYTES_MAX = 4 * 1024 * 1024
"""Of one answer. Lower: a large schema cannot be read. Higher: whatever answers there may fill the memory."""

SCHEMA_ID_LIMIT = 1 << 31
"""Ids are positive 32-bit integers; larger ones in a frame are garbage, for which a registry has no proper answer."""

T = TypeVar("T")


class _Schema(msgspec.Struct):
    schema: str
    schemaType: str = "AVRO"  # noqa: N815 - the field's name on the wire
    references: list[Any] = []


class _Registered(msgspec.Struct):
    id: int


class _Fault(msgspec.Struct):
    error_code: int = 0
    message: str = ""


def _plain_opener() -> OpenerDirector:
    """HTTP and proxies as the environment names them. Every status is an answer, and no redirect is followed: it would
    take the password to wherever it points, and turn a registration into a question.
    """
    opener = OpenerDirector()
    for handler in (ProxyHandler(), HTTPHandler(), HTTPSHandler()):
        opener.add_handler(handler)
    return opener


class SchemaRegistryClient:
    """See ``schemas.codec.SchemaRegistry``. Schemas found are the decoder's to keep; ids unknown are kept here."""

    def __init__(self, url: str, *, timeout_s: float = TIMEOUT_S, now_s: Callable[[], float] = time.monotonic) -> None:
        """``url``: may have user and password, percent-encoded where they must be; ``now_s``: any steady clock."""
        parts = urlsplit(url)
        credentials, _, self._place = parts.netloc.rpartition("@")
        self._base = f"{parts.scheme}://{self._place}{parts.path.rstrip('/')}"
        self._headers = {"Accept": f"{CONTENT_TYPE}, application/json", "Content-Type": CONTENT_TYPE}
        if credentials:
            self._headers["Authorization"] = _basic(credentials)
        self._timeout_s = timeout_s
        self._now_s = now_s
        self._open = _plain_opener().open
        self._unknown_until_s: dict[int, float] = {}

    def schema(self, schema_id: int) -> str:
        """The text of an Avro schema, what it refers to included.

        Raises:
            LookupError: the registry says that it has no such schema, or that it is not Avro.
            DependencyError: anything else than an answer.
        """
        if schema_id >= SCHEMA_ID_LIMIT:
            raise LookupError("it is no id of a registry")
        if self._unknown_until_s.get(schema_id, 0.0) > self._now_s():
            raise LookupError("the registry does not know it")
        path = f"/schemas/ids/{schema_id}"
        status, body = self._ask(path)
        if status == HTTPStatus.NOT_FOUND and _fault(body).error_code // 100 == HTTPStatus.NOT_FOUND:
            self._remember_unknown(schema_id)
            raise LookupError("the registry does not know it")
        found = self._expect(status, body, _Schema)
        if found.schemaType != "AVRO":
            self._remember_unknown(schema_id)
            raise LookupError(f"it is {found.schemaType}, not Avro")
        if found.references:
            found = self._expect(*self._ask(f"{path}?format=resolved"), _Schema)
        return found.schema

    def register(self, subject: str, schema: str) -> int:
        """Register a schema, if it is not there yet; its id.

        Raises:
            InputError: the registry refuses the schema, as incompatible with the subject's earlier one.
            DependencyError: anything else than an answer.
        """
        status, body = self._ask(
            f"/subjects/{quote(subject, safe='')}/versions", msgspec.json.encode({"schema": schema})
        )
        if status in {HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY}:
            raise InputError(f"the schema registry at {self._place} refuses the schema of {subject}: {_told(body)}")
        return self._expect(status, body, _Registered).id

    def _remember_unknown(self, schema_id: int) -> None:
        if len(self._unknown_until_s) >= UNKNOWN_MAX:
            self._unknown_until_s.clear()
        self._unknown_until_s[schema_id] = self._now_s() + UNKNOWN_KEPT_S

    def _expect(self, status: int, body: bytes, kind: type[T]) -> T:
        if status != HTTPStatus.OK:
            told = _told(body)
            raise DependencyError(f"the schema registry at {self._place} answers {status}{told and f': {told}'}")
        try:
            return msgspec.json.decode(body, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise DependencyError(f"what answers at {self._place} is no schema registry: {error}") from error

    def _ask(self, path: str, document: bytes | None = None) -> tuple[int, bytes]:
        """Status and body; a POST when there is a document."""
        request = Request(self._base + path, data=document, headers=self._headers)  # noqa: S310 - http(s) by settings
        try:
            with self._open(request, timeout=self._timeout_s) as response:
                return response.status, response.read(ANSWER_BYTES_MAX)
        except (OSError, HTTPException, ValueError) as error:
            raise DependencyError(f"the schema registry at {self._place} does not answer: {error}") from error


def _basic(credentials: str) -> str:
    """The header for ``user:password`` of a URL."""
    user, _, password = credentials.partition(":")
    return f"Basic {b64encode(f'{unquote(user)}:{unquote(password)}'.encode()).decode()}"


def _fault(body: bytes) -> _Fault:
    try:
        return msgspec.json.decode(body, type=_Fault)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _Fault()


def _told(body: bytes) -> str:
    """What the registry says is wrong, in one line."""
    message = _fault(body).message or body[:200].decode("utf-8", "replace")
    return " ".join(message[:500].split())
