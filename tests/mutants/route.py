"""Mutants of the router's half: claims, routing, progress."""

from tests.mutants.mutant import Edit, Mutant, mutant

ROUTE = "worker/engine/route.py"
BATCH = "worker/engine/batch.py"
LOOP = "worker/engine/loop.py"
PROGRESS = "worker/engine/progress.py"

MUTANTS: tuple[Mutant, ...] = (
    mutant(
        "claim-without-coordinates",
        "a claim remembers who made it: a redelivery is no duplicate",
        ROUTE,
        'coordinates = (base + offset & COORDINATES_MASK).to_bytes(5, "big")',
        'coordinates = (base + id(event) & COORDINATES_MASK).to_bytes(5, "big")',
    ),
    mutant(
        "claim-by-offset-alone",
        "the coordinates of a claim tell one partition from another",
        ROUTE,
        "base = bases[topic, partition] = _coordinates_base(topic, partition)",
        'base = bases[topic, partition] = _coordinates_base("", 0)',
    ),
    Mutant(
        "claim-invalid",
        "a refused record does not take the id of a good one",
        (
            Edit(
                ROUTE,
                "                books.dead[record.topic, outcome.reason] += 1\n",
                "                books.dead[record.topic, outcome.reason] += 1\n"
                '                for named in re.findall(rb\'"messageId": "(m[0-9]+)"\', record.value or b""):\n'
                '                    taken = Claim(xxh3_128_digest(named), b"taken", record.timestamp_ms)\n'
                "                    self._store.claim([taken], epoch=0, evict_before_ms=0).get()\n",
            ),
            Edit(ROUTE, "from hashlib import blake2b\n", "import re\nfrom hashlib import blake2b\n"),
        ),
    ),
    mutant(
        "claims-forgotten-early",
        "a claim is kept as long as any input may still bring its duplicate",
        ROUTE,
        "reached_ms = min(self._progress.smallest_ms, *[record[3] for record, _ in batch.accepted])",
        "reached_ms = max([record[3] for record, _ in batch.accepted])",
    ),
    mutant(
        "duplicates-pass",
        "what other coordinates hold is a duplicate",
        ROUTE,
        "        for index in reversed(taken):\n",
        "        for index in reversed(taken[:0]):\n",
    ),
    mutant(
        "mail-by-key",
        "a profile has one mailbox partition, that of its slot",
        ROUTE,
        "            partition = partition_of(slot_of(owner), partitions)\n",
        "            partition = record.partition % partitions\n",
    ),
    Mutant(
        "dead-letter-outside",
        "dead letters are in the transaction of their record",
        (
            Edit(
                BATCH,
                "        self.producer.begin()\n        sent = ",
                "        if routed is not None and routed.refused:\n"
                "            self.producer.begin()\n"
                "            self._produce(routed.refused)\n"
                "            self.producer.commit()\n"
                "            routed.refused.clear()\n"
                "        self.producer.begin()\n        sent = ",
            ),
        ),
    ),
    mutant(
        "events-outside",
        "routed events are in the transaction of their record",
        BATCH,
        '        self._produce(sent)\n        self.stopwatch.mark("route")\n',
        "        self._produce(sent)\n        self.producer.commit()\n        self.producer.begin()\n"
        '        self.stopwatch.mark("route")\n',
    ),
    Mutant(
        "progress-before-commit",
        "progress is published after the transaction has committed",
        (
            Edit(
                LOOP,
                "        own = self._own_records()\n        report = None\n",
                "        if self._routing is not None:\n"
                "            reached_ms = {r[:2]: r.timestamp_ms for r in inputs.records}\n"
                "            self._routing.progress.publish(self._routing.source, reached_ms, polled_ms)\n"
                "        own = self._own_records()\n        report = None\n",
            ),
        ),
    ),
    mutant(
        "progress-by-the-clock",
        "a partition has come as far as its last record, not as the clock",
        PROGRESS,
        "self._reached[partition] = min(at_ms, polled_ms)",
        "self._reached[partition] = polled_ms",
    ),
    mutant(
        "progress-without-margin",
        "what is at its end has come as far as the slowest clock",
        PROGRESS,
        "polled_ms - self._margin_ms))",
        "polled_ms + self._margin_ms))",
        "tests/unit/test_engine_progress.py",
    ),
    mutant(
        "progress-of-some",
        "exits wait for the slowest of all inputs",
        PROGRESS,
        "reached = min(reached, progress_ms)",
        "reached = max(progress_ms, reached if reached != now_ms else 0)",
    ),
    mutant(
        "no-hold",
        "the scan takes what is due by the routers' progress, not by the clock",
        LOOP,
        "until_ms = folding.hold.until(now_ms)",
        "until_ms = now_ms",
    ),
    mutant(
        "refusals-of-the-starter-only",
        "a refused definition is a dead letter of its partition's owner, whoever has judged it",
        "worker/engine/control.py",
        "        self.judge(changes)\n        for record in changes:\n            detail = self._book.refusals.get(record.offset)",
        "        judged = self._book.judged\n        self.judge(changes)\n        for record in changes:\n"
        "            detail = self._book.refusals.get(record.offset) if record.offset >= judged else None",
    ),
)
