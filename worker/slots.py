"""State slots: how profiles are spread over Redis and over mailbox partitions.

A slot is what one commit script covers; a mailbox partition owns whole slots. Slots are cheap, partitions are not, so
there are more of the former.
"""

STATE_SLOTS = 64
"""Fixed for life: changing it loses every stored state. Fewer could not be spread over many nodes and partitions; more
would make each batch send more scripts."""


def slot_of(profile: bytes) -> int:
    """The slot of a profile id: 16 random bytes, so its last one spreads evenly."""
    return profile[-1] % STATE_SLOTS


def partition_of(slot: int, partitions: int) -> int:
    """The mailbox partition that owns a slot. ``partitions``: of ``resolved-events``, at most ``STATE_SLOTS``."""
    return slot % partitions
