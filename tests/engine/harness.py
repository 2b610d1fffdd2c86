"""The whole engine between a scripted Kafka and a scripted Cloud Director, in virtual time.

One process at a time has one ``Site``: ``start`` it, ``send`` records, let time pass (``asyncio.sleep``), read what was
told. ``crash`` is kill -9; a ``start`` after it is the next owner.
"""

from __future__ import annotations

import asyncio
import functools
import json
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from random import Random
from typing import Any, ParamSpec

from bridge.assembly import Policies, Ports, assemble
from bridge.avro.event_codec import AvroEventCodec
from bridge.avro.external_codec import AvroExternalCodec
from bridge.avro.observation_codec import AvroObservationCodec
from bridge.avro.request_codec import AvroRequestCodec
from bridge.avro.store_codec import AvroStoreCodec
from bridge.catalogue.load import Catalogue, load
from bridge.core.admission import AdmissionContext, Policy
from bridge.core.coordinates import Birth, TopicPartition
from bridge.core.lifecycle import Lifecycle
from bridge.engine.calling.permits import Permits
from bridge.engine.engine import Engine
from bridge.engine.partition.owned_partition import OwnedPartition
from bridge.engine.partition.records import record_bytes
from bridge.ports import (
    Committed,
    Headers,
    NotCommitted,
    Notifications,
    OutRecord,
    PartitionEntries,
    StoredRecord,
    TopicNames,
)
from tests.engine.scripted_kafka import Process, SimInbox, SimJournal, SimKafka, SimStore
from tests.engine.scripted_vcd import ScriptedVcd
from tests.simulation.control import SimControl, SimControlTopic
from tests.simulation.loop import VirtualClock, run_virtually
from tests.support.decoding import decoded
from tests.support.observer import SilentObserver

TOPIC = "requests"
NAMES = TopicNames(action_requests=TOPIC, task_events="events", dead_letters="dead-letters", group_id="g")
CHANGELOG = NAMES.changelog(TOPIC)
CATALOGUE = load()

Document = dict[str, Any]
Outcome = Callable[[Sequence[PartitionEntries]], NotCommitted]
P = ParamSpec("P")


