"""Who refers to whom: loops, and the order in which definitions are evaluated."""

from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet

References = Mapping[str, AbstractSet[str]]
"""By key, the keys that a definition refers to; some of them may be nobody's."""


def cycle_through(key: str, references: Callable[[str], Iterable[str]]) -> list[str] | None:
    """A loop from one definition back to itself, as keys; None when there is none.

    ``references``: what a key's definition refers to; nothing for a key that is nobody's.
    """
    trail = [key]
    ahead = [iter(sorted(references(key)))]
    seen: set[str] = set()
    while ahead:
        following = next(ahead[-1], None)
        if following == key:
            return [*trail, key]
        if following is None:
            ahead.pop()
            trail.pop()
        elif following not in seen:
            seen.add(following)
            trail.append(following)
            ahead.append(iter(sorted(references(following))))
    return None


def in_order(references: References) -> list[str]:
    """Keys so that each comes after what it refers to, and otherwise by name. There is no cycle."""
    ordered: list[str] = []
    waiting = {key: {other for other in others if other in references} for key, others in references.items()}
    while waiting:
        ready = min(key for key, others in waiting.items() if not others)
        ordered.append(ready)
        del waiting[ready]
        for others in waiting.values():
            others.discard(ready)
    return ordered


def in_order_of(keys: AbstractSet[str], references: References) -> list[str]:
    """Some keys in order; what they refer to by way of others counts too."""
    return in_order({key: _reached(key, references) & keys for key in keys})


def _reached(key: str, references: References) -> set[str]:
    reached: set[str] = set()
    ahead = set(references.get(key, ()))
    while ahead:
        one = ahead.pop()
        reached.add(one)
        ahead |= references.get(one, set()) - reached
    return reached
