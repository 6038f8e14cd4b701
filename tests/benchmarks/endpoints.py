"""The worker's own health and metrics endpoints."""

import http.client
import time
from collections.abc import Iterator, Mapping

from prometheus_client.parser import text_string_to_metric_families

from tests.benchmarks.contestants import Contestant
from tests.benchmarks.process import Process
from worker.metrics import CHANGES, PHASE_SECONDS, Metric

READY_TIMEOUT_S = 60.0
ANSWER_TIMEOUT_S = 5.0


def wait_until_ready(contestant: Contestant, process: Process) -> None:
    """Return when ``/readyz`` says so.

    Raises:
        TimeoutError: it did not within a minute.
    """
    deadline_s = time.monotonic() + READY_TIMEOUT_S
    while time.monotonic() < deadline_s:
        process.check()
        try:
            status, _ = _get(contestant, "/readyz")
        except OSError:
            status = 0
        if status == http.client.OK:
            return
        time.sleep(0.1)
    raise TimeoutError("the worker did not become ready")


def phase_seconds(contestant: Contestant) -> Mapping[str, float]:
    """Seconds that the worker has spent in each phase since it started."""
    return {labels["phase"]: value for labels, value in _counted(contestant, PHASE_SECONDS)}


def changes(contestant: Contestant) -> int:
    """Entries and exits that the worker has made since it started."""
    return int(sum(value for _, value in _counted(contestant, CHANGES)))


def _counted(contestant: Contestant, metric: Metric) -> Iterator[tuple[Mapping[str, str], float]]:
    _, body = _get(contestant, "/metrics")
    for family in text_string_to_metric_families(body):
        for sample in family.samples:
            if sample.name == metric.name:
                yield sample.labels, sample.value


def _get(contestant: Contestant, path: str) -> tuple[int, str]:
    port = int(contestant.settings["AW_HTTP_PORT"])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_TIMEOUT_S)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()