def virtually(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run an async test in virtual time."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        run_virtually(test(*args, **kwargs))

    return run


class ScriptedJournal(SimJournal):
    """``sizes``: largest record by topic; a larger one stops its partition. ``outcomes``: of the next commits, which
    are not made. ``before_commit`` and ``after_commit``: what else happens then."""

    def __init__(self, process: Process, kafka: SimKafka, inbox: SimInbox, site: Site) -> None:
        super().__init__(process, kafka, inbox, abort_rate=0.0)
        self._site = site

    def max_record_bytes(self, topic: str) -> int:
        return self._site.sizes.get(topic, super().max_record_bytes(topic))

    async def commit(self, entries: Sequence[PartitionEntries]) -> Committed | NotCommitted:
        if self._site.before_commit is not None:
            await self._site.before_commit(entries)
        if self._site.outcomes:
            return self._site.outcomes.popleft()(entries)
        if refused := self._too_large(entries):
            return NotCommitted(refused=refused)
        outcome = await super().commit(entries)
        if self._site.after_commit is not None:
            self._site.after_commit()
            await asyncio.sleep(0.01)
        return outcome

    def _too_large(self, entries: Sequence[PartitionEntries]) -> dict[TopicPartition, str]:
        return {
            entry.partition: f"a record of {record_bytes(record)} bytes does not fit into {record.topic}"
            for entry in entries
            for record in entry.records
            if record_bytes(record) > self.max_record_bytes(record.topic)
        }


@dataclass(slots=True)
class Fact:
    """What the engine told its observer."""

    name: str
    values: tuple[Any, ...]
    more: dict[str, Any]


class Noting(SilentObserver):
    """Writes every fact down."""

    def __init__(self) -> None:
        self.facts: list[Fact] = []

    def __getattr__(self, name: str) -> Any:
        return lambda *values, **more: self.facts.append(Fact(name, values, more))


@dataclass(slots=True)
class Site:
    """Kafka, a Cloud Director, and at most one bridge process."""

    partitions: int = 1
    policies: Policies = field(default_factory=lambda: Policies(names=NAMES, answer_timeout=timedelta(seconds=10)))
    catalogue: Catalogue = field(default_factory=lambda: CATALOGUE)
    vcd: ScriptedVcd = field(default_factory=ScriptedVcd)
    policy: Policy = field(default_factory=lambda: Policy(allow_destructive=True))
    sizes: dict[str, int] = field(default_factory=dict)
    outcomes: deque[Outcome] = field(default_factory=deque)
    before_commit: Callable[[Sequence[PartitionEntries]], Awaitable[None]] | None = None
    after_commit: Callable[[], None] | None = None
    host_ahead: timedelta = timedelta()
    """How far the wall clock of the host is ahead on which the next process starts."""
    noted: Noting = field(default_factory=Noting)
    requests: AvroRequestCodec = field(default_factory=AvroRequestCodec)
    notifications: Notifications | None = None
    control: SimControlTopic = field(default_factory=SimControlTopic)
    control_delay: float = 0.01
    """Seconds until a process hears of a record there."""
    kafka: SimKafka = field(init=False)
    started: int = 0
    failures: list[BaseException] = field(default_factory=list)
    process: Process = field(init=False)
    inbox: SimInbox = field(init=False)
    engine: Engine = field(init=False)
    _stop: asyncio.Event = field(init=False)
    _running: asyncio.Task[None] = field(init=False)

    def __post_init__(self) -> None:
        self.kafka = SimKafka(Random(1), self.partitions)

    # --- the process ----------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Start the bridge, and a second for it to join."""
        self.started += 1
        self.vcd.clock_ahead = -self.host_ahead if self.host_ahead else self.vcd.clock_ahead
        self.process = Process(f"p{self.started}")
        self.inbox = SimInbox(self.process, self.kafka, *self.policies.names.inputs)
        ports = Ports(
            clock=VirtualClock(asyncio.get_running_loop(), Random(self.started), self.host_ahead),
            inbox=self.inbox,
            journal=ScriptedJournal(self.process, self.kafka, self.inbox, self),
            store=SimStore(self.process, self.kafka, NAMES.group_id),
            control=SimControl(self.control, self.control_delay),
            requests=self.requests,
            external=AvroExternalCodec(),
            observations=AvroObservationCodec(),
            events=AvroEventCodec("test"),
            store_codec=AvroStoreCodec(),
            gateway=self.vcd,
            observer=self.noted,
            notifications=self.notifications,
        )
        context = AdmissionContext(api_version="39.1", policy=self.policy)
        self.engine = assemble(ports, self.policies, self.catalogue, lambda: context, lambda point: None)
        self._stop = asyncio.Event()
        self._running = asyncio.ensure_future(self.engine.run(self._stop, lambda: None))
        self._running.add_done_callback(self._ended)
        await asyncio.sleep(1)

    def crash(self) -> None:
        """kill -9: nothing that the process does has any effect from now on."""
        self.process.alive = False
        self._running.cancel()
        self.inbox.die()
        self.kafka.expire(self.inbox.member)

    async def next_owner(self, *, after: float = 10.0) -> None:
        """Crash, and start again when the group has noticed."""
        self.crash()
        await asyncio.sleep(after)
        await self.start()

    async def stop(self) -> None:
        """SIGTERM, and the drain."""
        self._stop.set()
        await self._running

    def fail_commits(self, times: int) -> None:
        """The next transactions are aborted; nothing of them is visible."""
        self.outcomes.extend([lambda entries: NotCommitted()] * times)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self.failures.append(error)

    @property
    def permits(self) -> Permits:
        return self.engine._p.runner._permits

    def owned(self, number: int = 0, topic: str = TOPIC) -> OwnedPartition:
        return self.engine.partitions[TopicPartition(topic, number)]

    # --- records --------------------------------------------------------------------------------------------------

    def send(
        self,
        record: Document | bytes | None,
        *,
        partition: int = 0,
        key: bytes | None = b"key",
        headers: Headers = (),
        topic: str = TOPIC,
    ) -> Birth:
        """Append an input record."""
        value = json.dumps(record).encode() if isinstance(record, dict) else record
        offset = self.kafka.append(TopicPartition(topic, partition), OutRecord(topic, partition, key, value, headers))
        return Birth(topic, partition, offset)

    def events(self, request_id: str | None = None) -> list[Document]:
        """Committed events, of all partitions or of one request."""
        told = [decoded(record.value, record.headers) for record in self.committed(NAMES.task_events)]
        return [event for event in told if request_id is None or event["request_id"] == request_id]

    def story(self, request_id: str) -> list[str]:
        """``change status -> outcome (reason)`` of each event of a request, what is absent left out."""
        return [in_short(event) for event in self.events(request_id)]

    def committed(self, topic: str) -> list[OutRecord]:
        """What a read_committed reader sees of a topic. Raises what has broken the process."""
        for failure in self.failures:
            raise failure
        logs = (TopicPartition(topic, number) for number in range(self.partitions))
        return [entry.record for log in logs for entry in self.kafka.visible(log) if entry.record is not None]

    def stored(self, topic: str = TOPIC) -> dict[str, StoredRecord]:
        """What an input's store holds, by key (``0|state`` for offset 0 of the input), without the cursor."""
        latest: dict[str, StoredRecord] = {}
        for record in self.committed(NAMES.changelog(topic)):
            name = (record.key or b"").decode().rpartition("/")[2]
            latest.pop(name, None)
            if record.value is not None and name != "cursor":
                latest[name] = StoredRecord(record.key or b"", record.value, record.headers)
        return latest

    def phases(self) -> dict[str, str]:
        """Phase of each open lifecycle in the store, by request id."""
        return {str(one.request_id): one.phase.value for one in self.lifecycles()}

    def lifecycles(self, topic: str = TOPIC) -> list[Lifecycle]:
        """Open lifecycles as stored."""
        states = (record for key, record in self.stored(topic).items() if key.endswith("|state"))
        return [AvroStoreCodec().decode_state(record) for record in states]

    def damage(self, key: str, *, partition: int = 0, topic: str = TOPIC) -> None:
        """The disk has lost a record of the store: ``0|request`` or ``cursor``."""
        for entry in self.kafka.logs[TopicPartition(NAMES.changelog(topic), partition)]:
            if entry.record is not None and (entry.record.key or b"").decode().rpartition("/")[2] == key:
                entry.record = replace(entry.record, value=b"\xff broken")


def vapp(number: int) -> str:
    return f"vapp-00000000-0000-4000-8000-{number:012d}"


def request(request_id: str, number: int = 1, operation: str = "powerOnVApp", **more: Any) -> Document:
    """A request for vApp ``number``; ``powerOnVApp`` may be probed, ``createSnapshot`` is never called twice."""
    document: Document = {"request_id": request_id, "operation": operation, "parameters": {"id": vapp(number)}, **more}
    if operation == "createSnapshot":
        document.setdefault("body", {"name": "s"})
    return document


def control(kind: str, target: str, **more: Any) -> Document:
    """An operator's record."""
    return {"kind": kind, "target_request_id": target, **more}


def in_short(event: Document) -> str:
    """``change status -> outcome (reason)``, what is absent left out."""
    status = (event["task"] or {}).get("status")
    outcome = f"-> {event['outcome']}" if event["outcome"] else None
    reason = f"({event['reason']['code']})" if event["reason"] else None
    return " ".join(part for part in (event["change"], status, outcome, reason) if part)
