"""From samples of offsets and CPU time to steady figures."""

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from tests.benchmarks.process import Process

SAMPLE_INTERVAL_S = 0.1
# The steady part of a drain: start-up, warming and the ragged end are outside.
STEADY_FROM = 0.10
STEADY_TO = 0.95


class Sample(NamedTuple):
    """``positions``: sum of committed offsets, one number for each consumer group of the contestant."""

    at_s: float
    positions: tuple[int, ...]
    cpu_s: float


class Steady(NamedTuple):
    """Figures of the steady part of a drain."""

    events_per_s: float
    cpu_us_per_event: float


class DrainTimeoutError(Exception):
    """A contestant did not get through its input in time."""


def watch(
    process: Process,
    *,
    positions: Callable[[], tuple[int, ...]],
    done: Callable[[tuple[int, ...]], bool],
    timeout_s: float,
    each: Callable[[Sample], None] = lambda sample: None,
) -> list[Sample]:
    """Sample a contestant until it is done.

    Args:
        process: whose CPU time is read.
        positions: committed offsets now.
        done: whether these positions are the end.
        timeout_s: how long it may take, start-up included.
        each: called with every sample, at once.

    Raises:
        DrainTimeoutError: not done in time.
    """
    samples: list[Sample] = []
    deadline_s = time.monotonic() + timeout_s
    while True:
        process.check()
        sample = Sample(time.monotonic(), positions(), process.cpu_s())
        samples.append(sample)
        each(sample)
        if done(sample.positions):
            return samples
        if time.monotonic() > deadline_s:
            raise DrainTimeoutError(f"still at {sample.positions} after {timeout_s:.0f} s")
        time.sleep(SAMPLE_INTERVAL_S)


def steady(samples: Sequence[Sample], *, before: Sequence[int], events: int) -> Steady:
    """Rate and cost between 10 % and 95 % of the way.

    Progress is that of the slowest consumer group, as a share of its own way: a contestant that reads first
    and works later is not credited for reading.

    Args:
        samples: of one drain, the last one at its end.
        before: positions before the contestant started.
        events: input records of the drain.

    Raises:
        ValueError: the drain was over too soon to be measured.
    """
    ways = [end - start for start, end in zip(before, samples[-1].positions, strict=True)]

    def progress(sample: Sample) -> float:
        return min(
            (position - start) / way for position, start, way in zip(sample.positions, before, ways, strict=True) if way
        )

    first = next(sample for sample in samples if progress(sample) >= STEADY_FROM)
    last = next(sample for sample in samples if progress(sample) >= STEADY_TO)
    done = (progress(last) - progress(first)) * events
    if not done:
        raise ValueError("the drain was over within one sample: give it more events")
    return Steady(
        events_per_s=done / (last.at_s - first.at_s),
        cpu_us_per_event=(last.cpu_s - first.cpu_s) / done * 1e6,
    )
