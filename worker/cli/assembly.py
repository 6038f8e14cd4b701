"""The composition root of a replica: adapters and settings in, a loop out.

``run``, ``simulate``, ``demo`` and the tests all assemble the same engine; only the adapters differ.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from secrets import token_bytes

from consumers import catalog
from schemas.codec import AvroDecoder
from schemas.topics import PROFILE_STATES
from worker.clock import Clock
from worker.engine.announce import Announcer
from worker.engine.avro import AvroOutputs
from worker.engine.batch import Batcher, LoggedStates
from worker.engine.control import Control
from worker.engine.directory import Directory
from worker.engine.fold import Folder
from worker.engine.loop import Limits, Loop
from worker.engine.merges import Notes
from worker.engine.progress import Gate, Hold, Progress
from worker.engine.restore import Restore
from worker.engine.roles import Folding, Routing
from worker.engine.route import Router
from worker.engine.sweep import History, Sweep
from worker.engine.timers import Timers
from worker.identity.rules import DEFAULT_CAPS, Caps
from worker.ports import Partition, Producer, Source, StateLog, Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Connections:
    """The outside world. A source is None when the replica does not have its role.

    ``mailbox_partitions``: of ``resolved-events``; ``event_partitions``: every partition of the event topics,
    owned by this replica or not; ``draw_profile``: 16 fresh random bytes; ``draw_owner``: as many,
    for names that nobody sees; ``avro``: reads framed values, by default
    refuses them; ``avro_outputs`` None: values are written as JSON; ``gate`` None: timers are held while inputs lag;
    ``state_log`` None: states that the store has lost are not brought back.
    """

    producer: Producer
    store: Store
    clock: Clock
    inputs: Source | None
    mailbox: Source | None
    mailbox_partitions: int
    event_partitions: Sequence[Partition]
    draw_profile: Callable[[], bytes]
    draw_owner: Callable[[], bytes] = token_bytes
    history: History | None = None
    avro: AvroDecoder = field(default_factory=AvroDecoder)
    avro_outputs: AvroOutputs | None = None
    gate: Gate | None = None
    state_log: StateLog | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the engine wants of the settings. Intervals and windows in milliseconds; see docs/settings.md.

    ``keep_writes``: no transaction before the store has kept what its batch has written. ``restore_horizon_ms``: how
    far before the last logged state others are compared; used with ``Connections.state_log`` only.
    ``laid_out``: the start-up checks have noted the space in the store; that it is gone is noticed from then on.
    """

    space_id: str = "default"
    topic_prefix: str = ""
    require_external_definition: bool = False
    identity_caps: Caps = DEFAULT_CAPS
    dedup_window_ms: int = 24 * 3_600_000
    batch_records: int = 4_000
    ticks_max: int = 1_000
    cached_identifiers: int = 200_000
    cached_profiles: int = 50_000
    scan_interval_ms: int = 250
    progress_interval_ms: int = 250
    definitions_interval_ms: int = 250
    clock_margin_ms: int = 0
    hold_max_ms: int = 300_000
    keep_writes: bool = False
    restore_horizon_ms: int = 60_000
    laid_out: bool = False


def assemble(connections: Connections, options: Options) -> Loop:
    """A loop that has not touched anything yet."""
    store, clock = connections.store, connections.clock

    def topic_name(topic: str) -> str:
        return options.topic_prefix + topic

    control = Control(
        store,
        catalog.documents(connections.avro, options.identity_caps),
        topic=topic_name(catalog.DEFINITIONS_TOPIC),
        interval_ms=options.definitions_interval_ms,
        laid_out=options.laid_out,
    )
    logged = LoggedStates(topic_name(PROFILE_STATES.name), delay_max_ms=options.restore_horizon_ms // 2)
    batcher = Batcher(
        producer=connections.producer,
        control=control,
        clock=clock,
        routing=_routing(connections, options, topic_name),
        folding=_folding(connections, options),
        topic_name=topic_name,
        mailbox_partitions=connections.mailbox_partitions,
        avro_outputs=connections.avro_outputs,
        keep=store.keep if options.keep_writes else None,
        state_log=None if connections.state_log is None else logged,
    )
    return Loop(batcher, Limits(options.batch_records, options.scan_interval_ms))


def _routing(connections: Connections, options: Options, topic_name: Callable[[str], str]) -> Routing | None:
    if connections.inputs is None:
        return None
    store = connections.store
    consumers = catalog.event_consumers(
        require_external_definition=options.require_external_definition, avro=connections.avro
    )
    by_name = {topic_name(topic): consumer for topic, consumer in consumers.items()}
    progress = Progress(
        store,
        partitions=connections.event_partitions,
        interval_ms=options.progress_interval_ms,
        margin_ms=options.clock_margin_ms,
    )
    router = Router(
        store=store,
        directory=Directory(
            store, draw_profile=connections.draw_profile, cached_identifiers=options.cached_identifiers
        ),
        consumers=by_name,
        mailbox_partitions=connections.mailbox_partitions,
        dedup_window_ms=options.dedup_window_ms,
        progress=progress,
    )
    return Routing(connections.inputs, router, progress)


def _folding(connections: Connections, options: Options) -> Folding | None:
    if connections.mailbox is None:
        return None
    store, log, partitions = connections.store, connections.state_log, connections.mailbox_partitions
    notes = Notes(store, partitions=partitions, notes_max=options.ticks_max)
    return Folding(
        source=connections.mailbox,
        folder=Folder(
            store=store,
            announcer=Announcer(space_id=options.space_id, mailbox_partitions=partitions),
            notes=notes,
            cached_profiles=options.cached_profiles,
            draw_owner=connections.draw_owner,
            laid_out=options.laid_out,
        ),
        notes=notes,
        timers=Timers(store, partitions=partitions, ticks_max=options.ticks_max),
        hold=connections.gate
        or Hold(
            store,
            connections.event_partitions,
            hold_max_ms=options.hold_max_ms,
            started_ms=connections.clock.now_ms(),
        ),
        sweep=Sweep(store, partitions=partitions, records_max=options.ticks_max, history=connections.history),
        read_mail=catalog.read_mail,
        partitions=partitions,
        restore=None
        if log is None
        else Restore(store, log, clock=connections.clock, horizon_ms=options.restore_horizon_ms),
    )
