"""Audiences and their members, read from a store while others write."""

from dataclasses import replace

import pytest
from rich.console import Console

from tests.acceptance.lines import Line, as_text, definition, identify, page, passthrough
from worker.adapters.memory_store import MemoryStore
from worker.cli.assembly import Options
from worker.cli.audiences import audience_views
from worker.cli.definition_files import documents_of
from worker.cli.dossier import Dossier, find
from worker.cli.everybody import LOADED_AT_ONCE, every_state
from worker.cli.explain_audience import NOT_SWEPT, PROPOSED, scene_of, scene_parts, scene_view
from worker.cli.in_force import read_in_force
from worker.cli.members import check_audience, member_views
from worker.cli.simulate import play
from worker.cli.virtual import VirtualWorker
from worker.clock import VirtualClock
from worker.errors import InputError
from worker.identity.rules import DEFAULT_CAPS, Identifier
from worker.ports import StateWrite, Store
from worker.profiles.codec import encode
from worker.profiles.state import ProfileState
from worker.slots import STATE_SLOTS, slot_of

pytestmark = pytest.mark.unit

DEFINITIONS = """\
audiences:
  - {key: recent, name: Seen today, query: "event('Page Viewed').within(1 day).count() >= 1"}
  - {key: nobody, query: "event('Page Viewed').count() >= 100"}
traits:
  - {key: visits, query: "event('Page Viewed').count()"}
"""
LINES = [
    page("2025-01-01T00:00:00Z", user="u1"),
    page("2025-01-01T00:01:00Z", user="u2"),
    identify("2025-01-01T00:02:00Z", {"email": "jane@x.io"}, user="u2"),
    page("2025-01-02T00:01:00Z", user="u3"),
    passthrough("2025-01-02T00:01:00Z", "qualify", "seg_1", ts=1, identifiers={"user_id": "u1"}),
]


def played(*lines: Line) -> VirtualWorker:
    worker = VirtualWorker(Options())
    for _ in play(worker, documents_of({"definitions": DEFINITIONS}), as_text(lines).splitlines()):
        pass
    return worker


def dossier(worker: VirtualWorker, user: str) -> Dossier:
    found = find(worker.store, Identifier("user_id", user))
    assert isinstance(found, Dossier)
    return found


def names(store: Store, key: str) -> list[str]:
    return sorted(view["identifiers"][0]["value"] for view in member_views(store, key))


# --- Audiences and members ----------------------------------------------------------------------------------


def test_audiences_have_their_size_and_last_change() -> None:
    """A passthrough segment without a definition is one too, once it has members."""
    worker = played(*LINES)

    views = audience_views(worker.store, read_in_force(worker.store, DEFAULT_CAPS), quick=False)

    assert views == [
        {"key": "nobody", "name": None, "revision": 1, "members": 0, "last_change": None},
        {
            "key": "recent",
            "name": "Seen today",
            "revision": 1,
            "members": 1,
            "last_change": "2025-01-02T00:01:00.000Z",
        },
        {"key": "seg_1", "name": None, "revision": None, "members": 1, "last_change": "2025-01-02T00:01:00.000Z"},
    ]


def test_quick_reads_no_profile() -> None:
    worker = played(*LINES)

    views = audience_views(worker.store, read_in_force(worker.store, DEFAULT_CAPS), quick=True)

    assert [(view["key"], view["members"]) for view in views] == [("nobody", 0), ("recent", 1), ("seg_1", 1)]
    assert all("last_change" not in view for view in views)


def test_members_are_those_who_are_in_now() -> None:
    worker = played(*LINES)

    (view,) = member_views(worker.store, "recent")

    assert view == {
        "profile_id": view["profile_id"],
        "since": "2025-01-02T00:01:00.000Z",
        "transition": 1,
        "identifiers": [{"type": "user_id", "value": "u3"}],
    }
    assert names(played(*LINES[:3]).store, "recent") == ["u1", "u2"]
    assert names(worker.store, "nobody") == []
    assert names(worker.store, "seg_1") == ["u1"]


def test_a_key_that_is_no_audiences_is_told_with_the_nearest() -> None:
    worker = played(*LINES)
    control = read_in_force(worker.store, DEFAULT_CAPS)

    for key in ("recent", "nobody", "seg_1"):
        check_audience(worker.store, control, key)
    for key, nearest in (("recnt", "; did you mean 'recent'?"), ("visits", "")):
        with pytest.raises(InputError) as caught:
            check_audience(worker.store, control, key)
        assert caught.value.faults == (f"there is no audience {key!r}{nearest}",)


def test_every_state_is_read_in_pieces() -> None:
    """More than are held at once, in every slot."""
    store = MemoryStore(VirtualClock())
    count = 2 * LOADED_AT_ONCE + STATE_SLOTS
    state = ProfileState()
    state.applied = 0
    blob = encode(state)
    for number in range(count):
        profile = number.to_bytes(16, "big")
        store.commit(slot_of(profile), [StateWrite(profile, -1, blob, None)], [], 0).get()

    profiles = [profile for profile, _ in every_state(store)]

    assert len(profiles) == len(set(profiles)) == count


