"""The servers of these tests: their own, because they are killed."""

import os
from collections.abc import Iterator

import pytest

from tests import services
from tests.crash.servers import KafkaServer, servers
from tests.crash.stores import Store


@pytest.fixture(scope="session")
def mortal_servers() -> Iterator[tuple[KafkaServer, Store]]:
    """A broker and a Redis that may be stopped and killed. In CI a missing program is a failure, elsewhere a skip."""
    try:
        with servers() as both:
            yield both
    except services.ServiceMissingError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(error))
