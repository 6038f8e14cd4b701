"""Cases that the simulation has found, or somebody who read what it does: each of them was a fault once."""

import json
from typing import Any

from tests.acceptance.lines import audience
from tests.acceptance.moments import HOUR, MINUTE, SECOND
from tests.simulation.audiences import NOISE, VIEWED
from tests.simulation.people import Sent
from tests.simulation.plan import BOTH, NEVER_MS
from tests.simulation.process import Process
from tests.simulation.replay import kind_of
from tests.simulation.stage import Stage, plan
from worker.ports import Partition

EDIT = ("audience:edited_1", audience("edited_1", "event('Viewed').count() >= 1"))
ROUTER_AND_TWO_FOLDERS = (("route",), ("fold",), ("fold",))
LOOK_MS = 10_000
"""How often replicas look for new definitions, in milliseconds."""


class Folders:
    """A router, and two folders that share two mailbox partitions; all know the definitions that there are."""

    def __init__(self, **changes: Any) -> None:
        self.stage = Stage(plan(roles=ROUTER_AND_TWO_FOLDERS, skews_ms=(0, 0, 0), mailbox_partitions=2, **changes))
        self.router, self.one, self.two = (self.stage.start(replica) for replica in range(3))
        for _ in range(12):
            self.turn(self.router, self.one, self.two)
        self.people = 0

    def turn(self, *processes: Process) -> None:
        for process in processes:
            self.stage.turns(process)

    def give_each_mail(self, event: str = VIEWED) -> None:
        """Events of one new person after another, until there is one for each folder."""
        before = self._mail()
        while not all(now > then for now, then in zip(self._mail(), before, strict=True)):
            self.stage.event(f"m{self.people}", event, user=f"u{self.people}")
            self.people += 1
            self.turn(self.router)

    def _mail(self) -> list[int]:
        return [len(self.stage.kafka.visible("resolved-events", partition)) for partition in range(2)]

    def everybody(self, event: str) -> None:
        """An event of every person that has been there."""
        for person in range(self.people):
            self.stage.event(f"{event}{person}", event, user=f"u{person}")
        self.turn(self.router)

    def edit(self) -> None:
        """Definitions change, and the router has judged it."""
        self.stage.define(EDIT)
        self.turn(self.router)

    def ticks(self) -> int:
        """How many there are in the mailbox."""
        mail = [record for partition in range(2) for record in self.stage.kafka.visible("resolved-events", partition)]
        return sum(kind_of(record) == "tick" for record in mail)

    def lose(self, process: Process) -> None:
        """A folder is thrown out of its group and does not know it yet."""
        self.stage.kafka.evict("fold", process.instance)


def two_routers_and_a_folder(**changes: Any) -> tuple[Stage, Process, Process, Process]:
    """The first router has tracking partition 0, the other one 2; nothing is left to do."""
    roles = (("route",), ("route",), ("fold",))
    stage = Stage(plan(roles=roles, skews_ms=(0, 0, 0), tracking_partitions=3, merging=True, **changes))
    one, two, folder = (stage.start(replica) for replica in range(3))
    for _ in range(12):
        for process in (one, two, folder):
            stage.turns(process)
    return stage, one, two, folder


def test_a_profile_that_a_zombie_makes_behind_the_sweep_meets_the_new_definitions() -> None:
    """It still folds under the old ones, and no sweep would look at the state that it leaves."""
    group = Folders(batch_records=1)
    heir, zombie = group.one, group.two
    group.give_each_mail()
    group.stage.until(zombie, "redis.commit")
    group.lose(zombie)
    group.edit()
    group.turn(heir)  # takes the zombie's partition, has a record of its own to do first, and sweeps both
    group.turn(zombie)

    assert group.stage.verdict() == []


def test_a_zombie_that_knows_newer_definitions_changes_no_state() -> None:
    """Under older ones the record was nothing and left no trace in the state that would stop the zombie's write."""
    group = Folders()
    heir, zombie = group.one, group.two
    group.give_each_mail()
    group.turn(heir, zombie)
    group.everybody(NOISE)
    group.stage.until(zombie, "redis.read")  # it has its mail, and is about to look for new definitions
    group.lose(zombie)
    group.turn(heir, heir)
    group.edit()
    group.turn(zombie)

    assert group.stage.verdict() == []


