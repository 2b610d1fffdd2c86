"""Composition root: settings in, a running bridge out. Constructors and stop order only."""

from __future__ import annotations

import asyncio
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bridge.assembly import Policies, Ports, assemble
from bridge.avro.event_codec import AvroEventCodec
from bridge.avro.request_codec import AvroRequestCodec
from bridge.avro.schemas import load as load_schema
from bridge.avro.store_codec import AvroStoreCodec
from bridge.catalogue.load import load as load_catalogue
from bridge.core.admission import AdmissionContext, Policy
from bridge.core.lifecycle import Phase
from bridge.core.rules import Backoff, Rules
from bridge.crash import crash_points
from bridge.engine.engine import Engine
from bridge.engine.follower import FollowPace
from bridge.engine.permits import Limits
from bridge.engine.rounds import RoundLimits
from bridge.errors import ProcessMustEnd
from bridge.kafka.config import KafkaConfig
from bridge.kafka.consumer import KafkaInbox
from bridge.kafka.journal import TransactionalJournal
from bridge.kafka.registry import RegistryAccess, SchemaRegistry
from bridge.kafka.store import KafkaStore
from bridge.management import ManagementServer
from bridge.ports import TopicNames
from bridge.settings import Settings
from bridge.telemetry import Telemetry
from bridge.vcd0.config import ApiToken, Credentials, Hooks, Password, VcdConfig
from bridge.vcd0.gateway import HttpGateway

STALLED_SECONDS = 60.0
"""A loop that made no round for so long is taken for dead; the longest single await of a healthy one is far below."""


class SystemClock:
    """The engine's Clock on the machine's clocks."""

    def now(self) -> datetime:
        return datetime.now(UTC)

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
    schema_id = await _settle_event_schema(settings, registry)
    names = topic_names(settings)
    kafka = kafka_config(settings)
    inbox = KafkaInbox(kafka, [names.action_requests], trouble=telemetry.trouble)
    journal = TransactionalJournal(
        kafka, inbox, names, reach=reach, trouble=telemetry.trouble, on_hung=_end_process(telemetry)
    )
    gateway = vcd_gateway(settings, telemetry)
    ports = Ports(
        clock=SystemClock(),
        inbox=inbox,
        journal=journal,
        store=KafkaStore(kafka, inbox.membership, names, writer_id=journal.transactional_id, trouble=telemetry.trouble),
        requests=AvroRequestCodec(registry),
        events=AvroEventCodec(settings.kafka.group_id, schema_id),
        store_codec=AvroStoreCodec(),
        gateway=gateway,
        observer=telemetry,
    )
    engine = assemble(ports, policies(settings), load_catalogue(), lambda: _context(settings, gateway), reach)
    health = EngineHealth(engine)
    telemetry.count_open(lambda: open_by_phase(engine))
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

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def live(self) -> tuple[bool, Mapping[str, object]]:
        stalled = self._engine.stalled(STALLED_SECONDS)
        return not stalled, {"stalled": stalled}

    def ready(self) -> tuple[bool, Mapping[str, object]]:
        engine = self._engine
        partitions = {str(tp): ("admitting" if one.admitting else one.stopped or "working")
                      for tp, one in engine.partitions.items()}  # fmt: skip
        not_taken = {str(partition): reason for partition, reason in engine.not_taken.items()}
        details = {"partitions": partitions, "not_taken": not_taken, "vcd_session": engine.session_ready}
        return engine.is_ready, details


def open_by_phase(engine: Engine) -> Mapping[Phase, int]:
    """Open lifecycles of this process by phase."""
    return Counter(one.phase for owned in engine.partitions.values() for one in owned.lifecycles.values())


# --- settings to the adapters' words --------------------------------------------------------------------------------


def topic_names(settings: Settings) -> TopicNames:
    topics = settings.topics
    return TopicNames(
        action_requests=topics.action_requests,
        task_events=topics.task_events,
        dead_letters=topics.dead_letters,
        group_id=settings.kafka.group_id,
    )


def kafka_config(settings: Settings) -> KafkaConfig:
    return KafkaConfig(
        bootstrap_servers=settings.require_kafka(),
        group_id=settings.kafka.group_id,
        properties=settings.kafka.librdkafka_properties(),
        session_timeout_seconds=settings.kafka.session_timeout_seconds,
    )


