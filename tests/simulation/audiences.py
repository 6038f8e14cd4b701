"""The audiences of the simulation: those that never change, which the oracle knows too, and the edits.

Every condition with a window is an audience of its own as well: so a moment at which one of them could change is a
moment at which something does, and the oracle need not know how the engine guesses such moments.
"""

from random import Random
from typing import Any

from tests.acceptance.lines import audience
from tests.acceptance.moments import SECOND

VIEWED, ORDERED, NOISE = "Viewed", "Ordered", "Noise"
HOT_MS, LATELY_MS = 30 * SECOND, 60 * SECOND
SEGMENT, UNDEFINED_SEGMENT = "seg-1", "seg-2"

Document = tuple[str, dict[str, Any] | bytes | None]
"""Record key, and the value: a document, something that is none, or None to delete."""


def _open(key: str, query: str) -> dict[str, Any]:
    return audience(key, query, include_anonymous=True)


_ODD = " OR ".join(f"event('{VIEWED}').count() = {count}" for count in (1, 3, 5, 7, 9, 11))
_VIEWED, _ORDERED = (f"event('{name}').within(60 seconds).count() >= 1" for name in (VIEWED, ORDERED))

STANDING: tuple[dict[str, Any], ...] = (
    _open("odd", _ODD),
    audience("buyers", f"event('{ORDERED}').count() >= 2"),
    _open("hot", f"event('{VIEWED}').within(30 seconds).count() >= 2"),
    _open("viewed", _VIEWED),
    _open("ordered", _ORDERED),
    _open("hesitant", f"{_VIEWED} AND NOT {_ORDERED}"),
    audience("gold", "trait('plan') = 'gold'"),
    audience("hot_gold", "trait('hot') = true AND trait('gold') = true"),
    {"key": "vip", "definition": {"external": {"external_audience_id": SEGMENT}}},
)

TIMELESS = frozenset({"odd", "buyers", "gold", "vip", UNDEFINED_SEGMENT})
"""Those that only events change: an edit of another audience, which lets time pass, makes no difference to them."""

EDITED = ("edited_1", "edited_2")
WORDS = ("gold", "silver")


def standing() -> list[Document]:
    """What is in force before anybody starts."""
    return [(f"audience:{document['key']}", document) for document in STANDING]


def edit(rng: Random) -> Document:
    """A change of one of the audiences that change: new, another, gone, or refused."""
    key = rng.choice(EDITED)
    what = rng.random()
    if what < 0.3:
        return f"audience:{key}", None
    if what < 0.4:
        return f"audience:{key}", b"{" if what < 0.35 else {"key": key, "query": "event('X'"}
    return f"audience:{key}", audience(key, _query(rng))


def _query(rng: Random) -> str:
    count = rng.randint(1, 4)
    return rng.choice(
        (
            f"event('{VIEWED}').count() >= {count}",  # a leaf that is there: what it has counted, counts
            f"trait('plan') = '{rng.choice(WORDS)}'",
            f"event('{ORDERED}').where(property('total') >= 5).count() >= {count}",  # a leaf of its own
            f"event('{VIEWED}').within(20 seconds).count() >= {count}",
            "trait('hot') = true",
        )
    )
