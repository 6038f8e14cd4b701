"""Threads of which exactly one runs at a time, so that a plain function can be stopped in its middle.

A turn of the loop is a plain function. To let another replica run between two of its calls to Kafka or Redis, each
replica lives in a thread of its own that waits for the baton at every call. Nothing runs in parallel, so that the same
decisions give the same run.
"""

from collections.abc import Callable
from threading import Lock, Thread


class CrashError(BaseException):
    """The process is dead: nothing of the engine may catch this."""


class Actor:
    """A life that goes on only while somebody waits for it.

    ``at``: the call before which it waits. ``failure``: what ended it, if that was no crash.
    """

    def __init__(self, life: Callable[[], None]) -> None:
        self.at = "birth"
        self.alive = True
        self.failure: Exception | None = None
        self._crashed = False
        self._its_turn, self._our_turn = Lock(), Lock()
        self._its_turn.acquire()
        self._our_turn.acquire()
        self._thread = Thread(target=self._live, args=[life], daemon=True)
        self._thread.start()

    def _live(self, life: Callable[[], None]) -> None:
        self._its_turn.acquire()
        try:
            if not self._crashed:
                life()
        except CrashError:
            pass
        except Exception as failure:  # noqa: BLE001 - whatever it is, the schedule that led to it has failed
            self.failure = failure
        self.alive = False
        self._our_turn.release()

    def go_on(self) -> None:
        """Hand over the baton until the actor waits again, or is dead."""
        if not self.alive:
            raise ValueError("the dead do not go on")
        self._its_turn.release()
        self._our_turn.acquire()

    def wait(self, at: str) -> None:
        """Called by the actor itself, before a call.

        Raises:
            CrashError: it has died here.
        """
        if self._crashed:
            raise CrashError  # while it dies it calls nobody any more
        self.at = at
        self._our_turn.release()
        self._its_turn.acquire()
        if self._crashed:
            raise CrashError

    def crash(self) -> None:
        """It dies before the call at which it waits."""
        if self.alive:
            self._crashed = True
            self.go_on()
        self._thread.join()
