"""Settings in the words of the engine and the adapters: what each part is made with."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

from bridge.assembly import Policies
from bridge.avro.compatibility import LEVELS, forbidden
from bridge.avro.schemas import load as load_schema
from bridge.avro.schemas import subject
from bridge.core.admission import AdmissionContext, Policy, Streams
from bridge.core.external_rules import ExternalRules, OrphanPolicy
from bridge.core.observation_rules import ObservationRules
from bridge.core.rules import Backoff, Rules
from bridge.engine.calling.permits import Limits
from bridge.engine.following.follower import FollowPace
from bridge.engine.following.watch import WatchPace
from bridge.engine.journal.gathering import RoundLimits
from bridge.engine.observation.lookout_pace import LookoutPace
from bridge.kafka.config import KafkaConfig
from bridge.kafka.registry_access import RegistryAccess
from bridge.kafka.subjects import OwnSchema
from bridge.notifications.bus import BusConfig, MqttBus
from bridge.ports import Clock
from bridge.settings import Settings
from bridge.settings.naming import topic_names
from bridge.telemetry import Telemetry
from bridge.vcd.config import HIGHEST_KNOWN, VcdConfig
from bridge.vcd.gateway import HttpGateway
from bridge.vcd.login.identity import credential_of
from bridge.vcd.transport.httpx_transport import tls_context
from bridge.vcd.transport.pace import CALL_SHARE
from bridge.vcd.transport.transports import TlsFiles

REQUEST = "action-request"
EXTERNAL = "external-task-command"
OBSERVATION = "observation"
EVENT = "task-status-event"
BLOCKING = "blocking-task-event"


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
        url=settings.require_vcd(),
        further_urls=vcd.further_urls,
        organization=vcd.organization,
        username=vcd.username,
        password=vcd.password.get_secret_value() if vcd.password is not None else None,
        api_token=vcd.api_token.get_secret_value() if vcd.api_token is not None else None,
        service_account_token_file=vcd.service_account_token_file,
        answer_timeout=vcd.answer_timeout_seconds,
        connect_timeout=vcd.connect_timeout_seconds,
        lease=vcd.lease_seconds,
        max_concurrent_calls=vcd.max_concurrent_calls,
        max_concurrent_reads=vcd.max_concurrent_reads,
        max_per_second=vcd.max_calls_per_second,
        ca_file=vcd.ca_file,
        client_certificate_file=vcd.client_certificate_file,
        transport=vcd.transport,
        api_version_max=vcd.api_version_max or HIGHEST_KNOWN,
    )


def vcd_gateway(
    settings: Settings, telemetry: Telemetry, clock: Clock, reach: Callable[[str], None] | None = None
) -> HttpGateway:
    """``reach``: see ``bridge.crash``."""
    config = vcd_config(settings)
    return HttpGateway(
        config,
        clock,
        observer=CallCounter(telemetry),
        log=GatewayLog(telemetry),
        credential=credential_of(config, reach),
    )


def message_bus(settings: Settings, telemetry: Telemetry, clock: Clock, gateway: HttpGateway) -> MqttBus | None:
    """None: it is not listened to."""
    if not settings.notifications.enabled:
        return None
    vcd = vcd_config(settings)
    tls = tls_context(TlsFiles(authorities=vcd.ca_file, client=vcd.client_certificate_file))
    config = BusConfig(urls=vcd.urls, topic=settings.notifications.topic, tls=tls)
    return MqttBus(config, clock, lambda: gateway.access, telemetry)


class CallCounter:
    """Counts reads, queries, cancels and logins; calls of requests are counted by the engine."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry

    def observe_call(self, operation: str, status: int | None, seconds: float) -> None:
        self._telemetry.vcd_answered(operation, "answered" if status is not None else "unanswered", status, seconds)


