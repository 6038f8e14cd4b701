"""What every Kafka client here has in common: where its properties and its log lines go, and one-line errors."""

import contextlib
import logging
from collections.abc import Iterator, Mapping

import structlog
from confluent_kafka import KafkaError, KafkaException

from worker.errors import InputError

Properties = Mapping[str, str | int | float | bool]
"""librdkafka's, by its own names."""


def merged(defaults: Properties, given: Properties, fixed: Properties) -> dict[str, str | int | float | bool]:
    """A client's configuration: the user's properties win over our defaults, never over what must hold."""
    return {**defaults, **given, **fixed}


def one_line(error: KafkaException | KafkaError) -> str:
    """What went wrong, in Kafka's words, for the message of an exception of ours."""
    cause: KafkaError = error.args[0] if isinstance(error, KafkaException) else error
    return " ".join(cause.str().split())


@contextlib.contextmanager
def configuring() -> Iterator[None]:
    """Make a client within: what librdkafka has against its properties is the user's mistake, so ``InputError``."""
    try:
        yield
    except KafkaException as error:
        raise InputError(f"Kafka client: {one_line(error)}") from error


class ClientLog:
    """Takes librdkafka's own log lines, which would otherwise go to stderr in a form of their own."""

    def log(self, level: int, form: str, *said: str) -> None:
        """One line; ``said``: facility, client, text. Called while a client is polled."""
        # The user's properties go to every client, so each is told of some that are not its own.
        if "CONFWARN" not in said[:1]:
            # What is fatal to a client is not to the worker, which makes a new one and says why.
            structlog.get_logger().log(min(level, logging.WARNING), "kafka client", said=form % said)


CLIENT_LOG = ClientLog()
