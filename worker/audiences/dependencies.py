"""Who refers to whom: loops, and the order in which definitions are evaluated."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet

References = Mapping[str, AbstractSet[str]]
"""By key, the keys that a definition refers to; some of them may be nobody's."""


def find_cycle(references: References) -> list[str] | None:
    """A loop in who refers to whom, as keys from one back to itself; None when there is none."""
    done: set[str] = set()
    for start in sorted(references):
        trail: list[str] = []
        stack = [(start, iter(sorted(references[start])))]
        trail.append(start)
        while stack:
            following = next((other for other in stack[-1][1] if other in references and other not in done), None)
            if following is None:
                stack.pop()
                done.add(trail.pop())
            elif following in trail:
                return [*trail[trail.index(following) :], following]
            else:
                trail.append(following)
                stack.append((following, iter(sorted(references[following]))))
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
