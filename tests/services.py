"""A real Kafka and a real Redis, for tests and for benchmarks: found, or started here and ended afterwards.

In this order: the servers that ``TEST_KAFKA_BOOTSTRAP_SERVERS`` and ``TEST_REDIS_URL`` name; containers where
a Docker engine answers; local processes (``redis-server``; Apache Kafka from the jars that
``tests/kafka/pom.xml`` names). What is started here listens on loopback only, keeps its data in a temporary
folder, and ends with the process that started it, however that ends.
"""

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import redis
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

if TYPE_CHECKING:
    from testcontainers.core.container import DockerContainer

KAFKA_VARIABLE = "TEST_KAFKA_BOOTSTRAP_SERVERS"
REDIS_VARIABLE = "TEST_REDIS_URL"

KAFKA_IMAGE = "apache/kafka:4.1.0"
REDIS_IMAGE = "redis:7.4"
KAFKA_HOME = Path(__file__).parent / "kafka"
KAFKA_JARS = KAFKA_HOME / "lib"
FETCH_JARS = (
    "mvn",
    "-q",
    "-B",
    "-f",
    str(KAFKA_HOME / "pom.xml"),
    "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies",
    f"-DoutputDirectory={KAFKA_JARS}",
)

START_TIMEOUT_S = 60.0  # a broker takes three seconds; a loaded machine has taken twenty
END_TIMEOUT_S = 20.0  # far above what either server takes to write down what it has

# Ends the server when the pipe from this process breaks: not even a killed test run leaves one behind.
_GUARD = 'exec 3<&0; "$@" </dev/null 3<&- & pid=$!; { cat <&3; kill $pid; } >/dev/null 2>&1 & wait $pid'


class ServiceMissingError(Exception):
    """There is no such server and none can be started here; the message says what would mend it."""


@contextlib.contextmanager
def kafka_server() -> Iterator[str]:
    """A Kafka broker for as long as the context lasts; its bootstrap servers.

    Raises:
        ServiceMissingError: none is named, and there is neither Docker nor Java with Maven.
        RuntimeError: it was started and does not answer; the message ends with what it wrote.
    """
    if servers := os.environ.get(KAFKA_VARIABLE):
        yield servers
    elif _docker_answers():
        with _kafka_container() as servers:
            yield servers
    else:
        with _kafka_process() as servers:
            yield servers


@contextlib.contextmanager
def redis_server() -> Iterator[str]:
    """A Redis server for as long as the context lasts; its URL. Nothing is written to disk.

    Raises:
        ServiceMissingError: none is named, and there is neither Docker nor ``redis-server``.
        RuntimeError: it was started and does not answer; the message ends with what it wrote.
    """
    if url := os.environ.get(REDIS_VARIABLE):
        yield url
    elif _docker_answers():
        with _redis_container() as url:
            yield url
    else:
        with _redis_process() as url:
            yield url


# Local processes.


@contextlib.contextmanager
def _kafka_process() -> Iterator[str]:
    java = program("java", "install Java 17 or newer", KAFKA_VARIABLE)
    fetch_kafka_jars()
    with temporary_folder("kafka") as folder:
        port, controller_port = free_ports(2)
        properties = folder / "server.properties"
        settings = kafka_settings(port, controller_port) | {"log.dirs": str(folder / "data")}
        properties.write_text("".join(f"{name}={value}\n" for name, value in settings.items()), encoding="utf-8")
        run = (java, "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", f"{KAFKA_JARS}/*")
        cluster_id = urlsafe_b64encode(b"K" + uuid4().bytes[1:]).decode().rstrip("=")  # never begins with a dash
        subprocess.run(
            [*run, "kafka.tools.StorageTool", "format", "-t", cluster_id, "-c", str(properties)],
            check=True,
            capture_output=True,
            timeout=START_TIMEOUT_S,
        )
        command = [*run[:1], "-Xmx768m", *run[1:], "kafka.Kafka", str(properties)]
        with server_process(command, folder, lambda: kafka_answers(f"127.0.0.1:{port}")):
            yield f"127.0.0.1:{port}"


@contextlib.contextmanager
def _redis_process() -> Iterator[str]:
    binary = program("redis-server", "install redis-server", REDIS_VARIABLE)
    with temporary_folder("redis") as folder:
        [port] = free_ports(1)
        url = f"redis://127.0.0.1:{port}/0"
        command = [binary, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder)]
        with server_process([*command, "--save", "", "--appendonly", "no"], folder, lambda: redis_answers(url)):
            yield url


