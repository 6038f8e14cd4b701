"""What the outputs say about whose the events are."""

import re
from collections.abc import Sequence
from typing import Any

from tests.acceptance.lines import Output, audience, changes, of_topic

# The first event "Show" of a profile makes it an audience change, which tells all identifiers that it has.
SHOWN = "shown"
SHOWING: dict[str, Any] = {
    "audiences": [audience(SHOWN, "event('Show').count() >= 1", include_anonymous=True)],
}

Identifiers = set[tuple[str, str]]


def resolved(outputs: Sequence[Output]) -> list[Output]:
    return of_topic(outputs, "resolved-events")


def profiles(outputs: Sequence[Output]) -> list[str]:
    """Of each accepted event its profile: ``A`` for the first that is met, ``B`` for the next, and so on."""
    ids = [output["value"]["profile_id"] for output in resolved(outputs)]
    names = dict(zip(dict.fromkeys(ids), "ABCDEFGHIJ", strict=False))
    return [names[profile_id] for profile_id in ids]


def identifiers(change: Output) -> Identifiers:
    return {(one["type"], one["id"]) for one in change["value"]["context"]["externalIds"]}


def shown(outputs: Sequence[Output]) -> list[Identifiers]:
    """The identifiers of the profiles that were asked to show them, in that order."""
    return [identifiers(change) for change in changes(outputs) if change["headers"]["audience_key"] == SHOWN]


def violations(output: Output) -> list[str]:
    """What the identity rules had against a resolved event, in Segment's words, however they are spelled."""
    found = output["value"].get("context", {}).get("identity", {}).get("violations", [])
    return [re.sub(r"[^a-z]+", " ", violation["violation"].lower()) for violation in found]


def merges(outputs: Sequence[Output]) -> list[dict[str, Any]]:
    return [output["value"] for output in of_topic(outputs, "profile-merges")]
