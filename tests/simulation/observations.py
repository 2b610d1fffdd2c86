"""Those who want organizations observed, and those whose Tasks are: people of several organizations at work in VCD."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import Any

from bridge.core.coordinates import TopicPartition
from bridge.ports import OutRecord
from tests.simulation.cluster.broker import SimKafka
from tests.simulation.holds import CELLS_APART_SECONDS
from tests.simulation.holds import PREFIX as HOLDS
from tests.simulation.loop import EPOCH
from tests.simulation.organizations import ORGANIZATIONS
from tests.simulation.process import in_world
from tests.simulation.vcd import SimVcd
from tests.support.checker.evidence import TIMED_OUT, Blocked, ObservationRecord

OBSERVATION_TOPIC = "vcd.observations"
OBSERVED_TOPIC = "vcd.observed-tasks"
BLOCKING_TOPIC = "vcd.blocking-tasks"
_ACME = ORGANIZATIONS[0]
_KEYS = ("*", *(one.name for one in ORGANIZATIONS), _ACME.uuid)
"""One organization by two names is two observations, each of which tells everything."""
_LARGE_BURST = (130, 150)
"""More than one page of VCD's lists."""

Document = dict[str, Any]


@dataclass(slots=True)
class Observations:
    """``play`` is the storm; ``count`` the Tasks of others, beside bursts; 0: there is none of all this. ``inputs`` is
    what was sent, in order; ``removed`` is told which records compaction takes away, and when."""

    random: Random
    kafka: SimKafka
    vcd: SimVcd
    count: int
    seconds: float
    removed: dict[str, float]
    inputs: list[ObservationRecord] = field(default_factory=list)
    sent_at: dict[str, float] = field(default_factory=dict)

    async def play(self) -> None:
        if not self.count:
            return
        self.kafka.create_topic(OBSERVATION_TOPIC, self.kafka.partitions, compacted=True)
        for organization in ORGANIZATIONS:
            self.vcd.references.add("org", organization.uuid, organization.name)
        await asyncio.gather(self._people(), self._records())

    # --- who wants to be told -------------------------------------------------------------------------------------

    async def _records(self) -> None:
        """What is begun first is mostly there until the end."""
        for key in self.random.sample(_KEYS, self.random.randrange(1, 3)):
            self.send(key, self._start(key))
        for _ in range(self.random.randrange(self.count // 3)):
            await asyncio.sleep(self.random.uniform(0, self.seconds / 4))
            self._send_one(self.random.choice(_KEYS))
            if self.random.random() < 0.2:
                self._compact()

    def _send_one(self, key: str) -> None:
        draw, stop = self.random.random(), {"organization": key, "action": "stop"}
        if draw < 0.3:
            self.send(key, stop)
            if self.random.random() < 0.6:
                self.send(key, self._start(key))
        elif draw < 0.4:
            self.send(key, None)
        elif draw < 0.5:
            self.send("nobody", self._start("nobody"))
        elif draw < 0.55:
            self.send(key, b"\x00rubbish")
        else:
            self.send(key, self._start(key))

    def _start(self, key: str) -> Document:
        document: Document = {"organization": key, "action": "start"}
        if self.random.random() < 0.4:
            since = self.kafka.now() - self.random.choice([0.0, 10.0, 120.0, -20.0])
            document["since"] = (EPOCH + timedelta(seconds=since)).isoformat()
        if self.random.random() < 0.5:
            document["blocking_tasks"] = True
        if self.random.random() < 0.3:
            document["correlation_id"] = f"watch {key}"
        return document

    def send(self, key: str, document: Document | bytes | None) -> None:
        partition = TopicPartition(OBSERVATION_TOPIC, sum(key.encode()) % self.kafka.partitions)
        value = json.dumps(document).encode() if isinstance(document, dict) else document
        offset = self.kafka.append(partition, OutRecord(OBSERVATION_TOPIC, partition.partition, key.encode(), value))
        readable = document if isinstance(document, dict) else None
        record = ObservationRecord(
            OBSERVATION_TOPIC, partition.partition, offset, readable, key, is_tombstone=document is None
        )
        self.inputs.append(record)
        self.sent_at[record.birth] = self.kafka.now()

    def _compact(self) -> None:
        """Of each key the latest record stays: who has not read the others yet never will."""
        now = EPOCH.timestamp() + self.kafka.now()
        for partition in self.kafka.partitions_of(OBSERVATION_TOPIC):
            log = self.kafka.log(partition)
            log.clean(self.kafka.now_ms())
            kept = {entry.offset for entry in log.read(0, len(self.inputs), committed=True)[0]}
            for record in self.inputs:
                if record.partition == partition.partition and record.offset not in kept:
                    self.removed.setdefault(record.birth, now)

    # --- whose Tasks are told -------------------------------------------------------------------------------------

    async def _people(self) -> None:
        bursts = {
            self.random.randrange(self.count): self.random.choice([(5, 30), (5, 30), (5, 30), (5, 30), _LARGE_BURST])
        }
        for number in range(self.count):
            await asyncio.sleep(self.random.uniform(0, 2 * self.seconds / self.count))
            if number in bursts:
                self._burst(number, self.random.randrange(*bursts[number]))
            self._begin(number)
            if self.random.random() < 0.25:
                self._hold(number)

    def _begin(self, number: int) -> None:
        """Some begin and end between two looks, some are there for longer than lists remember them."""
        random, now = self.random, self.vcd.now()
        seconds = random.choice([random.uniform(0.01, 3), random.uniform(3, 40), random.uniform(3, 40), 90.0])
        status = random.choices(["success", "error", "aborted", "canceled"], [8, 2, 1, 1])[0]
        task = self.vcd.begin(f"/vApp/others-{number}", seconds, status, user=f"user {number % 3}")
        if random.random() < 0.3:
            task.clock = random.uniform(-CELLS_APART_SECONDS, CELLS_APART_SECONDS)
        if random.random() < 0.15:
            since = now + random.uniform(0, seconds)
            task.unlisted = (since, since + random.uniform(3, 20))
        if random.random() < 0.05:
            task.ends += 120.0
            since = now + random.uniform(0, 20)
            task.gone = (since, since + random.uniform(5, 80))

    def _hold(self, number: int) -> None:
        """What waits for somebody, who mostly decides in the end."""
        path = f"{HOLDS}30000000-0000-4000-8000-{9_000 + number:012d}"
        hold = self.vcd.inventory.holds.at(path)
        self.vcd.blocked[path] = (self.random.choice(ORGANIZATIONS), self.vcd.now())
        after = self.random.uniform(0.5, 60)
        if self.random.random() < 0.5:
            in_world(hold.decide, self.random.choice(["resume", "abort", "fail"]), after=after)
            after += self.random.uniform(0, 10)
        if self.random.random() < 0.3:
            hold.limit(after)

    def blocked(self) -> dict[str, Blocked]:
        """By URN, for the judge."""
        found, epoch = {}, EPOCH.timestamp()
        for path, (organization, since) in self.vcd.blocked.items():
            hold = self.vcd.inventory.holds.at(path)
            found[hold.id] = Blocked(
                organization=organization.uuid,
                since=epoch + since,
                until=epoch + hold.decided_at if hold.decided is not None else None,
                decided=TIMED_OUT if hold.timed_out else hold.decided,
                timeout=epoch + hold.timeout,
                timeout_action=hold.timeout_action,
            )
        return found

    def _burst(self, number: int, size: int) -> None:
        """All end in one millisecond."""
        seconds = self.random.uniform(0.05, 20)
        for one in range(size):
            self.vcd.begin(f"/vApp/burst-{number}-{one}", seconds, "success", user="script")
