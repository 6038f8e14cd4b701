"""A world for one test: topics, a space and groups of its own on the session's servers, and its workers."""

import json
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from tests.acceptance.lines import Line, Output, as_text
from tests.acceptance.moments import ms
from tests.integration.broker import Broker, Received, Sent
from tests.integration.process import Worker, command, until

READ_BY = {"route": ("tracking-events", "passthrough-events", "definitions"), "fold": ("resolved-events",)}
"""Topics of each role's group, in the order in which they run dry: what is routed must then be folded."""

SETTLE_S = 60.0


class World:
    """Made empty; ``close`` ends its workers and deletes its topics.

    Args:
        run: a name that no other world has.
        folder: an empty one, for definitions and logs.
    """

    def __init__(self, broker: Broker, redis_url: str, *, run: str, folder: Path) -> None:
        self.broker = broker
        self.folder = folder
        self._prefix = f"{run}-"
        self._workers: list[Worker] = []
        self.settings = {
            "AW_KAFKA_BOOTSTRAP_SERVERS": broker.servers,
            "AW_REDIS_URL": redis_url,
            "AW_SPACE_ID": run,
            "AW_TOPIC_PREFIX": self._prefix,
            "AW_CONSUMER_GROUP": run,
            "AW_DEDUP_EXPECTED_IDS_PER_DAY": "100000",
        }

    def topic(self, name: str) -> str:
        return self._prefix + name

    def group(self, role: str) -> str:
        return f"{self.settings['AW_CONSUMER_GROUP']}-{role}"

    def create_topics(self) -> None:
        """By the real command; inputs keep records of any age."""
        done = self.command("topics", "create")
        assert done.returncode == 0, done.stderr
        wanted = {self.topic(name) for names in READ_BY.values() for name in names}
        until(lambda: wanted <= set(self.broker.topics(self._prefix)), "topics")
        self.broker.keep_forever(self.topic(name) for name in READ_BY["route"])

    def close(self) -> None:
        for worker in self._workers:
            worker.end()
        self.broker.delete(self.broker.topics(self._prefix))

    def define(self, definitions: Mapping[str, Any], *, name: str = "definitions") -> Path:
        """Write a file of definitions, which workers from now on apply at their start."""
        path = self.definitions_file(definitions, name=name)
        self.settings["AW_DEFINITIONS"] = str(path)
        return path

    def definitions_file(self, definitions: Mapping[str, Any], *, name: str) -> Path:
        path = self.folder / f"{name}.json"
        path.write_text(json.dumps(definitions), encoding="utf-8")
        return path

    def command(self, *arguments: str, stdin: str = "", **settings: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the program in this world; ``settings`` on top of its own."""
        return command(*arguments, settings={**self.settings, **settings}, folder=self.folder, stdin=stdin)

    def start(self, instance: str = "one", **settings: str) -> Worker:
        """Start a worker and do not wait for it; it ends with the world at the latest."""
        worker = Worker({**self.settings, "AW_INSTANCE_ID": instance, **settings}, folder=self.folder)
        self._workers.append(worker)
        return worker

    @contextmanager
    def worker(self, instance: str = "one", **settings: str) -> Iterator[Worker]:
        """A worker that is ready. At the end of the context it is told to stop, and must end well."""
        worker = self.start(instance, **settings)
        worker.wait_until_ready()
        yield worker
        code = worker.stop()
        assert code == 0, f"exit code {code}:\n{worker.log()[-3_000:]}"

    def write(self, lines: Iterable[Line]) -> None:
        """Write input lines as ``simulate`` takes them: the moment of receipt is the record's timestamp."""
        self.broker.write(self._sent(line) for line in lines)

    def _sent(self, line: Line) -> Sent:
        value = line["value"]
        key = line.get("key") or _key_of(value)
        return Sent(self.topic(line["topic"]), key.encode(), json.dumps(value).encode(), ms(line["at"]))

    def settle(self, *, timeout_s: float = SETTLE_S) -> None:
        """Wait until both groups have read and committed everything that is there. Timers may still be due."""
        for role, names in READ_BY.items():
            for name in names:
                done = partial(self.broker.has_read_all, self.group(role), self.topic(name))
                until(done, f"the {role} group to have read all of {name}", timeout_s=timeout_s)

    def read(self, name: str) -> list[Received]:
        """Committed records of a topic."""
        return self.broker.read(self.topic(name))

    def events(self) -> list[dict[str, Any]]:
        """The archive: accepted events, each mailbox partition's in order, without what workers say to themselves."""
        archived = [record for record in self.read("resolved-events") if record.headers["kind"] == b"event"]
        return [json.loads(record.value or b"") for record in archived]

    def outputs(self, name: str) -> list[Output]:
        """Committed records of a topic, in the form in which ``simulate`` prints them."""
        return [
            {
                "topic": name,
                "key": (record.key or b"").decode(),
                "value": json.loads(record.value or b"null"),
                "headers": {header: value.decode() for header, value in record.headers.items()},
            }
            for record in self.read(name)
        ]

    def changes(self, count: int) -> list[Output]:
        """The audience changes, once there are so many."""

        def enough() -> list[Output]:
            found = self.outputs("audience-changes")
            return found if len(found) >= count else []

        return until(enough, f"{count} audience changes")

    def simulated(self, definitions: Path, lines: Iterable[Line], *, to: str) -> list[Output]:
        """What ``simulate`` prints for the same lines in the same space, up to a time."""
        done = self.command("simulate", "-d", str(definitions), "--until", to, "-", stdin=as_text(lines))
        assert done.returncode == 0, done.stderr
        return [json.loads(text) for text in done.stdout.splitlines()]


def _key_of(value: Mapping[str, Any]) -> str:
    """What a sensible producer takes as the key: all events of a person stay in order."""
    named = [value.get("userId"), value.get("anonymousId"), *value.get("identifiers", {}).values()]
    return next((str(name) for name in named if name), "")
