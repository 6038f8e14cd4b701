"""The audiences of table E are what its page says, and an event concerns as many of them in each of its sets."""

from collections.abc import Sequence
from statistics import mean

import pytest

from consumers.definitions import interpret
from tests.benchmarks.events import Event
from tests.benchmarks.many_audiences import SIZES, TEN, Size, definitions, stream
from worker.audiences.catalogue import Catalogue, build
from worker.cli.definition_files import documents_of
from worker.identity.rules import DEFAULT_CAPS, Rules

EVENTS = 2_000


def catalogue(size: Size) -> Catalogue:
    documents = documents_of({"definitions": definitions(size)})
    read = [interpret(document.key, document.value, caps=DEFAULT_CAPS) for document in documents]
    return build([one for one in read if not isinstance(one, Rules)], version=1)


def events(size: Size) -> Sequence[Event]:
    return list(stream(EVENTS, size, users=500, base_ms=1_794_268_800_000, step_ms=1_000))


def concerned(found: Catalogue, names: Sequence[str]) -> float:
    """How many audiences stand on events of a name, filters aside; on average over the stream."""
    by_name = {
        name: len(
            {
                n
                for leaf in found.leaves.values()
                if leaf.selection.event == name
                for n in found.numbers_by_leaf[leaf.leaf_id]
            }
        )
        for name in set(names)
    }
    return mean(by_name[name] for name in names)


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_every_audience_of_a_set_is_there_and_every_section_has_events(size: Size) -> None:
    found = catalogue(size)

    assert len(found.computations) == size.audiences
    assert {event.name[-3:] for event in events(size)} == {f"{section:03d}" for section in range(size.sections)}


def test_an_event_concerns_as_many_audiences_of_ten_as_of_a_thousand() -> None:
    counts = {size: concerned(catalogue(size), [event.name for event in events(size)]) for size in SIZES[1:]}
    ten, hundred, thousand, crowded = counts.values()

    assert hundred == pytest.approx(ten, rel=0.05)
    assert thousand == pytest.approx(ten, rel=0.05)
    assert crowded == pytest.approx(10 * ten, rel=0.05)


def test_the_streams_are_one_but_for_the_sections() -> None:
    def apart_from_sections(size: Size) -> list[tuple[str, str, str, int, int]]:
        return [(one.message_id, one.user, one.name[:-3], one.at_ms, len(one.value)) for one in events(size)]

    one = apart_from_sections(SIZES[0])

    assert all(apart_from_sections(size) == one for size in SIZES[1:])


def test_six_of_ten_count_in_windows_and_one_is_a_funnel() -> None:
    funnels = [query for query in TEN if "parent:" in query]

    assert len(TEN) == 10
    assert len(funnels) == 1
    assert len([query for query in TEN if ".within(" in query and query not in funnels]) == 6
