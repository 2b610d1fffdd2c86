"""Composition root: settings in, a running bridge out. Constructors and stop order only."""

from __future__ import annotations

import asyncio
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from bridge.assembly import Ports, assemble
from bridge.avro.event_codec import AvroEventCodec
from bridge.avro.external_codec import AvroExternalCodec
from bridge.avro.observation_codec import AvroObservationCodec
from bridge.avro.request_codec import AvroRequestCodec
from bridge.avro.store_codec import AvroStoreCodec
from bridge.catalogue.load import load as load_catalogue
from bridge.core.freeze import to_json
from bridge.core.lifecycle import Phase
from bridge.crash import crash_points
from bridge.engine.engine import Engine
from bridge.engine.partition.owned_partition import OwnedPartition
from bridge.errors import ProcessMustEnd
from bridge.kafka.config import KafkaConfig
from bridge.kafka.consumer import KafkaInbox
from bridge.kafka.control import KafkaControl
from bridge.kafka.journal import TransactionalJournal
from bridge.kafka.settling import OwnSchemas
from bridge.kafka.store import KafkaStore
from bridge.management import ManagementServer
from bridge.ports import Clock, TopicNames
from bridge.settings import Settings
from bridge.settings.naming import topic_names
from bridge.telemetry import Telemetry
from bridge.wiring import (
    BLOCKING,
    EVENT,
    admission_context,
    kafka_config,
    message_bus,
    own_schemas,
    policies,
    registry_access,
    vcd_gateway,
)

if TYPE_CHECKING:
    from bridge.kafka.registry import SchemaRegistry

STALLED_SECONDS = 60.0
"""A loop that made no progress for so long besides what VCD may take is taken for dead."""


def longest_read_seconds(settings: Settings) -> float:
    """How long one read may take of a VCD that hangs: it waits for a connection and then for its answer; of several
    addresses it asks a second one."""
    return (4 if settings.vcd.further_urls else 2) * settings.vcd.answer_timeout_seconds


