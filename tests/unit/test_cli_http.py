"""Health and metrics over real HTTP on the loopback."""

from collections.abc import Iterator
from http.client import HTTPConnection

import pytest
from prometheus_client import CollectorRegistry, Gauge

from worker.cli.http import HttpServer
from worker.errors import InputError


class Health:
    """What the probes say, to be changed by a test."""

    alive = (True, "the loop turned 0 s ago")
    ready = (False, "no partitions yet")


@pytest.fixture
def health() -> Health:
    return Health()


@pytest.fixture
def server(health: Health) -> Iterator[HttpServer]:
    registry = CollectorRegistry()
    Gauge("answer", "Of everything", registry=registry).set(42)
    server = HttpServer("127.0.0.1", [0], registry=registry, alive=lambda: health.alive, ready=lambda: health.ready)
    yield server
    server.close()


def fetch(server: HttpServer, path: str, method: str = "GET", **headers: str) -> tuple[int, str, str]:
    connection = HTTPConnection("127.0.0.1", server.port, timeout=5)
    try:
        connection.request(method, path, headers=headers)
        response = connection.getresponse()
        return response.status, response.getheader("Content-Type", ""), response.read().decode()
    finally:
        connection.close()


def test_probes_answer_by_status_and_say_why(server: HttpServer, health: Health) -> None:
    assert fetch(server, "/livez")[::2] == (200, "the loop turned 0 s ago\n")
    assert fetch(server, "/readyz?verbose")[::2] == (503, "no partitions yet\n")

    health.ready = (True, "16 partitions")

    assert fetch(server, "/readyz")[::2] == (200, "16 partitions\n")


def test_metrics_come_in_the_format_that_is_asked_for(server: HttpServer) -> None:
    status, content_type, body = fetch(server, "/metrics")
    assert (status, content_type.startswith("text/plain")) == (200, True)
    assert "answer 42.0" in body

    _, content_type, body = fetch(server, "/metrics", Accept="application/openmetrics-text; version=1.0.0")
    assert content_type.startswith("application/openmetrics-text")
    assert body.endswith("# EOF\n")


def test_head_has_no_body_and_other_paths_are_not_found(server: HttpServer) -> None:
    assert fetch(server, "/livez", "HEAD")[::2] == (200, "")
    assert fetch(server, "/")[0] == 404
    assert fetch(server, "/livez", "POST")[0] == 501


def test_the_first_free_port_is_taken(server: HttpServer, health: Health) -> None:
    other = HttpServer(
        "127.0.0.1",
        [server.port, 0],
        registry=CollectorRegistry(),
        alive=lambda: health.alive,
        ready=lambda: health.ready,
    )
    try:
        assert other.port != server.port
        assert fetch(other, "/livez")[0] == 200
    finally:
        other.close()


@pytest.mark.parametrize(("host", "named"), [("127.0.0.1", "AW_HTTP_PORT"), ("192.0.2.1", "AW_HTTP_HOST")])
def test_no_usable_address_is_the_users_to_mend(server: HttpServer, host: str, named: str) -> None:
    def probe() -> tuple[bool, str]:
        return True, ""

    with pytest.raises(InputError, match=named):
        HttpServer(host, [server.port], registry=CollectorRegistry(), alive=probe, ready=probe)
