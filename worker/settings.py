"""Every setting: its name, default, range, unit and why. The only place that reads the environment.

Variables have the prefix ``AW_``; a ``.env`` file in the working directory is read too, the environment wins.
docs/settings.md is this table for users; a test holds the two together.
"""

import os
import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo

from worker.errors import InputError
from worker.logs import LogFormat, LogLevel
from worker.redis_url import node_urls

PREFIX = "AW_"
KAFKA_PREFIX = "AW_KAFKA__"

Role = Literal["route", "fold"]

FORBIDDEN_KAFKA_PROPERTIES: Mapping[str, str] = {
    "acks": "always all",
    "allow.auto.create.topics": "topics are made by `audience-worker topics create`",
    "auto.commit.enable": "offsets are committed in the transaction",
    "auto.offset.reset": "always error: a lost offset must not go unnoticed",
    "bootstrap.servers": "set AW_KAFKA_BOOTSTRAP_SERVERS",
    "enable.auto.commit": "offsets are committed in the transaction",
    "enable.auto.offset.store": "offsets are committed in the transaction",
    "enable.gapless.guarantee": "decided by the transaction",
    "enable.idempotence": "always true",
    "enable.partition.eof": "the worker needs to know when it has caught up",
    "group.id": "set AW_CONSUMER_GROUP",
    "group.instance.id": "set AW_INSTANCE_ID",
    "group.protocol": "static members of the classic protocol",
    "group.remote.assignor": "static members of the classic protocol",
    "isolation.level": "always read_committed",
    "max.in.flight": "decided by the idempotent producer",
    "max.in.flight.requests.per.connection": "decided by the idempotent producer",
    "metadata.broker.list": "set AW_KAFKA_BOOTSTRAP_SERVERS",
    "partition.assignment.strategy": "always cooperative-sticky",
    "partitioner": "always murmur2_random, as other Kafka clients partition",
    "request.required.acks": "always all",
    "session.timeout.ms": "set AW_SESSION_TIMEOUT_MS",
    "transaction.timeout.ms": "set AW_TRANSACTION_TIMEOUT_MS",
    "transactional.id": "made from AW_CONSUMER_GROUP and AW_INSTANCE_ID",
}
"""librdkafka properties that exactly-once depends on and what holds instead; naming one is an error."""

SHOWN_KAFKA_PROPERTIES = frozenset(
    {"client.id", "compression.type", "sasl.mechanism", "sasl.mechanisms", "security.protocol"}
)
"""Properties whose value may be shown; of all others, of which some are secrets, only the name is."""


