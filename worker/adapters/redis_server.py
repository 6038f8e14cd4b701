"""What a server of Redis says: of itself, for start-up checks, and of what it has kept."""

from collections.abc import Sequence
from typing import Any

from redis.exceptions import ResponseError

from worker.adapters.resp import Command, SplitConnection
from worker.errors import StoreUnavailableError
from worker.redis_facts import Keeping, ServerFacts


def keep_commands(keeping: Keeping, timeout_s: float) -> list[Command]:
    """What makes a server answer only when it has kept, as asked, all that came over the same connection before."""
    timeout_ms = int(timeout_s * 1000)
    disk: list[Command] = [(b"WAITAOF", 1, 0, timeout_ms)] if keeping.disk else []
    return disk + ([(b"WAIT", keeping.replicas, timeout_ms)] if keeping.replicas else [])


def kept(keeping: Keeping, values: Sequence[Any]) -> bool:
    """Whether the answers to ``keep_commands`` say so."""
    answers = list(values)
    on_disk = not keeping.disk or answers.pop(0)[0] >= 1
    return on_disk and (not keeping.replicas or answers.pop(0) >= keeping.replicas)


def inspect(connection: SplitConnection) -> ServerFacts:
    """Ask a server what it is.

    Raises:
        StoreUnavailableError: it does not answer.
    """
    [text] = connection.send((b"INFO",)).receive()
    facts = dict(line.split(":", 1) for line in text.decode().splitlines() if ":" in line)
    return ServerFacts(
        version=facts["redis_version"],
        mode=facts["redis_mode"],
        role=facts["role"],
        replicas=int(facts["connected_slaves"]),
        eviction_policy=facts["maxmemory_policy"],
        append_only=facts["aof_enabled"] == "1",
        always=_fsync(connection) == "always",
    )


def _fsync(connection: SplitConnection) -> str:
    """Its ``appendfsync``; nothing when this user may not ask, as with servers that others run."""
    try:
        [answer] = connection.send((b"CONFIG", b"GET", b"appendfsync")).receive()
    except StoreUnavailableError as error:
        if isinstance(error.__cause__, ResponseError):
            return ""
        raise
    return str(answer[1].decode()) if answer else ""
