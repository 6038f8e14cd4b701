"""Mutants of merges: the graph's notes, and the messages that carry a history from child to parent."""

from tests.mutants.mutant import Mutant, mutant

STEPS = "worker/engine/merge_steps.py"
MERGES = "worker/engine/merges.py"
OVERLAY = "worker/engine/overlay.py"
DIRECTORY = "worker/engine/directory.py"
ROUTE = "worker/engine/route.py"
FOLD = "worker/engine/fold.py"
ANNOUNCE = "worker/engine/announce.py"
FOUND = "tests/simulation/test_found.py"

MUTANTS: tuple[Mutant, ...] = (
    mutant(
        "no-note",
        "a merge leaves a note: a crash after it does not forget the child's history",
        OVERLAY,
        "            noted=list(self.merged.items()),\n",
        "",
        FOUND,
    ),
    mutant(
        "note-cleared-by-sender",
        "a note stands until the parent has the history",
        ROUTE,
        "        told.update([merge.child for merge in fresh])\n",
        "        told.update([merge.child for merge in fresh])\n"
        "        from worker.engine.merges import Notes\n"
        "        Notes(self._store, partitions=self._partitions, notes_max=1).settle([merge.child for merge in fresh])\n",
    ),
    mutant(
        "no-seal",
        "a child is sealed: it takes nothing more",
        STEPS,
        "        state.sealed = Sealed(mail.offset, mail.parent)\n",
        "        state.sealed = None\n",
    ),
    mutant(
        "sealed-checks-applied",
        "what a sealed profile passes on it passes on in every attempt",
        FOLD,
        "if state.sealed is not None and letter.offset > state.sealed.offset and letter.kind in PASSED_ON:\n",
        "if state.sealed is not None and letter.offset > state.applied and letter.kind in PASSED_ON:\n",
        FOUND,
    ),
    mutant(
        "passes-on-what-was-before",
        "what came before the seal was folded, and is not passed on again",
        FOLD,
        "if state.sealed is not None and letter.offset > state.sealed.offset and letter.kind in PASSED_ON:\n",
        "if state.sealed is not None and letter.kind in PASSED_ON:\n",
    ),
    mutant(
        "repeat-absorb",
        "a seal that is repeated does not send the history again",
        STEPS,
        "    already = state.sealed is not None\n",
        "    already = False\n",
    ),
    mutant(
        "merge-without-exit",
        "who is merged away leaves every audience",
        STEPS,
        "        changes += leave(state, catalogue)\n",
        "",
    ),
    mutant(
        "forward-as-event",
        "what a sealed profile passes on is no event of the archive",
        ANNOUNCE,
        "headers = [(mailbox.KIND_HEADER, mailbox.FORWARD), (mailbox.AT_HEADER",
        "headers = [(mailbox.KIND_HEADER, mailbox.EVENT), (mailbox.AT_HEADER",
    ),
    mutant(
        "forward-at-append-time",
        "an event that is passed on counts at its own time",
        ANNOUNCE,
        '(mailbox.AT_HEADER, b"%d" % event.at_ms)]',
        '(mailbox.AT_HEADER, b"%d" % (1 << 50))]',
        FOUND,
    ),
    mutant(
        "no-expect",
        "the parent is told to wait",
        MERGES,
        "        posted(Expect(waits, owed.at_ms, child, token), partitions),\n",
        "",
    ),
    mutant(
        "expect-never-answered",
        "every seal is answered, also one that is repeated",
        STEPS,
        "        told=[answer],\n",
        "        told=[] if already else [answer],\n",
    ),
    mutant(
        "expect-any-answer",
        "the answer to another seal does not end the waiting",
        STEPS,
        "if waited == (mail.child, mail.token)}",
        "if waited[0] == mail.child}",
    ),
    mutant(
        "expect-not-carried",
        "who is merged away while it waits hands over for whom",
        STEPS,
        "version=state.version, awaiting=awaiting)",
        "version=state.version)",
        FOUND,
    ),
    mutant(
        "expect-not-forwarded",
        "a sealed profile passes on that its parent must wait",
        FOLD,
        'PASSED_ON = frozenset({"event", "forward", "expect", "absorb"})',
        'PASSED_ON = frozenset({"event", "forward", "absorb"})',
    ),
    mutant(
        "expect-after-event",
        "who waits is told before the event",
        ROUTE,
        '            add(new(Output, ("resolved-events", text.encode(), value, headers, partition)))\n',
        "            place = len(outputs)\n"
        '            while place and dict(outputs[place - 1].headers).get("kind") in (b"seal", b"expect"):\n'
        "                place -= 1\n"
        '            outputs.insert(place, new(Output, ("resolved-events", text.encode(), value, headers, partition)))\n',
    ),
    mutant(
        "no-owed",
        "a redelivered event tells again of merges that nobody may know of",
        DIRECTORY,
        "            return Found(profile, (), (), owed_into(profile, overlay.records[profile]))\n        if request.extends:\n",
        "            return Found(profile, (), (), ())\n        if request.extends:\n",
    ),
    mutant(
        "owed-keeps-cache",
        "an identity cache does not survive an abort: it would hide what is owed",
        DIRECTORY,
        "        self._cache.clear()\n        self._links.clear()\n",
        "",
    ),
    mutant(
        "cache-leads-to-the-child",
        "who merges two profiles does not go on sending to the child",
        DIRECTORY,
        "            owners[index] = moved.get(owner, owner)\n",
        "            owners[index] = owner\n",
        "tests/property/test_identity_graph.py",
    ),
    mutant(
        "notes-not-held",
        "a forgotten seal does not overtake events that are still to be routed",
        "worker/engine/loop.py",
        "            own += folding.notes.scan(owned, until_ms=until_ms, now_ms=now_ms)\n",
        "            own += folding.notes.scan(owned, until_ms=now_ms, now_ms=now_ms)\n",
        FOUND,
    ),
    mutant(
        "notes-never-scanned",
        "without a redelivery the note brings the seal",
        "worker/engine/loop.py",
        "            own += folding.notes.scan(owned, until_ms=until_ms, now_ms=now_ms)\n",
        "",
        FOUND,
    ),
    mutant(
        "judges-while-waiting",
        "nothing is judged before all histories are here",
        "worker/engine/step.py",
        "    if state.awaiting:  # judged when all is here\n        return Step(changed=True, changes=[])\n",
        "",
    ),
    mutant(
        "ticks-while-waiting",
        "no timer fires before all histories are here",
        "worker/engine/step.py",
        "    if state.awaiting:\n        return NOTHING\n    changes = fire",
        "    changes = fire",
    ),
    mutant(
        "graph-conflict-ignored",
        "a decision that rests on what has changed meanwhile is taken again",
        DIRECTORY,
        "            if overlay.write(self._store):\n",
        "            if overlay.write(self._store) or requests:\n",
    ),
    mutant(
        "redirect-chains",
        "whoever was merged into the child is redirected past it",
        OVERLAY,
        "*[(merge.child, child) for merge in record.merged]):",
        "*[(merge.child, child) for merge in record.merged[:0]]):",
    ),
)