def test_a_profile_made_under_old_definitions_in_a_partition_that_was_swept_for_new_ones_meets_them() -> None:
    """The sweep was the predecessor's; seed 3478."""
    group = Folders(interval_ms=LOOK_MS)
    predecessor, heir = group.one, group.two
    group.stage.clock.advance_to(group.stage.clock.now_ms() + LOOK_MS)
    group.turn(heir)  # looks for definitions, and will not look again soon
    group.edit()
    group.turn(predecessor)
    group.lose(predecessor)
    group.turn(heir)
    group.give_each_mail()
    group.turn(heir)

    assert group.stage.verdict() == []


def test_a_zombie_whose_name_another_process_has_taken_ends_and_disturbs_nobody() -> None:
    """It fenced the producer of its successor with every new attempt."""
    stage = Stage(plan())
    zombie, other = stage.start(0), stage.start(1)
    for _ in range(3):
        stage.turns(zombie)
        stage.turns(other)
    successor = stage.start(0)
    stage.turns(successor, 2)
    stage.event("m1")
    for _ in range(20):
        if zombie.alive:
            stage.go_on(zombie, 1)

    assert not zombie.alive
    assert stage.verdict() == []
    assert stage.counts["batches abandoned"] == 0


def test_an_heir_reads_the_definitions_that_a_state_has_met() -> None:
    group = Folders(interval_ms=LOOK_MS)
    predecessor, heir = group.one, group.two
    group.give_each_mail()
    group.turn(predecessor, heir)
    group.stage.clock.advance_to(group.stage.clock.now_ms() + LOOK_MS)
    group.turn(heir)  # looks for definitions, and will not look again soon
    group.edit()
    group.turn(predecessor, predecessor)  # sweeps; folds its activations
    group.lose(predecessor)
    group.everybody(VIEWED)
    group.turn(heir)

    assert group.stage.verdict() == []


def test_a_state_that_was_anothers_meanwhile_is_loaded_again() -> None:
    """Nothing was due in the one that was remembered, and so every tick was nothing."""
    group = Folders()
    owner, other = group.one, group.two
    group.give_each_mail(NOISE)
    group.turn(other, owner)
    group.lose(owner)
    group.turn(other)
    group.everybody(VIEWED)
    group.turn(other)
    group.lose(other)
    group.turn(owner)

    assert group.stage.verdict() == []


def test_a_zombies_ticks_are_refused() -> None:
    """They have no records, and so no offsets of their own, by which the group would notice it."""
    group = Folders()
    heir, zombie = group.one, group.two
    group.give_each_mail()
    group.turn(heir, zombie)
    group.stage.clock.advance_to(group.stage.clock.now_ms() + HOUR)
    group.turn(group.router)
    group.stage.until(zombie, "kafka.begin")
    group.lose(zombie)
    group.turn(heir)
    ticks = group.ticks()
    group.turn(zombie)

    assert group.ticks() == ticks
    assert group.stage.verdict() == []


def test_a_profile_may_be_merged_away_before_anything_has_been_sent_to_it() -> None:
    """The router that has made it is slow. The worker died of the seal, and every other one after it."""
    stage, slow, quick, folder = two_routers_and_a_folder()
    stage.event("m1", user="u", partition=2)
    stage.turns(quick)
    stage.clock.advance_to(stage.clock.now_ms() + SECOND)
    stage.event("m2", user=None, anonymous="a", partition=0)
    stage.until(slow, "kafka.begin")  # the profile is in the graph, its event is not in the mailbox
    stage.event("m3", user="u", anonymous="a", partition=2)
    stage.turns(quick)
    stage.turns(folder, 2)
    stage.turns(slow)

    assert stage.verdict() == []
    assert len(stage.kafka.visible("profile-merges", 0)) == 1


def test_what_was_passed_on_before_a_repeated_seal_is_passed_on_again_by_the_heir() -> None:
    """The answer to the seal moves ``applied`` beyond the event, for which the state keeps nothing."""
    stage, slow, quick, folder = two_routers_and_a_folder(batch_records=3)
    stage.event("m1", NOISE, user="u", partition=2)
    stage.turns(quick)
    stage.clock.advance_to(stage.clock.now_ms() + SECOND)
    stage.event("m2", NOISE, user=None, anonymous="a", partition=0)
    stage.turns(slow)  # and knows from now on whose "a" is
    stage.turns(folder, 2)
    for message_id in ("m3", "m4", "m5"):
        stage.event(message_id, NOISE, user="u", partition=2)
    stage.event("m6", NOISE, user="u", anonymous="a", partition=2)
    stage.turns(quick, 3)
    stage.turns(folder)  # has m3 to m5; knows of the merge from the graph
    stage.clock.advance_to(stage.clock.now_ms() + 20 * SECOND)
    stage.until(folder, "kafka.begin")  # has the seal, but the merge is open for so long that another one follows
    stage.event("m7", VIEWED, user=None, anonymous="a", partition=0)
    stage.turns(slow)
    stage.turns(folder)
    stage.until(folder, "kafka.commit")  # of m7 and the second seal
    mail = [kind_of(record) for record in stage.kafka.visible("resolved-events", 0)]
    stage.crash(folder)

    assert mail[-6:] == ["seal", "expect", "event", "event", "seal", "absorb"]
    assert stage.verdict() == []


