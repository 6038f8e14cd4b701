"""Health and metrics over HTTP: ``/livez``, ``/readyz``, ``/metrics``; in a thread of its own, read only."""

import errno
from collections.abc import Callable, Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from worker.errors import InputError

Probe = Callable[[], tuple[bool, str]]
"""Says yes or no, and one line of why. Called from the server's threads; must not wait for anything."""

CLIENT_TIMEOUT_S = 5
"""Lower: slow scrapers are cut off. Higher: idle connections hold threads for longer."""


class HttpServer:
    """Serves until ``close``; the process may also just end, the thread is a daemon.

    Args:
        host: address to listen on.
        ports: the first free one of these is taken; 0 stands for any.
        registry: what ``/metrics`` shows.
        alive: answers ``/livez``: does the loop turn? A no asks for a restart.
        ready: answers ``/readyz``: assigned, dependencies reachable, definitions loaded, lag below the bound.

    Raises:
        InputError: no port is free, or the address is not one of this machine.
    """

    def __init__(
        self, host: str, ports: Sequence[int], *, registry: CollectorRegistry, alive: Probe, ready: Probe
    ) -> None:
        class Handler(_Handler):
            pages = _Pages(registry=registry, alive=alive, ready=ready)

        self._server = _listen(host, ports, Handler)
        self.port: int = self._server.server_address[1]
        self._thread = Thread(target=self._server.serve_forever, name="http", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop answering and free the port."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Pages:
    def __init__(self, *, registry: CollectorRegistry, alive: Probe, ready: Probe) -> None:
        self._registry = registry
        self._probes = {"/livez": alive, "/readyz": ready}

    def page(self, path: str, accept: str) -> tuple[HTTPStatus, str, bytes]:
        """Status, content type and body of a path."""
        if path == "/metrics":
            encode, content_type = choose_encoder(accept)
            return HTTPStatus.OK, content_type, encode(self._registry)
        if path not in self._probes:
            return HTTPStatus.NOT_FOUND, "text/plain; charset=utf-8", b"see /livez, /readyz, /metrics\n"
        yes, why = self._probes[path]()
        status = HTTPStatus.OK if yes else HTTPStatus.SERVICE_UNAVAILABLE
        return status, "text/plain; charset=utf-8", f"{why}\n".encode()


class _Handler(BaseHTTPRequestHandler):
    pages: _Pages
    timeout = CLIENT_TIMEOUT_S
    server_version = "audience-worker"
    sys_version = ""

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def _answer(self, *, with_body: bool) -> None:
        path = self.path.partition("?")[0]
        status, content_type, body = self.pages.page(path, self.headers.get("Accept", ""))
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing: probes every few seconds would drown what matters."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # SO_REUSEADDR stays on, for quick restarts: on POSIX it does not let two servers share a port.


def _listen(host: str, ports: Sequence[int], handler: type[_Handler]) -> _Server:
    for port in ports:
        try:
            return _Server((host, port), handler)
        except OSError as error:
            if error.errno not in {errno.EADDRINUSE, errno.EACCES}:
                raise InputError(f"AW_HTTP_HOST: cannot listen on {host}: {error.strerror}") from error
    raise InputError(
        f"AW_HTTP_PORT: {', '.join(map(str, ports)) or 'nothing'} cannot be used; give another, or 0 for none"
    )
