"""Mutants of the folder's half: states, kept outputs, timers, definitions."""

from tests.mutants.mutant import Edit, Mutant, mutant

FOLD = "worker/engine/fold.py"
STEP = "worker/engine/step.py"
JUDGE = "worker/engine/judge.py"
LOOP = "worker/engine/loop.py"
SWEEP = "worker/engine/sweep.py"
TIMERS = "worker/engine/timers.py"
ROLES = "worker/engine/roles.py"
FOUND = "tests/simulation/test_found.py"

MUTANTS: tuple[Mutant, ...] = (
    mutant(
        "no-applied",
        "a state remembers the last mailbox offset folded into it",
        FOLD,
        "                if letter.offset <= state.applied:\n",
        "                if letter.offset < 0:\n",
    ),
    mutant(
        "no-pending",
        "outputs are kept with the state: a redelivery sends them again",
        FOLD,
        "batch.pending[slot_of(profile)].append(PendingOutputs(letter.offset, profile, pack(made)))",
        "pack(made)",
    ),
    mutant(
        "pending-all",
        "a redelivery sends what its own offset has made, and no more",
        FOLD,
        "self._store.load_pending(slot, offset, offset)",
        "self._store.load_pending(slot, 0, 1 << 62)",
    ),
    mutant(
        "pending-evaluated-again",
        "a redelivery sends what was made, byte for byte, with the message ids of then",
        FOLD,
        "                    outputs += self._kept(slot_of(profile), letter.offset)\n",
        "                    outputs += step(state, letter, catalogue).transitions and []\n",
    ),
    mutant(
        "pending-trim-too-far",
        "kept outputs are dropped below the start of the batch, not its end",
        FOLD,
        "batch.pending[slot], batch.starts[slot], self._owner)",
        "batch.pending[slot], batch.starts[slot] + 1_000, self._owner)",
    ),
    mutant(
        "pending-never-trimmed",
        "kept outputs are dropped when a later batch starts",
        FOLD,
        "batch.pending[slot], batch.starts[slot], self._owner)",
        "batch.pending[slot], 0, self._owner)",
    ),
    mutant(
        "lost-comparison-ignored",
        "nothing is sent for a state that somebody else has written",
        FOLD,
        "            if reply.get():\n",
        "            if reply.get() and not reply:\n",
    ),
    mutant(
        "states-survive-an-abort",
        "a state of a failed batch may be ahead of the store: it is dropped",
        ROLES,
        "        self.folder.forget()\n",
        "",
    ),
    mutant(
        "mail-in-any-order",
        "a profile's mail is folded in the order of its offsets",
        FOLD,
        "            for letter in letters:\n",
        "            for letter in sorted(letters, key=lambda one: one.at_ms):\n",
    ),
    mutant(
        "no-fence",
        "whoever is given a partition takes its slots over",
        ROLES,
        "        owner = self.folder.take(slots)\n",
        '        owner = b""\n',
        FOUND,
    ),
    mutant(
        "fence-by-one-name",
        "a name that owns a slot has never been another's, nor an earlier life's",
        "worker/cli/assembly.py",
        "            draw_owner=connections.draw_owner,\n",
        '            draw_owner=lambda: b"worker",\n',
        FOUND,
    ),
    mutant(
        "tick-at-append-time",
        "a tick counts at the due time that it was written for",
        "consumers/mailbox.py",
        "return Tick(profile_bytes(tick.profile_id), record.offset, tick.at)",
        "return Tick(profile_bytes(tick.profile_id), record.offset, record.timestamp_ms)",
    ),
    mutant(
        "tick-moves-time",
        "a tick moves a state's time to what was due, not to its own",
        STEP,
        "    state.applied = tick.offset\n",
        "    state.applied = tick.offset\n    state.time_ms = max(state.time_ms, tick.at_ms)\n",
    ),
    mutant(
        "tick-without-firing-all",
        "what is due fires each at its own time, until nothing is",
        JUDGE,
        "    while (due := state.due_ms) is not None and due <= until_ms:\n        state.time_ms = max(state.time_ms, due)",
        "    if (due := state.due_ms) is not None and due <= until_ms:\n        due = until_ms\n"
        "        state.time_ms = max(state.time_ms, until_ms)",
    ),
    mutant(
        "event-before-its-timers",
        "what was due before a record fires first",
        STEP,
        "    changes = fire(state, catalogue, now_ms - 1) or []\n    state.time_ms = now_ms\n    return changes",
        "    changes: list[Change] = []\n    state.time_ms = now_ms\n    return changes",
    ),
    mutant(
        "time-goes-back",
        "a state's time never goes back",
        STEP,
        "    now_ms = max(state.time_ms, at_ms)\n",
        "    now_ms = at_ms\n",
    ),
    mutant(
        "from-the-future",
        "a producer's wrong clock leads no profile into the future",
        "consumers/mailbox.py",
        "        self.at_ms = min(event.at, appended_ms)\n",
        "        self.at_ms = event.at\n",
    ),
    mutant(
        "nothing-moves-applied",
        "a record that touches nothing changes nothing, not even in memory",
        STEP,
        "    if changes is None:\n        return NOTHING\n",
        "    if changes is None:\n        state.applied = tick.offset\n        return NOTHING\n",
        "tests/simulation/test_calm.py",
    ),
    mutant(
        "timer-not-in-commit",
        "the timer is written with the state",
        FOLD,
        "StateWrite(profile, expected, blob, state.due_ms, sizes)",
        "StateWrite(profile, expected, blob, None, sizes)",
    ),
    Mutant(
        "ticked-for-ever",
        "a tick that was lost with its transaction is written again",
        (
            Edit(ROLES, "        self.timers.forget()\n", ""),
            Edit(TIMERS, "REPEAT_AFTER_MS = 10_000\n", "REPEAT_AFTER_MS = 1 << 60\n"),
        ),
    ),
    mutant(
        "scan-forgets-who-waits",
        "a scan that has no room for a tick leaves it to the next",
        TIMERS,
        "            if len(ticks) == self._ticks_max:\n                self.is_full = True\n                break\n            self._ticked[profile] = (due, now_ms + REPEAT_AFTER_MS)\n",
        "            self._ticked[profile] = (due, now_ms + (1 << 60))\n            if len(ticks) == self._ticks_max:\n                continue\n",
    ),
    mutant(
        "older-definitions",
        "a state is never evaluated under older definitions than before",
        "worker/engine/batch.py",
        "        self.control.at_least(newest)",
        "        self.control.at_least(0 * newest)",
        FOUND,
    ),
    mutant(
        "sweep-marks-too-early",
        "a partition is swept when its activations are committed",
        LOOP,
        "        own = self._own_records()\n        report = None\n",
        "        own = self._own_records()\n        if self._folding is not None:\n"
        "            self._folding.sweep.committed(self._control.catalogue)\n        report = None\n",
    ),
    mutant(
        "sweep-believes-anybody",
        "an owner that has folded under older definitions sweeps for itself",
        SWEEP,
        "self._swept.update({partition: min(version, self._version) for partition, version in known.items()})",
        "self._swept.update(known)",
        FOUND,
    ),
    mutant(
        "no-sweep",
        "an edit reaches profiles that nothing else touches",
        LOOP,
        "        own = folding.sweep.next(owned, self._control.catalogue, now_ms)\n",
        "        own: list[Output] = []\n",
    ),
    mutant(
        "edit-keeps-members",
        "who is in an audience that is gone leaves it",
        JUDGE,
        "if state.member(key) and not _is_wanted(state, catalogue, key)]",
        "if not state.member(key) and not _is_wanted(state, catalogue, key)]",
    ),
    Mutant(
        "zombies-ticks",
        "a batch of ticks alone asks the group whether we are still a member",
        (
            Edit(
                "worker/engine/batch.py",
                "        elif not inputs.records and self.folding is not None:\n",
                "        elif not inputs.records and self.folding is None:\n",
            ),
        ),
        (FOUND,),
    ),
)
