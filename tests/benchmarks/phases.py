"""Where the time of an event goes in a worker, over the steady part of a drain."""

from collections.abc import Mapping

from tests.benchmarks import endpoints
from tests.benchmarks.contestants import Contestant
from tests.benchmarks.meter import STEADY_FROM, STEADY_TO, Sample


class PhaseMarks:
    """Reads the worker's phase times twice: at the start and at the end of the steady part.

    Not with every sample, since answering costs the worker time too. A contestant without metrics has no phases.
    """

    def __init__(self, contestant: Contestant, *, start: int, events: int) -> None:
        """``start``: the position of the first group before the drain, of so many events."""
        self._contestant = contestant
        self._start = start
        self._events = events
        self._marks: list[tuple[int, Mapping[str, float]]] = []

    def mark(self, sample: Sample) -> None:
        if not self._contestant.has_metrics:
            return
        wanted = (STEADY_FROM, STEADY_TO, None)[len(self._marks)]
        read = sample.positions[0] - self._start
        if wanted is not None and read >= wanted * self._events:
            self._marks.append((read, endpoints.phase_seconds(self._contestant)))

    def us_per_event(self) -> dict[str, float]:
        """Microseconds of each phase, waiting included; empty without metrics.

        Raises:
            ValueError: the drain was over too soon to be marked twice.
        """
        if not self._contestant.has_metrics:
            return {}
        (first, at_first), (last, at_last) = self._marks
        return {
            phase: (seconds - at_first.get(phase, 0.0)) / (last - first) * 1e6 for phase, seconds in at_last.items()
        }
