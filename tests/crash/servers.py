"""A Kafka broker and a Redis server that can be stopped, killed and started again: same port, same data.

Workers reach each of them through a proxy, the tests directly.
"""

import contextlib
import os
import signal
import subprocess
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Literal, Protocol
from uuid import uuid4

import redis

from tests import services
from tests.crash.proxy import Proxy

_NAMED = 'echo $$ > pid; exec "$@"'  # so that the server itself can be killed, and not the shell that guards it

Fsync = Literal["always", "everysec"]
PAUSE_MS = 5_000  # until the kill that follows at once


class Store(Protocol):
    """The Redis side of a run: one server, or a cluster in its place.

    ``settings``: what leads workers to it, through ``proxies``; ``direct_url``: for us.
    """

    settings: Mapping[str, str]
    direct_url: str
    proxies: Sequence[Proxy]

    def start(self) -> None: ...

    def kill(self) -> None:
        """SIGKILL. Of a cluster: one of its nodes."""
        ...

    def fsync(self, policy: Fsync) -> None:
        """When the append-only file is forced to disk, from now on."""
        ...

    def write_down(self) -> None:
        """Take no more writes for a moment; returns when all those that were answered are in the append-only file."""
        ...

    def fill(self) -> None:
        """Memory is as full as it may get, until ``drain``."""
        ...

    def drain(self) -> None: ...

    def sleep(self, seconds: float) -> None:
        """It does nothing for so long, and then what has been asked meanwhile."""
        ...

    def close(self) -> None: ...


class Server:
    """A process that is started again and again in the same folder, which is its own."""

    def __init__(self, command: Sequence[str], folder: Path, answers: Callable[[], bool]) -> None:
        self.folder = folder
        self._command = ["sh", "-c", _NAMED, "sh", *command]
        self._answers = answers
        self._running = contextlib.ExitStack()

    def start(self) -> None:
        """Returns when it answers."""
        self._running.enter_context(services.server_process(self._command, self.folder, self._answers))

    def stop(self) -> None:
        """SIGTERM; returns when it has ended."""
        self._running.close()

    def kill(self) -> None:
        """SIGKILL; returns when it is gone."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(int((self.folder / "pid").read_text()), signal.SIGKILL)
        self._running.close()


class KafkaServer:
    """One broker. ``servers``: for workers, through the proxy; ``direct_servers``: for the tests.

    ``changes``: settings in the place of those that ``tests.services`` gives every broker.
    """

    def __init__(self, folder: Path, changes: Mapping[str, str] = MappingProxyType({})) -> None:
        java = services.program("java", "install Java 17 or newer", services.KAFKA_VARIABLE)
        services.fetch_kafka_jars()
        direct, proxied, behind, controller = services.free_ports(4)
        properties = folder / "server.properties"
        settings = services.kafka_settings(direct, controller) | {
            "log.dirs": str(folder / "data"),
            "listeners": f"PLAINTEXT://127.0.0.1:{direct},WORKERS://127.0.0.1:{behind},"
            f"CONTROLLER://127.0.0.1:{controller}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{direct},WORKERS://127.0.0.1:{proxied}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,WORKERS:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "inter.broker.listener.name": "PLAINTEXT",
            **changes,
        }
        properties.write_text("".join(f"{name}={value}\n" for name, value in settings.items()), encoding="utf-8")
        run = (java, "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", f"{services.KAFKA_JARS}/*")
        cluster_id = urlsafe_b64encode(b"K" + uuid4().bytes[1:]).decode().rstrip("=")
        subprocess.run(
            [*run, "kafka.tools.StorageTool", "format", "-t", cluster_id, "-c", str(properties)],
            check=True,
            capture_output=True,
            timeout=services.START_TIMEOUT_S,
        )
        self.direct_servers = f"127.0.0.1:{direct}"
        self.servers = f"127.0.0.1:{proxied}"
        self.proxy = Proxy(proxied, behind)
        command = [*run[:1], "-Xmx768m", *run[1:], "kafka.Kafka", str(properties)]
        self._server = Server(command, folder, lambda: services.kafka_answers(self.direct_servers))

    def start(self) -> None:
        self._server.start()

    def stop(self) -> None:
        self._server.stop()

    def kill(self) -> None:
        self._server.kill()

    def close(self) -> None:
        self._server.stop()
        self.proxy.close()


class RedisServer:
    """One server with an append-only file. ``fsync``: when it is forced to disk."""

    def __init__(self, folder: Path, *, fsync: Fsync = "everysec") -> None:
        program = services.program("redis-server", "install redis-server", services.REDIS_VARIABLE)
        port, proxied = services.free_ports(2)
        self.settings = {"AW_REDIS_URL": f"redis://127.0.0.1:{proxied}/0"}
        self.direct_url = f"redis://127.0.0.1:{port}/0"
        self.proxies = (Proxy(proxied, port),)
        self._client = redis.Redis.from_url(self.direct_url)
        self._server = Server(
            [
                *(program, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", ""),
                *("--appendonly", "yes", "--appendfsync", fsync, "--enable-debug-command", "local"),
            ],
            folder,
            self._loaded,
        )

    def start(self) -> None:
        self._server.start()

    def kill(self) -> None:
        self._server.kill()

    def fill(self) -> None:
        self._client.config_set("maxmemory", 1)

    def drain(self) -> None:
        self._client.config_set("maxmemory", 0)

    def fsync(self, policy: Fsync) -> None:
        self._client.config_set("appendfsync", policy)

    def write_down(self) -> None:
        self._client.client_pause(PAUSE_MS, all=False)
        deadline_s = time.monotonic() + services.END_TIMEOUT_S
        while self._client.info("persistence")["aof_buffer_length"] and time.monotonic() < deadline_s:
            time.sleep(0.005)

    def sleep(self, seconds: float) -> None:
        client = redis.Redis.from_url(self.direct_url, socket_timeout=seconds + services.END_TIMEOUT_S)
        with contextlib.closing(client):
            client.execute_command("DEBUG", "SLEEP", seconds)

    def close(self) -> None:
        self._client.close()
        self._server.stop()
        for proxy in self.proxies:
            proxy.close()

    def _loaded(self) -> bool:
        """Answers, and not only that it is still reading its file."""
        try:
            return bool(self._client.ping())
        except (redis.exceptions.ConnectionError, redis.exceptions.BusyLoadingError):
            return False


@contextlib.contextmanager
def servers(changes: Mapping[str, str] = MappingProxyType({})) -> Iterator[tuple[KafkaServer, RedisServer]]:
    """Both of them, running; their folders are gone afterwards. ``changes``: of the broker's settings."""
    with contextlib.ExitStack() as closing:
        folders = [closing.enter_context(services.temporary_folder(name)) for name in ("crash-kafka", "crash-redis")]
        kafka, store = KafkaServer(folders[0], changes), RedisServer(folders[1])
        for server in (kafka, store):
            closing.callback(server.close)
            server.start()
        yield kafka, store
