"""Puts an engine together from its ports: the one place that knows how its parts fit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from bridge.catalogue.load import Catalogue
from bridge.catalogue.operation import Recovery as RecoveryClass
from bridge.core.admission import AdmissionContext
from bridge.core.coordinates import TopicPartition
from bridge.core.external_rules import ExternalRules
from bridge.core.rules import OperationFacts, Rules
from bridge.engine.calling.brake import Brake
from bridge.engine.calling.permits import Limits, Permits
from bridge.engine.calling.probing import Probing
from bridge.engine.desks.action_desk import ActionDesk
from bridge.engine.desks.external_desk import ExternalDesk
from bridge.engine.desks.intake import Desk, Intake
from bridge.engine.desks.observation_desk import ObservationDesk
from bridge.engine.engine import Engine
from bridge.engine.following.follower import Follower, FollowPace
from bridge.engine.following.hints import Hints
from bridge.engine.following.watch import Watch, WatchPace
from bridge.engine.journal.claims import Claims
from bridge.engine.journal.effects import Effects
from bridge.engine.journal.gathering import Gatherer, RoundLimits
from bridge.engine.journal.rounds import Rounds
from bridge.engine.journal.starts import Starts
from bridge.engine.observation.lookout import Lookout
from bridge.engine.observation.lookout_pace import LookoutPace
from bridge.engine.partition.flow import flow_control
from bridge.engine.partition.owned_partition import OwnedPartition
from bridge.engine.partition.records import RecordWriter
from bridge.engine.partition.schemas import SchemaWaits
from bridge.engine.partition.timers import Timers
from bridge.engine.parts import DrainTimes, Parts
from bridge.engine.reading.asking import Asking
from bridge.engine.reading.organization_reads import OrganizationReads
from bridge.engine.reading.patience import Patience, SettleTimes
from bridge.engine.reading.references import References
from bridge.engine.recovery.external_looks import ExternalLooks
from bridge.engine.recovery.holds import Holds
from bridge.engine.recovery.orphans import Orphans
from bridge.engine.recovery.recovering import Recovery
from bridge.engine.runner import ExternalParts, Runner
from bridge.ports import (
    Clock,
    ControlTopic,
    EventCodec,
    ExternalCodec,
    Inbox,
    Journal,
    Notifications,
    ObservationCodec,
    Observer,
    RequestCodec,
    Store,
    StoreCodec,
    TopicNames,
    VcdGateway,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Everything from outside that an engine works with."""

    clock: Clock
    inbox: Inbox
    journal: Journal
    store: Store
    control: ControlTopic
    requests: RequestCodec
    external: ExternalCodec
    observations: ObservationCodec
    events: EventCodec
    store_codec: StoreCodec
    gateway: VcdGateway
    observer: Observer
    notifications: Notifications | None = None
    """None: VCD's message bus is not listened to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policies:
    """Every number and name that the engine follows; the defaults are those of the settings."""

    names: TopicNames
    rules: Rules = field(default_factory=Rules)
    limits: Limits = field(default_factory=Limits)
    rounds: RoundLimits = field(default_factory=RoundLimits)
    pace: FollowPace = field(default_factory=FollowPace)
    watch: WatchPace = field(default_factory=WatchPace)
    lookout: LookoutPace = field(default_factory=LookoutPace)
    drain: DrainTimes = field(default_factory=DrainTimes)
    answer_timeout: timedelta = timedelta(seconds=30)
    schema_patience: timedelta = timedelta(seconds=60)


def assemble(
    ports: Ports,
    policies: Policies,
    catalogue: Catalogue,
    context: Callable[[], AdmissionContext],
    reach: Callable[[str], None],
) -> Engine:
    """An engine that is wired but not running. ``reach`` is called at every named crash point."""
    writer = RecordWriter(policies.names, ports.events, ports.store_codec, ports.journal)
    brake = Brake(ports.control, ports.observer)
    permits = Permits(policies.limits, ports.clock, ports.gateway, brake)
    owned: dict[TopicPartition, OwnedPartition] = {}
    claims = Claims(owned.values)
    follower = Follower(ports.clock, ports.gateway, policies.rules, policies.pace, policies.answer_timeout)
    settle = SettleTimes(lease=policies.rounds.lease, answer=policies.answer_timeout)
    patience = Patience(ports.clock, ports.observer)
    asking = Asking(ports.clock, policies.rules.longest_wait)
    external = _external_parts(ports, policies, asking, patience, settle, claims)
    runner = Runner(
        clock=ports.clock,
        gateway=ports.gateway,
        permits=permits,
        brake=brake,
        follower=follower,
        recovery=Recovery(patience, ports.gateway, catalogue, settle, claims),
        holds=Holds(asking, patience, ports.gateway, catalogue, settle, lambda: context().policy),
        organizations=OrganizationReads(asking, ports.clock, ports.gateway),
        external=external,
        observer=ports.observer,
        reach=reach,
    )
    schemas = SchemaWaits(ports.clock, ports.requests.refresh, ports.observer, patience=policies.schema_patience)
    desks = _desks(ports, policies, catalogue, context, writer)
    starts, timers = Starts(), Timers()
    gatherer = Gatherer(
        clock=ports.clock,
        intake=Intake(desks, writer, schemas),
        writer=writer,
        permits=permits,
        starts=starts,
        rules=policies.rules,
        limits=policies.rounds,
        facts_of=facts_of(catalogue),
        claims=claims,
        clock_ahead=lambda: ports.gateway.clock_ahead,
        partitions=owned,
    )
    effects = Effects(
        clock=ports.clock,
        permits=permits,
        starts=starts,
        timers=timers,
        rules=policies.rules,
        lease=policies.rounds.lease,
        run_command=runner.run,
        observer=ports.observer,
    )
    rounds = Rounds(
        clock=ports.clock,
        journal=ports.journal,
        gatherer=gatherer,
        effects=effects,
        writer=writer,
        permits=permits,
        starts=starts,
        timers=timers,
        rules=policies.rules,
        observer=ports.observer,
        reach=reach,
        partitions=owned,
    )
    schemas.wake = rounds.wake
    lookout = _lookout(ports, policies, rounds)

    def thaw() -> None:
        runner.thawed(owned.values())
        rounds.wake()

    brake.on_thaw = thaw
    return Engine(
        Parts(
            clock=ports.clock,
            inbox=ports.inbox,
            journal=ports.journal,
            store=ports.store,
            store_codec=ports.store_codec,
            gateway=ports.gateway,
            brake=brake,
            permits=permits,
            probing=Probing(permits.breaker, ports.clock, ports.gateway, ports.observer, rounds.wake),
            rounds=rounds,
            effects=effects,
            is_full=gatherer.is_full,
            runner=runner,
            follower=follower,
            hints=_hints(ports, follower, lookout),
            lookout=lookout,
            watch=external.watch if external is not None else None,
            orphans=_orphans(ports, policies.rules.external, rounds),
            external_topic=policies.names.external_tasks,
            rules=policies.rules,
            observer=ports.observer,
            flow=flow_control(ports.inbox, ports.observer),
            reach=reach,
            drain=policies.drain,
        )
    )


def _desks(
    ports: Ports,
    policies: Policies,
    catalogue: Catalogue,
    context: Callable[[], AdmissionContext],
    writer: RecordWriter,
) -> dict[str, Desk[Any]]:
    """One for each topic that is read."""
    names, rules = policies.names, policies.rules

    def is_provider() -> bool:
        return ports.gateway.is_provider

    desks: dict[str, Desk[Any]] = {
        topic: ActionDesk(stream, ports.requests, catalogue, context, writer)
        for stream, topic in names.requested.items()
    }
    if names.external_tasks is not None and rules.external is not None:
        desks[names.external_tasks] = ExternalDesk(ports.external, rules.external, is_provider, writer)
    if names.observations is not None and rules.observation is not None:
        desks[names.observations] = ObservationDesk(ports.observations, rules.observation, is_provider)
    return desks


def _external_parts(
    ports: Ports, policies: Policies, asking: Asking, patience: Patience, settle: SettleTimes, claims: Claims
) -> ExternalParts | None:
    rules = policies.rules.external
    if rules is None:
        return None
    return ExternalParts(
        watch=Watch(ports.clock, ports.gateway, policies.rules, policies.watch, settle.answer),
        looks=ExternalLooks(ports.clock, patience, ports.gateway, rules, settle, claims),
        references=References(asking, ports.gateway),
    )


def _lookout(ports: Ports, policies: Policies, rounds: Rounds) -> Lookout | None:
    topic = policies.names.observations
    if topic is None:
        return None
    lookout = Lookout(
        ports.clock, ports.gateway, policies.rules, policies.lookout, policies.answer_timeout, ports.observer
    )
    lookout.partitions = lambda: [owned for owned in rounds.partitions.values() if owned.partition.topic == topic]
    lookout.wake = rounds.wake
    return lookout


def _hints(ports: Ports, follower: Follower, lookout: Lookout | None) -> Hints | None:
    if ports.notifications is None:
        return None
    looks = [follower.hurry_task] if lookout is None else [follower.hurry_task, lookout.hurry_task]
    return Hints(ports.notifications, looks)


def _orphans(ports: Ports, rules: ExternalRules | None, rounds: Rounds) -> Orphans | None:
    if rules is None:
        return None
    return Orphans(ports.clock, ports.gateway, rules, ports.observer, rounds.wake, rounds.fail)


def facts_of(catalogue: Catalogue) -> Callable[[str | None], OperationFacts]:
    """What decisions need to know of an operation, by its name."""
    known = {
        operation.name: OperationFacts(
            operation.recovery, makes_task=operation.makes_task, hold_action=operation.hold_action
        )
        for operation in catalogue.values()
    }
    # An operation that a newer catalogue dropped can only be finished, never called again.
    unknown = OperationFacts(RecoveryClass.NEVER_RETRY)

    def facts(name: str | None) -> OperationFacts:
        return known.get(name or "", unknown)

    return facts
