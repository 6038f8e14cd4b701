"""The router's way into the identity graph: a cache, and for what it does not know the graph itself.

What a failed attempt has resolved is invisible (its transaction is aborted), so that resolving need not be
repeatable. A stale cache is safe: a profile that was merged away passes on what still reaches it. But a cache that
survived an abort would hide merges that nobody has been told of: it is dropped then.
"""

from collections.abc import Sequence
from typing import NamedTuple

from worker.cache import TwoGenerations
from worker.engine.intake import Accepted
from worker.engine.overlay import DrawProfile, Overlay, read_overlay
from worker.errors import StateConflictError
from worker.identity.graph import Owed, owed_into
from worker.identity.resolve import Violation, ViolationKind, resolve
from worker.identity.rules import GROUP_ID, Identifier, Rules
from worker.ports import Record, Store

ATTEMPTS = 20
"""Conflicts in a row before the batch is given up and begun anew. Every conflict means that another router won."""

UNKNOWN = b""
"""Stands for the profile of an event until it has been found."""


class Request(NamedTuple):
    """Whose profile is wanted. ``extends``: whether identifiers that are new are added to it, and profiles merged.

    ``at_ms``: the record's time; ``event_at_ms``: the event's own. ``group_id``: of the account that it is linked to.
    """

    identifiers: Sequence[Identifier]
    extends: bool
    at_ms: int
    event_at_ms: int
    message_id: str
    group_id: str | None


class Found(NamedTuple):
    """What the graph said of an event.

    ``merged``: profiles that the event has merged into its own. ``owed``: merges into it, those among them, that the
    mailboxes may not know of.
    """

    profile: bytes
    violations: tuple[Violation, ...]
    merged: tuple[bytes, ...]
    owed: Sequence[Owed]


class Resolved(NamedTuple):
    """``owners``: the profile of each event. ``found``: by index, those events that the cache could not answer."""

    owners: list[bytes]
    found: dict[int, Found]


NOTHING_RESOLVED = Resolved([], {})


