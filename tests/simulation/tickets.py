"""Those who work with external tasks: a ticketing system that sends commands, and people who use Cloud Director."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import Any

from bridge.core.coordinates import TopicPartition
from bridge.core.external_rules import ExternalRules, OrphanPolicy
from bridge.ports import OutRecord
from tests.simulation.cluster.broker import SimKafka
from tests.simulation.vcd import SimVcd
from tests.support.checker.evidence import ExternalRecord

EXTERNAL_TOPIC = "vcd.external-tasks"
NAMESPACE = "com.example.tickets"
SILENCE_SECONDS = 400

Document = dict[str, Any]


def external_rules(group: str) -> ExternalRules:
    """An orphan may be somebody's Task that only looks like ours: it is ended, which nobody could overlook."""
    return ExternalRules(
        group_id=group,
        default_namespace=NAMESPACE,
        namespaces={NAMESPACE: timedelta(days=7)},
        orphans=OrphanPolicy.END,
    )


@dataclass(slots=True)
class Tickets:
    """``play`` is the storm; ``inputs`` what was sent, in order."""

    random: Random
    kafka: SimKafka
    vcd: SimVcd
    group: str
    count: int
    seconds: float
    inputs: list[ExternalRecord] = field(default_factory=list)
    sent_at: dict[str, float] = field(default_factory=dict)
    _finished: set[str] = field(default_factory=set)

    async def play(self) -> None:
        if not self.count:
            return
        self.vcd.references.add("org", "00000000-0000-4000-8000-000000000001", "acme")
        self.vcd.references.add("user", "00000000-0000-4000-8000-000000000002", "bridge", own=True)
        for operation in ("Somebody's own work", "Another group's [other/vcd.external-tasks-0/K0]"):
            body = {"name": "task", "operation": operation, "status": "running", "serviceNamespace": NAMESPACE}
            self.vcd.external.make(body, self.vcd.now(), seeded=True)
        await asyncio.gather(*(self._ticket(number) for number in range(self.count)), self._people())

    # --- the ticketing system -------------------------------------------------------------------------------------

    async def _ticket(self, number: int) -> None:
        """From its create to its end, with all that may go wrong on the sender's side."""
        key, random = f"K{number}", self.random
        await asyncio.sleep(random.uniform(0, self.seconds / 2))
        create: Document = {"command": "create", "operation": self._operation(number), "organization": "acme"}
        if random.random() < 0.1:
            create["organization"] = "nobody"
        silent = random.random() < 0.15
        if silent:
            create["expire_after_seconds"] = SILENCE_SECONDS
        if random.random() < 0.2:
            create["status"] = random.choice(["queued", "running"])
        early = random.random() < 0.15
        if early:
            self._update(key, 0)
            await asyncio.sleep(random.uniform(0, 5))
        self._send(key, create)
        for step in range(1, random.randrange(1, 8)):
            await asyncio.sleep(random.choice([0.0, 0.3, 3.0]))
            self._update(key, step)
            if random.random() < 0.1:
                self._send(key, random.choice([create, {**create, "details": "another"}]))
        if not silent:
            await asyncio.sleep(random.choice([0.0, 0.05, random.uniform(0, self.seconds / 4)]))
            self._finish(key)

    def _operation(self, number: int) -> str:
        """Every other ticket copies the text of another's Task, with the mark, which mostly names another partition."""
        other = f"K{number // 2}"
        copied = f" of Ticket 0 [{self.group}/{EXTERNAL_TOPIC}-{self._partition(other)}/{other}]"
        return f"Ticket {number}{copied if number % 2 else ''}"

    def _update(self, key: str, step: int) -> None:
        document: Document = {"command": "update", "details": f"step {step}", "progress": 10 * step}
        if self.random.random() < 0.5:
            document["command_id"] = f"{key}-{step}"
        self._send(key, document)
        if self.random.random() < 0.15:
            self._send(key, document)

    def _finish(self, key: str) -> None:
        self._finished.add(key)
        status = self.random.choice(["success", "error", "aborted"])
        self._send(key, {"command": "finish", "status": status, "details": "over", "command_id": f"{key}-over"})
        if self.random.random() < 0.2:
            self._update(key, 9)
        if self.random.random() < 0.3:
            self._send(key, {"command": "finish", "status": "aborted"})

    def finish_again(self, birth: str) -> None:
        """Its finish was refused, by VCD or by what came before it: whoever sent it does so once more."""
        key = next(sent.key for sent in self.inputs if sent.birth == birth)
        if key in self._finished:
            self._send(key, {"command": "finish", "status": "aborted", "details": "once more"})

    def _send(self, key: str, document: Document) -> None:
        partition = self._partition(key)
        record = OutRecord(EXTERNAL_TOPIC, partition, key.encode(), json.dumps(document).encode())
        offset = self.kafka.append(TopicPartition(EXTERNAL_TOPIC, partition), record)
        sent = ExternalRecord(EXTERNAL_TOPIC, partition, offset, document, key)
        self.inputs.append(sent)
        self.sent_at[sent.birth] = self.kafka.now()

    def _partition(self, key: str) -> int:
        return sum(key.encode()) % self.kafka.partitions

    # --- people ---------------------------------------------------------------------------------------------------

    async def _people(self) -> None:
        """Press cancel on some Tasks, and end a few by themselves: with a status that no command asks for, so that a
        story can tell whose end it was."""
        for _ in range(self.count):
            await asyncio.sleep(self.random.uniform(0, 2 * self.seconds / self.count))
            running = self.vcd.external.running()
            if not running:
                continue
            chosen = self.random.choice(running)
            if self.random.random() < 0.15:
                self.vcd.external.change(chosen, self.vcd.now(), status="canceled")
            else:
                self.vcd.external.change(chosen, self.vcd.now(), cancelRequested=True)
