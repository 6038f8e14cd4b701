"""The state of one profile: everything that its mailbox has told, folded.

Sparse: what a profile never met costs nothing. Bounded: identifiers by the caps of the graph, accumulators by the
definitions (``worker.audiences.windows``), traits by what one event may carry.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from schemas.changes import ProfileIds
from worker.profiles.traits import Traits

NO_RECORD = -1
"""``applied`` of a profile that nothing has been folded into: mailbox offsets start at 0."""

LISTS_MET_MAX = 8
"""Lists of identifiers remembered for a profile in memory. Fewer: those of a visitor with several devices are read
again and again; more: memory for what hardly repeats."""

ELIGIBLE_TYPES = frozenset({"user_id", "email", "android.idfa", "ios.idfa"})
"""Source: Segment, "Audiences" (include anonymous users); docs/decisions.md, "Who can be a member"."""


class Identifier(NamedTuple):
    """``mapped_at_ms``: the time of the record that brought it to this profile."""

    type: str
    value: str
    mapped_at_ms: int


class Membership(NamedTuple):
    """``transition`` counts entries and exits (odd: a member); ``since_ms``: when the last of them happened."""

    transition: int
    since_ms: int


class ComputedTrait(NamedTuple):
    """``told``: the value that readers were told last, ``number``: how often they were told one. None is no value."""

    value: Any
    told: Any = None
    number: int = 0


class ExternalState(NamedTuple):
    """The last word of a passthrough sender: ``at_s`` is its own time in seconds, by which the latest wins.

    ``arrived_ms``: the time of the record that said so.
    """

    at_s: float
    qualified: bool
    arrived_ms: int


NOT_COMPUTED = ComputedTrait(None)


class Sealed(NamedTuple):
    """A profile that was merged away, by the mailbox record at ``offset``, into ``parent``."""

    offset: int
    parent: bytes


class ProfileState:
    """The decoded state. ``applied`` is the offset of the last mailbox record folded, and so the version.

    ``version`` is that of the catalogue under which the profile was evaluated last; ``time_ms`` never goes back.
    ``awaiting``: (child, token) of merged profiles whose history is on its way; nothing is evaluated before it is here.
    ``sealed``: set for a profile that was merged away.
    Not stored: ``met``, lists of identifiers, as bytes of events, that hold nothing new any more; ``shown``, the
    identifiers as outputs show them, None until somebody asks.
    """

    __slots__ = (
        "_eligibility",
        "accumulators",
        "applied",
        "awaiting",
        "computations",
        "dues",
        "externals",
        "identifiers",
        "memberships",
        "met",
        "sealed",
        "shown",
        "time_ms",
        "traits",
        "version",
    )

    def __init__(self) -> None:
        self.applied = NO_RECORD
        self.time_ms = 0
        self.version = 0
        self.identifiers: dict[tuple[str, str], int] = {}
        self.traits: Traits = {}
        self.accumulators: dict[bytes, Any] = {}
        self.memberships: dict[str, Membership] = {}
        self.externals: dict[str, ExternalState] = {}
        self.computations: dict[str, ComputedTrait] = {}
        self.dues: dict[str, int] = {}
        self.awaiting: frozenset[tuple[bytes, str]] = frozenset()
        self.sealed: Sealed | None = None
        self.met: set[bytes] = set()
        self.shown: ProfileIds | None = None
        self._eligibility: int | None = None

    # What conditions look at (worker.audiences.conditions.Facts).

    def trait(self, key: str) -> Any:
        entry = self.traits.get(key)
        return None if entry is None else entry.value

    def member(self, key: str) -> bool:
        membership = self.memberships.get(key)
        return membership is not None and bool(membership.transition & 1)

    def computed(self, key: str) -> Any:
        entry = self.computations.get(key)
        return None if entry is None else entry.value

    def external(self, external_id: str) -> bool | None:
        entry = self.externals.get(external_id)
        return None if entry is None else entry.qualified

    # What evaluation changes (worker.audiences.evaluate.Profile).

    def transitions(self, key: str) -> int:
        membership = self.memberships.get(key)
        return 0 if membership is None else membership.transition

    def transit(self, key: str, at_ms: int) -> int:
        number = self.transitions(key) + 1
        self.memberships[key] = Membership(number, at_ms)
        return number

    def compute(self, key: str, value: Any) -> None:
        self.computations[key] = self.computations.get(key, NOT_COMPUTED)._replace(value=value)

    def told(self, key: str) -> Any:
        return self.computations.get(key, NOT_COMPUTED).told

    def tell(self, key: str) -> int:
        before = self.computations.get(key, NOT_COMPUTED)
        self.computations[key] = ComputedTrait(before.value, before.value, before.number + 1)
        return before.number + 1

    def retract(self, key: str) -> int:
        """Tell that a computed trait has no value, whatever it is; returns how often it was told."""
        before = self.computations.get(key, NOT_COMPUTED)
        self.computations[key] = ComputedTrait(before.value, None, before.number + 1)
        return before.number + 1

    # The rest.

    @property
    def eligibility(self) -> int:
        """2: has an identifier with which every query audience may have it; 1: only an anonymous one; 0: neither."""
        if self._eligibility is None:
            kinds = {kind for kind, _ in self.identifiers}
            self._eligibility = 2 if kinds & ELIGIBLE_TYPES else int("anonymous_id" in kinds)
        return self._eligibility

    @property
    def due_ms(self) -> int | None:
        """The profile's one timer."""
        return min(self.dues.values(), default=None)

    def add_identifiers(self, identifiers: Sequence[tuple[str, str]], at_ms: int) -> bool:
        """Map identifiers to the profile; whether any was new."""
        if not identifiers:
            return False
        before = len(self.identifiers)
        for identifier in identifiers:
            self.identifiers.setdefault(identifier, at_ms)
        self.identifiers_changed()
        return len(self.identifiers) != before

    def identifiers_changed(self) -> None:
        """Forget what was worked out from the identifiers."""
        self._eligibility = self.shown = None
        self.met.clear()

    def meet(self, external_ids: bytes) -> None:
        """Remember a list of identifiers that has been added, so that it need not be read again."""
        if len(self.met) >= LISTS_MET_MAX:
            self.met.clear()
        self.met.add(external_ids)

    def newest(self, kind: str) -> str | None:
        """The value of a type that was mapped last: by record time, then arrival."""
        newest_at, newest = -1, None
        for (other, value), at_ms in self.identifiers.items():
            if other == kind and at_ms >= newest_at:
                newest_at, newest = at_ms, value
        return newest

    def qualify(self, external_id: str, *, at_s: float, qualified: bool, arrived_ms: int) -> bool:
        """Apply a passthrough event; whether the membership changed. An older event than the last is ignored.

        Source: docs/decisions.md, "Passthrough segments".
        """
        before = self.externals.get(external_id)
        if before is not None and at_s < before.at_s:
            return False
        self.externals[external_id] = ExternalState(at_s, qualified, arrived_ms)
        return before is None or before.qualified != qualified
