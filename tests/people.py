"""A graph in memory that does what resolutions say, and identifiers as words: ``email:jane@x.io``."""

from collections.abc import Iterable, Mapping

from worker.identity.resolve import Candidate, Resolution, resolve
from worker.identity.rules import Identifier, Rules

DAY = 86_400_000


def identifier(word: str) -> Identifier:
    kind, _, value = word.partition(":")
    return Identifier(kind, value)


def word(one: Identifier) -> str:
    return f"{one.type}:{one.value}"


def words(identifiers: Iterable[Identifier]) -> list[str]:
    return [word(one) for one in identifiers]


def candidate(
    name: int, *has: str, born: int = 0, merges: int = 0, first_seen: Mapping[str, int] | None = None
) -> Candidate:
    """A profile by a number, which is its id too; identifiers are first seen at its birth, unless said otherwise."""
    seen = dict.fromkeys(has, born) | dict(first_seen or {})
    return Candidate(name.to_bytes(16, "big"), born, merges, {identifier(one): at for one, at in seen.items()})


def told(resolution: Resolution) -> list[str]:
    """The violations, as ``email:x Identifier value limit exceeded``."""
    assert resolution.demoted == tuple(violation.identifier for violation in resolution.violations)
    return [f"{word(one)} {kind}" for kind, one in resolution.violations]


class People:
    """Profiles and who has which identifier. Ids are numbers in the order of creation."""

    def __init__(self, *candidates: Candidate) -> None:
        self.profiles = {one.profile: one for one in candidates}
        self._created = len(candidates)

    def owners(self) -> dict[Identifier, Candidate]:
        return {i: one for one in self.profiles.values() for i in one.identifiers}

    def decide(self, *event: str, rules: Rules, at_ms: int = 0) -> Resolution:
        """What is to become of an event with these identifiers."""
        owners, identifiers = self.owners(), rules.ordered([identifier(one) for one in event])
        return resolve(identifiers, {i: owners[i] for i in identifiers if i in owners}, rules, at_ms=at_ms)

    def take(self, *event: str, rules: Rules, at_ms: int = 0) -> Resolution:
        """The same, done: profiles are created, extended and merged."""
        resolution = self.decide(*event, rules=rules, at_ms=at_ms)
        owner = resolution.profile or self._create(at_ms)
        united = dict(owner.identifiers)
        for child in resolution.children:
            united |= self.profiles.pop(child.profile).identifiers
        united |= dict.fromkeys(resolution.mapped, at_ms)
        merges = owner.merges + sum(1 + child.merges for child in resolution.children)
        self.profiles[owner.profile] = owner._replace(identifiers=united, merges=merges)
        return resolution

    def shown(self) -> list[list[str]]:
        """The identifiers of each profile, in order of creation."""
        return [sorted(words(one.identifiers)) for _, one in sorted(self.profiles.items())]

    def _create(self, at_ms: int) -> Candidate:
        self._created += 1
        return Candidate(self._created.to_bytes(16, "big"), at_ms, 0, {})
