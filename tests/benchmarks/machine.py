"""What the figures were measured on."""

import datetime as dt
import os
import platform
import re
from pathlib import Path

import confluent_kafka

POM = Path(__file__).parents[1] / "kafka" / "pom.xml"


def describe(*, redis_version: str) -> dict[str, str]:
    """The machine and the versions, as rows of a table; taken before anything is measured."""
    return {
        "Date": f"{dt.datetime.now(dt.UTC):%Y-%m-%d}",
        "CPU": f"{_cpu_model()}, {os.cpu_count()} cores, shared by broker, Redis, harness and contestant",
        "Memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "System": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        "Kafka": f"{_kafka_version()}, client: librdkafka {confluent_kafka.libversion()[0]}",
        "Redis": redis_version,
        "Load average before": " ".join(f"{load:.2f}" for load in os.getloadavg()),
    }


def _cpu_model() -> str:
    found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(encoding="ascii"), re.MULTILINE)
    return found[1] if found else platform.machine()


def _kafka_version() -> str:
    """The version that the tests' own broker is made of; a broker that was given does not say its own."""
    if os.environ.get("TEST_KAFKA_BOOTSTRAP_SERVERS"):
        return "as given by TEST_KAFKA_BOOTSTRAP_SERVERS"
    declared = POM.read_text(encoding="utf-8") if POM.exists() else ""
    found = re.search(r"<artifactId>kafka_[\d.]+</artifactId>\s*<version>([^<]+)<", declared)
    return f"{found[1]}, one broker" if found else "unknown"
