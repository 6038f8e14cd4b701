"""What the identity graph says of a profile: as plain values for ``--json``, and as tables made of these."""

from typing import Any

from rich.console import Group

from schemas.times import utc_text
from worker.cli.dossier import Gone
from worker.cli.subject import Subject
from worker.cli.tables import listing
from worker.errors import InputError
from worker.identity.graph import ProfileRecord
from worker.identity.rules import GROUP_ID
from worker.profiles.ids import profile_text

View = dict[str, Any]


def moment(ms: int) -> str:
    """ISO 8601, UTC; a number of milliseconds when the clock of a producer went beyond the years that have a name."""
    try:
        return utc_text(ms)
    except OverflowError:
        return f"{ms} ms"


def identifiers_view(record: ProfileRecord) -> list[View]:
    """In the order in which they came; ``message_id``: of the event that brought it."""
    return [
        {
            "type": kept.type,
            "value": kept.value,
            "first_seen": moment(kept.first_seen_ms),
            "message_id": kept.message_id,
        }
        for kept in record.identifiers
    ]


def merges_view(record: ProfileRecord) -> list[View]:
    """Everybody who was merged into the profile, directly or by way of others; ``into``: into which, at that time."""
    return [
        {
            "at": moment(merge.at_ms),
            "profile_id": profile_text(merge.child),
            "into": profile_text(merge.parent),
            "message_id": merge.message_id,
            "open": merge.open,
        }
        for merge in record.merged
    ]


def gone_view(gone: Gone) -> View:
    """What is left to say of a profile that was merged away."""
    merge = gone.merge
    return {
        "profile_id": profile_text(gone.profile),
        "merged_into": {
            "profile_id": profile_text(gone.survivor),
            "first_into": profile_text(merge.parent),
            "at": moment(merge.at_ms),
            "message_id": merge.message_id,
            "open": merge.open,
        },
    }


def gone_text(gone: Gone) -> str:
    """The same as a sentence."""
    merge, survivor = gone.merge, profile_text(gone.survivor)
    into, at, by = profile_text(merge.parent), moment(merge.at_ms), merge.message_id
    text = f"{profile_text(gone.profile)} was merged into {into} at {at} by the event {by}"
    return text if into == survivor else f"{text}; by now {survivor} has it"


def merges_listing(title: str, merges: list[View]) -> Group:
    """``open`` in words: whether the history of the profile has come."""
    entries = [{**merge, "state": "its history is on the way" if merge["open"] else "done"} for merge in merges]
    columns = {"at": "at", "profile_id": "profile", "into": "into", "message_id": "by the event", "state": "state"}
    return listing(title, entries, columns)


def nobody(subject: Subject) -> InputError:
    """The fault of a subject that leads to no profile."""
    if isinstance(subject, bytes):
        return InputError(f"there is no profile {profile_text(subject)}")
    kind, value = subject
    if kind == GROUP_ID:
        return InputError(f"{kind}:{value} can name an account only, and a profile is a person's")
    return InputError(f"nobody has {kind}:{value}")