def vcd_config(settings: Settings) -> VcdConfig:
    vcd = settings.vcd
    return VcdConfig(
        url=settings.require_vcd().rstrip("/"),
        organization=vcd.organization,
        credentials=_credentials(settings),
        answer_timeout=vcd.answer_timeout_seconds,
        connect_timeout=vcd.connect_timeout_seconds,
        lease=vcd.lease_seconds,
        # Reads have a bound of their own, so that a full house of calls leaves them their connections.
        max_connections=vcd.max_concurrent_calls + 16,
        api_version_max=vcd.api_version_max,
        ca_file=Path(vcd.ca_file) if vcd.ca_file is not None else None,
        client_certificate_file=Path(vcd.client_certificate_file) if vcd.client_certificate_file is not None else None,
        transport=vcd.transport,
    )


def vcd_gateway(settings: Settings, telemetry: Telemetry) -> HttpGateway:
    return HttpGateway(vcd_config(settings), vcd_hooks(telemetry))


def vcd_hooks(telemetry: Telemetry) -> Hooks:
    return Hooks(
        monotonic=time.monotonic,
        observe=telemetry.vcd_answered,
        trouble=telemetry.trouble,
    )


def policies(settings: Settings) -> Policies:
    retry, intake, vcd = settings.retry, settings.intake, settings.vcd
    return Policies(
        names=topic_names(settings),
        rules=Rules(
            retry=Backoff(base=_seconds(retry.base_delay_seconds), cap=_seconds(retry.max_delay_seconds)),
            busy=Backoff(base=timedelta(seconds=2), cap=_seconds(retry.busy_max_delay_seconds)),
            max_tries=retry.max_tries,
            busy_wait=_seconds(retry.busy_wait_seconds),
            repeat_within=_seconds(retry.repeat_within_seconds),
            progress_step_percent=settings.events.progress_step_percent,
            unknown_cancel_wait=_seconds(intake.unknown_cancel_wait_seconds),
            parked_lane_release=_seconds(intake.parked_lane_release_seconds),
        ),
        limits=Limits(concurrent=vcd.max_concurrent_calls, per_second=vcd.max_calls_per_second),
        rounds=RoundLimits(
            lease=_seconds(vcd.lease_seconds),
            max_open=intake.max_open_per_partition,
            max_waiting_bytes=intake.max_waiting_bytes_per_partition,
            dedupe_window=timedelta(days=intake.dedupe_window_days),
        ),
        pace=FollowPace(
            interval=_seconds(settings.following.interval_seconds),
            slowest=_seconds(settings.following.overdue_interval_seconds),
        ),
        answer_timeout=_seconds(vcd.answer_timeout_seconds),
        schema_patience=_seconds(settings.registry.unknown_id_wait_seconds),
    )


def registry_access(settings: Settings) -> RegistryAccess | None:
    registry = settings.registry
    if registry.url is None:
        return None
    return RegistryAccess(
        url=registry.url,
        username=registry.username,
        password=registry.password.get_secret_value() if registry.password is not None else None,
        ca_file=str(registry.ca_file) if registry.ca_file is not None else None,
        timeout_seconds=registry.timeout_seconds,
    )


def _registry(settings: Settings) -> SchemaRegistry | None:
    access = registry_access(settings)
    return SchemaRegistry(access) if access is not None else None


async def _settle_event_schema(settings: Settings, registry: SchemaRegistry | None) -> int | None:
    """The id that events are framed with; None without a registry. Raises when the subject cannot take our schema."""
    if registry is None:
        return None
    subject = f"{settings.topics.task_events}-value"
    state = await registry.settle(
        subject, load_schema("task-status-event").text, register=settings.registry.auto_register
    )
    return state.schema_id


def _context(settings: Settings, gateway: HttpGateway) -> AdmissionContext:
    policy = settings.policy
    return AdmissionContext(
        api_version=gateway.api_version,
        own_hosts=gateway.own_hosts,
        policy=Policy(
            allow_destructive=policy.allow_destructive,
            allow_operations=tuple(policy.allow_operations),
            deny_operations=tuple(policy.deny_operations),
            organizations=tuple(policy.organizations),
        ),
        stream_topics=settings.topics.names(),
    )


def _credentials(settings: Settings) -> Credentials:
    vcd = settings.vcd
    if vcd.api_token is not None:
        return ApiToken(vcd.api_token.get_secret_value())
    password = vcd.password.get_secret_value() if vcd.password is not None else ""
    return Password(vcd.username or "", password)


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


def _seconds(value: float) -> timedelta:
    return timedelta(seconds=value)
