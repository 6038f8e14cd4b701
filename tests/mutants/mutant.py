"""What a mutant is."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Edit:
    """``old`` stands in the file exactly once."""

    file: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Mutant:
    """``rule``: what the edits break. ``tests``: node ids that must notice it; empty: the simulation must."""

    name: str
    rule: str
    edits: tuple[Edit, ...]
    tests: tuple[str, ...] = ()


def mutant(name: str, rule: str, file: str, old: str, new: str, *tests: str) -> Mutant:
    """A mutant of one edit."""
    return Mutant(name, rule, (Edit(file, old, new),), tests)
