"""Several bridge processes, one simulated Kafka, one simulated VCD, one seed: a run that anybody can repeat."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from random import Random
from typing import Any

from bridge.assembly import Policies, Ports, assemble
from bridge.avro.event_codec import AvroEventCodec
from bridge.avro.external_codec import AvroExternalCodec
from bridge.avro.request_codec import AvroRequestCodec
from bridge.avro.store_codec import AvroStoreCodec
from bridge.catalogue.load import Catalogue, load
from bridge.core.admission import AdmissionContext, Policy
from bridge.core.coordinates import TopicPartition
from bridge.core.rules import Rules
from bridge.engine.permits import Limits
from bridge.engine.rounds import RoundLimits
from bridge.ports import OutRecord, StoredRecord, TopicNames
from tests.simulation.control import SimControl, SimControlTopic
from tests.simulation.kafka import Process, SimInbox, SimJournal, SimKafka, SimStore
from tests.simulation.loop import EPOCH, VirtualClock, run_virtually
from tests.simulation.tickets import EXTERNAL_TOPIC, Tickets, external_rules
from tests.simulation.vcd import SimGateway, SimVcd
from tests.support.changelog import ended_of, write_of
from tests.support.checker import Violation, violations
from tests.support.checker.evidence import EndedRecord, Evidence, InputRecord, StateWrite, Write, operation_facts
from tests.support.decoding import decoded
from tests.support.observer import SilentObserver

TOPIC = "vcd.action-requests"
NAMES = TopicNames(
    action_requests=TOPIC, task_events="vcd.task-events", ticket_updates="vcd.ticket-updates",
    dead_letters="vcd.dead-letters", group_id="sim",
)  # fmt: skip
OPERATIONS = ("deployVApp", "createSnapshot", "rebootVApp", "mergeVAppMetadata", "powerOnVApp")
BODIES: dict[str, Any] = {
    "createSnapshot": {"name": "s", "memory": False, "quiesce": False},
    "mergeVAppMetadata": {"metadataEntry": [{"key": "k"}]},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a run contains. Everything else is drawn from the seed."""

    seed: int
    partitions: int = 3
    processes: int = 2
    requests: int = 40
    tickets: int = 0
    """External tasks; 0: they are off, and their topic is not read."""
    entities: int = 8
    fault_rate: float = 0.15
    abort_rate: float = 0.05
    crashes: int = 4
    storm_seconds: float = 90.0
    calm_seconds: float = 4000.0


@dataclass(slots=True)
class Running:
    process: Process
    inbox: SimInbox
    task: asyncio.Task[None]


