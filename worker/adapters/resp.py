"""One connection to Redis on which sending and receiving are apart, so that waiting overlaps with work.

The client library connects (TLS, users and passwords, databases, Unix sockets); commands are packed by us and many
go out before the first answer is read. Redis answers a connection in the order in which it was asked.
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final, Generic, Protocol, TypeVar, cast

import hiredis
from redis.backoff import NoBackoff
from redis.connection import Connection, parse_url
from redis.exceptions import AskError, MovedError, RedisError
from redis.retry import Retry

from worker.errors import InputError, StoreUnavailableError

T = TypeVar("T")
Command = tuple[bytes | str | int, ...]

pack = cast("Callable[[Command], bytes]", hiredis.pack_command)
"""Its own annotation allows commands of one word only."""

PINNED: Final = {
    "protocol": 2,  # what the answers look like
    "decode_responses": False,  # values are bytes
    "health_check_interval": 0,  # a PING between two of our answers would be taken for one
}


class Wire(Protocol):
    """What we use of the client library's connection, most of which has no annotations there."""

    def connect(self) -> None: ...
    def disconnect(self) -> None: ...
    def send_packed_command(self, command: Sequence[bytes], check_health: bool) -> None: ...  # noqa: FBT001 - theirs
    def read_response(self, disable_decoding: bool) -> Any: ...  # noqa: FBT001 - theirs


class Receivable(Protocol):
    """Answers on their way; ``receive`` waits for them and raises StoreUnavailableError when some do not come."""

    def receive(self) -> list[Any]: ...


class Answer:
    """The answers to the commands of one call, one for each."""

    __slots__ = ("_connection", "awaited", "error", "values")

    def __init__(self, connection: "SplitConnection", awaited: int) -> None:
        self._connection = connection
        self.awaited = awaited
        self.values: list[Any] = []
        self.error: Exception | None = None

    def receive(self) -> list[Any]:
        """Wait for the answers.

        Raises:
            StoreUnavailableError: some did not come, or one was an error; what was written is unknown.
        """
        if self.awaited and self.error is None:
            self._connection.receive_until(self)
        if self.error is not None:
            raise StoreUnavailableError(f"Redis: {_told(self.error)}") from self.error
        return self.values


class SentReply(Generic[T]):
    """A call that is on its way; ``read`` makes its result of the raw answers."""

    __slots__ = ("_answer", "_read")

    def __init__(self, answer: Receivable, read: Callable[[list[Any]], T]) -> None:
        self._answer = answer
        self._read = read

    def get(self) -> T:
        return self._read(self._answer.receive())


class SplitConnection:
    """Connects when it is first used, and again when it is used after a failure.

    ``prelude``: commands that every new connection begins with. ``on_reconnect`` is called after each connection but
    the first, ``on_failure`` whenever one has been given up; ``connected`` tells whether there is one.

    A failure of any kind, an error in an answer included, closes the connection and fails everything outstanding:
    whoever waits for any of it must learn that it may not have happened.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout_s: float,
        client_name: str,
        prelude: Sequence[Command] = (),
        on_reconnect: Callable[[], None] | None = None,
        on_failure: Callable[[], None] | None = None,
    ) -> None:
        self._connection = open_later(url, timeout_s=timeout_s, client_name=client_name)
        self._prelude = [pack(command) for command in prelude]
        self._on_reconnect = on_reconnect
        self._on_failure = on_failure
        self.connected = self._ever_connected = False
        self._outstanding: deque[Answer] = deque()

    def send(self, *commands: Command) -> Answer:
        """Send commands in one write.

        Raises:
            StoreUnavailableError: they could not be sent; some may have arrived.
        """
        answer = Answer(self, len(commands))
        if not commands:
            return answer
        packed = b"".join([pack(command) for command in commands])
        try:
            if not self.connected:
                self._connect()
            self._outstanding.append(answer)
            self._connection.send_packed_command([packed], check_health=False)
        except (RedisError, OSError) as error:
            self._fail(error)
            raise StoreUnavailableError(f"Redis: {error}") from error
        except BaseException:  # a signal's: half of it may have gone out
            self._fail(ConnectionError("interrupted"))
            raise
        return answer

    def receive_until(self, answer: Answer) -> None:
        """Take what comes, for whomever it is, until an answer is complete or has failed."""
        outstanding, read = self._outstanding, self._connection.read_response
        try:
            while answer.awaited and answer.error is None:
                oldest = outstanding[0]
                oldest.values.append(read(disable_decoding=True))
                oldest.awaited -= 1
                if not oldest.awaited:
                    outstanding.popleft()
        except (RedisError, OSError) as error:
            self._fail(error)
        except BaseException:  # a signal's: what comes next could be taken for the answer to something else
            self._fail(ConnectionError("interrupted"))
            raise

    def close(self) -> None:
        self._drop(ConnectionError("the connection was closed"))

    def _connect(self) -> None:
        self._connection.connect()
        self.connected = True
        if self._prelude:
            self._connection.send_packed_command(self._prelude, check_health=False)
            for _ in self._prelude:
                self._connection.read_response(disable_decoding=True)
        if self._ever_connected and self._on_reconnect is not None:
            self._on_reconnect()
        self._ever_connected = True

    def _fail(self, error: Exception) -> None:
        self._drop(error)
        if self._on_failure is not None:
            self._on_failure()

    def _drop(self, error: Exception) -> None:
        self.connected = False
        self._connection.disconnect()
        for answer in self._outstanding:
            answer.error = error
        self._outstanding.clear()


def _told(error: Exception) -> str:
    """What the client library says of a slot that is elsewhere is only where."""
    if isinstance(error, AskError):  # MovedError is one too
        moved = "has moved" if isinstance(error, MovedError) else "is on its way"
        return f"slot {error.slot_id} {moved} to {error.host}:{error.port}"
    return str(error)


def open_later(url: str, *, timeout_s: float, client_name: str) -> Wire:
    """The client library's connection for a URL, not yet connected; options in the URL win over ours.

    Raises:
        InputError: the URL or one of its options is not understood. The message never repeats the URL.
    """
    options: dict[str, Any] = {
        "socket_timeout": timeout_s,
        "socket_connect_timeout": timeout_s,
        "client_name": client_name,
        "retry": Retry(NoBackoff(), 0),  # the loop backs off, and knows what must be done again
    }
    try:
        options |= cast("Callable[[str], dict[str, Any]]", parse_url)(url) | PINNED
        return cast("Wire", options.pop("connection_class", Connection)(**options))
    except (TypeError, ValueError, RedisError) as error:
        raise InputError(f"the URL of Redis is not understood: {error}") from None
