"""Custom traits: the newest value wins, whatever order the events come in.

Source: Segment, "Custom traits" and "Unify FAQs" (null removes); docs/decisions.md, "Which value is newest".
"""

from collections.abc import Mapping
from typing import Any, NamedTuple


class TraitValue(NamedTuple):
    """``value`` None: removed; the times stay, so that an older event that comes late does not bring it back."""

    value: Any
    at_ms: int
    received_ms: int


Traits = dict[str, TraitValue]


def apply_traits(traits: Traits, update: Mapping[str, Any], *, at_ms: int, received_ms: int) -> list[str]:
    """Fold the traits of one identify call; returns the keys whose value changed."""
    changed = []
    for key, value in update.items():
        before = traits.get(key)
        if before is not None and (at_ms, received_ms) < (before.at_ms, before.received_ms):
            continue
        traits[key] = TraitValue(value, at_ms, received_ms)
        old = None if before is None else before.value
        if old != value or type(old) is not type(value):  # True == 1 in Python, but not in JSON
            changed.append(key)
    return changed