class Settings(BaseModel):
    """What a process is told from outside; immutable. Make one with ``load_settings``."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    # Connections
    kafka_bootstrap_servers: Annotated[str, Field(min_length=1)] = Field(
        "localhost:9092", description="Brokers to start from, `host:port` separated by commas"
    )
    kafka: dict[str, SecretStr] = Field(
        {},
        description="Any librdkafka property: `AW_KAFKA__SECURITY_PROTOCOL` sets `security.protocol`. "
        "TLS, SASL and OAuth need no code. Those that exactly-once depends on are refused",
    )
    redis_url: SecretStr = Field(
        SecretStr("redis://localhost:6379/0"),
        description="`redis://`, `rediss://` (TLS) or `unix://`, with user and password if need be. "
        "Redis Cluster: `redis+cluster://host:port,host:port` (`rediss+cluster://`), some of its nodes",
    )
    redis_timeout_s: float = Field(
        5.0, ge=0.1, le=60, description="How long one answer may take before the connection counts as broken"
    )
    redis_durability: Literal["server", "wait", "rebuild"] = Field(
        "server",
        description="Against writes that Redis acknowledged and lost: `server` trusts it, `wait` waits "
        "for disk or replica before every transaction, `rebuild` logs states to Kafka and, at each assignment and "
        "after each broken connection, puts back those of the last minute that are missing",
    )
    redis_wait_replicas: int = Field(
        0,
        ge=0,
        le=10,
        description="With `wait`: replicas of each server that must have what a batch has written, so that one of them "
        "can take over. 0: its own disk is enough. More: as long as one of them is missing, nothing goes on",
    )
    schema_registry_url: SecretStr = Field(
        SecretStr(""), description="Confluent Schema Registry; empty: values are written as JSON"
    )

    # Names
    space_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")] = Field(
        "default", description="The space in outputs and in Redis keys; several spaces may share servers"
    )
    topic_prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{0,100}$")] = Field(
        "", description="Put before every topic's name"
    )
    consumer_group: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,100}$")] = Field(
        "audience-worker",
        description="Group of all replicas; each role adds its name. Decides who shares work",
    )
    instance_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,100}$")] | None = Field(
        None,
        description="Stable identity of this replica: the same one after a restart ends at once what "
        "the last run left open. Unset: host name and the lowest free number on it",
    )
    roles: tuple[Role, ...] = Field(
        ("route", "fold"),
        description="`route` reads inputs, `fold` keeps profiles; both, or one to scale it apart",
    )

    # What it does
    definitions: Path | None = Field(
        None, description="File or folder of definitions, applied at start; unset: only those of the topic"
    )
    fanout: Literal["profile", "identifiers"] = Field(
        "profile",
        description="One message per transition, or Segment's one per combination of identifiers (`identifiers`: "
        "not yet, refused)",
    )
    resync_on_new_identifier: bool = Field(
        False,
        description="Send memberships and traits again when a profile gets a new identifier (not yet, refused)",
    )
    require_external_definition: bool = Field(
        False,
        description="Refuse passthrough events for audiences without a definition; else they are registered",
    )

    # Identity
    identity_merges_max: int = Field(
        100,
        ge=0,
        le=10_000,
        description="Profiles that may be merged into one, with all that were merged into these. Fewer: people "
        "with many devices stay apart; more: an identifier that many share gathers more of them",
    )
    identity_mappings_max: int = Field(
        1_000,
        ge=1,
        le=10_000,
        description="Identifiers of one profile. Fewer: later ones of the busiest profiles are left out; more: "
        "all that reads or writes such a profile gets slower",
    )

    # Deduplication
    dedup_window_hours: int = Field(
        24, ge=24, le=720, description="How long a messageId is remembered; longer takes memory in proportion"
    )
    dedup_expected_ids_per_day: int = Field(
        5_000_000,
        ge=1_000,
        le=10_000_000_000,
        description="Plans the memory of the window. Far too low costs time, far too high memory. A change "
        "of this or of the hours is made with all replicas stopped and forgets the window; else the start is refused",
    )

    # Batches
    batch_records_max: int = Field(
        4_000, ge=1, le=50_000, description="Records in a batch. Fewer: more transactions; more: longer ones"
    )
    batch_bytes_max: int = Field(
        16_777_216,
        ge=1_048_576,
        le=268_435_456,
        description="Bytes of values in a batch, so that large records do not add up to an out-of-memory",
    )
    poll_wait_ms: int = Field(
        10,
        ge=0,
        le=1_000,
        description="Wait for a first record. Shorter: busier when idle; longer: later timers",
    )

    # Memory
    identity_cache_entries: int = Field(
        200_000,
        ge=0,
        le=50_000_000,
        description="Identifiers remembered by a router; saves a round trip each",
    )
    state_cache_profiles: int = Field(
        50_000, ge=0, le=10_000_000, description="Decoded states remembered by their owner; saves a load each"
    )

    # Time
    exit_hold_max_s: int = Field(
        300,
        ge=0,
        le=86_400,
        description="Longest that exits wait for an input that lags or is silent. Shorter: exits that "
        "an event on its way would have prevented; longer: late exits",
    )
    timer_scan_interval_ms: int = Field(
        250,
        ge=10,
        le=10_000,
        description="Between two looks for due timers; how late an exit may be for that alone",
    )
    timer_scan_profiles_max: int = Field(
        1_000,
        ge=1,
        le=100_000,
        description="Due profiles taken at one look, so that timers do not starve events",
    )
    progress_interval_ms: int = Field(
        500, ge=100, le=60_000, description="Between two words of how far each input has come"
    )
    clock_skew_max_ms: int = Field(
        500, ge=0, le=60_000, description="By how much clocks of replicas and brokers may differ"
    )

    # Failures
    session_timeout_ms: int = Field(
        10_000,
        ge=6_000,
        le=300_000,
        description="Silence after which a replica counts as dead. Shorter: rebalances in long pauses; "
        "longer: its partitions stand still for longer",
    )
    transaction_timeout_ms: int = Field(
        10_000,
        ge=1_000,
        le=900_000,
        description="After which the broker ends the transaction of a dead replica; until then readers wait",
    )
    start_wait_max_s: int = Field(
        30, ge=0, le=3_600, description="How long a start waits for Kafka and Redis before it gives up (exit 3)"
    )
    retry_wait_max_ms: int = Field(
        5_000, ge=10, le=300_000, description="Longest wait between two tries at a dependency that fails"
    )

    # Operation
    http_host: str = Field(
        "0.0.0.0",  # noqa: S104 - probes and scrapers come from other machines; nothing here is secret
        description="Address of health and metrics",
    )
    http_port: int = Field(
        8080,
        ge=0,
        le=65_535,
        description="Port of health and metrics; 0: off. Unset: the first free one from 8080 to 8099, "
        "so that several replicas start on one host",
    )
    ready_lag_records_max: int = Field(1_000_000, ge=0, description="More records behind than this: not ready")
    live_stall_max_s: int = Field(
        60, ge=5, le=3_600, description="A loop that has not turned for so long counts as stuck"
    )
    metrics_audiences_max: int = Field(
        1_000,
        ge=0,
        le=100_000,
        description="Audiences with metrics of their own; the rest are counted as `other`",
    )
    log_format: LogFormat = Field("json", description="`json` for machines, `console` for people")
    log_level: LogLevel = Field("info", description="The least important lines to write")

    @field_validator("roles", mode="before")
    @classmethod
    def _split_roles(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        named = {part.strip() for part in value.split(",")} - {""}
        unknown = sorted(named.difference(get_args(Role)))
        if unknown or not named:
            raise ValueError(f"must be route, fold or both separated by a comma, not {value!r}")
        return tuple(role for role in get_args(Role) if role in named)

    @field_validator("fanout", "resync_on_new_identifier")
    @classmethod
    def _there_already(cls, value: object, info: ValidationInfo) -> object:
        """What is agreed and not built yet is refused: a promise that is silently not kept is worse than none."""
        if value != cls.model_fields[str(info.field_name)].default:
            raise ValueError("is not there yet in this version; leave it out")
        return value

    @field_validator("kafka")
    @classmethod
    def _no_forbidden_property(cls, value: dict[str, SecretStr]) -> dict[str, SecretStr]:
        refused = [
            f"{name} ({FORBIDDEN_KAFKA_PROPERTIES[name]})"
            for name in sorted(value)
            if name in FORBIDDEN_KAFKA_PROPERTIES
        ]
        if refused:
            raise ValueError(f"exactly-once depends on what the worker sets here: {', '.join(refused)}")
        return value

    @field_validator("redis_url")
    @classmethod
    def _redis_scheme(cls, value: SecretStr) -> SecretStr:
        try:
            urls = node_urls(value.get_secret_value())
        except ValueError:
            urls = [""]  # faults never quote it: it may hold a password
        for url in urls:
            _checked_url(SecretStr(url), schemes=("redis", "rediss", "unix", "redis+cluster", "rediss+cluster"))
        return value

    @field_validator("schema_registry_url")
    @classmethod
    def _registry_scheme(cls, value: SecretStr) -> SecretStr:
        return _checked_url(value, schemes=("http", "https")) if value.get_secret_value() else value

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.redis_wait_replicas and self.redis_durability != "wait":
            raise ValueError("AW_REDIS_WAIT_REPLICAS has a meaning with AW_REDIS_DURABILITY=wait only")
        if self.exit_hold_max_s and self.exit_hold_max_s * 1_000 < self.progress_interval_ms:
            raise ValueError("AW_EXIT_HOLD_MAX_S must be 0 or at least AW_PROGRESS_INTERVAL_MS")
        return self

    def kafka_properties(self) -> dict[str, str]:
        """The user's librdkafka properties, in clear: for the client, not for a log."""
        return {name: value.get_secret_value() for name, value in self.kafka.items()}

    def http_ports(self) -> range:
        """Ports to try, in order: the given one, or the range of the default; none when switched off."""
        last = self.http_port if "http_port" in self.model_fields_set else 8099
        return range(self.http_port, last + 1) if self.http_port else range(0)

    def shown(self) -> dict[str, str]:
        """Variables and values as they may be logged: no passwords, no users, no unknown properties."""
        shown = {variable(name): _masked(getattr(self, name)) for name in type(self).model_fields if name != "kafka"}
        for name, value in sorted(self.kafka.items()):
            harmless = name in SHOWN_KAFKA_PROPERTIES
            shown[f"{KAFKA_PREFIX}{name.upper().replace('.', '_')}"] = value.get_secret_value() if harmless else "***"
        return shown