class SystemClock:
    """The engine's Clock on the machine's clocks."""

    def now(self) -> datetime:
        # Whole milliseconds, as the store keeps them: restored state equals memory exactly.
        now = datetime.now(UTC)
        return now.replace(microsecond=now.microsecond // 1000 * 1000)

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def random(self) -> float:
        return random.random()  # noqa: S311  # jitter, no secret


async def run(
    settings: Settings,
    telemetry: Telemetry,
    *,
    on_ready: Callable[[], None],
    stop: asyncio.Event,
    environ: Mapping[str, str] = os.environ,
) -> None:
    """Run one bridge process until ``stop`` is set and its work is handed over.

    Raises BridgeError; ``exit_code`` of it is the process's.
    """
    reach = crash_points(environ)
    registry = _registry(settings)
    names = topic_names(settings)
    kafka = kafka_config(settings)
    schemas = await _settle_schemas(settings, registry, kafka, names, telemetry)
    trouble, hung = telemetry.trouble, _end_process(telemetry)
    inbox = KafkaInbox(kafka, names.inputs, trouble=trouble, on_hung=hung, reach=reach)
    journal = TransactionalJournal(kafka, inbox, names, reach=reach, trouble=trouble, on_hung=hung)
    store = KafkaStore(
        kafka,
        inbox.membership,
        names,
        writer_id=journal.transactional_id,
        trouble=trouble,
        on_hung=hung,
        reach=reach,
    )
    clock = SystemClock()
    gateway = vcd_gateway(settings, telemetry, clock, reach)
    ports = Ports(
        clock=clock,
        inbox=inbox,
        journal=journal,
        store=store,
        control=KafkaControl(kafka, names.control, trouble=trouble, on_hung=hung),
        requests=AvroRequestCodec(registry),
        external=AvroExternalCodec(registry),
        observations=AvroObservationCodec(registry),
        events=_event_codec(settings, schemas),
        store_codec=AvroStoreCodec(schemas.header if schemas is not None else ()),
        gateway=gateway,
        observer=telemetry,
        notifications=message_bus(settings, telemetry, clock, gateway),
    )
    engine = assemble(ports, policies(settings), load_catalogue(), lambda: admission_context(settings, gateway), reach)
    health = EngineHealth(engine, inbox, clock, longest_read_seconds(settings))
    telemetry.count_open(lambda: open_by_phase(engine))
    telemetry.report_call_limit(lambda: engine.call_limit)
    telemetry.report_ready(lambda: health.ready()[0])
    management = ManagementServer(settings.management.address, health, telemetry.render)
    await management.start()
    try:
        await engine.run(stop, _announce(telemetry, settings, on_ready))
    finally:
        await management.stop()
        if registry is not None:
            await registry.close()


class EngineHealth:
    """What the probes report of the engine."""

    def __init__(self, engine: Engine, inbox: KafkaInbox, clock: Clock, read_seconds: float) -> None:
        self._engine = engine
        self._inbox = inbox
        self._stalled_seconds = STALLED_SECONDS + read_seconds
        self._clock = clock

    def live(self) -> tuple[bool, Mapping[str, object]]:
        stalled = self._engine.stalled(self._stalled_seconds)
        polled_at = self._inbox.last_progress
        if polled_at and self._clock.monotonic() - polled_at > STALLED_SECONDS:
            stalled = [*stalled, "kafka polling"]
        return not stalled, {"stalled": stalled}

    def ready(self) -> tuple[bool, Mapping[str, object]]:
        engine = self._engine
        partitions = {str(one.partition): _state(one) for one in engine.partitions.values()}
        not_taken = {str(partition): reason for partition, reason in engine.not_taken.items()}
        details = {
            "partitions": partitions, "not_taken": not_taken, "vcd_session": engine.session_ready,
            "kafka": "silent" if self._inbox.is_silent else "heard",
            "frozen": None if engine.freeze is None else to_json(engine.freeze),
            "calls": {"limit": engine.call_limit, "breaker": engine.breaker},
        }  # fmt: skip
        return engine.is_ready and not self._inbox.is_silent, details


def _state(owned: OwnedPartition) -> str:
    if owned.stopped is not None:
        return owned.stopped
    if owned.waits_for_schema is not None:
        return f"waits for schema {owned.waits_for_schema} of the registry"
    return "admitting" if owned.admitting else "working"


def open_by_phase(engine: Engine) -> Mapping[Phase, int]:
    """Open lifecycles of this process by phase, without what observations have seen."""
    everything = (one for owned in engine.partitions.values() for one in owned.lifecycles.values())
    return Counter(one.phase for one in everything if not one.is_sighted)


def _event_codec(settings: Settings, schemas: OwnSchemas | None) -> AvroEventCodec:
    ids: Mapping[str, int] = schemas.ids if schemas is not None else {}
    return AvroEventCodec(settings.kafka.group_id, ids.get(EVENT), ids.get(BLOCKING))


def _registry(settings: Settings) -> SchemaRegistry | None:
    access = registry_access(settings)
    if access is None:
        return None
    from bridge.kafka.registry import SchemaRegistry

    return SchemaRegistry(access)


async def _settle_schemas(
    settings: Settings, registry: SchemaRegistry | None, kafka: KafkaConfig, names: TopicNames, telemetry: Telemetry
) -> OwnSchemas | None:
    """Ids of the bridge's own schemas; None without a registry. Raises when events could not be framed."""
    if registry is None:
        return None
    schemas = OwnSchemas(registry, own_schemas(settings), telemetry)
    await schemas.settle(
        register=settings.registry.auto_register,
        needed=(EVENT,) if names.blocking_tasks is None else (EVENT, BLOCKING),
        kafka=kafka,
        changelogs=[names.changelog(topic) for topic in names.inputs],
    )
    return schemas


def _announce(telemetry: Telemetry, settings: Settings, on_ready: Callable[[], None]) -> Callable[[], None]:
    def ready() -> None:
        telemetry.fact("bridge.ready", group_id=settings.kafka.group_id, vcd=settings.vcd.url)
        on_ready()

    return ready


def _end_process(telemetry: Telemetry) -> Callable[[str], None]:
    def hung(message: str) -> None:
        # A client call that hangs cannot be interrupted from Python: only ending the process helps. What is committed
        # is the truth, and the next owner goes on from it.
        telemetry.trouble("kafka", f"{message}; the process ends")
        sys.stderr.flush()
        os._exit(ProcessMustEnd.exit_code)

    return hung
