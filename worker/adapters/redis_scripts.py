"""The scripts of ``lua/`` and how they are called. Each connection loads them first, so that a call names a digest."""

from collections.abc import Sequence
from hashlib import sha1
from importlib import resources
from typing import Final, NamedTuple

from worker.adapters.resp import Command


class Script(NamedTuple):
    source: str
    digest: str


def _script(name: str) -> Script:
    source = resources.files("worker.adapters").joinpath("lua", f"{name}.lua").read_text("utf-8")
    return Script(source, sha1(source.encode(), usedforsecurity=False).hexdigest())


CLAIM, RAISE_EPOCH, SWAP, COMMIT = SCRIPTS = tuple(map(_script, ("claim", "raise_epoch", "swap", "commit")))

LOAD: Final[Sequence[Command]] = [("SCRIPT", "LOAD", script.source) for script in SCRIPTS]


def evaluate(script: Script, keys: Sequence[bytes], *arguments: bytes | str | int) -> Command:
    """The command that runs a script; all keys must lie in one slot of a cluster."""
    return (b"EVALSHA", script.digest, len(keys), *keys, *arguments)
