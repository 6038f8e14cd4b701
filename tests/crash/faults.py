"""What goes wrong: one function for each kind of fault, done to a scene while records keep coming in."""

import signal
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from tests.crash.doomed import POINTS
from tests.crash.fleet import DEPENDENCY_GONE, SHOWN_CHARACTERS
from tests.crash.proxy import Proxy
from tests.crash.scene import Scene
from tests.crash.stores import Fsync
from tests.integration.process import Worker

SESSION_TIMEOUT_S = 6.0  # the shortest that brokers allow
REDIS_TIMEOUT_S = 1.0
MISSED_S = 6.0
"""A point that has not been met by then, in this process, is another one's."""

ALL_WIRES = 0.5
"""How often, of a cluster, the wires to all nodes are hit, and not that to one."""

READY_S = 60.0
ZOMBIE_ENDS_S, ZOMBIE_LOOKS = 15.0, 6
RARE = frozenset({"before new producer", "after new producer", "after slots taken over"})
"""Points that a worker comes to only when it starts afresh."""


Fault = Callable[[Scene], bool]
"""Does it; False: it could not be done."""


class Kind(NamedTuple):
    """``weight``: how often, compared with others."""

    name: str
    weight: float
    fault: Fault


def _of_one(fault: Callable[[Scene, str], bool]) -> Fault:
    """A fault of one replica that is at work."""

    def of_somebody(scene: Scene) -> bool:
        name = scene.victim()
        if name is None:
            return False
        scene.note(name)
        return fault(scene, name)

    return of_somebody


def killed(scene: Scene, name: str) -> bool:
    scene.fleet.kill(name)
    scene.fleet.start(name)
    return True


def killed_as_it_starts(scene: Scene, name: str) -> bool:
    """Twice: the second time before it has done anything, or in the middle of its first batch."""
    scene.fleet.kill(name)
    scene.fleet.start(name)
    scene.go_on(scene.rng.uniform(0.2, 3))
    scene.fleet.kill(name)
    return True


def replaced(scene: Scene, name: str) -> bool:
    """Dead until its session is over, then somebody else comes in its place."""
    fleet = scene.fleet
    fleet.kill(name)
    del fleet.replicas[name]
    scene.later(SESSION_TIMEOUT_S + 2, lambda: scene.note(f"{scene.new_replica()} in place of {name}"))
    return True


def killed_at(point: str, scene: Scene, name: str) -> bool:
    fleet, rng = scene.fleet, scene.rng
    worker = fleet.replicas[name]
    fleet.out.add(name)
    fleet.appoint(name, point, rng.randint(1, 3) if point not in RARE else 1)
    if point in RARE:
        for proxy in scene.store.proxies:
            proxy.cut()
    met = scene.go_on(MISSED_S, until=lambda: worker.ended() is not None)
    if not met:
        fleet.spare(name)
        met = scene.go_on(0.1, until=lambda: worker.ended() is not None)
    if met:
        scene.later(rng.choice((0, 0, 0, 1, SESSION_TIMEOUT_S + 2)), partial(_again, scene, name))
    else:
        fleet.out.discard(name)
    return met


def _again(scene: Scene, name: str) -> None:
    scene.fleet.out.discard(name)
    scene.fleet.start(name)


def fenced(scene: Scene, name: str) -> bool:
    """It stands still until its partitions are others', and then goes on as if nothing had happened."""
    worker = scene.fleet.replicas[name]
    scene.fleet.out.add(name)
    worker.send(signal.SIGSTOP)

    def go_on() -> None:
        scene.note(f"{name} goes on")
        worker.send(signal.SIGCONT)
        scene.fleet.out.discard(name)

    scene.later(SESSION_TIMEOUT_S + scene.rng.uniform(1, 4), go_on)
    return True


def hesitates(scene: Scene, name: str) -> bool:
    """It stands still, but not for long enough to be missed."""
    worker = scene.fleet.replicas[name]
    worker.send(signal.SIGSTOP)
    scene.go_on(scene.rng.uniform(0.2, 3))
    worker.send(signal.SIGCONT)
    return True


def superseded(scene: Scene, name: str) -> bool:
    """It stands still, another process is started under its name, and it goes on: it has to end by itself."""
    zombie = scene.fleet.replicas[name]
    zombie.send(signal.SIGSTOP)
    scene.fleet.start(name)
    scene.later(scene.rng.uniform(3, 6), lambda: _wake(scene, name, zombie))
    return True


def _wake(scene: Scene, name: str, zombie: Worker) -> None:
    scene.note(f"the other {name} goes on")
    zombie.send(signal.SIGCONT)
    scene.later(ZOMBIE_ENDS_S, lambda: _buried(scene, name, zombie, looks=ZOMBIE_LOOKS))


def _buried(scene: Scene, name: str, zombie: Worker, *, looks: int) -> None:
    """It learns of its successor from Kafka, which other faults may keep from it for a while."""
    if (code := zombie.ended()) is None and looks:
        scene.later(ZOMBIE_ENDS_S, lambda: _buried(scene, name, zombie, looks=looks - 1))
    elif code != DEPENDENCY_GONE:
        log = zombie.log()[-SHOWN_CHARACTERS:]
        scene.fleet.failures.append(f"{name} should have ended for its successor, and is at {code}:\n{log}")
        zombie.end()


def rolling_restart(scene: Scene) -> bool:
    for name in scene.fleet.at_work():
        scene.fleet.stop(name)
        scene.fleet.start(name)
        worker = scene.fleet.replicas[name]
        scene.go_on(READY_S, until=lambda name=name, worker=worker: _works(scene, name, worker))
    return True


def _works(scene: Scene, name: str, worker: Worker) -> bool:
    return worker.ended() is not None or name in scene.fleet.at_work()


