"""What is read of a profile while others write."""

from collections.abc import Callable, Sequence
from functools import partial

import pytest

from tests.acceptance.lines import Line, as_text, group, identify, page, passthrough
from worker.adapters.memory_store import MemoryStore
from worker.cli.assembly import Options
from worker.cli.definition_files import documents_of
from worker.cli.dossier import Dossier, Gone, find
from worker.cli.profile import profile_view, show_profile
from worker.cli.simulate import play
from worker.cli.virtual import VirtualWorker
from worker.clock import VirtualClock
from worker.engine.overlay import Overlay, read_overlay
from worker.errors import StateConflictError
from worker.identity.graph import identifier_key
from worker.identity.rules import Identifier
from worker.ports import StateWrite, Swap
from worker.profiles.codec import encode
from worker.profiles.ids import profile_text
from worker.profiles.state import ProfileState
from worker.slots import slot_of

pytestmark = pytest.mark.unit

DEFINITIONS = """\
audiences:
  - {key: recent, query: "event('Page Viewed').within(1 day).count() >= 1"}
  - {key: silent, query: "event('Page Viewed').within(1 day).count() = 0"}
"""
FIRST, SECOND, THIRD = (Identifier("anonymous_id", f"a{number}") for number in (1, 2, 3))
JANE = Identifier("email", "jane@x.io")


def played(*lines: Line) -> VirtualWorker:
    worker = VirtualWorker(Options())
    for _ in play(worker, documents_of({"definitions": DEFINITIONS}), as_text(lines).splitlines()):
        pass
    return worker


def live(worker: VirtualWorker, who: Identifier) -> Dossier:
    found = find(worker.store, who)
    assert isinstance(found, Dossier)
    return found


def test_nobody_has_what_nobody_has_sent() -> None:
    worker = played(page("2025-01-01T00:00:00Z", anonymous="a1"))

    assert find(worker.store, JANE) is None
    assert find(worker.store, b"\x00" * 16) is None


def test_a_profile_is_found_by_each_identifier_and_by_its_id() -> None:
    worker = played(identify("2025-01-01T00:00:00Z", {"email": "Jane@x.io"}, anonymous="a1"))

    by_visitor, by_address = live(worker, FIRST), live(worker, JANE)

    by_id = find(worker.store, by_visitor.profile)
    assert isinstance(by_id, Dossier)
    assert profile_view(by_visitor) == profile_view(by_address) == profile_view(by_id)


def test_the_view_of_a_profile_says_all_of_it() -> None:
    worker = played(
        identify("2025-01-01T10:00:00Z", {"email": "jane@x.io", "plan": None, "age": 7}, user="u1", message_id="m1"),
        page("2025-01-01T11:00:00Z", "Home", user="u1", message_id="m2"),
        group("2025-01-01T12:00:00Z", "acme", user="u1", message_id="m3"),
        passthrough("2025-01-01T12:00:00Z", "qualify", "vip", ts=1, identifiers={"user_id": "u1"}),
    )
    dossier = live(worker, JANE)

    assert profile_view(dossier) == {
        "profile_id": profile_text(dossier.profile),
        "created": "2025-01-01T10:00:00.000Z",
        "merged_into": None,
        "identifiers": [
            {"type": "user_id", "value": "u1", "first_seen": "2025-01-01T10:00:00.000Z", "message_id": "m1"},
            {"type": "email", "value": "jane@x.io", "first_seen": "2025-01-01T10:00:00.000Z", "message_id": "m1"},
        ],
        "traits": {
            "age": {"value": 7, "at": "2025-01-01T10:00:00.000Z"},
            "email": {"value": "jane@x.io", "at": "2025-01-01T10:00:00.000Z"},
        },
        "memberships": {
            "recent": {"member": True, "since": "2025-01-01T11:00:00.000Z", "transition": 1},
            "silent": {"member": False, "since": "2025-01-01T11:00:00.000Z", "transition": 2},
            "vip": {"member": True, "since": "2025-01-01T12:00:00.000Z", "transition": 1},
        },
        "next_due": "2025-01-02T11:00:00.000Z",
        "due": {"recent": "2025-01-02T11:00:00.000Z", "silent": "2025-01-02T11:00:00.000Z"},
        "merges": [],
        "awaited": [],
        "accounts": [{"group_id": "acme", "since": "2025-01-01T12:00:00.000Z", "message_id": "m3"}],
    }


MERGING = [
    page("2025-01-01T00:00:00Z", anonymous="a1", message_id="m1"),
    page("2025-01-02T00:00:00Z", anonymous="a2", message_id="m2"),
    identify("2025-01-03T00:00:00Z", {"email": "jane@x.io"}, anonymous="a2", message_id="m3"),
    page("2025-01-04T00:00:00Z", anonymous="a3", message_id="m4"),
    identify("2025-01-05T00:00:00Z", {"email": "jane@x.io"}, anonymous="a3", message_id="m5"),
    identify("2025-01-06T00:00:00Z", {"email": "jane@x.io"}, anonymous="a1", message_id="m6"),
]


