"""What must hold when a schedule is over, one property each. A check yields a line for everything that is wrong.

The properties are those that the README promises; what they rest on is in ARCHITECTURE.md, "A batch, step by step".
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from itertools import combinations

from schemas.ids import coordinates_id
from tests.acceptance.moments import HOUR, MINUTE
from tests.simulation.audiences import EDITED, ORDERED, TIMELESS, VIEWED
from tests.simulation.evidence import Evidence
from tests.simulation.merge_checks import MERGE_CHECKS, counters_of_all
from tests.simulation.oracle import Move
from tests.simulation.people import Sent
from tests.simulation.replay import replay
from worker.ports import Record
from worker.profiles.ids import profile_bytes

Check = Callable[[Evidence], Iterator[str]]

WINDOW_MS = 24 * HOUR
SLACK_MS = 25 * MINUTE
"""By so much later a repeat may still count as one; clocks of replicas and of Redis are apart too."""


def comes_to_rest(seen: Evidence) -> Iterator[str]:
    """Nobody dies of anything but a crash, and when the faults end, the work does too."""
    yield from seen.schedule.failures
    for partition, lag in seen.lag().items():
        yield f"{partition.topic}-{partition.partition}: {lag} offsets are left to do"


def no_state_goes_back(seen: Evidence) -> Iterator[str]:
    """Time, ``applied`` and version of a state only grow, its timer is its own; what has been sent is not kept."""
    yield from seen.store.broken


def every_accepted_record_is_archived_once(seen: Evidence) -> Iterator[str]:
    """Nothing is lost, nothing is there twice: accepted + repeats = records, by message id."""
    archived: defaultdict[str, list[int]] = defaultdict(list)
    for event in seen.archive:
        archived[event["messageId"]].append(event["at"])
    copies: defaultdict[str, list[tuple[Sent, Record]]] = defaultdict(list)
    for sent, record in seen.schedule.sent:
        if sent.good:
            own = coordinates_id(record.topic, record.partition, record.offset)
            copies[sent.message_id or own].append((sent, record))
    for message_id in archived.keys() | copies.keys():
        yield from _wrong_copies(message_id, archived[message_id], [sent.at_ms for sent, _ in copies[message_id]])


def _wrong_copies(message_id: str, archived: list[int], sent: list[int]) -> Iterator[str]:
    dropped = Counter(sent) - Counter(archived)
    if surplus := Counter(archived) - Counter(sent):
        yield f"{message_id}: archived at {sorted(surplus)}, but not sent so often"
    if not archived:
        yield f"{message_id}: is lost"
    for one, other in combinations(archived, 2):
        if abs(one - other) <= WINDOW_MS - SLACK_MS:
            yield f"{message_id}: is archived twice, {abs(one - other)} ms apart"
    for at_ms in dropped:
        if archived and min(abs(at_ms - other) for other in archived) > WINDOW_MS + SLACK_MS:
            yield f"{message_id}: the copy of {at_ms} is dropped, though it is a day from every other"


def every_refused_record_is_one_dead_letter(seen: Evidence) -> Iterator[str]:
    bad = [(record.topic, record.partition, record.offset) for sent, record in seen.schedule.sent if not sent.good]
    for (_, content), record in seen.schedule.documents:
        if isinstance(content, bytes) or (content or {}).get("query") == "event('X'":
            bad.append((record.topic, record.partition, record.offset))
    expected, found = Counter(bad), Counter(seen.refused)
    for place in expected.keys() | found.keys():
        if expected[place] != found[place]:
            yield f"{place}: {found[place]} dead letters instead of {expected[place]}"


def transitions_are_numbered_in_order(seen: Evidence) -> Iterator[str]:
    """Readers see 1, 2, … n of each profile and audience, odd ones entering, times and offsets growing."""
    last: dict[tuple[bytes, str], tuple[int, int, tuple[int, int]]] = {}
    for change in seen.changes:
        who = change.profile, change.key
        number, at_ms, place = last.get(who, (0, 0, (change.place[0], -1)))
        told = f"{change.profile.hex()} {change.key}: transition {change.number}"
        if change.number != number + 1:
            yield f"{told} follows {number}"
        if change.move.entered != bool(change.number % 2):
            yield f"{told} is {'an entry' if change.move.entered else 'an exit'}"
        if change.place <= place or change.move.at_ms < at_ms:
            yield f"{told} comes after one of {at_ms} at {place}"
        last[who] = change.number, change.move.at_ms, change.place
    for message_id, count in Counter(change.message_id for change in seen.changes).items():
        if count > 1:
            yield f"the output {message_id} was sent {count} times"


def states_are_what_readers_were_told(seen: Evidence) -> Iterator[str]:
    told = {who: len(moves) for who, moves in seen.moves.items()}
    kept = {
        (profile, key): membership.transition
        for profile, state in seen.states.items()
        for key, membership in state.memberships.items()
    }
    for who in told.keys() | kept.keys():
        if told.get(who, 0) != kept.get(who, 0):
            yield f"{who[0].hex()} {who[1]}: the state is at {kept.get(who, 0)}, readers at {told.get(who, 0)}"


def transitions_are_the_oracles(seen: Evidence) -> Iterator[str]:
    """Every transition with its time, reason and cause; where definitions change, of what time does not change."""
    expected = {(profile, key): moves for profile, one in seen.expected.items() for key, moves in one.moves.items()}
    for who in expected.keys() | seen.moves.keys():
        if who[1] in EDITED or (seen.edited and who[1] not in TIMELESS):
            continue
        found, right = seen.moves.get(who, []), expected.get(who, [])
        if seen.edited:
            found, right = _timeless(found), _timeless(right)
        if found != right:
            yield f"{who[0].hex()} {who[1]}: {found} instead of {right}"


def _timeless(moves: list[Move]) -> list[Move]:
    return [move._replace(at_ms=0) for move in moves]


def transitions_are_on_time(seen: Evidence) -> Iterator[str]:
    """Where it is promised: as if every timer had fired in its moment, whatever lagged."""
    if not seen.plan.on_time or seen.plan.merging or seen.edited:
        return
    for name, profile in replay(seen.mailbox, ticks=False).items():
        for key, moves in profile.moves.items():
            found = seen.moves.get((profile_bytes(name), key), [])
            if found != moves:
                yield f"{name} {key}: {found}, folded on time {moves}"


def every_event_is_folded_once(seen: Evidence) -> Iterator[str]:
    counters = counters_of_all(seen.catalogue)
    for profile, expected in seen.expected.items():
        state = seen.states.get(profile)
        if state is None:
            yield f"{profile.hex()}: has no state"
            continue
        for event, right in ((VIEWED, expected.data.views), (ORDERED, expected.data.orders)):
            found = state.accumulators.get(counters[event], 0)
            if found != right:
                yield f"{profile.hex()}: has folded {found} of {right} {event}"
        if set(state.identifiers) != expected.data.identifiers:
            yield f"{profile.hex()}: has the identifiers {sorted(state.identifiers)}"
    for profile in seen.states.keys() - seen.expected.keys():
        yield f"{profile.hex()}: a state that nothing was sent to"


def memberships_are_the_evaluation_of_the_data(seen: Evidence) -> Iterator[str]:
    """Everybody has met the newest definitions, and nothing was folded without being evaluated."""
    catalogue = seen.catalogue
    for profile, state in seen.states.items():
        if state.sealed is None and state.version != catalogue.version:
            yield f"{profile.hex()}: evaluated under {state.version}, in force is {catalogue.version}"
        for audience in catalogue.computations:
            able = state.sealed is None and state.eligibility >= audience.eligibility
            if state.member(audience.key) != (able and audience.condition.evaluate(state)[0]):
                yield f"{profile.hex()} {audience.key}: {state.member(audience.key)} is not what the data says"
        for key in EDITED:
            if key not in catalogue.by_key and state.member(key):
                yield f"{profile.hex()}: is a member of {key}, which is gone"


def edits_that_share_a_leaf_start_warm(seen: Evidence) -> Iterator[str]:
    """An edited audience over what has been counted before counts all of it; one over a trait, its newest value."""
    for key in EDITED:
        audience = seen.catalogue.by_key.get(key)
        query = "" if audience is None else str(audience.definition.query)
        for profile, expected in seen.expected.items():
            known = any(kind == "user_id" for kind, _ in expected.data.identifiers)
            if query.startswith(f"event('{VIEWED}').count() >= "):
                right = known and expected.data.views >= int(query.split()[-1])
            elif query.startswith("trait('plan')"):
                right = known and expected.data.plan[2] == query.split("'")[-2]
            else:
                continue
            if (state := seen.states.get(profile)) is None or state.member(key) != right:
                yield f"{profile.hex()} {key}: should be {right}: {query}"


def no_timer_is_left(seen: Evidence) -> Iterator[str]:
    for profile, due_ms in seen.timers.items():
        yield f"{profile.hex()}: was due at {due_ms} and has not fired"
    for profile, state in seen.states.items():
        if state.due_ms != seen.timers.get(profile):
            yield f"{profile.hex()}: is due at {state.due_ms}, its timer says {seen.timers.get(profile)}"


def kept_outputs_are_trimmed(seen: Evidence) -> Iterator[str]:
    """A slot keeps at most what one batch has made of it."""
    for slot, entries in seen.pending.items():
        if len(entries) > seen.plan.batch_records:
            yield f"slot {slot}: the outputs of {len(entries)} records are kept"


def sizes_are_the_members(seen: Evidence) -> Iterator[str]:
    members = Counter(key for state in seen.states.values() for key in state.memberships if state.member(key))
    if (sizes := seen.store.sizes().get()) != dict(members):
        yield f"sizes are {sizes}, members {dict(members)}"


CHECKS: tuple[Check, ...] = (
    comes_to_rest,
    no_state_goes_back,
    every_accepted_record_is_archived_once,
    every_refused_record_is_one_dead_letter,
    transitions_are_numbered_in_order,
    states_are_what_readers_were_told,
    transitions_are_the_oracles,
    transitions_are_on_time,
    every_event_is_folded_once,
    memberships_are_the_evaluation_of_the_data,
    edits_that_share_a_leaf_start_warm,
    no_timer_is_left,
    kept_outputs_are_trimmed,
    sizes_are_the_members,
    *MERGE_CHECKS,
)


def violations(seen: Evidence) -> list[str]:
    """Everything that is wrong, each line with the name of its check."""
    return [f"{check.__name__}: {line}" for check in CHECKS for line in check(seen)]
