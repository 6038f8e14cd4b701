"""About twenty faults, one of most kinds that take little time; `make crash` has all of them, as many as one likes."""

from random import Random

from tests.crash.faults import KINDS, SLOW_KINDS
from tests.crash.run import drawn, run_round
from tests.crash.servers import KafkaServer
from tests.crash.stores import Store

FAULTS = 20
SEED = 20_250_301


def test_nothing_is_lost_or_doubled(mortal_servers: tuple[KafkaServer, Store]) -> None:
    quick = [kind for kind in KINDS if kind.name not in SLOW_KINDS]
    kinds = drawn(quick, FAULTS, Random(SEED))
    outcome = run_round(SEED, kinds, mortal_servers)

    assert outcome.faults == [], outcome.report()
    assert outcome.kinds.total() >= FAULTS // 2, "most of the faults were not to be"
    assert outcome.figures["accepted"] > 0 < outcome.figures["merges"]
