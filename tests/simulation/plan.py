"""What a seed decides before a schedule begins: the cluster, the weather, and what is promised under them."""

from dataclasses import dataclass
from random import Random

from tests.acceptance.moments import HOUR, MINUTE, SECOND

BOTH = ("route", "fold")
NEVER_MS = 1 << 62


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """Chances of what goes wrong; 0 where the seed has switched it off.

    At every step of the scheduler: ``crash``, ``pause``, ``evict`` (a member is thrown out of a group), ``expire``
    (transactions time out), ``restart``, ``resume``, ``double`` (a process is started under the names of one that is
    paused), ``late`` (a delayed call reaches the store). At every call: ``store`` and ``broker`` (it fails, before or
    after it took effect), ``doubt`` (a commit's end is not known, or comes later).
    """

    crash: float = 0
    pause: float = 0
    evict: float = 0
    expire: float = 0
    restart: float = 0.2
    resume: float = 0.1
    double: float = 0
    late: float = 0.1
    store: float = 0
    broker: float = 0
    doubt: float = 0


CALM = Weather()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """``roles``: of each replica. ``skews_ms``: of each replica's clock; ``store_skew_ms``: of Redis'.

    ``on_time``: timestamps are in order, clocks within the margin and exits held, so that the times of transitions are
    promised too. ``edits``: so often definitions change in the middle. ``merging``: people come under several
    identifiers, which turn out to be one person's; at most ``merges_max`` profiles in one. ``one_input``: everything
    comes in one partition, so that no profile is judged without a history that belongs to it. ``paces_ms``: by how
    much time moves on at once. ``forgets``: the chance, at every step, that Redis loses the last states it has
    taken; where it is not 0 they are logged, and brought back. ``short_polls``: a poll may bring fewer records than
    there are, so that an attempt may cover less than the one before it.
    """

    seed: int
    roles: tuple[tuple[str, ...], ...]
    weather: Weather
    tracking_partitions: int
    mailbox_partitions: int
    batch_records: int
    ticks_max: int
    cached: int
    interval_ms: int
    hold_max_ms: int
    clock_margin_ms: int
    skews_ms: tuple[int, ...]
    store_skew_ms: int
    on_time: bool
    edits: int
    merging: bool
    merges_max: int
    one_input: bool
    paces_ms: tuple[int, ...]
    people: int
    records: int
    backlog: bool
    calls_in_a_row: int
    steps: int
    forgets: float = 0
    short_polls: bool = False


def draw(seed: int) -> Plan:
    """The plan of a seed."""
    rng = Random(f"plan {seed}")
    roles = _roles(rng)
    on_time = rng.random() < 0.4
    skew_ms = rng.choice((0, 0, 200, 3 * SECOND, 20 * SECOND))
    return Plan(
        seed=seed,
        roles=roles,
        weather=_weather(rng),
        tracking_partitions=rng.choice((1, 2, 3)),
        mailbox_partitions=rng.choice((1, 2, 4)),
        batch_records=rng.choice((1, 2, 3, 5, 20)),
        ticks_max=rng.choice((1, 2, 50)),
        cached=rng.choice((1, 3, 1000)),
        interval_ms=rng.choice((0, 250, 250, 2 * SECOND)),
        hold_max_ms=NEVER_MS if on_time else rng.choice((0, 5 * SECOND, 5 * MINUTE)),
        clock_margin_ms=skew_ms if on_time else 0,
        skews_ms=tuple(rng.randint(-skew_ms, skew_ms) for _ in roles),
        store_skew_ms=rng.randint(-skew_ms, skew_ms),
        on_time=on_time,
        edits=0 if rng.random() < 0.65 else rng.randint(1, 6),
        merging=rng.random() < 0.5,
        merges_max=rng.choice((1, 100, 100, 100)),
        one_input=rng.random() < 0.3,
        paces_ms=rng.choice(((2, 20, 200), (200, 2 * SECOND, 20 * SECOND), (20 * SECOND, 10 * MINUTE, 5 * HOUR))),
        people=rng.choice((1, 2, 4)),
        records=rng.choice((6, 12, 25, 40)),
        backlog=rng.random() < 0.2,
        calls_in_a_row=rng.choice((1, 3, 10)),
        steps=rng.randint(40, 400),
        forgets=rng.choice((0, 0, 0, 0.01, 0.04)),
        short_polls=rng.random() < 0.5,
    )


def _roles(rng: Random) -> tuple[tuple[str, ...], ...]:
    if rng.random() < 0.75:
        return (BOTH,) * rng.choice((1, 2, 2, 3))
    return (("route",),) * rng.choice((1, 2)) + (("fold",),) * rng.choice((1, 2))


def _weather(rng: Random) -> Weather:
    """Each fault is switched off in half of the schedules; in a third it is the weather for zombies."""

    def perhaps(*chances: float) -> float:
        return rng.choice((*[0.0] * len(chances), *chances))

    zombies = rng.random() < 0.3
    return Weather(
        crash=perhaps(0.01, 0.05),
        pause=0.06 if zombies else perhaps(0.01, 0.04),
        evict=0.06 if zombies else perhaps(0.005, 0.03),
        expire=perhaps(0.005, 0.03),
        restart=rng.choice((0.05, 0.3)),
        resume=rng.choice((0.02, 0.1)),
        double=perhaps(0.02),
        late=rng.choice((0.03, 0.3)),
        store=perhaps(0.005, 0.03),
        broker=perhaps(0.005, 0.03),
        doubt=perhaps(0.1, 0.4),
    )
