"""Which server has a key: the only one, or a node of a Redis Cluster.

A cluster's layout is asked of any node and kept until something goes wrong with one of them. Whatever goes wrong is
told to the caller, an answer that the slot has moved included: the engine drops everything and starts again from the
committed offsets, by the new layout. One way back for every kind of trouble, and nothing is ever sent twice.

A slot on its way to another node (``ASK``) is waited for in the same manner, never followed: the scripts touch keys
that they cannot name beforehand, and on the new node they would find only those that have arrived already.
Source: the Redis Cluster specification, https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol
from urllib.parse import urlsplit

from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot
from redis.exceptions import ResponseError

from worker.adapters.resp import Answer, Command, Receivable, SplitConnection
from worker.errors import InputError, StoreUnavailableError
from worker.ports import SCAN_START
from worker.redis_url import url_at


class Connect(Protocol):
    """Makes the connection to a server, not connected yet. ``on_failure`` is called whenever it has failed."""

    def __call__(self, node_url: str, on_failure: Callable[[], None] | None = None) -> SplitConnection: ...


class Walk(NamedTuple):
    """Where a scan goes on: at a server with its own cursor; ``after`` makes of its next one the caller's."""

    connection: SplitConnection
    cursor: bytes
    after: Callable[[bytes], bytes]


class Nodes(Protocol):
    """``apart``: whether keys of different hash tags need commands of their own."""

    apart: bool

    def of(self, key: bytes) -> SplitConnection:
        """The connection to who has a key.

        Raises:
            StoreUnavailableError: nobody has it, or nobody says who.
        """
        ...

    def send(self, commands: Sequence[tuple[bytes, Command]]) -> Receivable:
        """Send each command to who has its key; the answers come in the order of the commands."""
        ...

    def walk(self, cursor: bytes) -> Walk:
        """Where a scan over all keys begins (``SCAN_START``) or goes on."""
        ...

    def masters(self) -> Mapping[str, SplitConnection]:
        """Every server that takes writes, by its address."""
        ...

    def send_all(self, commands: Sequence[Command]) -> list[Answer]:
        """Send the same commands over every connection that there is."""
        ...

    def close(self) -> None: ...


class OneNode:
    apart = False

    def __init__(self, url: str, connect: Connect) -> None:
        self._address = urlsplit(url).netloc.rpartition("@")[2]
        self.connection = connect(url)

    def of(self, key: bytes) -> SplitConnection:  # noqa: ARG002 - it has all of them
        return self.connection

    def send(self, commands: Sequence[tuple[bytes, Command]]) -> Answer:
        return self.connection.send(*[command for _, command in commands])

    def walk(self, cursor: bytes) -> Walk:
        return Walk(self.connection, cursor, lambda following: following)

    def masters(self) -> Mapping[str, SplitConnection]:
        return {self._address: self.connection}

    def send_all(self, commands: Sequence[Command]) -> list[Answer]:
        return [self.connection.send(*commands)]

    def close(self) -> None:
        self.connection.close()


class Gathered:
    """Answers of several servers, in the order of the commands."""

    __slots__ = ("_count", "_parts")

    def __init__(self, parts: Iterable[tuple[Answer, list[int]]], count: int) -> None:
        self._parts = parts
        self._count = count

    def receive(self) -> list[Any]:
        values: list[Any] = [None] * self._count
        for answer, places in self._parts:
            for place, value in zip(places, answer.receive(), strict=True):
                values[place] = value
        return values


