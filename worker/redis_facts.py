"""What servers of Redis say of themselves, and what is wrong with that. Pure.

Source: deploy/RUNBOOK.md, "Redis".
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

SAFE_EVICTION: Final = "noeviction"
CLUSTER_MODE: Final = "cluster"
WAITAOF_SINCE: Final = (7, 2)


class ServerFacts(NamedTuple):
    """What a server says of itself. ``mode``: ``standalone``, ``cluster`` or ``sentinel``; ``role``: ``master`` or
    ``slave``; ``eviction_policy``: its ``maxmemory-policy``; ``append_only``: whether it writes an AOF; ``always``:
    whether it answers only when that is on disk.
    """

    version: str
    mode: str
    role: str
    replicas: int
    eviction_policy: str
    append_only: bool
    always: bool


class Keeping(NamedTuple):
    """What a written batch waits for before its transaction. ``disk``: the server's own; ``replicas``: so many."""

    disk: bool
    replicas: int


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


def keeping(servers: Mapping[str, ServerFacts], *, replicas: int) -> Keeping:
    """What to wait for, of servers without ``keeping_faults``. Under ``appendfsync always`` every answer has waited."""
    disk = all(server.append_only and _has_waitaof(server) for server in servers.values())
    return Keeping(disk=disk and not all(server.always for server in servers.values()), replicas=replicas)


def keeping_faults(servers: Mapping[str, ServerFacts], *, replicas: int) -> list[str]:
    """Why these servers cannot say that a write is safe. ``replicas``: how many must have it, beside the disk."""
    return [fault for address, server in servers.items() for fault in _keeping_faults(address, server, replicas)]


def _keeping_faults(address: str, server: ServerFacts, replicas: int) -> list[str]:
    if replicas > server.replicas:
        have = f"Redis at {address} has {server.replicas} replicas"
        return [f"{have}, AW_REDIS_WAIT_REPLICAS asks for {replicas}: no batch would ever be safe"]
    if replicas:
        return []
    if not server.append_only:
        fault = f"Redis at {address} writes no log that AW_REDIS_DURABILITY=wait could wait for"
        return [f"{fault}; set appendonly yes, or AW_REDIS_WAIT_REPLICAS to wait for replicas"]
    if not (_has_waitaof(server) or server.always):
        fault = f"Redis {server.version} at {address} cannot say what is on disk, which AW_REDIS_DURABILITY=wait asks"
        return [f"{fault}; use 7.2 or newer, set appendfsync always, or AW_REDIS_WAIT_REPLICAS to wait for replicas"]
    return []


def _has_waitaof(server: ServerFacts) -> bool:
    return tuple(int(part) for part in server.version.split(".")[:2]) >= WAITAOF_SINCE
