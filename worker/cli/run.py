"""``audience-worker run``: one replica."""

import gc
import os
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from secrets import token_bytes
from threading import Event
from types import FrameType

import structlog
import typer

from consumers import catalog
from schemas.topics import PROFILE_STATES, full_name
from worker import logs
from worker.adapters.kafka import KafkaAdmin, KafkaProducer, KafkaSource
from worker.adapters.kafka_reader import read_committed_offsets, read_to_end
from worker.adapters.kafka_state_log import KafkaStateLog
from worker.adapters.redis import RedisStore
from worker.cli import definitions
from worker.cli.assembly import Connections, assemble
from worker.cli.avro import Avro, open_avro
from worker.cli.connect import open_store, patiently
from worker.cli.definition_files import documents_of, read_files
from worker.cli.farewell import Farewell
from worker.cli.http import HttpServer
from worker.cli.instance_id import take_instance_id
from worker.cli.options import caps_of, options_of
from worker.cli.replica import Patience, Replica
from worker.cli.topics import topics_of
from worker.clock import SystemClock
from worker.engine.control import Control
from worker.engine.startup import TopicFacts, dedup_faults, remember_mailbox, topic_faults
from worker.errors import InputError
from worker.metrics import Metrics, process_registry
from worker.ports import Partition, Source
from worker.redis_facts import keeping, keeping_faults, server_faults
from worker.redis_url import is_cluster
from worker.settings import Settings, load_settings

ABORTED = 130
APPEND_ONLY_HINT = "appendonly is off: a restart of this server forgets its part of claims, identities and states"


def register(app: typer.Typer) -> None:
    app.command("run")(_command)


def _command() -> None:
    """Run one worker replica. Start as many as there are partitions to share.

    SIGTERM finishes the batch and closes; a second one aborts. Creates no topics: `audience-worker topics create` does.
    """
    settings = load_settings()
    logs.configure(settings.log_format, settings.log_level)
    with _until_told() as stop, Farewell() as farewell, ExitStack() as closing:
        try:
            replica = _start(settings, closing)
            # What a batch makes holds no cycles and goes by itself; looking for them would cost a quarter of a worker's
            # time. The replica looks now and then (worker.cli.replica).
            gc.collect()
            gc.freeze()
            gc.disable()
            replica.run(stop)
        finally:
            farewell.begin(sys.exception())
    structlog.get_logger().info("stopped")


