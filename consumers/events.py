"""Event topics: each record is read by its own shape, whichever of the topics it came on."""

from consumers import passthrough, tracking
from consumers.framing import as_json
from schemas.codec import FRAME_MAGIC, AvroDecoder
from schemas.dispatch import Shape, shape_of
from schemas.reasons import Reason, Refusal
from worker.audiences.catalogue import Catalogue
from worker.engine.intake import Accepted
from worker.identity.rules import Rules
from worker.ports import Record

PASSTHROUGH = Shape.PASSTHROUGH
OTHER_SHAPES = frozenset({Reason.MISSING_TYPE, Reason.INVALID_TYPE})

REMEMBERED_VISITORS = 50_000
"""Pairs of ids whose identifiers are remembered, some 400 bytes each. Fewer: more of them are extracted again."""


class Events:
    """The consumer of ``tracking-events`` and ``passthrough-events``."""

    def __init__(self, *, require_external_definition: bool, avro: AvroDecoder) -> None:
        self._require_definition = require_external_definition
        self._avro = avro
        self._promotions = tracking.Promotions(remembered=REMEMBERED_VISITORS)

    def __call__(self, record: Record, catalogue: Catalogue, rules: Rules) -> Accepted | Refusal:
        """Accept or refuse one record. A record without a value is no object.

        Source: docs/records.md, "Dispatch".
        """
        if not record.value or record.value[0] == FRAME_MAGIC:  # one look for all that is no JSON text
            plain = as_json(record, self._avro)
            if isinstance(plain, Refusal):
                return plain
            record = plain
        outcome = tracking.consume(record, rules, self._promotions)
        # Most records are calls; only one that is none is looked at for what else it may be.
        if not isinstance(outcome, Refusal) or outcome.reason not in OTHER_SHAPES:
            return outcome
        if shape_of(record.value or b"") is PASSTHROUGH:
            return passthrough.consume(record, catalogue, rules, require_definition=self._require_definition)
        return outcome
