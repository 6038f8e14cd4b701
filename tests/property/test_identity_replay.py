"""A replay of identity alone says what the whole worker would have said."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st

from schemas.codec import AvroDecoder
from tests.property.identity_cases import (
    CAPPED_LINKED_CASES,
    CASES,
    CHANGED_CASES,
    LATE_CASES,
    LINKED_CASES,
    Case,
    rule_sets,
    settings_of,
)
from tests.property.identity_oracle_values import Rules
from tests.property.test_identity_against_oracle import options_of
from worker.cli.definition_files import Document, documents_of
from worker.cli.dry_run import DryRun, dry_run
from worker.cli.identity_replay import IdentityReplay, Routed
from worker.cli.recorded import Recorded, read_recorded
from worker.cli.simulate import simulate
from worker.profiles.ids import profile_text

pytestmark = pytest.mark.property

THOROUGH = settings(max_examples=60, deadline=None)  # a run in a busy CI may take its time


def documents(rules: Rules) -> list[Document]:
    text = json.dumps({"identity": settings_of(rules)})
    note(text)
    return documents_of({"definitions": text})


def simulated(case: Case) -> list[dict[str, Any]]:
    note("\n".join(case.lines()))
    return list(simulate(documents(case.rules), case.lines(), case.end_ms, options=options_of(case.caps)))


def recorded(lines: Sequence[str]) -> Recorded:
    return read_recorded(lines, topic_prefix="")


def told(routed: Routed) -> tuple[Any, ...]:
    if routed.profile is None:
        return (routed.outcome,)
    kinds = [(violation.kind, *violation.identifier) for violation in routed.violations]
    return routed.message_id, profile_text(routed.profile), kinds


def told_by_the_worker(output: dict[str, Any]) -> tuple[Any, ...]:
    if output["topic"] == "dead-letters":
        return (output["headers"]["reason"],)
    value = output["value"]
    violations = value.get("context", {}).get("identity", {}).get("violations", [])
    return value["messageId"], value["profile_id"], [(v["violation"], v["type"], v["id"]) for v in violations]


def findings(run: DryRun) -> tuple[Any, ...]:
    present, proposed = run.present, run.proposed
    return (
        [(moved.message_id, moved.present, moved.proposed) for moved in run.comparison.moved],
        run.comparison.people,
        present.merges,
        proposed.merges,
        present.left_out,
        proposed.left_out,
    )


@THOROUGH
@given(case=CASES | LINKED_CASES | LATE_CASES | CAPPED_LINKED_CASES | CHANGED_CASES)
def test_every_event_goes_where_the_worker_sends_it(case: Case) -> None:
    """Profile ids, refusals, violations and merges, of rules that change on the way too."""
    outputs = simulated(case)
    replay = IdentityReplay(documents(case.rules), options_of(case.caps), AvroDecoder(), fixed=False)

    routed = [one for line in recorded(case.lines()).lines if (one := replay.take(line)) is not None]

    events = [output for output in outputs if output["topic"] in ("resolved-events", "dead-letters")]
    assert [told(one) for one in routed] == [told_by_the_worker(output) for output in events]
    assert sum(one.merges for one in routed) == sum(output["topic"] == "profile-merges" for output in outputs)


@THOROUGH
@given(case=CASES | LINKED_CASES)
def test_under_the_same_rules_nothing_goes_elsewhere(case: Case) -> None:
    (rules,) = documents(case.rules)

    run = dry_run([rules], rules, recorded(case.lines()), options_of(case.caps), AvroDecoder())

    assert run.comparison.moved == []
    assert run.comparison.people[0] == run.comparison.people[1]


@THOROUGH
@given(case=CASES | LATE_CASES, proposed=rule_sets(), order=st.randoms(use_true_random=False))
def test_the_archive_says_the_same_as_the_input(case: Case, proposed: Rules, order: Any) -> None:
    """A dump of it, its lines in any order, without the events that the present rules have refused."""
    (present,), (other,) = documents(case.rules), documents(proposed)
    options = options_of(case.caps)
    outputs = simulated(case)
    accepted = {output["value"]["messageId"] for output in outputs if output["topic"] == "resolved-events"}
    lines = [line for line in case.lines() if json.loads(line)["value"]["messageId"] in accepted]
    dump = [json.dumps(output) for output in outputs]
    order.shuffle(dump)

    by_input = dry_run([present], other, recorded(lines), options, AvroDecoder())
    by_archive = dry_run([present], other, recorded(dump), options, AvroDecoder())

    assert findings(by_archive) == findings(by_input)
    assert by_archive.comparison.events == len(accepted)