def test_who_was_merged_away_leads_to_who_has_it_now() -> None:
    """However many merges lie between; each is told with the event that did it."""
    before = played(*MERGING[:4])
    first, second, third = (live(before, who).profile for who in (FIRST, SECOND, THIRD))
    worker = played(*MERGING)

    survivor = live(worker, JANE)
    gone = find(worker.store, third)

    assert survivor.profile == first
    assert [(merge.child, merge.parent, merge.message_id, merge.open) for merge in survivor.record.merged] == [
        (third, second, "m5", False),
        (second, first, "m6", False),
    ]
    assert isinstance(gone, Gone)
    assert (gone.merge.parent, gone.survivor, gone.merge.message_id) == (second, first, "m5")


# --- A graph by hand ---------------------------------------------------------------------------------------


def profile(number: int) -> bytes:
    return number.to_bytes(16, "big")


def create(overlay: Overlay, *, number: int, identifier: Identifier) -> None:
    overlay.create(profile(number), at_ms=number)
    overlay.map(profile(number), [identifier], at_ms=number, message_id=f"m{number}")


def merge(overlay: Overlay, *, parent: int, child: int) -> None:
    overlay.merge(profile(parent), profile(child), at_ms=9, message_id="m9")


def written(store: MemoryStore, identifiers: Sequence[Identifier], change: Callable[[Overlay], None]) -> None:
    overlay = read_overlay(store, identifiers, [])
    assert overlay is not None
    change(overlay)
    assert overlay.write(store)


def test_a_profile_that_nothing_was_folded_into_yet_has_its_identifiers() -> None:
    store = MemoryStore(VirtualClock())
    written(store, [FIRST], partial(create, number=1, identifier=FIRST))

    found = find(store, FIRST)

    assert isinstance(found, Dossier)
    view = profile_view(found)
    assert [one["value"] for one in view["identifiers"]] == ["a1"]
    assert (view["traits"], view["memberships"], view["next_due"]) == ({}, {}, None)


def test_a_merge_that_is_not_over_shows(capsys: pytest.CaptureFixture[str]) -> None:
    """In the graph it is done; the history of the child is on its way, and nothing is evaluated before it is here."""
    store = MemoryStore(VirtualClock())
    for number, identifier in ((1, FIRST), (2, SECOND)):
        written(store, [identifier], partial(create, number=number, identifier=identifier))
    written(store, [FIRST, SECOND], partial(merge, parent=1, child=2))
    state = ProfileState()
    state.applied, state.awaiting = 0, frozenset([(profile(2), "token")])
    store.commit(slot_of(profile(1)), [StateWrite(profile(1), -1, encode(state), None)], [], 0).get()

    found = find(store, SECOND)
    assert isinstance(found, Dossier)
    view = profile_view(found)
    show_profile(view)

    child = profile_text(profile(2))
    assert view["awaited"] == [child]
    assert [one["open"] for one in view["merges"]] == [True]
    shown = capsys.readouterr().out
    assert f"nothing is evaluated until the history of {child} has come" in shown
    assert "its history is on the way" in shown


def test_a_time_that_has_no_name_is_a_number() -> None:
    """A producer's clock may say anything, and old brokers pass it on."""
    store = MemoryStore(VirtualClock())
    written(store, [FIRST], partial(create, number=10**15, identifier=FIRST))

    found = find(store, FIRST)

    assert isinstance(found, Dossier)
    assert profile_view(found)["created"] == "1000000000000000 ms"


# --- Races --------------------------------------------------------------------------------------------------


class Meddled:
    """A store in which somebody writes while somebody else reads."""

    def __init__(self) -> None:
        self.store = MemoryStore(VirtualClock(), on_io=self._io)
        self._reads_left = 0
        self._change: Callable[[], None] | None = None

    def before_read(self, number: int, change: Callable[[], None]) -> None:
        """What is to happen before a certain read, counted from now, beginning with 1."""
        self._reads_left, self._change = number, change

    def _io(self, call: str) -> None:
        if call != "read" or self._change is None:
            return
        self._reads_left -= 1
        if not self._reads_left:
            change, self._change = self._change, None
            change()

    def merge(self, parent: int, child: int, *identifiers: Identifier) -> None:
        written(self.store, identifiers, partial(merge, parent=parent, child=child))


@pytest.fixture
def meddled() -> Meddled:
    made = Meddled()
    people = {1: FIRST, 2: SECOND, 3: THIRD}
    for number, identifier in people.items():
        written(made.store, [identifier], partial(create, number=number, identifier=identifier))
    return made


def test_a_merge_between_two_reads_is_followed(meddled: Meddled) -> None:
    meddled.before_read(2, lambda: meddled.merge(1, 2, FIRST, SECOND))

    found = find(meddled.store, SECOND)

    assert isinstance(found, Dossier)
    assert found.profile == profile(1)


def test_a_survivor_that_is_merged_away_between_two_reads_is_not_told(meddled: Meddled) -> None:
    meddled.merge(2, 3, SECOND, THIRD)
    meddled.before_read(3, lambda: meddled.merge(1, 2, FIRST, SECOND))

    gone = find(meddled.store, profile(3))

    assert isinstance(gone, Gone)
    assert (gone.merge.parent, gone.survivor) == (profile(2), profile(1))


def test_a_graph_that_keeps_changing_is_given_up() -> None:
    """An identifier that leads to nobody looks like that to a reader."""
    store = MemoryStore(VirtualClock())
    store.swap([Swap(identifier_key(FIRST), None, profile(7))]).get()

    with pytest.raises(StateConflictError, match="try again"):
        find(store, FIRST)
