"""Topic -> consumer: reading this is reading the topology.

    tracking-events ────┐
    passthrough-events ─┤ route ─► resolved-events ─► fold ─► audience-changes, trait-changes, profile-merges
    definitions ────────┘     └──► dead-letters

A record on an event topic is read by its own shape, not by the topic it came on.
"""

from collections.abc import Mapping
from functools import partial

from consumers import definitions, events, mailbox
from schemas.codec import AvroDecoder
from worker.engine.control import Documents
from worker.engine.intake import Consumer
from worker.identity.rules import Caps, Rules

EVENT_TOPICS = ("tracking-events", "passthrough-events")
DEFINITIONS_TOPIC = "definitions"
MAILBOX_TOPIC = "resolved-events"

INPUT_TOPICS = (*EVENT_TOPICS, DEFINITIONS_TOPIC)
"""What the ``route`` group subscribes to."""

read_mail = mailbox.read


def documents(avro: AvroDecoder, caps: Caps) -> Documents:
    """How the control plane reads definitions. ``avro``: reads framed values; ``caps``: of any identity settings."""
    return Documents(
        read=partial(definitions.read_change, avro=avro),
        interpret=partial(definitions.interpret, caps=caps),
        default_rules=Rules(caps=caps),
    )


def event_consumers(*, require_external_definition: bool, avro: AvroDecoder) -> Mapping[str, Consumer]:
    """The consumer of each event topic. ``avro``: reads framed values."""
    consumer = events.Events(require_external_definition=require_external_definition, avro=avro)
    return dict.fromkeys(EVENT_TOPICS, consumer)
