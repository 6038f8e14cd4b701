"""Two clients of one store at the same time: every call is one step, and of two that exclude each other one wins.

Calls are sent by both before either is answered, so that a real server has them in its hands together.
"""

import pytest

from tests.conformance.conftest import DAY_MS, NewClients
from worker.clock import VirtualClock
from worker.ports import Claim, PendingOutputs, StateWrite, Store, Swap

NOW_MS = 1_736_500_000_000
SLOT, PROFILES = 5, 200
Clients = tuple[Store, Store]


@pytest.fixture
def clients(new_clients: NewClients) -> Clients:
    return new_clients(VirtualClock(NOW_MS), DAY_MS)


def write(number: int, expected: int, applied: int, who: bytes) -> StateWrite:
    return StateWrite(
        number.to_bytes(16, "big"), expected, applied.to_bytes(8, "big") + who, applied, ((f"{who!r}", 1),)
    )


def test_of_two_commits_of_a_state_one_wins_whole(clients: Clients) -> None:
    """Its blob, its timer, its outputs and its sizes are all of the same writer."""
    sent = []
    for who, client in zip((b"a", b"b"), clients, strict=True):
        writes = [write(number, -1, 1, who) for number in range(PROFILES)]
        kept = [PendingOutputs(number, each.profile, who) for number, each in enumerate(writes)]
        sent.append(client.commit(SLOT, writes, kept, 0))
    lost = [set(reply.get()) for reply in sent]

    assert lost[0] ^ lost[1] == set(range(PROFILES))
    winner = [b"a" if number in lost[1] else b"b" for number in range(PROFILES)]
    blobs = clients[0].load(SLOT, [number.to_bytes(16, "big") for number in range(PROFILES)]).get()
    assert [None if blob is None else blob[8:] for blob in blobs] == winner
    assert [kept.outputs for kept in clients[1].load_pending(SLOT, 0, PROFILES).get()] == winner
    assert clients[1].sizes().get() == {f"{who!r}": winner.count(who) for who in set(winner)}


def test_of_two_swaps_of_a_key_one_wins_whole(clients: Clients) -> None:
    swaps = [[Swap(b"%d" % number, None, who) for number in range(PROFILES)] for who in (b"a", b"b")]
    sent = [client.swap(each) for client, each in zip(clients, swaps, strict=True)]
    won = [reply.get() for reply in sent]

    assert sorted(won) == [False, True]
    values = clients[0].read([b"%d" % number for number in range(PROFILES)]).get()
    assert set(values) == {b"a" if won[0] else b"b"}


def test_of_two_claims_of_an_id_one_wins(clients: Clients) -> None:
    digests = [number.to_bytes(2, "big") * 8 for number in range(PROFILES)]
    sent = [
        client.claim([Claim(digest, who * 5, NOW_MS) for digest in digests], epoch=0, evict_before_ms=0)
        for who, client in zip((b"a", b"b"), clients, strict=True)
    ]
    lost = [set(reply.get() or ()) for reply in sent]

    assert lost[0] ^ lost[1] == set(range(PROFILES))


def test_who_takes_a_slot_over_is_obeyed_by_every_client(clients: Clients) -> None:
    """The zombie's commit is refused whole, whether it is sent before the heir's first or after."""
    zombie, heir = clients
    zombie.own([SLOT], b"zombie").get()
    assert zombie.commit(SLOT, [write(1, -1, 1, b"a")], [], 0, b"zombie").get() == []
    heir.own([SLOT], b"heir").get()
    late = zombie.commit(SLOT, [write(1, 1, 2, b"a"), write(2, -1, 2, b"a")], [], 0, b"zombie")
    first = heir.commit(SLOT, [write(1, 1, 3, b"b")], [], 0, b"heir")

    assert (late.get(), first.get()) == ([0, 1], [])


def test_an_epoch_that_one_client_raises_holds_for_the_other(clients: Clients) -> None:
    clients[0].raise_epoch(3).get()

    assert clients[1].claim([Claim(b"d" * 16, b"c" * 5, NOW_MS)], epoch=2, evict_before_ms=0).get() is None
    assert clients[1].claim([Claim(b"d" * 16, b"c" * 5, NOW_MS)], epoch=3, evict_before_ms=0).get() == []
