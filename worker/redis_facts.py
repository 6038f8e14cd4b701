"""What servers of Redis say of themselves, and what is wrong with that. Pure.

Source: deploy/RUNBOOK.md, "Redis".
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

SAFE_EVICTION: Final = "noeviction"
CLUSTER_MODE: Final = "cluster"


class ServerFacts(NamedTuple):
    """What a server says of itself. ``mode``: ``standalone``, ``cluster`` or ``sentinel``; ``role``: ``master`` or
    ``slave``; ``eviction_policy``: its ``maxmemory-policy``; ``append_only``: whether it writes an AOF.
    """

    version: str
    mode: str
    role: str
    replicas: int
    eviction_policy: str
    append_only: bool


def server_faults(servers: Mapping[str, ServerFacts], *, cluster_url: bool) -> list[str]:
    """Why these servers, by address, cannot keep what the promises rest on. ``cluster_url``: how they were named."""
    return [fault for address, server in servers.items() for fault in _faults(address, server, cluster_url=cluster_url)]


def _faults(address: str, server: ServerFacts, *, cluster_url: bool) -> list[str]:
    if server.mode == CLUSTER_MODE and not cluster_url:
        return [f"Redis at {address} is a node of a cluster; name it as redis+cluster://{address}"]
    if server.role != "master":
        return [f"Redis at {address} is a replica, which takes no writes; name its master"]
    if server.eviction_policy != SAFE_EVICTION:
        fault = f"Redis at {address} evicts keys when it is full (maxmemory-policy {server.eviction_policy})"
        return [f"{fault}: claims and states would vanish and events count twice; set maxmemory-policy {SAFE_EVICTION}"]
    return []
