"""Random definitions over random logs: what is explained is what the engine says, now and of the time to come."""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st

from tests.acceptance.moments import ms
from tests.property.audience_comparisons import Feature, Features
from tests.property.audience_definitions import definition_sets
from tests.property.audience_logs import SPAN_MS, Log, logs
from tests.property.test_audiences_against_oracle import ALL, FUNNELS, F, family
from worker.audiences.conditions import Verdict
from worker.audiences.explanation.explain import explain
from worker.audiences.explanation.moments import Later
from worker.audiences.explanation.parts import Part, Side
from worker.audiences.windows import NEVER
from worker.cli.assembly import Options
from worker.cli.definition_files import documents_of
from worker.cli.dossier import Dossier, find
from worker.cli.explain_audience import Scene, audience_keys, scene_of, scene_parts, scene_view
from worker.cli.in_force import read_in_force
from worker.cli.simulate import play
from worker.cli.tables import show
from worker.cli.virtual import VirtualWorker
from worker.identity.rules import DEFAULT_CAPS, Identifier
from worker.profiles.codec import encode

pytestmark = pytest.mark.property

PERSON = Identifier("customer_id", "c1")


class Stage(NamedTuple):
    worker: VirtualWorker
    scene: Scene


def stage(documents: dict[str, Any], log: Log, *, later_ms: int) -> Stage:
    """The person of a log, some time after its last record."""
    note(json.dumps(documents, indent=1))
    note("\n".join(log.lines))
    worker = VirtualWorker(Options())
    until_ms = log.end_ms - SPAN_MS + later_ms
    for _ in play(worker, documents_of({"definitions": json.dumps(documents)}), log.lines, until_ms):
        pass
    found = find(worker.store, PERSON)
    assert isinstance(found, Dossier)
    return Stage(worker, scene_of(found, read_in_force(worker.store, DEFAULT_CAPS).catalogue, until_ms))


def parts_of(part: Part) -> Iterator[Part]:
    yield part
    for one in part.parts:
        yield from parts_of(one)
    for side in part.sides:
        yield from parts_of_side(side)


def parts_of_side(side: Side) -> Iterator[Part]:
    for event in side.events:
        if event.part is not None:
            yield from parts_of(event.part)
    if side.definition is not None and side.definition.part is not None:
        yield from parts_of(side.definition.part)
    if side.definition is not None and side.definition.side is not None:
        yield from parts_of_side(side.definition.side)


def assert_coherent(part: Part) -> None:
    """A whole is what Kleene's logic makes of its parts; a count that needs so many is true with so many."""
    values = [one.value for one in part.parts]
    match part.kind:
        case "and":
            assert part.value is (False if False in values else None if None in values else True)
        case "or":
            assert part.value is (True if True in values else None if None in values else False)
        case "not":
            assert part.value is (None if values[0] is None else not values[0])
        case "comparison" if part.sides[0].wanted is not None and not part.sides[0].undecided:
            assert part.value is (part.sides[0].value >= part.sides[0].wanted)
    for event in (event for side in part.sides for event in side.events if event.part is not None):
        assert event.part is not None
        passes = event.part.value
        assert event.counts is passes or event.counts is False  # outside of the window, or of the session
    assert part.changes_ms >= part.due_ms


def explains(features: Features) -> None:
    @settings(deadline=None, report_multiple_bugs=False)
    @given(
        documents=definition_sets(features),
        log=logs(features),
        later_ms=st.sampled_from([0, 0, 1, 3_600_000, 86_400_000]),
    )
    def engine_and_explanation_agree(documents: dict[str, Any], log: Log, later_ms: int) -> None:
        worker, scene = stage(documents, log, later_ms=later_ms)
        before = encode(scene.stored)
        for key in audience_keys(scene):
            assert_engine_says_so(scene, key)
        view = scene_view(scene, audience_keys(scene))
        show(*scene_parts(view))
        json.dumps(view)
        assert encode(scene.stored) == before

        ahead = next_changes(worker, scene.at_ms)
        for one in view["audiences"]:
            found = one["by_itself"]
            assert (None if found is None else (ms(found["at"]), found["does"])) == ahead.get(one["audience"])
            assert one["notes"] == [] or not one["eligible"]

    engine_and_explanation_agree()


def assert_engine_says_so(scene: Scene, key: str) -> None:
    computation = scene.catalogue.by_key.get(key)
    if computation is None:
        return
    explained = explain(computation, scene.catalogue, scene.present)
    assert explained.part is not None
    assert explained.is_wanted == scene.stored.member(key)
    assert explained.part.due_ms >= scene.present.dues.get(key, NEVER) or not explained.eligible
    assert computation.condition is not None
    whole: Verdict = computation.condition.evaluate(scene.present)
    assert (explained.part.value, explained.part.due_ms) == whole
    for part in parts_of(explained.part):
        assert_coherent(part)
    if explained.part.changes_ms != NEVER:
        changed, _ = computation.condition.evaluate(Later(scene.present, explained.part.changes_ms))
        unchanged, _ = computation.condition.evaluate(Later(scene.present, explained.part.changes_ms - 1))
        assert changed is not explained.part.value is unchanged


def next_changes(worker: VirtualWorker, now_ms: int) -> dict[str, tuple[int, str]]:
    """By audience, its next change if nothing comes; from the engine itself."""
    found: dict[str, tuple[int, str]] = {}
    for output in worker.run_to(now_ms + 10 * SPAN_MS):
        if output["topic"] == "audience-changes":
            value = output["value"]
            does = "enter" if value["event"] == "Audience Entered" else "exit"
            found.setdefault(value["properties"]["audience_key"], (ms(value["timestamp"]), does))
    return found


@family(
    counts={F.COUNTS, F.WITHIN, F.WHERE},
    between={F.COUNTS, F.WITHIN, F.BETWEEN, F.WHERE},
    sessions={F.COUNTS, F.SESSIONS, F.WITHIN, F.WHERE, F.REDUCERS, F.COMPUTED_TRAITS, F.CHAINS},
    reducers={F.COUNTS, F.REDUCERS, F.WITHIN, F.BETWEEN, F.WHERE},
    dates={F.TRAITS, F.DATES},
    funnels={*FUNNELS, F.BETWEEN, F.SESSIONS, F.REDUCERS, F.REDUCED_FUNNELS},
    references={*FUNNELS, F.TRAITS, F.REFERENCES, F.MOVING_PROPERTIES},
    chains={F.COUNTS, F.WITHIN, F.TRAITS, F.DATES, F.CHAINS, F.PASSTHROUGH, F.REDUCERS, F.COMPUTED_TRAITS},
    language=set(ALL),
)
def test_what_is_explained_is_what_the_engine_says(features: frozenset[Feature]) -> None:
    explains(features)
