"""The streams of events that the benchmarks send: the same on every machine, apart from where they begin.

Two streams. The *reference* one is given to every contestant: track calls of 20,000 users over ten days of
event time. The *wide* one has a hundred thousand users who have been identified first, with longer events,
for the worker alone.
"""

import datetime as dt
import functools
import itertools
import random
import uuid
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

DAY_MS = 86_400_000
SEED = 7
REFERENCE_USERS = 20_000
REFERENCE_EVENTS = 300_000
# The stream goes on at the same pace after these ten days: what follows feeds the latency phase.
REFERENCE_SPAN_MS = 10 * DAY_MS
WIDE_SPAN_MS = 22 * 3_600_000

REPEATED_SHARE = 0.01  # clients that retry: as many records are sent a second time
REPEATED_WITHIN = 1_000  # and it happens within as many records, far less than the dedup window
SKEW = 0.8  # popularity of the k-th user is k ** -SKEW: the busiest has a few per mille of the traffic

_EVENT_SHARES = {
    "Page Viewed": 22,
    "Product Viewed": 24,
    "Product Added": 12,
    "Product Removed": 4,
    "Cart Viewed": 8,
    "Checkout Started": 6,
    "Order Completed": 15,
    "Products Searched": 9,
}
_BROWSERS = (
    (
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 "
        "(KHTML, like Gecko) Version/17.4 Safari/605.1.15"
    ),
    ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 Safari/537.36"),
)


class Event(NamedTuple):
    """One record to send and what an oracle needs to know of it. ``value`` is the whole call as JSON."""

    message_id: str
    user: str
    name: str
    at_ms: int
    value: bytes

    def moved_to(self, at_ms: int) -> "Event":
        """The same call as if it had happened at another time."""
        moved = self.value.replace(iso(self.at_ms).encode(), iso(at_ms).encode(), 1)
        return self._replace(at_ms=at_ms, value=moved)


def iso(at_ms: int) -> str:
    seconds, milliseconds = divmod(at_ms, 1000)
    return f"{dt.datetime.fromtimestamp(seconds, dt.UTC):%Y-%m-%dT%H:%M:%S}.{milliseconds:03d}Z"


def reference_stream(count: int, *, base_ms: int) -> Iterator[Event]:
    """Track calls of the reference job, in order of event time, ten days for every 300,000."""
    step_ms = REFERENCE_SPAN_MS / REFERENCE_EVENTS
    return _stream(count, users=REFERENCE_USERS, base_ms=base_ms, step_ms=step_ms, seed=SEED, campaign=False)


def wide_stream(count: int, *, users: int, base_ms: int, step_ms: float, seed: int = SEED) -> Iterator[Event]:
    """The same kinds of calls with a campaign in the context (about 700 bytes), over any number of users."""
    return _stream(count, users=users, base_ms=base_ms, step_ms=step_ms, seed=seed, campaign=True)


def introductions(users: int, *, base_ms: int, step_ms: float) -> Iterator[Event]:
    """One identify call a user: three identifiers (user_id, anonymous_id, email) and a few traits."""
    for user in range(users):
        at_ms = base_ms + int(user * step_ms)
        message_id = f"identify-{user}"
        call = {
            "type": "identify",
            "messageId": message_id,
            "userId": _user_id(user),
            "anonymousId": _anonymous_id(user),
            "timestamp": iso(at_ms),
            "traits": {
                "email": f"{_user_id(user)}@shop.example",
                "plan": ("free", "pro", "team")[user % 3],
                "country": ("DE", "FR", "AT", "CH")[user % 4],
            },
            "context": {"library": {"name": "analytics.js", "version": "4.1.0"}},
        }
        yield Event(message_id, _user_id(user), "", at_ms, msgspec.json.encode(call))


def _stream(count: int, *, users: int, base_ms: int, step_ms: float, seed: int, campaign: bool) -> Iterator[Event]:
    chance = random.Random(seed)
    popularity = list(itertools.accumulate(rank**-SKEW for rank in range(1, users + 1)))
    ranked = list(range(users))
    chance.shuffle(ranked)
    names = list(_EVENT_SHARES)
    shares = list(itertools.accumulate(_EVENT_SHARES.values()))
    recent: list[Event] = []
    for number in range(count):
        if recent and chance.random() < REPEATED_SHARE:
            yield recent[chance.randrange(len(recent))]
            continue
        user = chance.choices(ranked, cum_weights=popularity)[0]
        name = chance.choices(names, cum_weights=shares)[0]
        at_ms = base_ms + int(number * step_ms + chance.random() * step_ms * 0.99)
        call = _track(chance, number=number, user=user, name=name, at_ms=at_ms)
        if campaign:
            call["context"]["campaign"] = {
                "name": f"autumn-{number % 12}",
                "source": "news",
                "medium": "email",
            }
        event = Event(call["messageId"], call["userId"], name, at_ms, msgspec.json.encode(call))
        recent.append(event)
        if len(recent) > REPEATED_WITHIN:
            del recent[0]
        yield event


def _track(chance: random.Random, *, number: int, user: int, name: str, at_ms: int) -> dict[str, Any]:
    product = chance.randrange(5_000)
    properties = _properties(chance, number=number, product=product, name=name)
    return {
        "type": "track",
        "messageId": str(uuid.UUID(int=chance.getrandbits(128), version=4)),
        "userId": _user_id(user),
        "anonymousId": _anonymous_id(user),
        "event": name,
        "timestamp": iso(at_ms),
        "properties": properties,
        "context": {
            "library": {"name": "analytics.js", "version": "4.1.0"},
            "page": {
                "path": f"/p/{product}",
                "url": f"https://shop.example/p/{product}",
                "title": f"Product {product}",
                "referrer": "https://shop.example/",
            },
            "userAgent": _BROWSERS[user & 1],
            "locale": "en-GB",
            "ip": f"10.{user >> 8 & 255}.{user & 255}.7",
        },
    }


def _properties(chance: random.Random, *, number: int, product: int, name: str) -> dict[str, Any]:
    price = round(chance.random() * 200, 2)
    if name != "Order Completed":
        return {
            "product_id": f"sku-{product:05d}",
            "category": f"cat-{product % 37}",
            "price": price,
            "currency": "EUR",
            "quantity": 1 + product % 4,
        }
    return {
        "order_id": f"o-{number:08d}",
        "total": round(chance.random() * 400, 2),
        "currency": "EUR",
        "coupon": None,
        "products": [{"product_id": f"sku-{product:05d}", "quantity": 1}],
    }


def _user_id(user: int) -> str:
    return f"u{user:05d}"


@functools.cache
def _anonymous_id(user: int) -> str:
    """Every user has one device, the same in every call."""
    return str(uuid.UUID(int=random.Random(user).getrandbits(128), version=4))
