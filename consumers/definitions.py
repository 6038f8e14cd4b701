"""``definitions``: documents of the control plane.

Source: docs/records.md, "Definitions"; docs/decisions.md, "Definitions".
"""

import msgspec

from consumers.framing import as_json
from schemas import definition
from schemas.codec import AvroDecoder
from schemas.reasons import Reason, Refusal
from worker.audiences.definitions import Definition
from worker.engine.control import Change
from worker.errors import InvariantError
from worker.identity.rules import PERIODS_MS, Caps, Limit, Rules, spellings
from worker.ports import Record

DAY_MS = 86_400_000


def read_change(record: Record, *, avro: AvroDecoder) -> Change | Refusal:
    """What a record changes.

    Raises:
        DependencyError: the schema registry did not answer.
    """
    if record.value is not None:
        plain = as_json(record, avro)
        if isinstance(plain, Refusal):
            return Refusal(Reason.INVALID_DEFINITION, plain.detail)
        record = plain
    read = definition.read(record.key, record.value)
    if isinstance(read, Refusal):
        return read
    if isinstance(read, definition.Deletion):
        return Change(f"{read.kind}:{read.key}" if read.key else read.kind, None)
    return Change(definition.record_key(read), canonical(read))


def canonical(document: definition.Definition) -> bytes:
    """A document as it is kept and compared: without what was left to its default, keys in order."""
    fields = document.model_dump(mode="json", exclude_defaults=True)
    return msgspec.json.encode(fields, order="deterministic")


def interpret(key: str, document: bytes, *, caps: Caps) -> Definition | Rules:
    """A document that ``read_change`` has let pass, as the engine takes it.

    Raises:
        InvariantError: it did not pass.
    """
    read = definition.read(key.encode(), document)
    if isinstance(read, definition.IdentitySettings):
        return rules_of(read, caps)
    if isinstance(read, definition.AudienceDefinition | definition.TraitDefinition):
        return definition_of(read)
    raise InvariantError(f"the definition {key!r} in force cannot be read")


def definition_of(document: definition.AudienceDefinition | definition.TraitDefinition) -> Definition:
    """A definition as it is evaluated; revision and beginning are the control plane's to set."""
    return _trait_of(document) if isinstance(document, definition.TraitDefinition) else _audience_of(document)


def _trait_of(trait: definition.TraitDefinition) -> Definition:
    return Definition(
        key=trait.key,
        query=trait.query,
        accounts=trait.type == "accounts",
        include_anonymous=trait.include_anonymous,
        emit=trait.forms,
        kind="trait",
        computed=trait.event,
    )


def _audience_of(audience: definition.AudienceDefinition) -> Definition:
    limited = audience.history is not True
    return Definition(
        key=audience.key,
        query=audience.query,
        external_id=audience.external_audience_id,
        accounts=audience.type == "accounts",
        include_anonymous=audience.include_anonymous,
        since=audience.key if limited else None,
        history_ms=_history_ms(str(audience.history)) if limited else None,
        emit=audience.forms,
        entered=audience.entered_event,
        exited=audience.exited_event,
    )


def _history_ms(history: str) -> int:
    """Milliseconds of ``"90 days"``; anything else is none at all."""
    number, _, unit = history.partition(" ")
    return int(number) * DAY_MS if unit else 0


def rules_of(settings: definition.IdentitySettings, caps: Caps) -> Rules:
    """Identity settings as the router takes them."""
    values = [value for value in settings.blocked_values if isinstance(value, str)]
    patterns = [value.pattern for value in settings.blocked_values if not isinstance(value, str)]
    return Rules(
        limits={rule.type: Limit(rule.limit, PERIODS_MS[rule.period]) for rule in settings.identifiers},
        blocked_values=values,
        blocked_patterns=patterns,
        high_confidence=settings.high_confidence,
        keys=[(spelling, rule.type) for rule in settings.identifiers if rule.key for spelling in spellings(rule.key)],
        caps=caps,
    )
