"""Mutants of the loop's recovery and of the adapters: offsets, fencing, atomic steps."""

from tests.mutants.mutant import Edit, Mutant, mutant

BATCH = "worker/engine/batch.py"
LOOP = "worker/engine/loop.py"
CLIENTS = "worker/adapters/memory_clients.py"
BROKER = "worker/adapters/memory_broker.py"
STORE = "worker/adapters/memory_store.py"
SOURCE = "worker/adapters/kafka_source.py"
PRODUCER = "worker/adapters/kafka_producer.py"
LUA = "worker/adapters/lua"
FOUND = "tests/simulation/test_found.py"
OF_PRODUCER = "tests/conformance/test_kafka_producer.py"
OF_SOURCE = "tests/conformance/test_kafka_source.py"
OF_STATES = "tests/conformance/test_store_states.py"
OF_KEYS = "tests/conformance/test_store_keys.py"
OF_CLAIMS = "tests/conformance/test_store_claims.py"
ENGINE: tuple[Mutant, ...] = (
    mutant(
        "no-seek-back",
        "after an abort everything begins at the committed offsets",
        LOOP,
        "                role.source.rewind()\n",
        "",
    ),
    mutant(
        "same-producer",
        "after a doubt the producer is replaced",
        LOOP,
        "        self._producer.replace()\n",
        "",
    ),
    mutant(
        "doubt-forgotten",
        "a batch that has failed leaves the replica in doubt",
        LOOP,
        "            self._in_doubt = True\n            raise\n",
        "            raise\n",
    ),
    Mutant(
        "memory-survives",
        "after an abort or a new assignment nothing in memory is relied on",
        (
            Edit(
                LOOP,
                "                role.source.rewind()\n                role.doubt()\n",
                "                role.source.rewind()\n",
            ),
            Edit(
                LOOP,
                "            if mailbox.changed:\n                self._folding.forget()\n",
                "            if mailbox.changed:\n",
            ),
        ),
    ),
    mutant(
        "states-survive-a-rebalance",
        "states of partitions that were another's meanwhile are loaded again",
        LOOP,
        "            if mailbox.changed:\n                self._folding.forget()\n",
        "            if mailbox.changed:\n                self._folding.timers.forget()\n",
        FOUND,
    ),
    mutant(
        "offsets-of-the-record",
        "the committed offset is that of the next record",
        BATCH,
        "record.offset + 1 for record in ends}",
        "record.offset for record in ends}",
    ),
    mutant(
        "no-offsets-of-the-inputs",
        "the offsets of the inputs are in the transaction of what was routed",
        BATCH,
        "        if inputs.records:\n            self.producer.send_offsets(_next_offsets(input_ends), inputs.metadata)\n",
        "",
    ),
    mutant(
        "no-offsets-of-the-mailbox",
        "the offsets of the mailbox are in the transaction of what was made",
        BATCH,
        "        if mailbox.records:\n            self.producer.send_offsets(_next_offsets(mail_ends), mailbox.metadata)\n        elif",
        "        if",
    ),
    mutant(
        "commit-before-the-states",
        "what the fold made is sent after its states are written",
        BATCH,
        "            self.folding.folder.check(folded)\n",
        "            pass\n",
    ),
)

MEMORY: tuple[Mutant, ...] = (
    mutant(
        "unstable-offsets",
        "a new owner waits for transactions that are about to move its offsets",
        BROKER,
        "            if session.transaction is not None and (group, partition) in session.transaction.offsets:\n",
        "            if session.transaction is None and session.refused is None:\n",
    ),
    mutant(
        "fresh-metadata",
        "group metadata is that of the poll: taken at the send, a zombie looks current",
        CLIENTS,
        "        if not self._broker.group(metadata.group).is_current(metadata):\n",
        "        group = self._broker.group(metadata.group)\n"
        "        metadata = metadata._replace(member=group.member(metadata.instance), generation=group.generation)\n"
        "        if metadata.member is None:\n",
        "tests/conformance/test_kafka_zombies.py",
    ),
    mutant(
        "send-without-group-metadata",
        "offsets of a former member are refused",
        CLIENTS,
        "        if not self._broker.group(metadata.group).is_current(metadata):\n",
        "        if metadata.group is None:\n",
    ),
    mutant(
        "read-uncommitted",
        "nobody reads what is not committed",
        "worker/adapters/memory_log.py",
        "            if entry is not None and (entry[1] is None or entry[1].outcome is Outcome.COMMITTED):\n",
        "            if entry is not None:\n",
    ),
    mutant(
        "zombie-producer",
        "a successor fences the producer before it",
        BROKER,
        "            self.write_markers(old)\n            old.refused = True\n",
        "            self.write_markers(old)\n",
        OF_PRODUCER,
    ),
    mutant(
        "commit-in-two-steps",
        "a state and its kept outputs are written in one step",
        STORE,
        "        slot.pending.update({(kept.offset, kept.profile): kept for kept in pending if kept.profile not in losers})\n",
        "        slot.pending.update({(kept.offset, kept.profile): kept for kept in pending})\n",
        OF_STATES,
    ),
    mutant(
        "no-version-check",
        "a state is written over the expected one only",
        STORE,
        '        elif stored is None or int.from_bytes(stored[:_APPLIED_BYTES], "big", signed=True) != write.expected:\n',
        "        elif stored is None:\n",
        OF_STATES,
    ),
    mutant(
        "pending-trim-own",
        "kept outputs of profiles that are not in the batch are dropped too",
        STORE,
        "        for at in [at for at in slot.pending if at[0] < trim_below]:\n",
        "        mine = {write.profile for write in writes}\n"
        "        for at in [at for at in slot.pending if at[0] < trim_below and at[1] in mine]:\n",
    ),
    mutant(
        "offsets-of-others-asked-for",
        "whoever is in doubt hears of a rebalance before it asks for stable offsets",
        CLIENTS,
        "        if self._member is not None:\n            self._take_part()  # what",
        "        if self._member is None:\n            self._take_part()  # what",
        "tests/conformance/test_kafka_zombies.py",
    ),
    mutant(
        "name-is-shared",
        "who finds its name taken ends",
        CLIENTS,
        '            raise SupersededError(f"another',
        '            raise DependencyError(f"another',
        FOUND,
    ),
)