def variable(field: str) -> str:
    """The environment variable of a field: ``redis_url`` is ``AW_REDIS_URL``."""
    return f"{PREFIX}{field.upper()}"


def load_settings(environ: Mapping[str, str] | None = None, *, env_file: Path | None = None) -> Settings:
    """Settings from variables, and from a file in which they win over the same names.

    With neither argument: the environment of the process and ``.env`` in the working directory.

    Raises:
        InputError: every fault at once, one line each; never with a secret in it.
    """
    if environ is None:
        environ, env_file = os.environ, env_file or Path(".env")
    in_file = dotenv_values(env_file) if env_file is not None and env_file.is_file() else {}
    given = {name: value for name, value in {**in_file, **environ}.items() if name.upper().startswith(PREFIX)}
    faults = _unknown_names(given)
    # Compose files pass on what is not set as empty.
    fields = {name: given[variable(name)] for name in _FIELDS if given.get(variable(name))}
    kafka = {_property(name): value for name, value in given.items() if name.startswith(KAFKA_PREFIX)}
    try:
        settings = Settings.model_validate({**fields, "kafka": kafka} if kafka else fields)
    except ValidationError as error:
        raise InputError(*faults, *_readable(error)) from None  # the cause quotes values, secret ones too
    if faults:
        raise InputError(*faults)
    return settings