def test_a_merge_of_which_nobody_is_told_any_more_is_ended_by_its_note() -> None:
    """When the event comes again it is refused, and does not find what the first attempt has left to do."""
    stage = Stage(plan(roles=(("route",), ("fold",)), skews_ms=(0, 0), merging=True))
    router, folder = stage.start(0), stage.start(1)
    for _ in range(12):
        stage.turns(router)
        stage.turns(folder)
    stage.event("m1", user="u")
    stage.turns(router)
    stage.clock.advance_to(stage.clock.now_ms() + SECOND)
    stage.event("m2", user=None, anonymous="a")
    stage.turns(router)
    both = b'{"type": "track", "messageId": "m3", "event": "Viewed", "userId": "u", "anonymousId": "a"}'
    stage.arrive(Sent("tracking-events", 0, both, stage.clock.now_ms(), "m3", good=False))
    stage.until(router, "kafka.begin")
    stage.crash(router)
    stage.define(("identity", {"blocked_values": ["u", "a"]}))

    assert stage.verdict() == []
    assert len(stage.kafka.visible("profile-merges", 0)) == 1


def test_a_parent_that_is_merged_away_while_it_waits_hands_over_for_whom() -> None:
    """Its own parent would judge without the history of the one that was merged first."""
    group = Folders(on_time=True, merging=True)
    stage, router, quick, slow = group.stage, group.router, group.one, group.two
    visitors = [f"a{number}" for number in range(10)]
    for visitor in visitors:
        stage.event(f"m {visitor}", user=None, anonymous=visitor)
        group.turn(router)
        stage.clock.advance_to(stage.clock.now_ms() + 2)
    homes = [
        [json.loads(record.value or b"")["anonymousId"] for record in stage.kafka.visible("resolved-events", partition)]
        for partition in range(2)
    ]
    group.turn(quick)
    quick_at = [(stage.kafka.committed("fold", Partition("resolved-events", home)) or 0) > 0 for home in (0, 1)]
    group.turn(slow)
    near, far = (homes[home] for home in (quick_at.index(True), quick_at.index(False)))
    first, second = near[:2]
    third = next(visitor for visitor in far if visitor > second)

    stage.event("both", user="u", anonymous=second)
    stage.event("third into second", user="u", anonymous=third)
    group.turn(router, quick)
    stage.event("second into first", user="u", anonymous=first)
    group.turn(router, quick, quick, quick)

    assert stage.verdict() == []
    assert len(stage.kafka.visible("profile-merges", 0)) == 2


def test_a_forgotten_seal_waits_for_inputs_that_lag() -> None:
    """It would carry the parent beyond the time of events that are still to be routed."""
    stage, _, dying, folder = two_routers_and_a_folder(hold_max_ms=NEVER_MS)
    stage.event("m1", user="u", partition=2)
    stage.event("m2", user=None, anonymous="a", partition=2)
    stage.turns(dying)
    stage.turns(folder)
    stage.event("m3", user="u", partition=0)
    stage.clock.advance_to(stage.clock.now_ms() + SECOND)
    stage.event("m4", user="u", anonymous="a", partition=2)
    stage.until(dying, "kafka.begin")
    stage.crash(dying)
    for _ in range(3):
        stage.clock.advance_to(stage.clock.now_ms() + 20 * SECOND)
        stage.turns(folder)

    assert "seal" not in [kind_of(record) for record in stage.kafka.visible("resolved-events", 0)]
    assert stage.verdict() == []
    assert len(stage.kafka.visible("profile-merges", 0)) == 1


