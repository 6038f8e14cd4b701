"""What a server of Redis says of itself, for start-up checks."""

from worker.adapters.resp import SplitConnection
from worker.redis_facts import ServerFacts


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
    )
