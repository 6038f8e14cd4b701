"""Whose event it is: one pure decision from the identifiers of the event and the profiles they lead to."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from worker.identity.rules import Identifier


class Resolution(NamedTuple):
    """``profile`` None: a new one is to be created. ``mapped``: identifiers that are new to the profile."""

    profile: bytes | None
    mapped: tuple[Identifier, ...]


def resolve(identifiers: Sequence[Identifier], known: Mapping[Identifier, bytes]) -> Resolution:
    """Decide the profile of one event.

    ``identifiers``: by priority, none blocked, at least one. ``known``: those that lead to a profile.
    No match creates a profile, one match adds to it. Of several profiles the one of the highest-priority identifier
    is taken and the others keep what is theirs: profiles are not merged yet.
    """
    owner = next((known[identifier] for identifier in identifiers if identifier in known), None)
    return Resolution(owner, tuple(identifier for identifier in identifiers if identifier not in known))
