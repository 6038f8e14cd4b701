"""A choice between strategies that says how likely each is."""

from typing import TypeVar

from hypothesis import strategies as st

Drawn = TypeVar("Drawn")


def evenly(*strategies: st.SearchStrategy[Drawn]) -> st.SearchStrategy[Drawn]:
    """One of these, each as likely as the others, or as often as it is named.

    ``st.one_of`` takes alternatives apart into theirs, all of them equally likely, and forgets repetitions.
    """
    return st.sampled_from(range(len(strategies))).flatmap(strategies.__getitem__)
