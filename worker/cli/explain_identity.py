"""Why a person is who they are to the worker: what brought each identifier, what was merged, what was left out."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Group

from consumers.definitions import interpret
from schemas.events import CONTEXT_IDENTITY
from worker.cli.definition_files import Document
from worker.cli.dossier import Dossier, survivors
from worker.cli.graph_view import View, identifiers_view, merges_listing, merges_view, moment
from worker.cli.tables import listing
from worker.engine.control import IDENTITY, read_book
from worker.identity.graph import ProfileRecord
from worker.identity.rules import PERIODS_MS, Caps, Rules
from worker.metrics import IDENTITY_VIOLATIONS
from worker.ports import Store
from worker.profiles.ids import profile_bytes, profile_text

PERIODS = {period_ms: period for period, period_ms in PERIODS_MS.items()}

UNKNOWN_VIOLATIONS = (
    f"identifiers left out: counted by kind in {IDENTITY_VIOLATIONS.name}, and told with each event in "
    "resolved-events (context.identity.violations); --events lists those of a replay"
)


def rules_in_force(store: Store, caps: Caps) -> Rules:
    """The identity settings by which routers go.

    Raises:
        StoreUnavailableError: the store did not answer.
    """
    entry = read_book(store).entries.get(IDENTITY)
    return _rules(None if entry is None else entry.document, caps)


def rules_of(documents: Iterable[Document], caps: Caps) -> Rules:
    """The identity settings among some definitions; the default ones when there are none."""
    return _rules(next((value for key, value in documents if key == IDENTITY), None), caps)


def _rules(document: bytes | None, caps: Caps) -> Rules:
    rules = None if document is None else interpret(IDENTITY, document, caps=caps)
    return rules if isinstance(rules, Rules) else Rules(caps=caps)


def identity_view(dossier: Dossier, rules: Rules, *, at_ms: int, violations: Sequence[View] | None) -> View:
    """The explanation as ``--json`` prints it.

    ``at_ms``: the moment from which the periods of limits trail. ``violations`` None: they are not known.
    """
    record = dossier.record
    return {
        "profile_id": profile_text(dossier.profile),
        "created": moment(record.born_ms),
        "merged_into": None,
        "identifiers": identifiers_view(record),
        "identifiers_max": rules.caps.mappings_max,
        "limits": _limits(record, rules, at_ms),
        "merges": merges_view(record),
        "merges_max": rules.caps.merges_max,
        "violations": violations,
    }


def _limits(record: ProfileRecord, rules: Rules, at_ms: int) -> list[View]:
    """By priority, how many values of each type there are that count towards its limit."""
    values = Counter(
        [kept.type for kept in record.identifiers if rules.limit(kept.type).counts(kept.first_seen_ms, at_ms)]
    )
    kinds = sorted({kept.type for kept in record.identifiers}, key=rules.rank)
    limits = {kind: rules.limit(kind) for kind in kinds}
    return [
        {"type": kind, "values": values[kind], "limit": limit.values, "period": PERIODS[limit.period_ms]}
        for kind, limit in limits.items()
    ]


def told_violations(outputs: Iterable[Mapping[str, Any]]) -> list[View]:
    """Identifiers that events have left out, as a replay's ``resolved-events`` tell them."""
    return [
        {
            "at": output["at"],
            "message_id": output["value"]["messageId"],
            "profile_id": output["value"]["profile_id"],
            "type": violation["type"],
            "value": violation["id"],
            "violation": violation["violation"],
        }
        for output in outputs
        if output["topic"] == "resolved-events"
        for violation in output["value"].get("context", {}).get(CONTEXT_IDENTITY, {}).get("violations", ())
    ]


def violations_about(dossier: Dossier, violations: Iterable[View], store: Store) -> list[View]:
    """Those of the profile's own events, and those that kept one of its identifiers from the profile of another.

    ``profile_id`` becomes that of the profile that has the event now.
    """
    told = list(violations)
    now = survivors(store, [profile_bytes(one["profile_id"]) for one in told])
    its_own = {(kept.type, kept.value) for kept in dossier.record.identifiers}
    about = []
    for one in told:
        profile = now[profile_bytes(one["profile_id"])]
        if profile == dossier.profile or (one["type"], one["value"]) in its_own:
            about.append({**one, "profile_id": profile_text(profile)})
    return about


def identity_parts(view: View) -> list[str | Group]:
    """The explanation for people."""
    identifiers, merges, violations = view["identifiers"], view["merges"], view["violations"]
    return [
        f"{view['profile_id']}, created {view['created']}",
        listing(
            f"identifiers, {len(identifiers)} of at most {view['identifiers_max']}",
            identifiers,
            {"type": "type", "value": "value", "first_seen": "first seen", "message_id": "by the event"},
        ),
        listing("limits", view["limits"], {key: key for key in ("type", "values", "limit", "period")}),
        merges_listing(f"merged into it, {len(merges)} of at most {view['merges_max']}", merges),
        UNKNOWN_VIOLATIONS if violations is None else _violations_listing(violations),
    ]


def _violations_listing(violations: list[View]) -> Group:
    columns = {
        "at": "at",
        "message_id": "of the event",
        "type": "type",
        "value": "value",
        "violation": "why",
        "profile_id": "profile of the event",
    }
    return listing("identifiers left out", violations, columns)
