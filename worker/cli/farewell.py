"""The end of a worker whose connections do not let it."""

import os
import traceback
from threading import Timer
from typing import NoReturn, Self

from worker.cli.endings import EXPECTED, Ending, ending_of

CLOSE_MAX_S = 10.0
"""A worker that ended in the middle of a rebalance has been seen to stand in the Kafka client's close for ever. Longer:
its supervisor kills it; shorter: a busy machine is not given the time to say goodbye to the brokers."""


class Farewell:
    """Bounds the time that connections may take to close, however it came to that."""

    def __init__(self, seconds: float = CLOSE_MAX_S) -> None:
        self._seconds = seconds
        self._given_up: Timer | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._given_up is not None:
            self._given_up.cancel()

    def begin(self, error: BaseException | None) -> None:
        """From now on. When it is over the process ends by force: what is not committed by then is done again anyway.

        ``error``: what the worker ends of; None when it was told to stop.
        """
        self._given_up = Timer(self._seconds, _end, (error,))
        self._given_up.daemon = True
        self._given_up.start()


def _end(error: BaseException | None) -> NoReturn:
    ending = Ending((), 0) if error is None else ending_of(error)
    ending.tell()
    if error is not None and not isinstance(error, EXPECTED):
        traceback.print_exception(error)
    os._exit(ending.code)
