"""What must hold of merged profiles and of the graph when a schedule is over."""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator

from schemas.ids import coordinates_id
from tests.simulation.evidence import Evidence
from tests.simulation.replay import histories, kind_of
from worker.audiences.catalogue import Catalogue
from worker.audiences.leaves import CountLeaf
from worker.identity.rules import Identifier
from worker.profiles.ids import profile_bytes


def counters_of_all(catalogue: Catalogue) -> dict[str, bytes]:
    """By event name, the accumulator that counts every one of them."""
    return {
        leaf.selection.event: leaf.leaf_id
        for leaf in catalogue.leaves.values()
        if isinstance(leaf, CountLeaf) and leaf.selection.where is None
    }


def every_event_counts_for_who_has_its_profile_now(seen: Evidence) -> Iterator[str]:
    """By the archive alone: what was passed on to a parent, or should have been, counts there."""
    counters = counters_of_all(seen.catalogue)
    archived = Counter(
        (seen.canonical(profile_bytes(event["profile_id"])), event.get("event")) for event in seen.archive
    )
    for (profile, name), right in archived.items():
        if name not in counters:
            continue
        state = seen.states.get(profile)
        found = 0 if state is None else state.accumulators.get(counters[name], 0)
        if found != right:
            yield f"{profile.hex()}: has {found} of {right} {name} that are archived"


def what_is_passed_on_counts_at_its_own_time(seen: Evidence) -> Iterator[str]:
    """That is the time at which it would have counted where it came first."""
    times: defaultdict[str, set[int]] = defaultdict(set)
    for record in seen.mailbox:
        if kind_of(record) == "event":
            event = json.loads(record.value or b"")
            times[event["messageId"]].add(min(event["at"], record.timestamp_ms))
    for record in seen.mailbox:
        if kind_of(record) == "forward":
            event, at_ms = json.loads(record.value or b""), int(dict(record.headers)["at"])
            if min(event["at"], at_ms) not in times[event["messageId"]]:
                yield f"{event['messageId']}: passed on as of {at_ms}, came at {sorted(times[event['messageId']])}"


def both_directions_of_the_graph_agree(seen: Evidence) -> Iterator[str]:
    """Identifier -> profile -> identifiers; all identifiers of an event lead to its profile, or who has that now."""
    owners: dict[Identifier, bytes] = {}
    for event in seen.archive:
        profile = seen.canonical(profile_bytes(event["profile_id"]))
        for identifier in [Identifier(one["type"], one["id"]) for one in event["external_ids"]]:
            owner = seen.owner(identifier)
            if owner != profile:
                yield f"{event['messageId']}: is with {profile.hex()}, {identifier} leads to {owner and owner.hex()}"
            owners[identifier] = profile
    for identifier, owner in owners.items():
        if identifier not in seen.identifiers(owner):
            yield f"{identifier} leads to {owner.hex()}, which does not know it"
    for profile in seen.states:
        for identifier in seen.identifiers(profile):
            if seen.owner(identifier) != profile:
                yield f"{profile.hex()} knows {identifier}, which does not lead to it"


def merges_are_over_and_told_once(seen: Evidence) -> Iterator[str]:
    """Who was merged away has no data and no membership, and is told once; nobody waits for another."""
    told = Counter(child for child, _ in seen.merges)
    for profile, state in seen.states.items():
        gone = seen.canonical(profile) != profile
        if gone != (state.sealed is not None) or gone != (seen.record(profile) is None):
            yield f"{profile.hex()}: sealed {state.sealed}, in the graph {'merged' if gone else 'alive'}"
        if told[profile] != gone:
            yield f"{profile.hex()}: its merge is told {told[profile]} times"
        if gone and (state.accumulators or state.traits or state.identifiers or state.externals or state.dues):
            yield f"{profile.hex()}: is merged away and keeps data"
        if state.awaiting:
            yield f"{profile.hex()}: waits for {state.awaiting} for ever"
    for child, _ in seen.merges:
        if child not in seen.states:
            yield f"{child.hex()}: was merged, they say, and has no state"


def no_merge_is_owed(seen: Evidence) -> Iterator[str]:
    """No note is left, and nobody is redirected to one that was merged away itself."""
    for child, at_ms in seen.store.notes(1 << 62, 1 << 30).get():
        yield f"{child.hex()}: the note of {at_ms} is left"
    for profile in seen.states:
        record = seen.record(profile)
        yield from (f"{merge.child.hex()}: still owed" for merge in (record.merged if record else ()) if merge.open)
        if seen.canonical(seen.canonical(profile)) != seen.canonical(profile):
            yield f"{profile.hex()}: is redirected to one that was merged away"


def nothing_is_judged_without_its_history(seen: Evidence) -> Iterator[str]:
    """Where it is promised: no transition that the united history would not have made."""
    if not (seen.plan.on_time and seen.plan.one_input):
        return
    sent = {sent.message_id: number for number, (sent, _) in reversed(list(enumerate(seen.schedule.sent)))}
    own = {coordinates_id(*record[:3]): number for number, (_, record) in enumerate(seen.schedule.sent)}
    order = {**own, **{name: number for name, number in sent.items() if name is not None}}
    archive = sorted(seen.archive, key=lambda event: order[event["messageId"]])
    whole = histories(archive)
    for profile, expected in seen.expected.items():
        for judged in expected.judged:
            last = max(judged, key=lambda name: order[name], default=None)
            if last is not None and (missing := whole[last] - judged):
                yield f"{profile.hex()}: judged at {last} without {sorted(missing)}"


MERGE_CHECKS: tuple[Callable[[Evidence], Iterator[str]], ...] = (
    every_event_counts_for_who_has_its_profile_now,
    what_is_passed_on_counts_at_its_own_time,
    both_directions_of_the_graph_agree,
    merges_are_over_and_told_once,
    no_merge_is_owed,
    nothing_is_judged_without_its_history,
)
