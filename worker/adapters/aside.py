"""Calls that may never return, made aside, so that whoever asked can go on without them."""

from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

Call = Callable[[], Any]


class Aside:
    """One thread that makes one call after another. Once a call was given up it takes no more: make a new one."""

    def __init__(self, name: str) -> None:
        self._calls: SimpleQueue[Call | None] = SimpleQueue()
        self._ends: SimpleQueue[BaseException | None] = SimpleQueue()
        # A daemon: a call that never returns must not keep the process from ending.
        self._thread = Thread(target=self._make_calls, name=name, daemon=True)
        self._thread.start()

    def make(self, call: Call, timeout_s: float) -> None:
        """Make a call and wait for its end; raises what it raises.

        Raises:
            TimeoutError: it has not returned in time. It may do so later; nobody is told.
        """
        self._calls.put(call)
        try:
            failure = self._ends.get(timeout=timeout_s)
        except Empty:
            self.end()
            raise TimeoutError(f"it has not returned for {timeout_s:g} s") from None
        if failure is not None:
            raise failure

    def end(self) -> None:
        """No more calls: the thread ends when the one at hand has returned."""
        self._calls.put(None)

    def _make_calls(self) -> None:
        while (call := self._calls.get()) is not None:
            try:
                call()
            except BaseException as failure:  # noqa: BLE001 - raised again by ``make``
                self._ends.put(failure)
            else:
                self._ends.put(None)