def rescaled(scene: Scene) -> bool:
    """To one replica, to four, to two."""
    fleet = scene.fleet
    busy = set(fleet.replicas) - fleet.out
    if fleet.out or not busy:
        return False
    for goal in (1, 4, 2):
        names = sorted(fleet.replicas)
        scene.note(f"{goal} replicas")
        for name in names[goal:]:
            worker = fleet.replicas.pop(name)
            fleet.dismiss(name, worker)
        for _ in range(goal - len(names)):
            scene.new_replica()
        scene.go_on(READY_S, until=lambda: len(fleet.at_work()) == len(fleet.replicas))
        scene.go_on(scene.rng.uniform(0.5, 2))
    return True


def kafka_stopped(scene: Scene) -> bool:
    scene.kafka.stop()
    scene.go_on(scene.rng.uniform(0, 2))
    scene.kafka.start()
    return True


def kafka_killed(scene: Scene) -> bool:
    scene.kafka.kill()
    scene.go_on(scene.rng.uniform(0, 2))
    scene.kafka.start()
    return True


def redis_killed(fsync: Fsync, scene: Scene) -> bool:
    """With `everysec` a server that is forcing its file to disk answers before it has written (docs/recovery.md).

    So there it is killed with nothing of the kind left in its memory: that it forgets what it has acknowledged is
    another fault, which no worker can make up for.
    """
    scene.store.fsync(fsync)
    scene.go_on(scene.rng.uniform(0.1, 1))
    if fsync == "everysec":
        scene.store.write_down()
    scene.store.kill()
    scene.go_on(scene.rng.choice((0, 0.5, 3)))
    scene.store.start()
    return True


def redis_full(scene: Scene) -> bool:
    scene.store.fill()
    scene.go_on(scene.rng.uniform(0.3, 3))
    scene.store.drain()
    return True


def redis_slow(low_s: float, high_s: float, scene: Scene) -> bool:
    scene.store.sleep(scene.rng.uniform(low_s, high_s))
    return True


def wire_cut(side: str, scene: Scene) -> bool:
    for proxy in _wires(scene, side):
        proxy.cut()
    return True


def answers_lost(side: str, scene: Scene) -> bool:
    """What is asked is done, and nobody hears of it."""
    wires = _wires(scene, side)
    for proxy in wires:
        proxy.lose_answers()
    scene.go_on(scene.rng.uniform(0.1, 1.5))
    for proxy in wires:
        proxy.cut()
    return True


def wire_frozen(side: str, low_s: float, high_s: float, scene: Scene) -> bool:
    """What is asked arrives late, perhaps when nobody waits for it any more."""
    wires = _wires(scene, side)
    for proxy in wires:
        proxy.freeze()
    scene.go_on(scene.rng.uniform(low_s, high_s))
    for proxy in wires:
        proxy.thaw()
    return True


def _wires(scene: Scene, side: str) -> Sequence[Proxy]:
    """Of a cluster: those to all nodes, or to one of them."""
    if side == "Kafka":
        return (scene.kafka.proxy,)
    proxies, rng = scene.store.proxies, scene.rng
    return proxies if len(proxies) == 1 or rng.random() < ALL_WIRES else (rng.choice(proxies),)


KINDS: tuple[Kind, ...] = (
    Kind("SIGKILL at a random moment, started again at once", 6, _of_one(killed)),
    Kind("SIGKILL, and once more as it starts", 2, _of_one(killed_as_it_starts)),
    Kind("SIGKILL, dead for longer than the session timeout, replaced", 1.5, _of_one(replaced)),
    *(Kind(f"SIGKILL {point}", 1.2, _of_one(partial(killed_at, point))) for point in POINTS),
    Kind("SIGSTOP until fenced, SIGCONT", 1.5, _of_one(fenced)),
    Kind("SIGSTOP, a second process under its name, SIGCONT", 1.5, _of_one(superseded)),
    Kind("SIGSTOP for a moment, SIGCONT", 1.5, _of_one(hesitates)),
    Kind("rolling restart", 1, rolling_restart),
    Kind("replicas 1, 4, 2", 0.7, rescaled),
    Kind("Kafka stopped, started", 0.8, kafka_stopped),
    Kind("Kafka SIGKILL, started", 0.8, kafka_killed),
    Kind("Redis SIGKILL with appendfsync everysec, answers written", 1.5, partial(redis_killed, "everysec")),
    Kind("Redis SIGKILL with appendfsync always", 1.5, partial(redis_killed, "always")),
    Kind("Redis full", 2, redis_full),
    Kind("Redis slow", 1, partial(redis_slow, 0.2, 0.8)),
    Kind("Redis slower than its timeout", 1, partial(redis_slow, REDIS_TIMEOUT_S + 0.2, 3)),
    *(Kind(f"connections to {side} cut", 2, partial(wire_cut, side)) for side in ("Redis", "Kafka")),
    *(Kind(f"answers of {side} lost", 2, partial(answers_lost, side)) for side in ("Redis", "Kafka")),
    Kind("wire to Redis frozen, then as before", 1, partial(wire_frozen, "Redis", 0.5, 3)),
    Kind("wire to Kafka frozen, then as before", 1, partial(wire_frozen, "Kafka", 0.5, 5)),
    Kind("wire to Kafka frozen until all are fenced", 0.5, partial(wire_frozen, "Kafka", SESSION_TIMEOUT_S + 1, 9)),
)

SLOW_KINDS = frozenset(
    kind.name
    for kind in KINDS
    if kind.fault in {rolling_restart, rescaled, kafka_stopped, kafka_killed} or "fenced" in kind.name
)
"""Those that take more than a few seconds each."""

BY_NAME: Mapping[str, Kind] = {kind.name: kind for kind in KINDS}