def test_what_has_left_a_window_when_two_profiles_become_one_is_gone() -> None:
    """Found by `make crash`: a third one, whose time is behind theirs, takes both in; the oracle still had it."""
    stage, lagging, quick, folder = two_routers_and_a_folder(hold_max_ms=NEVER_MS)

    def wait(seconds: int) -> None:
        stage.clock.advance_to(stage.clock.now_ms() + seconds * SECOND)

    stage.event("first", user=None, anonymous="q", partition=2)
    wait(1)
    stage.event("second", user="u", partition=2)
    wait(1)
    stage.event("third", user=None, anonymous="c", partition=2)
    stage.turns(quick)
    wait(3)
    stage.event("second into first", user="u", anonymous="q", event=NOISE, partition=0)
    wait(35)
    stage.event("much later", user="u", partition=2)
    stage.event("third into second", user="u", anonymous="c", event=NOISE, partition=2)
    for process in (quick, folder, folder, folder, lagging):
        stage.turns(process)

    assert stage.verdict() == []
    assert len(stage.kafka.visible("profile-merges", 0)) == 2


def test_what_is_passed_on_counts_when_it_came_and_not_when_its_producers_clock_says() -> None:
    """The record is of a time to come; the parent is given it when that has passed."""
    stage, slow, quick, folder = two_routers_and_a_folder(hold_max_ms=NEVER_MS)
    stage.event("m1", user="u", partition=2)
    stage.turns(quick)
    stage.clock.advance_to(stage.clock.now_ms() + SECOND)
    stage.event("m2", user=None, anonymous="a", partition=0)
    stage.turns(slow)  # and knows from now on whose "a" is
    stage.turns(folder)
    viewed = b'{"type": "track", "messageId": "m3", "event": "Viewed", "anonymousId": "a"}'
    came_ms = stage.clock.now_ms()
    stage.arrive(Sent("tracking-events", 0, viewed, came_ms + 20 * SECOND, "m3", good=True))
    stage.until(slow, "kafka.begin")
    stage.event("m4", NOISE, user="u", anonymous="a", partition=2)
    stage.turns(quick)
    stage.turns(slow)
    stage.clock.advance_to(came_ms + 40 * SECOND)
    stage.turns(folder)

    mail = [record for record in stage.kafka.visible("resolved-events", 0) if kind_of(record) == "forward"]
    assert [dict(record.headers)["at"] for record in mail] == [b"%d" % came_ms]
    assert stage.verdict() == []


def test_a_batch_that_stands_still_before_it_logs_its_states_is_begun_anew() -> None:
    """The log would go on beyond the horizon of what was lost meanwhile."""
    stage = Stage(plan(roles=(BOTH,), skews_ms=(0,), forgets=1.0))
    worker = stage.start(0)
    stage.turns(worker, 12)
    stage.event("m1", user="ann")
    stage.turns(worker, 2)
    stage.event("m2", user="bob")
    stage.turns(worker)
    stage.until(worker, "kafka.begin")
    assert stage.store.forget_all() > 0
    stage.fates.break_lines()
    stage.clock.advance_to(stage.clock.now_ms() + 2 * MINUTE)
    stage.event("m3", user="ann")

    assert stage.verdict() == []
    assert stage.counts["states brought back"] == 1


def test_a_state_that_is_ahead_of_what_is_committed_is_logged_with_what_it_has_kept() -> None:
    """The next attempt has fewer records; what an earlier one has made of the others has not been sent yet."""
    stage = Stage(plan(roles=(BOTH,), skews_ms=(0,), forgets=1.0))
    worker = stage.start(0)
    stage.turns(worker, 12)
    stage.event("m1")
    stage.event("m2")
    stage.turns(worker)
    stage.until(worker, "kafka.begin")  # has folded both
    stage.crash(worker)
    stage.around.fetched = lambda _: 1
    heir = stage.start(0)
    stage.until(heir, "kafka.commit")  # has the first one alone
    stage.go_on(heir, 1)
    assert stage.store.forget_all() > 0
    stage.fates.break_lines()
    stage.around.fetched = int

    assert stage.verdict() == []


def test_a_state_that_was_put_back_and_is_lost_again_is_put_back_again() -> None:
    """It had been logged long before; seed 51408."""
    stage = Stage(plan(roles=(BOTH,), skews_ms=(0,), forgets=1.0))
    worker = stage.start(0)
    stage.turns(worker, 12)
    stage.event("m1", NOISE, user="ann")  # no timer, which would have her state logged once more
    stage.turns(worker, 2)
    for minutes in (10, 10):
        assert stage.store.forget_all() > 0
        stage.fates.break_lines()
        stage.clock.advance_to(stage.clock.now_ms() + minutes * MINUTE)
        stage.event(f"m{stage.clock.now_ms()}", NOISE, user=f"bob {stage.clock.now_ms()}")
        stage.turns(worker, 8)

    assert stage.verdict() == []
    assert stage.counts["states brought back"] == 3
