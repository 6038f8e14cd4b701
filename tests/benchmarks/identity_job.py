"""Table D: what identity resolution costs, in the router, in Redis, and for everybody else."""

from dataclasses import dataclass

from tests.benchmarks import identity_resolution, identity_traffic, identity_turns
from tests.benchmarks.cluster import Cluster
from tests.benchmarks.identity_resolution import Cost, Memory
from tests.benchmarks.identity_traffic import Traffic
from tests.benchmarks.identity_turns import Turns
from tests.benchmarks.store import draw_space


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """``events``: for each row of resolution; ``profiles``: that are weighed; ``merges``: whose turns are timed;
    ``traffic_s``: of live traffic, without and with merges.
    """

    events: int = 20_000
    profiles: int = 1_000_000
    merges: int = 40
    traffic_s: int = 15


QUICK = Sizes(events=5_000, profiles=50_000, merges=30, traffic_s=3)
"""To try it out: what depends on the size (memory, latency) is not to be compared with anything."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One run."""

    costs: dict[str, Cost]
    turns: Turns
    traffic: Traffic


def weigh(redis_url: str, sizes: Sizes) -> Memory:
    """The graph's memory, which is the same in every run."""
    return identity_resolution.memory(redis_url, space=draw_space(), profiles=sizes.profiles)


def run(cluster: Cluster, *, redis_url: str, sizes: Sizes) -> Outcome:
    return Outcome(
        costs=identity_resolution.costs(redis_url, space=draw_space(), events=sizes.events),
        turns=identity_turns.measure(redis_url, space=draw_space(), merges=sizes.merges),
        traffic=identity_traffic.run(cluster, redis_url=redis_url, seconds=sizes.traffic_s),
    )
