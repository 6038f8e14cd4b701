"""What the committed mailbox must have led to: every record into the oracle's profiles, each partition's in order.

A child's history reaches its parent through another partition, so a partition waits at such a message until the oracle
has come to the seal that it answers.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from schemas.merging import decode_absorb, decode_expect, decode_seal
from tests.simulation.oracle import Data, Profile
from worker.ports import Record

FOR_EVER = float("inf")


def kind_of(record: Record) -> str:
    """What a mailbox record says that it is."""
    return dict(record.headers)["kind"].decode()


def replay(mailbox: Iterable[Record], *, ticks: bool = True) -> dict[str, Profile]:
    """The profiles, by their ids. ``ticks`` False: as if time had passed by itself, and to its end."""
    replayed = Replay(ticks=ticks)
    logs: defaultdict[int, list[Record]] = defaultdict(list)
    for record in mailbox:
        logs[record.partition].append(record)
    left = [iter(log) for log in logs.values()]
    heads = [next(log, None) for log in left]
    while any(heads):
        before = list(heads)
        for number, log in enumerate(left):
            while (record := heads[number]) is not None and replayed.take(record):
                heads[number] = next(log, None)
        if heads == before:
            raise ValueError(f"the answer to a seal that nobody sent: {before}")
    if not ticks:
        for profile in replayed.profiles.values():
            profile.let_time_pass(before_ms=FOR_EVER)
    return dict(replayed.profiles)


class Replay:
    """``profiles``: by id. ``sealed``: what a child was, until its parent has it."""

    def __init__(self, *, ticks: bool) -> None:
        self.profiles: defaultdict[str, Profile] = defaultdict(Profile)
        self.sealed: dict[str, Data] = {}
        self._ticks = ticks

    def take(self, record: Record) -> bool:
        """Fold one record. False: it cannot be its turn yet."""
        match kind_of(record):
            case "event":
                event = json.loads(record.value or b"")
                self._event(record, event["profile_id"], event, event["at"])
            case "forward":
                event = json.loads(record.value or b"")
                at_ms = min(event["at"], int(dict(record.headers)["at"]))
                self._event(record, (record.key or b"").decode(), event, at_ms)
            case "tick":
                tick = json.loads(record.value or b"")
                if self._ticks:
                    self.profiles[tick["profile_id"]].tick(tick["at"])
            case "seal":
                self._seal(record)
            case "expect":
                told = decode_expect(record.value or b"")
                at_ms = min(told.at, record.timestamp_ms)
                self.profiles[told.profile_id].expect(told.child, told.token, at_ms)
            case "absorb":
                return self._absorb(record)
        return True  # an activate tells nothing while definitions stand, an absorbed nothing at all

    def _event(self, record: Record, profile_id: str, event: dict[str, Any], at_ms: int) -> None:
        self.profiles[profile_id].take(event, min(at_ms, record.timestamp_ms))

    def _seal(self, record: Record) -> None:
        told = decode_seal(record.value or b"")
        data = self.profiles[told.profile_id].seal(min(told.at, record.timestamp_ms), told.message_id)
        if data is not None:
            self.sealed[told.profile_id] = data

    def _absorb(self, record: Record) -> bool:
        told = decode_absorb(record.value or b"")
        if told.data and told.child not in self.sealed:
            return False
        data = self.sealed[told.child] if told.data else None
        parent, at_ms = self.profiles[told.profile_id], min(told.at, record.timestamp_ms)
        awaiting = frozenset((child, token) for child, token in told.awaiting)
        if parent.absorb(data, (told.child, told.token), awaiting, at_ms):
            parent.judge_merge(told.message_id)
        return True


def histories(archive: Sequence[dict[str, Any]]) -> dict[str, frozenset[str]]:
    """By message id, in the order of the events: all that belongs to its person by then, itself included."""
    groups: list[tuple[set[tuple[str, str]], set[str]]] = []
    found: dict[str, frozenset[str]] = {}
    for event in archive:
        identifiers = {(one["type"], one["id"]) for one in event["external_ids"]}
        mine = [group for group in groups if group[0] & identifiers]
        groups = [group for group in groups if group not in mine]
        messages = {event["messageId"]}.union(*(group[1] for group in mine))
        groups.append((identifiers.union(*(group[0] for group in mine)), messages))
        found[event["messageId"]] = frozenset(messages)
    return found
