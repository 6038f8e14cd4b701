"""Redis servers of a test's own, which it may kill, and a cluster of them. Local processes, on loopback."""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import zip_longest
from pathlib import Path

import redis

from tests import services
from tests.services import REDIS_VARIABLE, free_ports

SLOTS = 16_384
NODE_TIMEOUT_MS = 2_000
"""Silence after which a node counts as lost. Shorter: a loaded machine loses nodes; longer: tests wait."""

AGREE_TIMEOUT_S = 30.0  # nodes agree within two seconds; a loaded machine has taken ten


class RedisProcess:
    """One server that keeps its folder and its port through restarts. ``options``: of its command line."""

    def __init__(self, folder: Path, *options: str, port: int | None = None) -> None:
        self.folder = folder
        self.port = free_ports(1)[0] if port is None else port
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._options = options
        self._running = contextlib.ExitStack()
        self._pid: int | None = None

    def start(self, *options: str) -> None:
        """Start it, or start it again with what it has written down; returns once it answers. ``options`` on top."""
        command = [services.program("redis-server", "install redis-server", REDIS_VARIABLE), "--port", str(self.port)]
        command += ["--bind", "127.0.0.1", "--dir", str(self.folder), "--save", "", *self._options, *options]
        self._running.enter_context(services.server_process(command, self.folder, self.answers))
        with contextlib.closing(self.client()) as client:
            self._pid = int(client.info("server")["process_id"])

    def answers(self) -> bool:
        """Whether it is there and has read what it had written down."""
        with contextlib.closing(self.client()) as client, contextlib.suppress(redis.exceptions.RedisError):
            return bool(client.ping())
        return False

    def client(self) -> redis.Redis:
        return redis.Redis.from_url(self.url, decode_responses=True, socket_timeout=5)

    def kill(self) -> None:
        """SIGKILL; what it has not handed to the operating system is lost. Nothing when it does not run."""
        if self._pid is not None:
            os.kill(self._pid, signal.SIGKILL)
            self._pid = None
        self._running.close()

    def pause(self) -> None:
        """Stop it from answering; its connections stay."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self._pid is not None, "it does not run"
        os.kill(self._pid, number)


@contextlib.contextmanager
def redis_process(*options: str) -> Iterator[RedisProcess]:
    """A server of one's own for as long as the context lasts."""
    with services.temporary_folder("redis") as folder:
        server = RedisProcess(folder, *options)
        server.start()
        try:
            yield server
        finally:
            server.kill()


class RedisCluster:
    """``nodes``: masters with a third of the slots each, then the replicas that were asked for."""

    def __init__(self, nodes: Sequence[RedisProcess]) -> None:
        self.nodes = nodes
        self.url = f"redis+cluster://{','.join(f'127.0.0.1:{node.port}' for node in nodes)}"


@contextlib.contextmanager
def redis_cluster(
    *options: str, masters: int = 3, replicas: int = 0, announced: Sequence[int] = ()
) -> Iterator[RedisCluster]:
    """A cluster for as long as the context lasts, whole when it is entered.

    Args:
        options: of every node's command line.
        masters: each with its part of the slots.
        replicas: one of each of the first masters.
        announced: the port that clients are told of each node, when it is not its own.
    """
    with contextlib.ExitStack() as stack:
        nodes = []
        for ports, told in zip_longest(_ports(masters + replicas), announced):
            folder = stack.enter_context(services.temporary_folder("redis"))
            node = RedisProcess(folder, *_cluster(ports, told), *options, port=ports[0])
            stack.callback(node.kill)
            node.start()
            nodes.append(node)
        _join(nodes, masters)
        yield RedisCluster(nodes)


def _ports(count: int) -> list[tuple[int, int]]:
    """For each node a port for clients and one for the other nodes."""
    ports = free_ports(2 * count)
    return list(zip(ports[::2], ports[1::2], strict=True))


def _cluster(ports: tuple[int, int], told: int | None) -> tuple[str, ...]:
    options = {
        "cluster-enabled": "yes",
        "cluster-port": str(ports[1]),
        "cluster-node-timeout": str(NODE_TIMEOUT_MS),
        "cluster-require-full-coverage": "yes",
        "cluster-announce-port": str(told or ports[0]),
    }
    return tuple(part for name, value in options.items() for part in (f"--{name}", value))


def _join(nodes: Sequence[RedisProcess], masters: int) -> None:
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(contextlib.closing(node.client())) for node in nodes]
        bus = [int(client.config_get("cluster-port")["cluster-port"]) for client in clients]
        for number, client in enumerate(clients[:masters]):
            first, last = SLOTS * number // masters, SLOTS * (number + 1) // masters - 1
            client.execute_command("CLUSTER ADDSLOTSRANGE", first, last)
        for number, client in enumerate(clients):
            client.execute_command("CLUSTER SET-CONFIG-EPOCH", number + 1)
        for node, port in zip(nodes[1:], bus[1:], strict=True):
            clients[0].execute_command("CLUSTER MEET", "127.0.0.1", node.port, port)
        _until(lambda: all(_info(client)["cluster_known_nodes"] == str(len(nodes)) for client in clients))
        for number, client in enumerate(clients[masters:]):
            client.execute_command("CLUSTER REPLICATE", clients[number].execute_command("CLUSTER MYID"))
        _until(lambda: all(_info(client)["cluster_state"] == "ok" for client in clients))
        _until(
            lambda: all(client.info("replication").get("master_link_status") == "up" for client in clients[masters:])
        )


def _info(client: redis.Redis) -> dict[str, str]:
    return dict(client.execute_command("CLUSTER INFO"))


def _until(true: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + AGREE_TIMEOUT_S
    while not true():
        if time.monotonic() > deadline_s:
            raise RuntimeError("the nodes of the cluster do not agree")
        time.sleep(0.05)  # they have no other way to be waited for
