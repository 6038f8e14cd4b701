"""The Redis side of a run, one server or a cluster, with append-only files: killed, filled and put to sleep.

Workers reach every server through a proxy of its own.
"""

import contextlib
import time
from collections.abc import Iterator, Sequence
from random import Random
from typing import Literal

import redis

from tests import services
from tests.crash.proxy import Proxy
from tests.redis_processes import RedisProcess, redis_cluster, redis_process

Fsync = Literal["always", "everysec"]
PAUSE_MS = 5_000  # until the kill that follows at once
NODES = 3


class Store:
    """``settings``: what leads workers to it, through ``proxies``; ``direct_url``: for us.

    A cluster tells everybody the ports of the proxies: there the second URL leads past them only at first.

    Args:
        nodes: they run. One that is killed comes back with the options of its making.
        ports: of the proxy of each of them.
        rng: draws the node that is hit.
    """

    def __init__(self, nodes: Sequence[RedisProcess], ports: Sequence[int], rng: Random) -> None:
        self._nodes = nodes
        self._rng = rng
        self._victim = rng.choice(nodes)
        self.proxies = [Proxy(port, node.port) for port, node in zip(ports, nodes, strict=True)]
        self.settings = {"AW_REDIS_URL": _url(ports)}
        self.direct_url = _url([node.port for node in nodes])

    def kill(self) -> None:
        """SIGKILL. Of a cluster: one of its nodes."""
        self._victim.kill()

    def start(self) -> None:
        """Start again what was killed, on the same data; returns when it answers."""
        self._victim.start()
        self._draw()

    def fsync(self, policy: Fsync) -> None:
        """When the append-only files are forced to disk, from now on; of all nodes."""
        for node in self._nodes:
            with contextlib.closing(node.client()) as client:
                client.config_set("appendfsync", policy)

    def write_down(self) -> None:
        """Let who is killed next take no more writes for a moment.

        Returns when all those that it has answered are in its append-only file.
        """
        with contextlib.closing(self._victim.client()) as client:
            client.client_pause(PAUSE_MS, all=False)
            deadline_s = time.monotonic() + services.END_TIMEOUT_S
            while client.info("persistence")["aof_buffer_length"] and time.monotonic() < deadline_s:
                time.sleep(0.005)

    def fill(self) -> None:
        """Memory is as full as it may get, until ``drain``; of a cluster: that of one node."""
        self._memory_max(1)

    def drain(self) -> None:
        self._memory_max(0)
        self._draw()

    def sleep(self, seconds: float) -> None:
        """It does nothing for so long, and then what has been asked meanwhile; of a cluster: one node."""
        client = redis.Redis.from_url(self._victim.url, socket_timeout=seconds + services.END_TIMEOUT_S)
        with contextlib.closing(client):
            client.execute_command("DEBUG", "SLEEP", seconds)
        self._draw()

    def close(self) -> None:
        for proxy in self.proxies:
            proxy.close()

    def _draw(self) -> None:
        self._victim = self._rng.choice(self._nodes)

    def _memory_max(self, size_bytes: int) -> None:
        with contextlib.closing(self._victim.client()) as client:
            client.config_set("maxmemory", size_bytes)


@contextlib.contextmanager
def one_server() -> Iterator[Store]:
    """A server as most people run it: its file is forced to disk every second."""
    with (
        redis_process(*_options("everysec")) as server,
        contextlib.closing(Store([server], services.free_ports(1), Random(0))) as store,
    ):
        yield store


@contextlib.contextmanager
def cluster(rng: Random) -> Iterator[Store]:
    """``NODES`` masters, no replicas; all files are forced to disk before they answer.

    ``rng``: draws the node that a fault hits.
    """
    ports = services.free_ports(NODES)
    with (
        redis_cluster(*_options("always"), masters=NODES, announced=ports) as made,
        contextlib.closing(Store(made.nodes, ports, rng)) as store,
    ):
        yield store


def _options(fsync: Fsync) -> tuple[str, ...]:
    return ("--appendonly", "yes", "--appendfsync", fsync, "--enable-debug-command", "local")


def _url(ports: Sequence[int]) -> str:
    if len(ports) == 1:
        return f"redis://127.0.0.1:{ports[0]}/0"
    return f"redis+cluster://{','.join(f'127.0.0.1:{port}' for port in ports)}"