class Directory:
    def __init__(self, store: Store, *, draw_profile: DrawProfile, cached_identifiers: int) -> None:
        self._store = store
        self._draw_profile = draw_profile
        self._cache: TwoGenerations[Identifier, bytes] = TwoGenerations(cached_identifiers)
        self._links: TwoGenerations[tuple[bytes, str], bool] = TwoGenerations(cached_identifiers)

    def forget(self) -> None:
        """Drop the cache: a new assignment, an abort, a doubt."""
        self._cache.clear()
        self._links.clear()

    def resolve(self, accepted: Sequence[tuple[Record, Accepted]], rules: Rules) -> Resolved:
        """The profile of each event, in order; creates, extends and merges profiles as the rules say.

        Raises:
            StoreUnavailableError, StateConflictError: nothing of the batch may be relied on.
        """
        owners: list[bytes] = []
        missing: dict[int, Request] = {}
        cache, add = self._cache, owners.append
        for record, event in accepted:
            identifiers = event.identifiers
            owner = cache[identifiers[0]]
            for identifier in identifiers[1:]:
                if cache[identifier] != owner:
                    owner = None
                    break
            if owner is None or (event.group_id is not None and not self._links[owner, event.group_id]):
                missing[len(owners)] = _request(record, event)
                owner = UNKNOWN
            add(owner)
        found = self._ask(missing, rules) if missing else {}
        for index, one in found.items():
            owners[index] = one.profile
        if any(one.merged for one in found.values()):
            _follow_merges(owners, found)
        return Resolved(owners, found)

    def _ask(self, requests: dict[int, Request], rules: Rules) -> dict[int, Found]:
        """By the graph, in order; each decision sees the ones before it as if they had been written."""
        identifiers = list(dict.fromkeys([one for request in requests.values() for one in request.identifiers]))
        groups = [request.group_id for request in requests.values() if request.group_id is not None]
        group_ids = list(dict.fromkeys(groups))
        for _ in range(ATTEMPTS):
            overlay = read_overlay(self._store, identifiers, group_ids)
            if overlay is None:
                continue
            found = {index: self._found(overlay, request, rules) for index, request in requests.items()}
            if overlay.write(self._store):
                self._remember(overlay, requests, found)
                return found
        raise StateConflictError("the identity graph keeps changing under this router")

    def _remember(self, overlay: Overlay, requests: dict[int, Request], found: dict[int, Found]) -> None:
        """Identifiers of merged profiles too: none must lead to a child any more."""
        for identifier, owner in overlay.owners.items():
            self._cache.put(identifier, owner)
        for index, request in requests.items():
            if request.group_id is not None:
                self._links.put((found[index].profile, request.group_id), True)  # noqa: FBT003 - a member, no flag

    def _found(self, overlay: Overlay, request: Request, rules: Rules) -> Found:
        found = self._find(overlay, request, rules)
        if request.group_id is None:
            return found
        full = self._link(overlay, request, found.profile, rules.caps.mappings_max)
        return found if full is None else found._replace(violations=(*found.violations, full))

    def _link(self, overlay: Overlay, request: Request, profile: bytes, links_max: int) -> Violation | None:
        """Link the profile to the account, which is made when nobody has spoken of it before."""
        group_id, accounts = request.group_id or "", overlay.records[profile].accounts
        account = overlay.accounts.get(group_id)
        if any(link.account == account for link in accounts):
            return None
        if len(accounts) >= links_max:
            return Violation(ViolationKind.MAPPINGS, Identifier(GROUP_ID, group_id))
        if account is None:
            account = self._draw_profile()
            overlay.open_account(account, group_id, at_ms=request.at_ms, message_id=request.message_id)
        overlay.link(profile, account, at_ms=request.at_ms, message_id=request.message_id)
        return None

    def _find(self, overlay: Overlay, request: Request, rules: Rules) -> Found:
        identifiers, owners = request.identifiers, overlay.owners
        profile = owners.get(identifiers[0])
        if profile is not None and all(owners.get(identifier) == profile for identifier in identifiers[1:]):
            return Found(profile, (), (), owed_into(profile, overlay.records[profile]))
        if request.extends:
            return self._decide(overlay, request, rules)
        profile = next((owners[one] for one in identifiers if one in owners), None)
        if profile is None:
            profile = self._create(overlay, request, identifiers)
        return Found(profile, (), (), owed_into(profile, overlay.records[profile]))

    def _decide(self, overlay: Overlay, request: Request, rules: Rules) -> Found:
        candidates = overlay.candidates(request.identifiers)
        decided = resolve(request.identifiers, candidates, rules, at_ms=request.event_at_ms)
        if decided.profile is None:
            return Found(self._create(overlay, request, decided.mapped), decided.violations, (), ())
        profile, merged = decided.profile.profile, tuple([child.profile for child in decided.children])
        for child in merged:
            overlay.merge(profile, child, at_ms=request.at_ms, message_id=request.message_id)
        if decided.mapped:
            overlay.map(profile, decided.mapped, at_ms=request.at_ms, message_id=request.message_id)
        return Found(profile, decided.violations, merged, owed_into(profile, overlay.records[profile]))

    def _create(self, overlay: Overlay, request: Request, identifiers: Sequence[Identifier]) -> bytes:
        profile = self._draw_profile()
        overlay.create(profile, at_ms=request.at_ms)
        overlay.map(profile, identifiers, at_ms=request.at_ms, message_id=request.message_id)
        return profile


def _follow_merges(owners: list[bytes], found: dict[int, Found]) -> None:
    """What the cache said of an event behind a merge was right before it: now the event is the parent's."""
    moved: dict[bytes, bytes] = {}
    for index, owner in enumerate(owners):
        if index not in found:
            owners[index] = moved.get(owner, owner)
            continue
        merged, parent = found[index].merged, found[index].profile
        if merged:
            moved |= {child: parent for child, other in moved.items() if other in merged}
            moved |= dict.fromkeys(merged, parent)


def _request(record: Record, event: Accepted) -> Request:
    return Request(
        identifiers=event.identifiers,
        extends=event.extends,
        at_ms=record.timestamp_ms,
        event_at_ms=event.event_at_ms,
        message_id=event.message_id,
        group_id=event.group_id,
    )
