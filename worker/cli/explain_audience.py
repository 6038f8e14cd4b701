"""Why a profile is in an audience or not: the profile as it is at a time, and what an explanation says of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from rich.console import Group
from rich.text import Text

from worker.audiences.catalogue import Catalogue
from worker.audiences.definitions import Definition
from worker.audiences.evaluate import Transition
from worker.audiences.explanation.explain import explain, explain_segment
from worker.audiences.explanation.parts import Explained
from worker.audiences.windows import NEVER
from worker.cli.dossier import Dossier
from worker.cli.explanation_view import explanation_tree, never_or, part_view
from worker.cli.graph_view import View, moment
from worker.cli.in_force import no_audience
from worker.cli.tables import printable
from worker.engine.judge import fire, renew
from worker.errors import InputError
from worker.profiles.codec import decode, encode
from worker.profiles.ids import profile_text
from worker.profiles.state import ELIGIBLE_TYPES, NO_RECORD, ProfileState

FIRINGS_MAX = 1_000
"""Timers that are fired, on a copy, to find when a membership changes by itself. Fewer: it stays unknown for profiles
in which much else is due before; more: a profile takes seconds to explain."""


NOT_SWEPT = "the profile has not been evaluated under the newest definitions yet"
PROPOSED = "these are not the definitions in force: conditions on events that nobody has counted begin with nothing"


@dataclass(frozen=True, slots=True)
class Scene:
    """A profile at a time, under definitions. ``stored``: as workers left it; ``present``: what it is by now.

    ``proposed``: the definitions are not those in force, so that nobody is going to tell of it.
    """

    profile: bytes
    catalogue: Catalogue
    stored: ProfileState
    present: ProfileState
    at_ms: int
    proposed: bool
    notes: tuple[str, ...] = ()


class _Ahead(NamedTuple):
    """``change``: the next transition if no record comes. ``known_ms``: up to when that is known, None for ever."""

    change: View | None = None
    known_ms: int | None = None


def scene_of(dossier: Dossier, catalogue: Catalogue, at_ms: int, *, proposed: bool = False) -> Scene:
    """The profile at a time, which is not before its last evaluation: what was due by then has happened.

    Nothing is written: a worker will come to the same, if no record comes before it does.
    """
    stored, notes = dossier.state, []
    present = _copy(stored)
    if stored.applied == NO_RECORD:
        notes.append("no event of the profile has been counted yet")
    elif present.awaiting:
        children = ", ".join(profile_text(child) for child, _ in sorted(present.awaiting))
        notes.append(f"nothing is evaluated until the history of {children} has come")
    else:
        fire(present, catalogue, at_ms)
        present.time_ms = max(present.time_ms, at_ms)
        if present.version != catalogue.version:
            renew(present, catalogue)
            notes.append(PROPOSED if proposed else NOT_SWEPT)
    present.time_ms = max(present.time_ms, at_ms)
    return Scene(dossier.profile, catalogue, stored, present, present.time_ms, proposed, tuple(notes))


def _copy(state: ProfileState) -> ProfileState:
    return ProfileState() if state.applied == NO_RECORD else decode(encode(state))


def audience_keys(scene: Scene) -> list[str]:
    """The audiences that can be explained: those that are defined, and passthrough segments that are not."""
    defined = [key for key in scene.catalogue.by_key if scene.catalogue.defines("audience", key)]
    return sorted({*defined, *_segments(scene)})


def _segments(scene: Scene) -> set[str]:
    return {one for one in scene.stored.externals if one not in scene.catalogue.key_by_external}


def scene_view(scene: Scene, keys: Sequence[str]) -> View:
    """What ``--json`` prints.

    Raises:
        InputError: a key is no audience's.
    """
    return {
        "profile_id": profile_text(scene.profile),
        "at": moment(scene.at_ms),
        "notes": list(scene.notes),
        "audiences": [_audience_view(scene, key) for key in keys],
    }


def _audience_view(scene: Scene, key: str) -> View:
    explained = _explained(scene, key)
    stored, ahead = scene.stored.memberships.get(key), _ahead(scene, key)
    member = scene.stored.member(key)
    view: View = {
        "audience": key,
        "member": member,
        "since": None if stored is None else moment(stored.since_ms),
        "transition": 0 if stored is None else stored.transition,
        "revision": explained.definition.revision,
        "value": None if explained.part is None else explained.part.value,
        "eligible": explained.eligible,
        "next_due": never_or(scene.present.dues.get(key, NEVER)),
        "by_itself": ahead.change,
        "notes": [*_notes(scene, explained, member=member), *_horizon(ahead)],
        "explanation": None if explained.part is None else part_view(explained.part),
    }
    return view


def _explained(scene: Scene, key: str) -> Explained:
    if scene.catalogue.defines("audience", key):
        return explain(scene.catalogue.by_key[key], scene.catalogue, scene.present)
    if scene.catalogue.defines("trait", key):
        raise InputError(f"{key!r} is a computed trait, and no audience")
    if key in _segments(scene):
        return explain_segment(Definition(key, external_id=key), scene.present)
    raise no_audience(key, audience_keys(scene))


def _notes(scene: Scene, explained: Explained, *, member: bool) -> list[str]:
    notes = []
    if not explained.eligible and scene.stored.applied != NO_RECORD:
        kinds = sorted(ELIGIBLE_TYPES | ({"anonymous_id"} if explained.definition.include_anonymous else set()))
        notes.append(f"the profile cannot be a member: it has none of {', '.join(kinds)}")
    judged = not scene.present.awaiting and scene.stored.applied != NO_RECORD
    if judged and explained.is_wanted != member:
        does = "enter" if explained.is_wanted else "exit"
        notes.append(f"the profile would {does}" if scene.proposed else f"the worker has yet to tell that it {does}s")
    return notes


def _concerned(catalogue: Catalogue, key: str) -> set[str]:
    """What an audience depends on, by way of others too, and itself."""
    found = {key}
    for one in reversed(catalogue.computations):  # dependencies come before what depends on them
        if any(catalogue.computations[number].key in found for number in catalogue.dependants[one.number]):
            found.add(one.key)
    return found


def _ahead(scene: Scene, key: str) -> _Ahead:
    """By the engine itself, on a copy."""
    if scene.present.awaiting:
        return _Ahead()
    ahead, concerned = _copy(scene.present), _concerned(scene.catalogue, key)
    ahead.dues = {one: due_ms for one, due_ms in ahead.dues.items() if one in concerned}
    for _ in range(FIRINGS_MAX):
        due_ms = ahead.due_ms
        if due_ms is None:
            return _Ahead()
        for change in fire(ahead, scene.catalogue, due_ms) or []:
            if isinstance(change, Transition) and change.key == key:
                does: Literal["enter", "exit"] = "enter" if change.number & 1 else "exit"
                return _Ahead({"at": moment(change.at_ms), "does": does})
    return _Ahead(known_ms=ahead.time_ms)


def _horizon(ahead: _Ahead) -> list[str]:
    return [] if ahead.known_ms is None else [f"what comes after {moment(ahead.known_ms)} has not been looked at"]


def scene_parts(view: View) -> list[str | Group]:
    """The explanation for people."""
    head = Group(*[Text(line) for line in (f"{view['profile_id']}, at {view['at']}", *view["notes"])])
    return [head, *[_audience_part(one) for one in view["audiences"]]]


def _audience_part(view: View) -> Group:
    counted = f"transition {view['transition']}, revision {view['revision']}"
    since = "" if view["since"] is None else f" since {view['since']}"
    head = f"{view['audience']}: {'a member' if view['member'] else 'not a member'}{since}; {counted}"
    change = view["by_itself"]
    ahead = "stays so if nothing comes" if change is None else f"{change['does']}s at {change['at']} if nothing comes"
    lines = [Text(printable(head), style="bold"), Text(ahead), *[Text(note) for note in view["notes"]]]
    return Group(*lines, *([] if view["explanation"] is None else [explanation_tree(view["explanation"])]))