class GatewayLog:
    """The gateway's own facts as log lines."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry

    def info(self, event: str, **facts: Any) -> None:
        self._telemetry.fact(event, **facts)

    def warning(self, event: str, **facts: Any) -> None:
        self._telemetry.warned(event, **facts)


def policies(settings: Settings) -> Policies:
    retry, intake, vcd = settings.retry, settings.intake, settings.vcd
    return Policies(
        names=topic_names(settings),
        rules=Rules(
            retry=Backoff(base=_seconds(retry.base_delay_seconds), cap=_seconds(retry.max_delay_seconds)),
            busy=Backoff(base=timedelta(seconds=2), cap=_seconds(retry.busy_max_delay_seconds)),
            max_tries=retry.max_tries,
            longest_wait=_seconds(retry.longest_wait_seconds),
            repeat_within=_seconds(retry.repeat_within_seconds),
            progress_step_percent=settings.events.progress_step_percent,
            unknown_cancel_wait=_seconds(intake.unknown_cancel_wait_seconds),
            parked_lane_release=_seconds(intake.parked_lane_release_seconds),
            external=external_rules(settings),
            observation=observation_rules(settings),
        ),
        limits=Limits(
            concurrent=vcd.max_concurrent_calls,
            per_second=vcd.max_calls_per_second * CALL_SHARE,
            breaker_longest_seconds=vcd.longest_pause_seconds,
        ),
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
        watch=WatchPace(
            interval=_seconds(settings.external_tasks.cancel_check_seconds),
            reads_per_second=settings.external_tasks.max_reads_per_second,
        ),
        lookout=LookoutPace(
            interval=_seconds(settings.observation.interval_seconds),
            requests_per_second=settings.observation.max_requests_per_second,
        ),
        answer_timeout=_seconds(vcd.answer_timeout_seconds),
        schema_patience=_seconds(settings.registry.unknown_id_wait_seconds),
    )


def external_rules(settings: Settings) -> ExternalRules | None:
    """None: external tasks are off."""
    external = settings.external_tasks
    if not external.is_on:
        return None
    return ExternalRules(
        group_id=settings.kafka.group_id,
        default_namespace=external.service_namespace,
        namespaces={name: _seconds(external.expire_after(name)) for name in sorted(external.allowed)},
        dropped_silence=_seconds(external.expire_after_seconds),
        expired_status=external.expired_status,
        update_interval=_seconds(external.update_interval_seconds),
        create_wait=_seconds(external.create_wait_seconds),
        orphans=OrphanPolicy(external.orphans),
        policy=policy_of(settings),
    )


def observation_rules(settings: Settings) -> ObservationRules | None:
    """None: observation is off."""
    if not settings.observation.enabled:
        return None
    return ObservationRules(overlap=_seconds(settings.observation.overlap_seconds), policy=policy_of(settings))


def own_schema(name: str, topic: str) -> OwnSchema:
    """A schema of the bridge's under a topic's subject."""
    return OwnSchema(name, subject(topic), load_schema(name).text, LEVELS[name].value, partial(forbidden, name))


def own_schemas(settings: Settings) -> tuple[OwnSchema, ...]:
    """What belongs in the registry. The store never needs it."""
    names = topic_names(settings)
    topics = (
        (REQUEST, names.action_requests),
        (REQUEST, names.approvals),
        (EXTERNAL, names.external_tasks),
        (OBSERVATION, names.observations),
        (EVENT, names.task_events),
        (EVENT, names.observed_tasks),
        (BLOCKING, names.blocking_tasks),
    )
    return tuple(own_schema(name, topic) for name, topic in topics if topic is not None)


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


def policy_of(settings: Settings) -> Policy:
    """Who may do what."""
    policy = settings.policy
    return Policy(
        allow_destructive=policy.allow_destructive,
        allow_operations=tuple(policy.allow_operations),
        deny_operations=tuple(policy.deny_operations),
        organizations=tuple(policy.organizations),
        pass_unknown_body_keys=policy.unknown_body_keys == "pass",
    )


def admission_context(settings: Settings, gateway: HttpGateway) -> AdmissionContext:
    return AdmissionContext(
        api_version=gateway.api_version,
        own_hosts=gateway.own_hosts,
        policy=policy_of(settings),
        streams=Streams(
            topics=settings.topics.names(), apart=frozenset({"approvals"} if settings.approvals.enabled else ())
        ),
        is_provider=gateway.is_provider,
    )


def _seconds(value: float) -> timedelta:
    return timedelta(seconds=value)
