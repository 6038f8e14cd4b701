"""The fixture of these tests."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from tests.integration.broker import Broker
from tests.integration.world import World


@pytest.fixture
def bare_world(kafka: str, redis_url: str, tmp_path: Path) -> Iterator[World]:
    """A world whose topics have not been created yet."""
    made = World(Broker(kafka), redis_url, run=f"t{uuid4().hex[:10]}", folder=tmp_path)
    with contextlib.closing(made):
        yield made


@pytest.fixture
def world(bare_world: World) -> World:
    """A world with empty topics."""
    bare_world.create_topics()
    return bare_world