_FIELDS = tuple(name for name in Settings.model_fields if name != "kafka")


def _property(name: str) -> str:
    return name.removeprefix(KAFKA_PREFIX).lower().replace("_", ".")


def _unknown_names(names: Iterable[str]) -> list[str]:
    known = [variable(field) for field in _FIELDS]
    faults = []
    for name in sorted(names):
        if name in known or re.fullmatch(rf"{KAFKA_PREFIX}[A-Z0-9_]+", name):
            continue
        nearest = get_close_matches(name.upper(), known, n=1)
        faults.append(f"{name} is not a setting" + (f"; did you mean {nearest[0]}?" if nearest else ""))
    return faults


def _readable(error: ValidationError) -> list[str]:
    """One line per fault, named by its variable; the value is quoted only where it cannot be a secret."""
    faults = []
    for fault in error.errors(include_url=False):
        field = str(fault["loc"][0]) if fault["loc"] else ""
        reason = str(fault.get("ctx", {}).get("error") or fault["msg"])
        quotable = field in Settings.model_fields and not _secret(Settings.model_fields[field])
        value = f" (it is {str(fault['input'])!r})" if quotable and fault["type"] != "value_error" else ""
        faults.append(f"{variable(field)}: {reason}{value}" if field else reason)
    return faults


def _secret(field: FieldInfo) -> bool:
    return "SecretStr" in repr(field.annotation)


def _checked_url(url: SecretStr, *, schemes: tuple[str, ...]) -> SecretStr:
    # A message must not quote the URL, which may hold a password; neither may the exception it comes from.
    try:
        parts = urlsplit(url.get_secret_value())
        complete = parts.scheme in schemes and bool(parts.path if parts.scheme == "unix" else parts.hostname)
        parts.port  # noqa: B018 - reading it checks it
    except ValueError:
        complete = False
    if not complete:
        raise ValueError(f"must be a URL that starts with {' or '.join(f'{scheme}://' for scheme in schemes)}")
    return url


def _masked(value: Any) -> str:
    if isinstance(value, SecretStr):
        return _without_credentials(value.get_secret_value())
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ",".join(value)
    return "" if value is None else str(value)


def _without_credentials(url: str) -> str:
    if not url:
        return ""
    parts = urlsplit(url)
    place = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{'***@' if '@' in parts.netloc else ''}{place}{parts.path}"
