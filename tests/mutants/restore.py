"""Mutants of states that Redis has lost and that are brought back from their log."""

from tests.mutants.mutant import Mutant, mutant

BATCH = "worker/engine/batch.py"
FOLD = "worker/engine/fold.py"
RESTORE = "worker/engine/restore.py"
ROLES = "worker/engine/roles.py"
LOG = "worker/profiles/log.py"
FOUND = "tests/simulation/test_found.py"
OF_LOG = "tests/conformance/test_state_log.py"

MUTANTS: tuple[Mutant, ...] = (
    mutant(
        "nothing-brought-back",
        "what Redis has lost of states is put back",
        RESTORE,
        "            if applied_of(old) < applied_of(logged[profile].blob)\n",
        "            if applied_of(old) < applied_of(logged[profile].blob) < 0\n",
    ),
    mutant(
        "older-state-brought-back",
        "a state that is ahead of the log is left as it is: its record comes again",
        RESTORE,
        "            if applied_of(old) < applied_of(logged[profile].blob)\n",
        "            if applied_of(old) != applied_of(logged[profile].blob)\n",
    ),
    mutant(
        "brought-back-once",
        "after every doubt the states are compared again",
        ROLES,
        "        if self.restore is not None:\n            self.restore.forget()\n",
        "",
    ),
    mutant(
        "brought-back-without-timer",
        "a state that is put back has its timer",
        RESTORE,
        "blob, new.due_ms, changed)",
        "blob, None, changed)",
    ),
    mutant(
        "brought-back-without-sizes",
        "a state that is put back counts in the sizes of its audiences",
        RESTORE,
        "blob, new.due_ms, changed)",
        "blob, new.due_ms, ())",
    ),
    mutant(
        "logged-when-changed-only",
        "a state is logged by the attempt that commits, even if an earlier one has changed it",
        FOLD,
        "            if state.applied >= batch.starts[slot]:\n",
        "            if profile in batch.blobs:\n",
    ),
    mutant(
        "logged-without-what-is-kept",
        "a state that is ahead of what is committed is logged with the outputs that it has kept",
        FOLD,
        "        if applied <= end:\n            return []\n",
        "        if applied >= 0:\n            return []\n",
        FOUND,
    ),
    mutant(
        "kept-not-brought-back",
        "the outputs that a state has kept come back with it",
        RESTORE,
        "self._store.commit(slot, writes, kept, KEEP_PENDING, owner)",
        "self._store.commit(slot, writes, kept[:0], KEEP_PENDING, owner)",
        FOUND,
    ),
    mutant(
        "logged-at-any-time",
        "a state is logged soon after it is committed, or not at all",
        BATCH,
        "        if (took_ms := self.clock.now_ms() - committed_ms) > to.delay_max_ms:\n",
        "        if (took_ms := self.clock.now_ms() - committed_ms) > to.delay_max_ms < 0:\n",
        FOUND,
    ),
    mutant(
        "open-log-read",
        "the log is read when what was open in it has ended",
        "worker/adapters/memory_clients.py",
        "        if log.stable_end < log.end:\n",
        "        if log.stable_end < log.end < 0:\n",
        OF_LOG,
    ),
    mutant(
        "horizon-ignored",
        "states are compared as far back as Redis may lose them",
        LOG,
        "    horizon = records[-1].timestamp_ms - horizon_ms\n",
        "    horizon = records[-1].timestamp_ms\n",
        OF_LOG,
    ),
    mutant(
        "put-back-not-told",
        "what is put back may be lost again, and is looked for as far back as before",
        RESTORE,
        "return compared.since_ms if self._clock.now_ms() - compared.at_ms <= self.horizon_ms else None",
        "return compared.since_ms if self._clock.now_ms() - compared.at_ms < 0 else None",
        FOUND,
    ),
)
