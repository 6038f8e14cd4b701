"""One to a thousand audiences, made by rule, and a stream in which an event concerns as many of them in each set.

Audiences come in tens about two things that can be done, ``Viewed`` and ``Bought``, of one *section*: an event of a
section concerns the audiences of that section and no others. A set of ten has one section, a set of a thousand a
hundred; the stream is the same but for the sections that its events name.
"""

from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from tests.benchmarks.events import Event, wide_stream

TEN = (
    # six count in windows, one of them both things
    "{viewed}.within({days} days).count() >= 8",
    "{viewed}.within({hours} hours).count() >= 6",
    "{viewed}.where(property('price') >= {price}).within({days} days).count() >= 3",
    "{viewed}.where(property('category') = 'cat-{category}').within({days} days).count() >= 2",
    "{bought}.within({days} days).count() >= 3",
    "{viewed}.within({hours} hours).count() >= 4 AND {bought}.within({hours} hours).count() = 0",
    # a funnel
    "{viewed}.where({bought}.within(parent: {hours} hours).count() = 0).within({days} days).count() >= 4",
    # and three without a window, two of them beside a trait
    "trait('plan') = 'pro' AND {viewed}.count() >= {days}",
    "trait('country') = 'DE' AND {bought}.count() >= 3",
    "{bought}.sum(property('total')) >= {total}",
)
BOUGHT = frozenset({"Order Completed", "Checkout Started"})


class Size(NamedTuple):
    """A row of table E: ``audiences`` over the events of ``sections``."""

    audiences: int
    sections: int

    @property
    def of_a_section(self) -> int:
        """How many audiences are about the section of an event; it concerns those of them that ask for its name."""
        return self.audiences // self.sections


SIZES = (Size(1, 1), Size(10, 1), Size(100, 10), Size(1_000, 100), Size(1_000, 10))
"""Of the last an event concerns ten times as many audiences as of the three before it."""


def definitions(size: Size) -> str:
    """A definitions file. A section that has several tens has them with other numbers each."""
    documents = []
    for number in range(size.audiences):
        ten, place = divmod(number, len(TEN))
        section, variant = ten % size.sections, ten // size.sections
        query = TEN[place].format(
            viewed=f"event('{_name('Viewed', section)}')",
            bought=f"event('{_name('Bought', section)}')",
            days=5 + variant,
            hours=20 + variant,
            price=100 + 5 * variant,
            total=1_000 + 50 * variant,
            category=variant,
        )
        documents.append({"key": f"audience_{number:03d}", "name": f"Audience {number}", "query": query})
    return msgspec.json.encode({"audiences": documents}).decode()


def stream(count: int, size: Size, *, users: int, base_ms: int, step_ms: float) -> Iterator[Event]:
    """Table B's events, each about a section that its message id decides."""
    for event in wide_stream(count, users=users, base_ms=base_ms, step_ms=step_ms):
        verb = "Bought" if event.name in BOUGHT else "Viewed"
        name = _name(verb, int(event.message_id[:8], 16) % size.sections)
        value = event.value.replace(f'"event":"{event.name}"'.encode(), f'"event":"{name}"'.encode(), 1)
        yield event._replace(name=name, value=value)


def _name(verb: str, section: int) -> str:
    return f"{verb} in {section:03d}"
