"""What the inputs alone say: who is who, and who is in which audience when all windows have closed.

Of the worker's own words only the accepted events' profile ids are used. Order does not matter to any of it: that two
identifiers are one person's, how often something happened, and which word is the newest.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tests.acceptance.moments import ms
from tests.simulation.evidence import Evidence
from tests.simulation.oracle import Data
from worker.profiles.ids import profile_bytes

AFTER_ALL_MS = 1 << 60

Identifier = tuple[str, str]


class Person:
    """All that was sent of one person. ``identifiers``: type and value."""

    def __init__(self) -> None:
        self.identifiers: set[Identifier] = set()
        self.messages: dict[str, Mapping[str, Any]] = {}

    def unite(self, other: "Person") -> None:
        self.identifiers |= other.identifiers
        self.messages |= other.messages

    def audiences(self) -> set[str]:
        """Those that the person belongs to for good."""
        data = Data()
        data.identifiers = set(self.identifiers)
        for event in self.messages.values():
            data.remember({**event, "at": event["timestamp_ms"]}, event["timestamp_ms"], AFTER_ALL_MS)
        return data.audiences(AFTER_ALL_MS)


def people(sent: Iterable[tuple[bytes, int]]) -> list[Person]:
    """The people behind good records, given as value and timestamp; records with the same message id are one."""
    by_identifier: dict[Identifier, Person] = {}
    for value, at_ms in sent:
        event: dict[str, Any] = json.loads(value)
        told = event.get("timestamp")
        event["timestamp_ms"] = at_ms if told is None else ms(told)
        person = Person()
        person.identifiers, person.messages = _identifiers(event), {event["messageId"]: event}
        for one in list(map(by_identifier.get, person.identifiers)):
            if one is not None:
                person.unite(one)
        by_identifier.update(dict.fromkeys(person.identifiers, person))
    return list({id(person): person for person in by_identifier.values()}.values())


def _identifiers(event: Mapping[str, Any]) -> set[Identifier]:
    if event["type"] == "passthrough":
        return set(event["identifiers"].items())
    places = (("user_id", "userId"), ("anonymous_id", "anonymousId"))
    return {(kind, event[place]) for kind, place in places if place in event}


def _people(seen: Evidence) -> list[Person]:
    return people((record.value or b"", sent.at_ms) for sent, record in seen.schedule.sent if sent.good)


def who_is_who(seen: Evidence) -> Iterator[str]:
    """One live profile for each person, and one person in each profile."""
    for person, profiles in _profiles(seen):
        if len(profiles) != 1:
            yield f"{sorted(person.identifiers)}: is {sorted(profile.hex() for profile in profiles)}"


def memberships_are_what_the_inputs_say(seen: Evidence) -> Iterator[str]:
    """What readers were told last is what all accepted events of the person together make of them."""
    members: defaultdict[bytes, set[str]] = defaultdict(set)
    for (profile, key), moves in seen.moves.items():
        if moves[-1].entered:
            members[profile].add(key)
    live: set[bytes] = set()
    for person, profiles in _profiles(seen):
        live |= profiles
        for profile in profiles:
            if members[profile] != (right := person.audiences()):
                yield f"{profile.hex()}: is in {sorted(members[profile])}, should be in {sorted(right)}"
    for profile in members.keys() - live:
        if members[profile]:
            yield f"{profile.hex()}: has nobody's events and is in {sorted(members[profile])}"


def _profiles(seen: Evidence) -> Iterator[tuple[Person, set[bytes]]]:
    """Each person, with the profiles that their accepted events are with now."""
    with_event = {event["messageId"]: seen.canonical(profile_bytes(event["profile_id"])) for event in seen.archive}
    for person in _people(seen):
        yield person, {with_event[message] for message in person.messages if message in with_event}