# --- Explanations of a live profile -------------------------------------------------------------------------


def test_what_is_due_by_now_is_on_its_way() -> None:
    """Exits wait for inputs that lag; who asks meanwhile hears both."""
    worker = played(LINES[0])
    catalogue = read_in_force(worker.store, DEFAULT_CAPS).catalogue

    scene = scene_of(dossier(worker, "u1"), catalogue, worker.now_ms + 2 * 86_400_000)
    (view,) = scene_view(scene, ["recent"])["audiences"]

    assert (view["member"], view["value"], view["by_itself"]) == (True, False, None)
    assert view["notes"] == ["the worker has yet to tell that it exits"]


def test_other_definitions_than_those_in_force() -> None:
    """Conditions on events that nobody has counted begin with nothing; what is the same keeps its revision."""
    worker = played(*LINES[:1])
    control = read_in_force(worker.store, DEFAULT_CAPS)
    proposed = """\
audiences:
  - {key: recent, name: Seen today, query: "event('Page Viewed').within(1 day).count() >= 1"}
  - {key: nobody, query: "event('Page Viewed').count() < 100"}
  - {key: new, query: "trait('recent') = true"}
"""
    catalogue = control.beside(documents_of({"d": proposed}))
    scene = scene_of(dossier(worker, "u1"), catalogue, worker.now_ms, proposed=True)

    view = scene_view(scene, ["new", "nobody", "recent"])

    assert view["notes"] == [PROPOSED]
    assert [one["notes"] for one in view["audiences"]] == [["the profile would enter"], ["the profile would enter"], []]
    found = {one["audience"]: (one["member"], one["value"], one["revision"]) for one in view["audiences"]}
    assert found == {"new": (False, True, 1), "nobody": (False, True, 2), "recent": (True, True, 1)}
    assert read_in_force(worker.store, DEFAULT_CAPS).catalogue.version == control.catalogue.version


def test_a_definition_with_a_beginning_of_its_own_is_explained_by_its_own_counts() -> None:
    """It has seen less than another one with the same condition."""
    query = "event('Page Viewed').count() >= 1"
    late = definition("2025-01-01T12:00:00Z", "late", {"query": query, "history": False})
    early = definition("2025-01-01T12:00:00Z", "early", {"query": query})
    worker = played(LINES[0], late, early, page("2025-01-01T13:00:00Z", user="u1"))

    scene = scene_of(dossier(worker, "u1"), read_in_force(worker.store, DEFAULT_CAPS).catalogue, worker.now_ms)

    counts = [one["explanation"]["sides"][0]["value"] for one in scene_view(scene, ["early", "late"])["audiences"]]
    assert counts == [2, 1]


def test_definitions_that_say_nothing_new_are_those_in_force() -> None:
    control = read_in_force(played(*LINES[:1]).store, DEFAULT_CAPS)

    assert control.beside(documents_of({"d": DEFINITIONS})) is control.catalogue


def test_a_profile_that_newer_definitions_have_not_reached_is_told() -> None:
    worker = played(LINES[0])
    found = dossier(worker, "u1")
    found.state.version = 0

    assert scene_of(found, read_in_force(worker.store, DEFAULT_CAPS).catalogue, worker.now_ms).notes == (NOT_SWEPT,)


def test_definitions_that_cannot_be_beside_those_in_force_are_a_fault() -> None:
    control = read_in_force(played(*LINES[:1]).store, DEFAULT_CAPS)
    clash = "audiences:\n  - {key: visits, query: \"trait('a') = 1\"}\n"

    with pytest.raises(InputError, match="the key 'visits' is that of a computed trait"):
        control.beside(documents_of({"d": clash}))


def test_a_profile_that_nothing_was_folded_into_yet_is_explained_too() -> None:
    """Its identifiers are mapped before its first event is counted."""
    worker = played(LINES[0])
    found = replace(dossier(worker, "u1"), state=ProfileState())

    scene = scene_of(found, read_in_force(worker.store, DEFAULT_CAPS).catalogue, worker.now_ms)

    view = scene_view(scene, ["recent"])
    assert view["notes"] == ["no event of the profile has been counted yet"]
    assert (view["audiences"][0]["member"], view["audiences"][0]["value"]) == (False, False)


def test_a_profile_that_waits_for_a_merged_one_is_told_to() -> None:
    worker = played(LINES[0])
    found = dossier(worker, "u1")
    found.state.awaiting = frozenset([(b"\x07" * 16, "token")])

    scene = scene_of(found, read_in_force(worker.store, DEFAULT_CAPS).catalogue, worker.now_ms)

    view = scene_view(scene, ["recent"])
    assert view["notes"] == [f"nothing is evaluated until the history of use_{'07' * 16} has come"]
    assert view["audiences"][0]["by_itself"] is None
    console = Console(width=200)
    with console.capture() as captured:
        console.print(scene_parts(view)[0])
    assert "nothing is evaluated until" in captured.get()
