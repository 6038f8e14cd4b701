"""Who refers to whom: loops, and the order in which definitions are evaluated."""


def find_cycle(references: dict[str, frozenset[str]]) -> list[str] | None:
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


def in_order(references: dict[str, frozenset[str]]) -> list[str]:
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
