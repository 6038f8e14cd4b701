"""Connections as the settings describe them."""

import time
from collections.abc import Callable
from typing import TypeVar

from worker.adapters.redis import RedisStore
from worker.cli.options import HOUR_MS
from worker.errors import DependencyError
from worker.settings import Settings

T = TypeVar("T")

FIRST_WAIT_S = 0.2


def open_store(settings: Settings, *, on_reconnect: Callable[[], None] | None = None) -> RedisStore:
    """The space in Redis; connects when it is first used."""
    return RedisStore(
        settings.redis_url.get_secret_value(),
        space=settings.space_id,
        dedup_expected_ids_per_day=settings.dedup_expected_ids_per_day,
        dedup_window_ms=settings.dedup_window_hours * HOUR_MS,
        timeout_s=settings.redis_timeout_s,
        on_reconnect=on_reconnect,
    )


def patiently(
    call: Callable[[], T],
    *,
    bound_s: float,
    told: Callable[[str], None],
    wait: Callable[[float], object] = time.sleep,
    now_s: Callable[[], float] = time.monotonic,
) -> T:
    """Call until a dependency answers, waiting longer each time; ``told`` hears of every failure.

    Raises:
        DependencyError: it has not answered within ``bound_s`` seconds.
    """
    started, pause_s = now_s(), FIRST_WAIT_S
    while True:
        try:
            return call()
        except DependencyError as error:
            if now_s() - started + pause_s > bound_s:
                raise
            told(f"{error}; trying again in {pause_s:g} s")
            wait(pause_s)
            pause_s = min(2 * pause_s, 5.0)