@contextmanager
def _until_told() -> Iterator[Event]:
    """An event that SIGTERM or SIGINT sets; a second signal ends the process at once, as a crash would."""
    stop = Event()

    def told(number: int, _: FrameType | None) -> None:
        if stop.is_set():
            os._exit(ABORTED)
        structlog.get_logger().info("stopping", signal=signal.Signals(number).name)
        stop.set()

    before = {number: signal.signal(number, told) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _start(settings: Settings, closing: ExitStack) -> Replica:
    log = structlog.get_logger()
    metrics = Metrics(registry := process_registry(), audiences_max=settings.metrics_audiences_max)
    store = open_store(settings, on_reconnect=metrics.redis_reconnected)
    closing.callback(store.close)
    avro = patiently(lambda: open_avro(settings), bound_s=settings.start_wait_max_s, told=_waiting)
    facts = _check(settings, store, avro)
    instance_id = _instance_id(settings, closing)
    replica = _replica(settings, store, facts, instance_id, metrics, closing, avro=avro)
    server = (
        HttpServer(
            settings.http_host, settings.http_ports(), registry=registry, alive=replica.alive, ready=replica.ready
        )
        if settings.http_port
        else None
    )
    if server is not None:
        closing.callback(server.close)
    log.info(
        "started",
        instance_id=instance_id,
        roles=",".join(settings.roles),
        http_port=server.port if server else 0,
        settings=settings.shown(),
    )
    return replica


def _waiting(trouble: str) -> None:
    structlog.get_logger().warning("waiting", trouble=trouble)


def _check(settings: Settings, store: RedisStore, avro: Avro) -> dict[str, TopicFacts]:
    """Start-up checks; publishes the definitions that the settings name.

    Raises:
        InputError: something is set so that the promises would not hold.
        DependencyError: Kafka or Redis has not answered in time.
    """
    bound_s = settings.start_wait_max_s
    texts = {} if settings.definitions is None else read_files([settings.definitions])
    documents = documents_of(texts)
    servers = patiently(store.inspect, bound_s=bound_s, told=_waiting)
    admin = KafkaAdmin(settings.kafka_bootstrap_servers, settings.kafka_properties())
    names = {topic.name: full_name(settings.topic_prefix, topic) for topic in topics_of(settings)}
    described = patiently(lambda: admin.describe(list(names.values())), bound_s=bound_s, told=_waiting)
    facts = {name: TopicFacts(d.partitions, d.topic_id, d.config) for name, d in described.items()}
    faults = server_faults(servers, cluster_url=is_cluster(settings.redis_url.get_secret_value()))
    waits = settings.redis_durability == "wait"
    if waits and not faults:
        faults += keeping_faults(servers, replicas=settings.redis_wait_replicas)
        store.wait_for(keeping(servers, replicas=settings.redis_wait_replicas))
    faults += topic_faults(names, facts)
    if not faults:
        ids_per_day, window_hours = settings.dedup_expected_ids_per_day, settings.dedup_window_hours
        faults += dedup_faults(store, ids_per_day=ids_per_day, window_hours=window_hours)
    if faults:
        raise InputError(*faults)
    for address, server in servers.items():
        if not server.append_only:
            structlog.get_logger().warning("redis_writes_no_log", server=address, hint=APPEND_ONLY_HINT)
    mailbox = names[catalog.MAILBOX_TOPIC]
    places = [Partition(mailbox, number) for number in range(facts[mailbox].partitions)]
    servers_and_properties = settings.kafka_bootstrap_servers, settings.kafka_properties()
    folded = patiently(
        lambda: read_committed_offsets(*servers_and_properties, f"{settings.consumer_group}-fold", places),
        bound_s=bound_s,
        told=_waiting,
    )
    remember_mailbox(store, mailbox, facts[mailbox], folded=sum(folded.values()))
    if documents:
        definitions.apply(settings, store, documents)
    patiently(lambda: _judge_definitions(settings, store, avro), bound_s=bound_s, told=_waiting)
    if waits:
        patiently(lambda: store.keep().get(), bound_s=bound_s, told=_waiting)
    return facts


def _judge_definitions(settings: Settings, store: RedisStore, avro: Avro) -> None:
    """Take notice of every definition that is there, before the first event is folded."""
    topic = settings.topic_prefix + catalog.DEFINITIONS_TOPIC
    control = Control(store, catalog.documents(avro.decoder, caps_of(settings)), topic=topic, interval_ms=0)
    control.refresh()
    records = read_to_end(
        settings.kafka_bootstrap_servers,
        settings.kafka_properties(),
        Partition(topic, 0),
        start=control.book.judged,
    )
    control.judge(records)


def _instance_id(settings: Settings, closing: ExitStack) -> str:
    if settings.instance_id is not None:
        return settings.instance_id
    taken = take_instance_id(socket.gethostname(), group=settings.consumer_group, folder=Path(tempfile.gettempdir()))
    closing.callback(taken.release)
    return taken.value


def _replica(
    settings: Settings,
    store: RedisStore,
    facts: dict[str, TopicFacts],
    instance_id: str,
    metrics: Metrics,
    closing: ExitStack,
    *,
    avro: Avro,
) -> Replica:
    prefix, clock = settings.topic_prefix, SystemClock()
    inputs = _source(settings, "route", catalog.INPUT_TOPICS, instance_id, closing)
    mailbox = _source(settings, "fold", [catalog.MAILBOX_TOPIC], instance_id, closing)
    producer = KafkaProducer(
        settings.kafka_bootstrap_servers,
        transactional_id=f"{settings.consumer_group}-{'-'.join(settings.roles)}-{instance_id}",
        properties=settings.kafka_properties(),
        transaction_timeout_ms=settings.transaction_timeout_ms,
    )
    closing.callback(producer.close)
    connections = Connections(
        producer=producer,
        store=store,
        clock=clock,
        inputs=inputs,
        mailbox=mailbox,
        mailbox_partitions=facts[prefix + catalog.MAILBOX_TOPIC].partitions,
        event_partitions=[
            Partition(prefix + topic, number)
            for topic in catalog.EVENT_TOPICS
            for number in range(facts[prefix + topic].partitions)
        ],
        draw_profile=lambda: token_bytes(16),
        avro=avro.decoder,
        avro_outputs=avro.outputs,
        state_log=_state_log(settings, closing),
    )
    return Replica(
        loop=assemble(connections, replace(options_of(settings), laid_out=True)),
        sources=[source for source in (inputs, mailbox) if source is not None],
        metrics=metrics,
        clock=clock,
        patience=Patience(
            poll_s=settings.poll_wait_ms / 1000,
            pause_max_s=settings.retry_wait_max_ms / 1000,
            stall_max_s=settings.live_stall_max_s,
            lag_max=settings.ready_lag_records_max,
        ),
        bare_name=lambda name: name.removeprefix(prefix),
        read_sizes=lambda: store.sizes().get(),
    )


def _source(
    settings: Settings, role: str, topics: list[str] | tuple[str, ...], instance_id: str, closing: ExitStack
) -> Source | None:
    """The consumer of a role; None when this replica does not have it."""
    if role not in settings.roles:
        return None
    source = KafkaSource(
        settings.kafka_bootstrap_servers,
        topics=[settings.topic_prefix + topic for topic in topics],
        group=f"{settings.consumer_group}-{role}",
        instance_id=f"{instance_id}-{role}",
        properties=settings.kafka_properties(),
        session_timeout_ms=settings.session_timeout_ms,
        batch_bytes_max=settings.batch_bytes_max,
    )
    closing.callback(source.close)
    return source


def _state_log(settings: Settings, closing: ExitStack) -> KafkaStateLog | None:
    """Where lost states are brought back from; None when the store is trusted, or this replica folds nothing."""
    if settings.redis_durability != "rebuild" or "fold" not in settings.roles:
        return None
    topic = full_name(settings.topic_prefix, PROFILE_STATES)
    log = KafkaStateLog(settings.kafka_bootstrap_servers, topic, properties=settings.kafka_properties())
    closing.callback(log.close)
    return log