REAL: tuple[Mutant, ...] = (
    Mutant(
        "real-fresh-metadata",
        "group metadata is that of the poll",
        (
            Edit(SOURCE, "self._consumer.consumer_group_metadata(), changed)", "self._consumer, changed)"),
            Edit(
                PRODUCER,
                "client.send_offsets_to_transaction, places, metadata, self._timeout_s",
                "client.send_offsets_to_transaction, places, metadata.consumer_group_metadata(), self._timeout_s",
            ),
        ),
        (OF_PRODUCER,),
    ),
    mutant(
        "real-dynamic-member",
        "members are static: of a dynamic one that was thrown out the metadata is not checked",
        SOURCE,
        '                "group.instance.id": instance_id,\n',
        "",
        OF_PRODUCER,
    ),
    mutant(
        "real-read-uncommitted",
        "nobody reads what is not committed, nor offsets that are not stable",
        SOURCE,
        '    "isolation.level": "read_committed",',
        '    "isolation.level": "read_uncommitted",',
        OF_SOURCE,
    ),
    mutant(
        "real-offset-reset",
        "a committed offset that is gone from the log stops the worker",
        SOURCE,
        '    "auto.offset.reset": "error",\n',
        '    "auto.offset.reset": "earliest",\n',
        OF_SOURCE,
    ),
    mutant(
        "real-auto-commit",
        "offsets are committed by transactions only",
        SOURCE,
        '    "enable.auto.commit": False,\n    "enable.auto.offset.store": False,\n',
        '    "enable.auto.commit": True,\n    "auto.commit.interval.ms": 10,\n',
        OF_SOURCE,
    ),
    mutant(
        "real-same-producer",
        "a producer that was refused is not used again",
        PRODUCER,
        '        self._refused = True\n        told = f"{step}',
        '        told = f"{step}',
        OF_PRODUCER,
    ),
    mutant(
        "real-no-version-check",
        "a state is written over the expected one only",
        f"{LUA}/commit.lua",
        "  if applied == expected or (applied == '' and expected == ABSENT) then\n",
        "  if true then\n",
        OF_STATES,
    ),
    mutant(
        "real-no-fence",
        "only who took a slot over last can commit to it",
        f"{LUA}/commit.lua",
        "if (call('GET', slot .. 'owner') or '') ~= ARGV[6] then\n",
        "if false then\n",
        OF_STATES,
    ),
    mutant(
        "real-trim-too-far",
        "outputs at the start of the batch are kept",
        f"{LUA}/commit.lua",
        "call('ZREMRANGEBYSCORE', pending, '-inf', '(' .. ARGV[1])",
        "call('ZREMRANGEBYSCORE', pending, '-inf', ARGV[1])",
        OF_STATES,
    ),
    mutant(
        "real-losers-outputs",
        "of a loser nothing is written, not its outputs either",
        f"{LUA}/commit.lua",
        "    if not lost[ARGV[at]] then\n",
        "    if true then\n",
        OF_STATES,
    ),
    mutant(
        "real-swap-in-parts",
        "a swap writes all or nothing",
        f"{LUA}/swap.lua",
        "  if (value and '=' .. value or '') ~= ARGV[i + 3] then return 0 end\n",
        "  if i == 1 and (value and '=' .. value or '') ~= ARGV[i + 3] then return 0 end\n",
        OF_KEYS,
    ),
    mutant(
        "real-claim-without-coordinates",
        "a claim remembers who made it",
        f"{LUA}/claim.lua",
        "      if sub(ring, at + 9, at + 13) == coordinates then return true end\n",
        "",
        OF_CLAIMS,
    ),
    mutant(
        "real-claims-forgotten-early",
        "what is newer than the bound is never overwritten",
        f"{LUA}/claim.lua",
        "(latest - tick) % CYCLE > latest - min(forget_before, minute - window) then",
        "(latest - tick) % CYCLE > SET_BACK then",
        OF_CLAIMS,
    ),
    mutant(
        "real-no-epoch",
        "a router that does not know the newest epoch claims nothing",
        f"{LUA}/claim.lua",
        "  if known and tonumber(known) > epoch then return false end\n",
        "",
        OF_CLAIMS,
    ),
    mutant(
        "real-timer-left",
        "a state without a due time has no timer",
        f"{LUA}/commit.lua",
        "in_chunks('ZREM', timers, unset)\n",
        "",
        OF_STATES,
    ),
)

MUTANTS = ENGINE + MEMORY + REAL
