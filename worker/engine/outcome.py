"""What one mailbox record has done to its profile."""

from collections.abc import Sequence
from typing import NamedTuple

from schemas.changes import ProfileIds
from schemas.merging import Absorb, Absorbed
from worker.audiences.evaluate import Change


class Step(NamedTuple):
    """What a record did. ``changed``: the state must be committed. ``traceparent``: of the record that caused it.

    ``told``: what other profiles are to learn of a merge. ``merged_into``: the record has ended the profile;
    ``ids_before``: the identifiers that it took away, for what had been due before: that is told as if in time.
    """

    changed: bool
    changes: list[Change]
    caused_by: str | None = None
    traceparent: bytes | None = None
    told: Sequence[Absorb | Absorbed] = ()
    merged_into: bytes | None = None
    ids_before: ProfileIds | None = None


NOTHING = Step(changed=False, changes=[])