@dataclass(slots=True)
class World:
    """One run. ``play`` returns what an outsider can read afterwards."""

    plan: Plan
    random: Random = field(init=False)
    kafka: SimKafka = field(init=False)
    vcd: SimVcd = field(init=False)
    control: SimControlTopic = field(default_factory=SimControlTopic)
    catalogue: Catalogue = field(default_factory=load)
    running: list[Running] = field(default_factory=list)
    inputs: list[InputRecord] = field(default_factory=list)
    started: int = 0
    failures: list[BaseException] = field(default_factory=list)
    names: TopicNames = field(init=False)
    tickets: Tickets = field(init=False)

    def __post_init__(self) -> None:
        self.random = Random(self.plan.seed)  # a seed, not a secret
        self.kafka = SimKafka(self.random, self.plan.partitions)
        self.vcd = SimVcd(self.random, self.plan.fault_rate)
        self.names = replace(NAMES, external_tasks=EXTERNAL_TOPIC if self.plan.tickets else None)
        self.tickets = Tickets(
            self.random, self.kafka, self.vcd, NAMES.group_id, self.plan.tickets, self.plan.storm_seconds
        )

    async def play(self) -> Evidence:
        for _ in range(self.plan.processes):
            await self.start()
        producing = asyncio.gather(self._produce(), self.tickets.play())
        for _ in range(self.plan.crashes):
            await asyncio.sleep(self.random.uniform(0, self.plan.storm_seconds / self.plan.crashes))
            self.crash(self.random.choice(self.running))
            await asyncio.sleep(self.random.uniform(0, 10))
            await self.start()
        await producing
        self.vcd.calm = True
        await self._until_ended()
        return self.evidence()

    async def start(self) -> None:
        """Start one more bridge process."""
        self.started += 1
        process = Process(f"p{self.started}")
        inbox = SimInbox(process, self.kafka, *self.names.inputs)
        clock = VirtualClock(asyncio.get_event_loop(), self.random)
        ports = Ports(
            clock=clock,
            inbox=inbox,
            journal=SimJournal(process, self.kafka, inbox, self.plan.abort_rate),
            store=SimStore(process, self.kafka, NAMES.group_id),
            control=SimControl(self.control),
            requests=AvroRequestCodec(),
            external=AvroExternalCodec() if self.plan.tickets else None,
            events=AvroEventCodec("sim"),
            store_codec=AvroStoreCodec(),
            gateway=SimGateway(process, self.vcd),
            observer=SilentObserver(),
        )
        policies = Policies(
            names=self.names,
            # An hour of waiting behind a parked request would be an hour of idle polling to simulate.
            rules=Rules(
                parked_lane_release=timedelta(seconds=60),
                external=external_rules(NAMES.group_id) if self.plan.tickets else None,
            ),
            limits=Limits(concurrent=self.random.choice([2, 16])),
            rounds=RoundLimits(lease=timedelta(seconds=5)),
            answer_timeout=timedelta(seconds=10),
        )
        context = AdmissionContext(api_version="39.1", policy=Policy(allow_destructive=True))
        engine = assemble(ports, policies, self.catalogue, lambda: context, _dies_at(process))
        task = asyncio.ensure_future(engine.run(asyncio.Event(), lambda: None))
        task.add_done_callback(self._ended)
        self.running.append(Running(process, inbox, task))
        await asyncio.sleep(0)

    def crash(self, running: Running) -> None:
        """kill -9: nothing of the process has any effect from this moment on."""
        running.process.alive = False
        self.running.remove(running)
        running.task.cancel()
        running.inbox.die()
        self.kafka.expire(running.inbox.member)

    def evidence(self) -> Evidence:
        events: list[dict[str, Any]] = []
        for number in range(self.plan.partitions):
            for entry in self.kafka.visible(TopicPartition(NAMES.task_events, number)):
                assert entry.record is not None
                assert entry.record.value is not None
                events.append(decoded(entry.record.value, entry.record.headers))
        return Evidence(
            inputs=[*self.inputs, *self.tickets.inputs],
            ledger=self.vcd.ledger,
            events=events,
            dead_letters=self._dead_letters(),
            writes=self.changelog(),
            ended=self.endings(),
            offsets={(one.topic, one.partition): offset for one, (offset, _) in self.kafka.committed.items()},
            operations=operation_facts(self.catalogue),
            tasks=self.vcd.truth(),
            group=NAMES.group_id,
            external_tasks=self.vcd.external.evidence(),
            ticket_updates=self._ticket_updates(),
            lease_seconds=5.0,
            travel_seconds=0.06,
            clock_seconds=0.001,
            patience_seconds=60.0,
            parked_lane_release_seconds=60.0,
        )

    def changelog(self) -> list[Write]:
        found: list[Write] = []
        for topic, number in self._partitions():
            for entry in self.kafka.visible(TopicPartition(NAMES.changelog(topic), number)):
                assert entry.record is not None
                assert entry.transaction is not None
                stored = StoredRecord(entry.record.key or b"", entry.record.value or b"", entry.record.headers)
                writer = self.kafka.transactions[entry.transaction].owner
                at = EPOCH.timestamp() + entry.timestamp_ms / 1000
                found.append(
                    write_of(
                        stored, entry.record.value, topic=topic, partition=number, offset=entry.offset, at=at,
                        writer=writer,
                    )
                )  # fmt: skip
        return found

    def endings(self) -> list[EndedRecord]:
        found = []
        for topic, number in self._partitions():
            for entry in self.kafka.visible(TopicPartition(NAMES.ended(topic), number)):
                assert entry.record is not None
                found.append(ended_of(StoredRecord(b"", entry.record.value or b"", entry.record.headers)))
        return found

    def _partitions(self) -> Iterator[tuple[str, int]]:
        return ((topic, number) for topic in self.names.inputs for number in range(self.plan.partitions))

    def store(self) -> dict[str, str]:
        """Open lifecycles that the store holds, with their phases."""
        latest = {write.birth: write.phase for write in self.changelog() if isinstance(write, StateWrite)}
        return {birth: phase for birth, phase in latest.items() if phase is not None}

    def _ticket_updates(self) -> list[str]:
        logs = (TopicPartition(f"{NAMES.ticket_updates}", number) for number in range(self.plan.partitions))
        values = (entry.record.value for log in logs for entry in self.kafka.visible(log) if entry.record is not None)
        return [json.loads(value or b"")["event_id"] for value in values]

    def _dead_letters(self) -> list[str]:
        found = []
        for number in range(self.plan.partitions):
            for entry in self.kafka.visible(TopicPartition(NAMES.dead_letters, number)):
                assert entry.record is not None
                told = {name: (value or b"").decode() for name, value in entry.record.headers}
                prefix = "__connect.errors."
                found.append("/".join(told[prefix + part] for part in ("topic", "partition", "offset")))
        return found

    async def _produce(self) -> None:
        for number in range(self.plan.requests):
            await asyncio.sleep(self.random.uniform(0, 2 * self.plan.storm_seconds / self.plan.requests))
            self._send(self._document(number))

    def _document(self, number: int) -> dict[str, Any] | bytes:
        draw = self.random.random()
        if draw < 0.05:
            return b"\x00rubbish"
        if draw < 0.15 and self.inputs:
            return dict(self.random.choice(self.inputs).document or {"request_id": "r0"})
        entity = f"vapp-00000000-0000-4000-8000-{self.random.randrange(self.plan.entities):012d}"
        if draw < 0.25 and number:
            target = f"r{self.random.randrange(number)}"
            return {"kind": "cancel", "target_request_id": target, "entity": entity}
        operation = self.random.choice(OPERATIONS)
        document = {"request_id": f"r{number}", "operation": operation, "parameters": {"id": entity}}
        if operation in BODIES:
            document["body"] = BODIES[operation]
        return document

    def _send(self, document: dict[str, Any] | bytes) -> None:
        if isinstance(document, bytes):
            value, parsed, number = document, None, self.random.randrange(self.plan.partitions)
        else:
            document = dict(document)
            entity = str(document.pop("entity", "") or document.get("parameters", {}).get("id", ""))
            target = document.get("target_request_id")
            known = next((r for r in self.inputs if r.request_id == target), None) if target else None
            number = known.partition if known else sum(entity.encode()) % self.plan.partitions
            value, parsed = json.dumps(document).encode(), document
        record = OutRecord(TOPIC, number, b"key", value)
        offset = self.kafka.append(TopicPartition(TOPIC, number), record)
        self.inputs.append(InputRecord(TOPIC, number, offset, parsed))

    async def _until_ended(self) -> None:
        """Faults have stopped: wait until nothing but parked work is open, bounded."""
        deadline = asyncio.get_event_loop().time() + self.plan.calm_seconds
        while asyncio.get_event_loop().time() < deadline:
            await asyncio.sleep(20)
            if self.failures:
                raise self.failures[0]
            read = sum(offset for offset, _ in self.kafka.committed.values())
            if read >= len(self.inputs) + len(self.tickets.inputs) and set(self.store().values()) <= {"parked"}:
                return

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            self.failures.append(task.exception() or AssertionError("ended"))


def _dies_at(process: Process) -> Callable[[str], None]:
    def reach(point: str) -> None:
        return None

    return reach


def run(plan: Plan) -> tuple[Evidence, list[Violation]]:
    """Play one seed. Returns what happened and what contradicts the guarantees."""
    world: list[World] = []

    async def main() -> Evidence:
        world.append(World(plan))
        return await world[0].play()

    evidence = run_virtually(main())
    return evidence, violations(evidence)
