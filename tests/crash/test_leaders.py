"""What clients know of a broker that died and came back."""

from dataclasses import dataclass, field

from tests.crash.servers import KafkaServer
from tests.crash.stores import Store
from tests.integration.process import until
from worker.adapters.kafka_admin import KafkaAdmin
from worker.errors import DependencyError
from worker.ports import Partition


@dataclass
class Wanted:
    """A topic to be made."""

    name: str
    partitions: int = 1
    replication_factor: int = 1
    config: dict[str, str] = field(default_factory=dict)


def test_ends_are_known_again_when_partitions_have_a_new_leader(
    mortal_servers: tuple[KafkaServer, Store],
) -> None:
    """The client kept the old one, every answer was an error, and exits were held back for a quarter of an hour."""
    kafka, _ = mortal_servers
    topic = "leaders"
    admin = KafkaAdmin(kafka.servers, answer_timeout_s=5)
    admin.create([Wanted(topic)])

    def known() -> bool:
        try:
            return admin.stable_ends([Partition(topic, 0)]) == {Partition(topic, 0): 0}
        except DependencyError:
            return False

    assert until(known, "the end before")
    kafka.kill()
    kafka.start()
    assert until(known, "the end after", timeout_s=60)
