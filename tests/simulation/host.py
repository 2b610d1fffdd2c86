"""One simulated host: a bridge process, wired as the real one is, with a clock, adapters and a gateway of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

from bridge.assembly import Policies, Ports, assemble
from bridge.avro.event_codec import AvroEventCodec
from bridge.avro.external_codec import AvroExternalCodec
from bridge.avro.observation_codec import AvroObservationCodec
from bridge.avro.request_codec import AvroRequestCodec
from bridge.avro.store_codec import AvroStoreCodec
from bridge.catalogue.load import Catalogue, load
from bridge.core.admission import AdmissionContext, Policy
from bridge.core.coordinates import TopicPartition
from bridge.core.freeze import Freeze as Said
from bridge.core.observation_rules import ObservationRules
from bridge.core.rules import Rules
from bridge.engine.calling.permits import Limits
from bridge.engine.journal.gathering import RoundLimits
from tests.simulation.bus import SimNotifications
from tests.simulation.cluster.adapters import KafkaSide, adapters
from tests.simulation.control import SimControl
from tests.simulation.gateway import ANSWER_SECONDS, SimGateway
from tests.simulation.loop import EPOCH, VirtualClock
from tests.simulation.process import Process
from tests.simulation.tickets import external_rules
from tests.support.checker.evidence import Absence, Freeze, Stop
from tests.support.observer import SilentObserver

if TYPE_CHECKING:
    from tests.simulation.plan import Plan
    from tests.simulation.world import World

_MILLISECOND = 0.001
"""As exactly as Kafka tells when a record was written."""
LEASE_SECONDS = 5.0
_LONG = RoundLimits().dedupe_window
PARKED_LANE_RELEASE_SECONDS = 60.0
"""An hour of waiting behind a parked request would be an hour of idle polling to simulate."""


class Witness(SilentObserver):
    """Notes what the engine told: which partitions it knew to be its own, what stopped, when it knew of a freeze."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.absences: list[Absence] = []
        self.freezes: list[Freeze] = []
        self.stopped: dict[TopicPartition, Stop] = {}
        """What it cannot go on with, as long as it takes that for its own: who stood still may have read a store that
        has had another owner since, and hears of that only later."""
        self.stops: list[Stop] = []
        self._frozen_since: float | None = None
        self._gone: dict[TopicPartition, float] = {}

    def assigned(self, partition: TopicPartition, lifecycles: int, seconds: float) -> None:
        self.stopped.pop(partition, None)
        self._close(partition, _now())

    def unassigned(self, partition: TopicPartition, *, lost: bool) -> None:
        self.stopped.pop(partition, None)
        self._gone.setdefault(partition, _now())

    def freeze_changed(self, freeze: Said) -> None:
        self._thaw(_now())
        self._frozen_since = _now() if freeze.frozen else None

    def partition_stopped(self, partition: TopicPartition, reason: str) -> None:
        at, place = EPOCH.timestamp() + _now(), (partition.topic, partition.partition)
        stop = Stop(process=self.name, topic=place[0], partition=place[1], at=at, why=reason)
        self.stopped[partition] = stop
        self.stops.append(stop)

    def ended(self, at: float) -> None:
        """The process is no more, or the run is over."""
        self._thaw(at)
        self.stopped.clear()
        for partition in list(self._gone):
            self._close(partition, at)

    def _thaw(self, until: float) -> None:
        since, self._frozen_since = self._frozen_since, None
        if since is not None:
            epoch = EPOCH.timestamp()
            self.freezes.append(Freeze(process=self.name, since=epoch + since, until=epoch + until))

    def _close(self, partition: TopicPartition, until: float) -> None:
        since = self._gone.pop(partition, None)
        if since is not None:
            self.absences.append(
                Absence(
                    process=self.name, topic=partition.topic, partition=partition.partition,
                    since=EPOCH.timestamp() + since + _MILLISECOND, until=EPOCH.timestamp() + until - _MILLISECOND,
                )
            )  # fmt: skip


