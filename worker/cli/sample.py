"""A sample shop: definitions, and visitors who browse, fill carts, buy, log in and fall silent."""

from collections.abc import Iterator
from random import Random
from typing import Any, NamedTuple

DEFINITIONS = """\
audiences:
  - key: browsing_now
    name: Looked at three products in the last ten seconds
    query: "event('Product Viewed').within(10 seconds).count() >= 3"
    include_anonymous: true
  - key: cart_left
    name: Filled a cart in the last 20 seconds and ordered nothing
    query: >-
      event('Product Added').within(20 seconds).count() >= 1
      AND event('Order Completed').within(20 seconds).count() = 0
  - key: pricing_fan
    name: Saw the pricing page twice in half a minute
    query: "event('Page Viewed').where(property('page_name') = 'Pricing').within(30 seconds).count() >= 2"
  - key: big_spender
    name: Has ordered for 100 or more
    query: "event('Order Completed').where(property('total') >= 100).count() >= 1"
  - key: big_spender_idle
    name: A big spender who has not looked at anything for 15 seconds
    query: "trait('big_spender') = true AND event('Product Viewed').within(15 seconds).count() = 0"
  - key: gold
    name: What the loyalty system says (passthrough)
    definition: {external: {external_audience_id: loyalty_gold}}
"""

VISITORS = 24
STEP_MS = 180
"""Mean time between two events of the whole shop."""

PRODUCTS = ("Trail Shoe", "Rain Jacket", "Wool Hat", "Tent", "Camp Stove", "Head Torch")


class SampleEvent(NamedTuple):
    """``after_ms``: time since the event before it. ``value``: as a sender would write it, without timestamps."""

    after_ms: int
    topic: str
    key: str
    value: dict[str, Any]


def sample_events(random: Random) -> Iterator[SampleEvent]:
    """An endless stream. A few visitors are active at a time, so that others fall silent and leave by time."""
    active = list(range(4))
    number = 0
    while True:
        number += 1
        if random.random() < 0.06:
            active[random.randrange(len(active))] = random.randrange(VISITORS)
        visitor = random.choice(active)
        topic, value = _event(random, visitor)
        value["messageId"] = f"sample-{number}"
        after_ms = int(random.expovariate(1 / STEP_MS))
        yield SampleEvent(after_ms, topic, f"visitor-{visitor}", value)


def _event(random: Random, visitor: int) -> tuple[str, dict[str, Any]]:
    kind = random.choices(("view", "pricing", "add", "order", "identify", "loyalty"), weights=(50, 14, 14, 7, 9, 6))[0]
    user, device = f"user-{visitor:02d}", f"device-{visitor:02d}"
    ids = (
        {"anonymousId": device} if visitor % 4 == 0 and kind != "identify" else {"userId": user, "anonymousId": device}
    )
    product, price = random.choice(PRODUCTS), random.randrange(15, 180)
    if kind == "loyalty":
        action = random.choice(("qualify", "disqualify"))
        return "passthrough-events", {
            "type": "passthrough",
            "action": action,
            "identifiers": {"user_id": user},
            "data": {"audience_id": "loyalty_gold", "ts": 0},
        }
    calls: dict[str, dict[str, Any]] = {
        "view": {"type": "track", "event": "Product Viewed", "properties": {"product": product, "price": price}},
        "add": {"type": "track", "event": "Product Added", "properties": {"product": product, "price": price}},
        "order": {"type": "track", "event": "Order Completed", "properties": {"total": price}},
        "pricing": {"type": "page", "name": "Pricing"},
        "identify": {"type": "identify", "traits": {"email": f"{user}@shop.example"}},
    }
    return "tracking-events", {**calls[kind], **ids}
