"""A Kafka broker that can be stopped, killed and started again: same port, same data; and Redis beside it.

Workers reach it through a proxy, the tests directly.
"""

import contextlib
import os
import signal
import subprocess
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from random import Random
from types import MappingProxyType
from uuid import uuid4

from tests import services
from tests.crash import stores
from tests.crash.proxy import Proxy
from tests.crash.stores import Store

_NAMED = 'echo $$ > pid; exec "$@"'  # so that the server itself can be killed, and not the shell that guards it


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


@contextlib.contextmanager
def servers(
    changes: Mapping[str, str] = MappingProxyType({}), *, cluster: Random | None = None
) -> Iterator[tuple[KafkaServer, Store]]:
    """Kafka and Redis, running; their folders are gone afterwards.

    Args:
        changes: of the broker's settings.
        cluster: a Redis Cluster in place of one server; this draws the node that a fault hits.
    """
    with services.temporary_folder("crash-kafka") as folder, contextlib.closing(KafkaServer(folder, changes)) as kafka:
        kafka.start()
        with stores.one_server() if cluster is None else stores.cluster(cluster) as store:
            yield kafka, store
