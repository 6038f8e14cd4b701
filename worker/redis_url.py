"""URLs of Redis: one server, or some nodes of a cluster (``redis+cluster://HOST:PORT,HOST:PORT``). Pure."""

from typing import Final
from urllib.parse import SplitResult, urlsplit

CLUSTER: Final = "+cluster"


def is_cluster(url: str) -> bool:
    return urlsplit(url).scheme.endswith(CLUSTER)


def node_urls(url: str) -> list[str]:
    """The URL of each server that is named; users, passwords and options go for all of them.

    Raises:
        ValueError: it is no URL. The message may repeat parts of it.
    """
    parts = urlsplit(url)
    if not parts.scheme.endswith(CLUSTER):
        return [url]
    _, _, places = parts.netloc.rpartition("@")
    return [_at(parts, place) for place in places.split(",")]


def url_at(url: str, host: str, port: int) -> str:
    """The URL of another node of the same cluster."""
    return _at(urlsplit(url), f"[{host}]:{port}" if ":" in host else f"{host}:{port}")


def _at(parts: SplitResult, place: str) -> str:
    user, at, _ = parts.netloc.rpartition("@")
    return parts._replace(scheme=parts.scheme.removesuffix(CLUSTER), netloc=f"{user}{at}{place}").geturl()