class ClusterNodes:
    """``urls``: of some nodes, to begin with."""

    apart = True

    def __init__(self, urls: Sequence[str], connect: Connect) -> None:
        self._urls = urls
        self._connect = connect
        self._connections = {url: connect(url, self._failed) for url in urls}
        self._layout: list[tuple[int, int, str]] = []
        self._layouts = 0
        self._slots: list[SplitConnection | None] = []
        self._current = False

    def of(self, key: bytes) -> SplitConnection:
        self._know()
        slot = key_slot(key)
        connection = self._slots[slot]
        if connection is None:
            raise StoreUnavailableError(f"Redis Cluster: no node serves slot {slot}")
        return connection

    def send(self, commands: Sequence[tuple[bytes, Command]]) -> Gathered:
        places: dict[SplitConnection, list[int]] = {}
        for place, (key, _) in enumerate(commands):
            places.setdefault(self.of(key), []).append(place)
        sent = [(connection.send(*[commands[place][1] for place in here]), here) for connection, here in places.items()]
        return Gathered(sent, len(commands))

    def walk(self, cursor: bytes) -> Walk:
        """Node after node, in the order of their addresses.

        Raises:
            StoreUnavailableError: the layout has changed since the scan began, so that keys may have passed it by.
        """
        self._know()
        layout, number, inner = (self._layouts, 0, cursor) if cursor == SCAN_START else _read_cursor(cursor)
        if layout != self._layouts:
            raise StoreUnavailableError("Redis Cluster: slots have moved during a scan, which must begin anew")
        connections = list(self.masters().values())

        def after(following: bytes) -> bytes:
            if following != SCAN_START:
                return b"%d/%d/%b" % (layout, number, following)
            return SCAN_START if number + 1 == len(connections) else b"%d/%d/%b" % (layout, number + 1, SCAN_START)

        return Walk(connections[number], inner, after)

    def masters(self) -> Mapping[str, SplitConnection]:
        self._know()
        urls = sorted({url for _, _, url in self._layout})
        return {urlsplit(url).netloc.rpartition("@")[2]: self._connections[url] for url in urls}

    def send_all(self, commands: Sequence[Command]) -> list[Answer]:
        return [connection.send(*commands) for connection in self._connections.values() if connection.connected]

    def close(self) -> None:
        for connection in self._connections.values():
            connection.close()

    def _failed(self) -> None:
        self._current = False

    def _know(self) -> None:
        if self._current:
            return
        layout = self._ask()
        self._current = True
        if layout == self._layout:
            return
        self._layout, self._layouts = layout, self._layouts + 1
        wanted = {*self._urls, *[url for _, _, url in layout]}
        for url in [url for url in self._connections if url not in wanted]:
            self._connections.pop(url).close()
        for url in wanted.difference(self._connections):
            self._connections[url] = self._connect(url, self._failed)
        self._slots = [None] * REDIS_CLUSTER_HASH_SLOTS
        for first, last, url in layout:
            self._slots[first : last + 1] = [self._connections[url]] * (last + 1 - first)

    def _ask(self) -> list[tuple[int, int, str]]:
        """The layout, from the first node that answers; those that are known to be there are asked first."""
        trouble: StoreUnavailableError | None = None
        for url, connection in sorted(self._connections.items(), key=lambda item: not item[1].connected):
            try:
                [ranges] = connection.send((b"CLUSTER", b"SLOTS")).receive()
            except StoreUnavailableError as error:
                if isinstance(error.__cause__, ResponseError) and _NO_CLUSTER in str(error.__cause__):
                    raise InputError(f"the URL of Redis is not understood: {_NO_CLUSTER_FAULT}") from None
                trouble = error
                continue
            return sorted(_range(url, each) for each in ranges)
        raise trouble or StoreUnavailableError("Redis Cluster: no node is known")


_NO_CLUSTER: Final = "cluster support disabled"
_NO_CLUSTER_FAULT: Final = "the server is no node of a cluster; without `+cluster` it is one server"


def _range(asked_url: str, answer: Sequence[Any]) -> tuple[int, int, str]:
    """A range of slots and the URL of its master. A node that does not know its own name leaves it out."""
    first, last, (host, port, *_) = answer[:3]
    name = (host or b"").decode() or urlsplit(asked_url).hostname or ""
    return first, last, url_at(asked_url, name, port)


def _read_cursor(cursor: bytes) -> tuple[int, int, bytes]:
    layout, number, inner = cursor.split(b"/")
    return int(layout), int(number), inner
