"""For what is measured inside the harness's own process: parts of the worker over the real Redis."""

import contextlib
import gc
from collections.abc import Iterator

from worker.adapters.redis import RedisStore

TIMEOUT_S = 60.0  # preparing writes far more in one step than any batch of a worker does


@contextlib.contextmanager
def open_space(redis_url: str, space: str) -> Iterator[RedisStore]:
    """A connection of its own to a space, closed at the end."""
    store = RedisStore(redis_url, space=space, dedup_expected_ids_per_day=1_000_000, timeout_s=TIMEOUT_S)
    with contextlib.closing(store):
        yield store


@contextlib.contextmanager
def as_in_a_worker() -> Iterator[None]:
    """Without the garbage collector's looking for cycles, as ``audience-worker run`` does it."""
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.unfreeze()
