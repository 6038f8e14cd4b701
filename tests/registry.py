"""A schema registry on the loopback: as much of Confluent's REST API as the worker speaks.

Source: Confluent, "Schema Registry API Reference".
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any


class Registry:
    """What it knows and how it behaves, to be changed by a test while it runs.

    ``answer``: when set, status and body of every answer. ``asked``: requests so far, ``METHOD path``.
    """

    def __init__(self) -> None:
        self.url = ""
        self.schemas: dict[int, dict[str, Any]] = {}
        self.subjects: dict[str, int] = {}
        self.asked: list[str] = []
        self.authorization: list[str | None] = []
        self.answer: tuple[int, bytes] | None = None

    def add(self, schema: Any, **more: Any) -> int:
        """Know a schema, as if a producer had registered it; its id. The same text has the same id."""
        return self._id({"schema": schema if isinstance(schema, str) else json.dumps(schema), **more})

    def respond(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        """Status and body of an answer."""
        self.asked.append(f"{method} {path}")
        if self.answer is not None:
            return self.answer
        status, document = self._document(method, path, body)
        return status, json.dumps(document).encode()

    def _document(self, method: str, path: str, body: bytes) -> tuple[int, dict[str, Any]]:
        place, _, query = path.partition("?")
        match method, place.strip("/").split("/"):
            case "GET", ["schemas", "ids", number]:
                found = self.schemas.get(int(number))
                if found is None:
                    return 404, {"error_code": 40403, "message": f"Schema {number} not found"}
                resolved = {"schema": found["resolved"]} if query == "format=resolved" else found
                return 200, {name: item for name, item in resolved.items() if name != "resolved"}
            case "POST", ["subjects", subject, "versions"]:
                self.subjects[subject] = self._id(json.loads(body))
                return 200, {"id": self.subjects[subject]}
        return 404, {"error_code": 404, "message": "HTTP 404 Not Found"}

    def _id(self, document: dict[str, Any]) -> int:
        for schema_id, known in self.schemas.items():
            if known == document:
                return schema_id
        schema_id = 100 + len(self.schemas)
        self.schemas[schema_id] = document
        return schema_id


@contextmanager
def serve() -> Iterator[Registry]:
    """A registry on a free port of the loopback."""
    registry = Registry()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer("GET", b"")

        def do_POST(self) -> None:
            self._answer("POST", self.rfile.read(int(self.headers["Content-Length"])))

        def _answer(self, method: str, body: bytes) -> None:
            registry.authorization.append(self.headers["Authorization"])
            status, answer = registry.respond(method, self.path, body)
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("Location", answer.decode())
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Nothing: tests look at ``asked``."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    registry.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield registry
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