@dataclass(slots=True, eq=False)
class Running:
    """``stop``: SIGTERM, once set. ``slot``: the host's name in its group, where members have one."""

    name: str
    slot: str
    process: Process
    clock: VirtualClock
    side: KafkaSide
    witness: Witness
    kafka: Any
    stop: asyncio.Event = field(default_factory=asyncio.Event)

    def pause(self) -> None:
        self.process.pause()
        self.kafka.silence(self.process)

    def resume(self) -> None:
        if self.process.alive:
            self.kafka.hear(self.process)
        self.process.resume()


def start(world: World, name: str, slot: str, ended: Callable[[Running, asyncio.Task[None]], None]) -> Running:
    """Begin a process. ``ended`` is told when its engine has stopped by itself."""
    plan, process = world.plan, Process(name)
    ahead = timedelta(seconds=world.random.uniform(-plan.skew_seconds, plan.skew_seconds))
    clock = VirtualClock(asyncio.get_event_loop(), world.random, ahead)
    side = adapters(process, world.kafka, world.names, properties=_properties(plan.protocol, slot))
    witness = Witness(side.journal.transactional_id)
    running = Running(name, slot, process, clock, side, witness, world.kafka)
    process.on_death(lambda: witness.ended(_now()))
    ports = Ports(
        clock=clock,
        inbox=side.inbox,
        journal=side.journal,
        store=side.store,
        control=SimControl(world.control),
        requests=_shared(AvroRequestCodec),
        external=_shared(AvroExternalCodec),
        observations=_shared(AvroObservationCodec),
        events=AvroEventCodec("sim"),
        store_codec=_shared(AvroStoreCodec),
        gateway=SimGateway(witness.name, world.vcd, clock, plan.fault_rate, plan.late_rate),
        notifications=SimNotifications(world.vcd.bus) if world.vcd.bus is not None else None,
        observer=witness,
    )
    policies = Policies(
        names=world.names,
        rules=Rules(
            repeat_within=repeat_within(plan),
            parked_lane_release=timedelta(seconds=PARKED_LANE_RELEASE_SECONDS),
            external=external_rules(world.names.group_id) if plan.tickets else None,
            observation=_observation(plan) if plan.observations else None,
        ),
        limits=Limits(concurrent=world.random.choice(plan.concurrent)),
        rounds=RoundLimits(
            lease=timedelta(seconds=LEASE_SECONDS),
            dedupe_window=timedelta(seconds=plan.dedupe_seconds) if plan.dedupe_seconds else _LONG,
            max_open=plan.max_open,
            max_waiting_bytes=plan.max_waiting_bytes,
        ),
        answer_timeout=timedelta(seconds=ANSWER_SECONDS),
    )

    async def work() -> None:
        engine = assemble(ports, policies, the_catalogue(), _context, lambda point: None)
        await engine.run(running.stop, lambda: None)

    task = process.begin(work())
    task.add_done_callback(lambda done: ended(running, done))
    return running


def repeat_within(plan: Plan) -> timedelta:
    seconds = plan.repeat_within_seconds
    return Rules().repeat_within if seconds is None else timedelta(seconds=seconds)


def _observation(plan: Plan) -> ObservationRules:
    return ObservationRules(overlap=timedelta(seconds=plan.overlap_seconds))


def _properties(protocol: str, slot: str) -> dict[str, str]:
    match protocol:
        case "consumer":
            return {"group.protocol": "consumer"}
        case "range" | "roundrobin":
            return {"partition.assignment.strategy": protocol}
        case "static":
            return {"group.instance.id": slot}
        case _:
            return {}


@cache
def the_catalogue() -> Catalogue:
    return load()


@cache
def _shared(codec: type[Any]) -> Any:
    """Codecs hold nothing of a process, and their schemas take time to be read."""
    return codec()


@cache
def _context() -> AdmissionContext:
    return AdmissionContext(api_version="39.1", policy=Policy(allow_destructive=True, allow_operations=("*",)))


def _now() -> float:
    return asyncio.get_event_loop().time()
