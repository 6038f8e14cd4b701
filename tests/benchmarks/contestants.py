"""Who runs the jobs: the worker, Quix Streams and the floor, each set up on topics of its own."""

import datetime as dt
import itertools
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec

from tests.benchmarks.cluster import Cluster
from tests.benchmarks.expected import Transition
from tests.benchmarks.process import Process, clean_environment
from tests.benchmarks.store import draw_space

HERE = Path(__file__).parent
SCRATCH = HERE.parents[1] / "build" / "benchmarks"
QUIX = "quixstreams==3.28.1"
SETUP_TIMEOUT_S = 300.0

_numbers = itertools.count(1)


@dataclass(frozen=True, kw_only=True)
class Contestant:
    """One run of one contestant: its topics exist, its process has not been started.

    ``groups``: (consumer group, topic) for each thing that it reads; the first one is the job's input.
    ``transition``: an output's meaning, None for a record that is no transition.
    """

    name: str
    run: str
    command: tuple[str, ...]
    settings: Mapping[str, str]
    folder: Path
    groups: tuple[tuple[str, str], ...]
    output: str
    transition: Callable[[bytes], Transition | None] = field(default=lambda value: None)

    @property
    def input(self) -> str:
        return self.groups[0][1]

    @property
    def has_metrics(self) -> bool:
        """Whether ``endpoints`` can ask it."""
        return "AW_HTTP_PORT" in self.settings

    @property
    def space(self) -> str:
        """The worker's space in Redis."""
        return self.settings["AW_SPACE_ID"]

    def topic(self, name: str) -> str:
        """A topic of the worker by its name without the prefix."""
        return f"{self.run}-{name}"

    def start(self) -> Process:
        return Process(self.command, settings=self.settings, folder=self.folder)


def floor(cluster: Cluster) -> Contestant:
    return _script("floor", HERE / "floor.py", python=Path(sys.executable), cluster=cluster)


def quix(cluster: Cluster) -> Contestant:
    """Raises ``subprocess.CalledProcessError`` when the engine cannot be installed."""
    contestant = _script("quix", HERE / "quix_job.py", python=_quix_python(), cluster=cluster)

    def transition(value: bytes) -> Transition | None:
        change = msgspec.json.decode(value)
        return Transition(change["userId"], change["entered"], change["at"])

    return replace(contestant, transition=transition)


def worker(
    cluster: Cluster, *, redis_url: str, definitions: str, settings: Mapping[str, str] | None = None
) -> Contestant:
    """One replica in both roles, exactly-once, with settings of the defaults but for what is given.

    Args:
        cluster: where its topics are created, by its own command.
        redis_url: its store; the run has a space of its own there.
        definitions: text of a definitions file.
        settings: further ``AW_`` settings.
    """
    run, folder = _new_run("worker")
    file = folder / "definitions.yaml"
    file.write_text(definitions, encoding="utf-8")
    environment = {
        "AW_KAFKA_BOOTSTRAP_SERVERS": cluster.servers,
        "AW_REDIS_URL": redis_url,
        "AW_SPACE_ID": draw_space(),
        "AW_DEFINITIONS": str(file),
        "AW_CONSUMER_GROUP": run,
        "AW_TOPIC_PREFIX": f"{run}-",
        "AW_INSTANCE_ID": f"{run}-0",
        "AW_HTTP_PORT": str(_free_port()),
        "AW_LOG_FORMAT": "json",
        **(settings or {}),
    }
    command = str(Path(sys.executable).with_name("audience-worker"))
    created = subprocess.run(
        [command, "topics", "create"],
        env=clean_environment() | environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=SETUP_TIMEOUT_S,
        check=False,
    )
    if created.returncode:
        raise RuntimeError(f"audience-worker topics create: {created.stderr or created.stdout}")
    input_topic, mailbox = f"{run}-tracking-events", f"{run}-resolved-events"
    cluster.keep_forever(input_topic)
    return Contestant(
        name="worker",
        run=run,
        command=(command, "run"),
        settings=environment,
        folder=folder,
        groups=((f"{run}-route", input_topic), (f"{run}-fold", mailbox)),
        output=f"{run}-audience-changes",
        transition=_transition_of_change,
    )


class _Cause(msgspec.Struct):
    reason: str
    caused_by: str | None = None


class _Context(msgspec.Struct):
    audience: _Cause


class Change(msgspec.Struct, rename="camel"):
    """What the harness reads of an audience change."""

    user_id: str | None
    event: str
    timestamp: str
    sent_at: str
    context: _Context

    @property
    def entered(self) -> bool:
        return self.event == "Audience Entered"


read_change = msgspec.json.Decoder(Change).decode


def milliseconds(timestamp: str) -> int:
    """``2025-01-10T10:01:00.000Z`` as milliseconds since 1970."""
    moment = msgspec.convert(timestamp, type=dt.datetime)
    return round(moment.timestamp() * 1000)


def _transition_of_change(value: bytes) -> Transition | None:
    change = read_change(value)
    return Transition(change.user_id or "", change.entered, milliseconds(change.timestamp))


def _script(name: str, script: Path, *, python: Path, cluster: Cluster) -> Contestant:
    run, folder = _new_run(name)
    source, output = f"{run}-tracking-events", f"{run}-audience-changes"
    cluster.create(source, output)
    return Contestant(
        name=name,
        run=run,
        # -P: the script's folder stays off the import path, where its neighbours would shadow other modules
        command=(str(python), "-P", str(script)),
        settings={
            "BENCH_SERVERS": cluster.servers,
            "BENCH_GROUP": run,
            "BENCH_INPUT": source,
            "BENCH_OUTPUT": output,
            "BENCH_STATE": str(folder / "state"),
        },
        folder=folder,
        groups=((run, source),),
        output=output,
    )


def _new_run(name: str) -> tuple[str, Path]:
    """A name that no other run has, also not of an earlier benchmark, and an empty folder."""
    run = f"bench{int(time.time())}{name}{next(_numbers)}"
    folder = SCRATCH / "runs" / run
    folder.mkdir(parents=True)
    return run, folder


def _quix_python() -> Path:
    """The interpreter of an environment with Quix Streams alone in it, made when it is not there yet."""
    environment = SCRATCH / QUIX
    python = environment / "bin" / "python"
    stamp = environment / "installed"
    if not stamp.exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(environment)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", QUIX], check=True, timeout=SETUP_TIMEOUT_S)
        stamp.touch()
    return python


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
