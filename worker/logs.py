"""Log lines: structured, on stderr, so that stdout stays free for a command's data."""

import logging
import sys
from typing import Literal

import structlog
from structlog.typing import Processor

LogFormat = Literal["json", "console"]
LogLevel = Literal["debug", "info", "warning", "error"]


def configure(log_format: LogFormat, level: LogLevel = "info") -> None:
    """Say how log lines look, once, at the start of a process.

    ``json``: one object a line, keys ``timestamp`` (ISO 8601, UTC), ``level``, ``event`` and what the line is
    about; an exception is an object, not a traceback over many lines. ``console``: the same for a person.
    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, *_rendering(log_format)],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        # Loggers are made at import time in places; cached ones would keep the configuration of that time.
        cache_logger_on_first_use=False,
    )


def _rendering(log_format: LogFormat) -> list[Processor]:
    if log_format == "console":
        return [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
    return [structlog.processors.dict_tracebacks, structlog.processors.JSONRenderer(sort_keys=True)]
