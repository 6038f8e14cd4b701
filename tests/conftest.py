"""What all tests share: real servers when they are asked for, and a marker on each test by its folder."""

import contextlib
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests import redis_processes, services

HERE = Path(__file__).parent
MARKERS = {
    "acceptance": "acceptance",
    "benchmarks": "benchmark",
    "conformance": "conformance",
    "crash": "crash",
    "docs": "docs",
    "integration": "integration",
    "property": "property",
    "simulation": "simulation",
    "unit": "unit",
}
SERVER_FOLDERS = {"integration", "crash"}
SERVER_FIXTURES = {"kafka", "redis_url", "redis_cluster_url"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test by its folder, and those that need servers as ``integration`` too."""
    for item in items:
        folder = item.path.relative_to(HERE).parts[0]
        if folder in MARKERS:
            item.add_marker(MARKERS[folder])
        if folder in SERVER_FOLDERS or SERVER_FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker("integration")


@pytest.fixture(scope="session")
def kafka() -> Iterator[str]:
    """Bootstrap servers of a real Kafka. It is shared: topics and groups need names of their own."""
    yield from _service(services.kafka_server)


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """URL of a real Redis. It is shared: keys need a space of their own."""
    yield from _service(services.redis_server)


@pytest.fixture(scope="session")
def redis_cluster_url() -> Iterator[str]:
    """URL of a real Redis Cluster of three nodes. It is shared: keys need a space of their own."""
    yield from _service(_cluster_url)


@contextlib.contextmanager
def _cluster_url() -> Iterator[str]:
    with redis_processes.redis_cluster() as cluster:
        yield cluster.url


def _service(start: Callable[[], AbstractContextManager[str]]) -> Iterator[str]:
    """In CI a missing server is a failure; elsewhere the tests are skipped and say what would mend it."""
    with contextlib.ExitStack() as stack:
        try:
            address = stack.enter_context(start())
        except services.ServiceMissingError as error:
            if os.environ.get("CI") == "true":
                raise
            pytest.skip(str(error))
        yield address