@contextlib.contextmanager
def server_process(command: Sequence[str], folder: Path, answers: Callable[[], bool]) -> Iterator[None]:
    """Run a server until the context ends; entered once it answers."""
    log = folder / "server.log"
    with (
        log.open("wb") as output,
        subprocess.Popen(
            ["sh", "-c", _GUARD, "sh", *command],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # ctrl-C is for the tests, which then end the server
        ) as guard,
    ):
        try:
            _wait_until(
                answers,
                alive=lambda: guard.poll() is None,
                wrote=lambda: log.read_text(encoding="utf-8", errors="replace"),
            )
            yield
        finally:
            if guard.stdin is not None:
                guard.stdin.close()
            guard.wait(END_TIMEOUT_S)


def _wait_until(
    answers: Callable[[], bool], *, wrote: Callable[[], str], alive: Callable[[], bool] = lambda: True
) -> None:
    deadline_s = time.monotonic() + START_TIMEOUT_S
    while not answers():
        if not alive() or time.monotonic() > deadline_s:
            raise RuntimeError(f"the server does not answer; it wrote:\n{wrote()[-2_000:]}")
        time.sleep(0.05)  # a server that starts has no other way to be waited for


def kafka_settings(port: int, controller_port: int) -> dict[str, str]:
    """One broker that is its own controller. What a cluster keeps three of is kept once."""
    return {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@127.0.0.1:{controller_port}",
        "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}",
        "controller.listener.names": "CONTROLLER",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "offsets.topic.replication.factor": "1",
        "offsets.topic.num.partitions": "4",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "transaction.state.log.num.partitions": "4",
        # Members that join a group are not waited for, and a dead producer's transaction ends on time: the
        # defaults (3 s and 10 s) are for large groups, and would be most of the time that tests take.
        "group.initial.rebalance.delay.ms": "0",
        "transaction.abort.timed.out.transaction.cleanup.interval.ms": "500",
        "auto.create.topics.enable": "false",
    }


def fetch_kafka_jars() -> None:
    complete = KAFKA_JARS / ".complete"
    if complete.exists():
        return
    program("mvn", "install Maven", KAFKA_VARIABLE)
    fetched = subprocess.run(FETCH_JARS, capture_output=True, text=True, check=False)
    if fetched.returncode:
        said = (fetched.stdout + fetched.stderr)[-2_000:]
        raise ServiceMissingError(f"Kafka's jars cannot be fetched; mend `{' '.join(FETCH_JARS)}`:\n{said}")
    complete.touch()


def program(name: str, mend: str, variable: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise ServiceMissingError(f"there is no `{name}`: {mend}, start Docker, or set {variable}")
    return path


@contextlib.contextmanager
def temporary_folder(name: str) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix=f"audience-worker-{name}-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def free_ports(count: int) -> list[int]:
    """TCP ports of loopback that nobody listens on at the moment, all different."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]


def kafka_answers(servers: str) -> bool:
    # Its log, to a broker that is not there yet, would be a page of refused connections.
    admin = AdminClient({"bootstrap.servers": servers, "log_level": 0})
    try:
        admin.list_topics(timeout=1)
    except KafkaException:
        return False
    return True


def redis_answers(url: str) -> bool:
    with contextlib.closing(redis.Redis.from_url(url)) as client:
        try:
            return bool(client.ping())
        except redis.exceptions.ConnectionError:
            return False


# Containers.


def _docker_answers() -> bool:
    docker = shutil.which("docker")
    if docker is None:
        return False
    try:
        asked = subprocess.run([docker, "info"], capture_output=True, timeout=5, check=False)
    except subprocess.TimeoutExpired:
        return False
    return asked.returncode == 0


@contextlib.contextmanager
def _kafka_container() -> Iterator[str]:
    from testcontainers.core.container import DockerContainer

    # Clients must reach the broker by the address that it tells them, so its port is chosen beforehand.
    [port] = free_ports(1)
    container = DockerContainer(KAFKA_IMAGE).with_bind_ports(port, port)
    settings = kafka_settings(port, 29093) | {"listeners": f"PLAINTEXT://0.0.0.0:{port},CONTROLLER://127.0.0.1:29093"}
    for name, value in settings.items():
        container = container.with_env(f"KAFKA_{name.upper().replace('.', '_')}", value)
    with container:
        servers = f"127.0.0.1:{port}"
        _wait_until(lambda: kafka_answers(servers), wrote=lambda: _log_of(container))
        yield servers


@contextlib.contextmanager
def _redis_container() -> Iterator[str]:
    from testcontainers.core.container import DockerContainer

    container = DockerContainer(REDIS_IMAGE).with_exposed_ports(6379)
    with container.with_command('redis-server --save "" --appendonly no'):
        url = f"redis://{container.get_container_host_ip()}:{container.get_exposed_port(6379)}/0"
        _wait_until(lambda: redis_answers(url), wrote=lambda: _log_of(container))
        yield url


def _log_of(container: "DockerContainer") -> str:
    return b"".join(container.get_logs()).decode(errors="replace")
