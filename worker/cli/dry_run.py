"""``explain --identity --dry-run-rules``: what other identity rules would have made of the same events."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Group

from schemas.codec import AvroDecoder
from schemas.times import utc_text
from worker.cli.assembly import Options
from worker.cli.definition_files import Document, documents_of, read_files
from worker.cli.dossier import Dossier, find
from worker.cli.explain_identity import identity_parts, identity_view, violations_about
from worker.cli.graph_view import View, nobody
from worker.cli.identity_replay import IdentityReplay
from worker.cli.recorded import Recorded
from worker.cli.rules_comparison import Comparison, Person, Side, compare, outcomes_of
from worker.cli.tables import listing
from worker.engine.control import IDENTITY
from worker.errors import InputError
from worker.identity.rules import Identifier
from worker.profiles.ids import profile_text

LARGEST = 5
"""Profiles shown of each side: enough to see one that gathers strangers."""


def proposed_rules(path: Path) -> Document:
    """The identity settings of a file.

    Raises:
        InputError: it cannot be read, is wrong, or has none.
    """
    documents = documents_of(read_files([path]))
    settings = next((document for document in documents if document.key == IDENTITY), None)
    if settings is None:
        raise InputError(f"{path}: there are no identity settings in it")
    return settings


@dataclass(frozen=True, slots=True)
class DryRun:
    """Both sides at the end. ``passed_over``: lines that were no input."""

    present: Side
    proposed: Side
    comparison: Comparison
    passed_over: int


def dry_run(
    documents: Sequence[Document], rules: Document, recorded: Recorded, options: Options, avro: AvroDecoder
) -> DryRun:
    """Route events under the rules among ``documents``, and under ``rules`` in their place.

    Raises:
        InputError: a document was refused.
        DependencyError: the schema registry did not answer.
    """
    others = [document for document in documents if document.key != IDENTITY]
    present = Side(IdentityReplay(documents, options, avro, fixed=False))
    proposed = Side(IdentityReplay([rules, *others], options, avro, fixed=True))
    return DryRun(present, proposed, compare(recorded.lines, present, proposed), recorded.passed_over)


def dry_run_view(run: DryRun, *, examples: int) -> View:
    """What ``--json`` prints. ``examples``: how many of the events that would go elsewhere."""
    comparison = run.comparison
    before, after = comparison.people
    return {
        "events": comparison.events,
        "passed_over": run.passed_over,
        "present": _side_view(run.present, before),
        "proposed": _side_view(run.proposed, after),
        "elsewhere": {
            "events": len(comparison.moved),
            "examples": [
                {
                    "at": utc_text(moved.at_ms),
                    "message_id": moved.message_id,
                    "present": dict(zip(("outcome", "profile"), moved.present, strict=True)),
                    "proposed": dict(zip(("outcome", "profile"), moved.proposed, strict=True)),
                }
                for moved in comparison.moved[:examples]
            ],
        },
    }


def _side_view(side: Side, people: Sequence[Person]) -> View:
    largest = sorted(people, key=lambda person: person.identifiers, reverse=True)[:LARGEST]
    return {
        "outcomes": outcomes_of(side),
        "profiles": len(people),
        "identifiers": sum([person.identifiers for person in people]),
        "merges": side.merges,
        "left_out": dict(sorted(Counter([one.violation.kind for one in side.left_out]).items())),
        "largest": [
            {
                "profile": person.name,
                "identifiers": person.identifiers,
                "events": person.events,
                "merges": person.merges,
            }
            for person in largest
        ],
    }


def dry_run_parts(view: View) -> list[str | Group]:
    """The same for people."""
    present, proposed, elsewhere = view["present"], view["proposed"], view["elsewhere"]
    profiles = {"profile": "profile", "identifiers": "identifiers", "events": "events", "merges": "merged into it"}
    examples = [
        {**one, "present": _where(one["present"]), "proposed": _where(one["proposed"])} for one in elsewhere["examples"]
    ]
    columns = {"at": "at", "message_id": "event", "present": "present", "proposed": "proposed"}
    passed_over = f"; {view['passed_over']} lines that are none were passed over" if view["passed_over"] else ""
    return [
        f"{view['events']} events{passed_over}",
        listing("in all", _rows(present, proposed), {"what": "", "present": "present", "proposed": "proposed"}),
        listing("largest profiles, present", present["largest"], profiles),
        listing("largest profiles, proposed", proposed["largest"], profiles),
        f"{elsewhere['events']} of {view['events']} events would go elsewhere",
        *([listing("the first of them", examples, columns)] if examples else []),
        *[part for side, person in view.get("profile", {}).items() for part in _person_parts(side, person)],
    ]


def _person_parts(side: str, person: View | None) -> list[str | Group]:
    if person is None:
        return [f"under the {side} rules nobody has this identifier"]
    return [f"under the {side} rules:", *identity_parts(person)]


def _rows(present: View, proposed: View) -> list[View]:
    rows = [_row("profiles", present["profiles"], proposed["profiles"])]
    rows += [_row(what, present[what], proposed[what]) for what in ("merges", "identifiers")]
    for title, part in (("events", "outcomes"), ("left out", "left_out")):
        for what in dict.fromkeys([*present[part], *proposed[part]]):
            rows.append(_row(f"{title}: {what}", present[part].get(what, 0), proposed[part].get(what, 0)))
    return rows


def _row(what: str, present: int, proposed: int) -> View:
    return {"what": what, "present": present, "proposed": proposed}


def _where(place: View) -> str:
    """The profile's name, or why there is none."""
    return str(place["profile"] or place["outcome"])


def people_view(run: DryRun, who: Identifier) -> View:
    """The person that has an identifier at the end of each side; None when nobody has it there.

    Raises:
        InputError: nobody has it on either.
    """
    people = {"present": _person(run.present, who), "proposed": _person(run.proposed, who)}
    if not any(people.values()):
        raise nobody(who)
    return people


def _person(side: Side, who: Identifier) -> View | None:
    store, rules = side.replay.store, side.replay.rules
    dossier = find(store, who)
    if not isinstance(dossier, Dossier):
        return None
    told = [
        {
            "at": utc_text(one.at_ms),
            "message_id": one.message_id,
            "profile_id": profile_text(one.profile),
            "type": one.violation.identifier.type,
            "value": one.violation.identifier.value,
            "violation": one.violation.kind,
        }
        for one in side.left_out
    ]
    return identity_view(dossier, rules, at_ms=side.replay.now_ms, violations=violations_about(dossier, told, store))
