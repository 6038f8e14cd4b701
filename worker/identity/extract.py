"""Where the identifiers of an event are: the locations, their conditions, and normalisation.

Source: Segment, "Identity Onboarding" (default identifiers) and "External IDs"; docs/decisions.md, "Identity".
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from schemas.events import TrackingEvent
from schemas.json_text import shortest
from schemas.reasons import Reason, Refusal
from worker.identity.rules import Identifier, Rules

IDENTIFIERS_MAX = 100
"""Identifiers on one event. Fewer would refuse honest events; more make one event touch that many graph records."""

IDENTIFIER_CHARACTERS_MAX = 500
"""Characters of one value, or of its type. Shorter would refuse push tokens; longer ones bloat every output of their
profile."""

KELVIN_SIGN = "\N{KELVIN SIGN}"
"""The one letter outside ASCII of which ``str.lower`` makes one inside, a k: an address with it is nobody else's."""

CONTEXT_LOCATIONS = frozenset({"traits", "device", "integrations", "Braze", "externalIds"})


def extract(call: TrackingEvent, rules: Rules) -> list[Identifier]:
    """Every identifier of a call, by priority, blocked values included (``Rules.blocked`` tells them).

    Values are strings, trimmed; e-mail addresses are lower-cased. Empty values are left out.
    """
    if call.type == "alias":  # links nothing (docs/decisions.md, "Alias")
        found: Iterable[tuple[str, Any]] = [("user_id", call.userId)]
    elif has_only_ids(call, rules):
        found = (("user_id", call.userId), ("anonymous_id", call.anonymousId))
    else:
        found = _locations(call, rules)
    identifiers = [Identifier(kind, value) for kind, raw in found if (value := normalised(kind, raw))]
    return identifiers if len(identifiers) < 2 else rules.ordered(identifiers)


def has_only_ids(call: TrackingEvent, rules: Rules) -> bool:
    """Whether nothing but ``userId`` and ``anonymousId`` can identify: so it is with most events."""
    if call.traits or rules.keys or call.type in ("alias", "group"):
        return False
    if call.context and not CONTEXT_LOCATIONS.isdisjoint(call.context):
        return False
    return not call.properties or "email" not in call.properties


def refuse_identifiers(identifiers: list[Identifier]) -> Refusal | None:
    """What is wrong with the number or the length of an event's identifiers."""
    if len(identifiers) > IDENTIFIERS_MAX:
        detail = f"{len(identifiers)} identifiers, {IDENTIFIERS_MAX} are allowed"
        return Refusal(Reason.TOO_MANY_IDENTIFIERS, detail)
    for kind, value in identifiers:
        longer = max(len(kind), len(value))
        if longer > IDENTIFIER_CHARACTERS_MAX:
            detail = f"{kind[:40]} has {longer} characters, {IDENTIFIER_CHARACTERS_MAX} are allowed"
            return Refusal(Reason.IDENTIFIER_TOO_LONG, detail)
    return None


def normalised(kind: str, raw: Any) -> str | None:
    """The value as it identifies, None when it is neither a string nor a number."""
    if isinstance(raw, str):
        value = raw.strip()
        return lowered(value) if kind == "email" else value
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        return None
    return shortest(raw)


def lowered(address: str) -> str:
    """In lower case; a look-alike of an ASCII letter stays one."""
    if KELVIN_SIGN in address:
        return KELVIN_SIGN.join([part.lower() for part in address.split(KELVIN_SIGN)])
    return address.lower()


def _locations(call: TrackingEvent, rules: Rules) -> Iterator[tuple[str, Any]]:
    context = call.context
    yield "user_id", call.userId
    yield from _emails(call)
    yield "anonymous_id", call.anonymousId
    if context:
        yield from _context(context)
    if rules.keys:
        yield from _configured(call, rules.keys)


def _emails(call: TrackingEvent) -> Iterator[tuple[str, Any]]:
    if call.traits and call.type != "group":  # a group's e-mail is the account's
        yield "email", call.traits.get("email")
    if call.context and isinstance(context_traits := call.context.get("traits"), dict):
        yield "email", context_traits.get("email")
    if call.properties:
        yield "email", call.properties.get("email")


def _context(context: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    device = context.get("device")
    if isinstance(device, dict):
        yield from _device(device)
    integrations = context.get("integrations")
    if isinstance(integrations, dict) and isinstance(analytics := integrations.get("Google Analytics"), dict):
        yield "ga_client_id", analytics.get("clientId")
    braze = context.get("Braze")
    if isinstance(braze, dict):
        yield "braze_id", braze.get("braze_id")
    traits = context.get("traits")
    if isinstance(traits, dict):
        yield "cross_domain_id", traits.get("crossDomainId")
        yield "cross_domain_id", traits.get("cross_domain_id")
    external_ids = context.get("externalIds")
    if isinstance(external_ids, list):
        yield from _external_ids(external_ids)


def _device(device: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    platform = device.get("type")
    if platform not in ("ios", "android"):
        return
    yield f"{platform}.id", device.get("id")
    if device.get("adTrackingEnabled") is True:
        yield f"{platform}.idfa", device.get("advertisingId")
    yield f"{platform}.push_token", device.get("token")


def _external_ids(external_ids: list[Any]) -> Iterator[tuple[str, Any]]:
    """Only complete entries of the users collection, their type in lower case."""
    for entry in external_ids:
        if not isinstance(entry, dict):
            continue
        kind = entry.get("type")
        complete = entry.get("collection") == "users" and entry.get("encoding") == "none"
        if complete and isinstance(kind, str) and kind and kind == kind.lower():
            yield kind, entry.get("id")


def _configured(call: TrackingEvent, keys: Iterable[tuple[str, str]]) -> Iterator[tuple[str, Any]]:
    context_traits = call.context.get("traits") if call.context else None
    user_traits = None if call.type == "group" else call.traits
    for document in (user_traits, context_traits, call.properties):
        if isinstance(document, dict):
            for key, kind in keys:
                if key in document:
                    yield kind, document[key]
