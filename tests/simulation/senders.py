"""Those who send action requests, and the operators who settle what is parked."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import Any

from bridge.core.coordinates import TopicPartition
from bridge.ports import OutRecord
from tests.simulation.cluster.broker import SimKafka
from tests.simulation.inventory import OF_BLOCKING_TASKS, decision, draw_request, twin
from tests.simulation.loop import EPOCH
from tests.simulation.outside import Outsider
from tests.simulation.plan import Plan
from tests.simulation.vcd import SimVcd
from tests.support.checker.evidence import InputRecord, place_of, story_id

TOPIC = "vcd.action-requests"
APPROVALS_TOPIC = "vcd.approvals"
"""Where decisions go in runs that have many."""
_HEADERS = (("source", b"itsm"), ("nothing", None))
"""As producers have them; the bridge does not read them."""
_SAID: Mapping[str, Any] = {"reason": "looked at it", "decided_by": "op"}
_OPERATORS_LOOK_SECONDS = 15.0

Document = dict[str, Any]


@dataclass(slots=True)
class Requests:
    """``inputs`` is what was sent, in order."""

    plan: Plan
    random: Random
    kafka: SimKafka
    inputs: list[InputRecord] = field(default_factory=list)
    sent_at: dict[str, float] = field(default_factory=dict)
    _by_request: dict[str, InputRecord] = field(default_factory=dict)
    _to_cancel: list[asyncio.Task[None]] = field(default_factory=list)

    async def play(self) -> None:
        """Requests of all kinds, over the storm; some of them in bursts."""
        mean = self.plan.storm_seconds / max(1, self.plan.requests)
        for number in range(self.plan.requests):
            if self.random.random() < 0.8:
                await asyncio.sleep(self.random.uniform(0, 2.5 * mean))
            self._send_one(number)
        await asyncio.gather(*self._to_cancel)

    def _send_one(self, number: int) -> None:
        random, draw = self.random, self.random.random()
        known = list(self._by_request.values())
        if draw < 0.04:
            self.send(random.choice([b"\x00rubbish", b"[]", b'{"request_id": 5}']), random.randrange(10))
        elif draw < 0.06:
            self.send({"request_id": f"r{number}", "operation": "noSuchOperation"}, random.randrange(10))
        elif draw < 0.15 and known:
            self._send_again(random.choice(known))
        elif draw < 0.27:
            target = f"r{max(0, number + random.randrange(-6, 3))}"
            self.control({"kind": random.choice(["cancel", "cancel", "cancel", "retry", "resolve"])}, target)
        else:
            self._send_new(number)

    def _send_new(self, number: int) -> None:
        random = self.random
        document = self._drawn(number)
        if random.random() < 0.1:
            document["start_by"] = self._time_in(random.uniform(2, 60))
        if random.random() < 0.1:
            document["watch_until"] = self._time_in(random.uniform(5, 200))
        if random.random() < 0.3:
            document["correlation_id"] = f"CHG{number}"
        if random.random() < 0.3:
            document["requested_by"] = "somebody"
        entity = document["parameters"]["id"]
        makes_new = document["operation"] in {"createMedia", "createDisk"}
        topic = APPROVALS_TOPIC if self.plan.decisions and document["operation"] in OF_BLOCKING_TASKS else TOPIC
        self.send(document, number if makes_new else sum(entity.encode()), topic)
        if self.plan.cancels and random.random() < self.plan.cancels:
            self._to_cancel.append(asyncio.ensure_future(self._cancel_soon(document["request_id"])))

    def _drawn(self, number: int) -> Document:
        plan, random = self.plan, self.random
        if plan.twins > 0 and random.random() < plan.twins:
            return twin(number)
        if plan.decisions > 0 and random.random() < plan.decisions:
            return decision(number)
        return draw_request(random, number, plan.entities)

    async def _cancel_soon(self, request_id: str) -> None:
        await asyncio.sleep(self.random.uniform(0.5, 10))
        self.control({"kind": "cancel"}, request_id)

    def _send_again(self, earlier: InputRecord) -> None:
        """The same once more, perhaps of another ticket, or another request by the same id."""
        document, draw = dict(earlier.document or {}), self.random.random()
        if draw < 0.3:
            document["correlation_id"] = "another"
        elif draw < 0.5:
            document["operation"] = "rebootVApp"
            document.pop("body", None)
        self.send(document, earlier.partition, earlier.topic)

    def _time_in(self, seconds: float) -> str:
        return (EPOCH + timedelta(seconds=asyncio.get_event_loop().time() + seconds)).isoformat()

    def control(self, document: Document, target: str) -> None:
        """About another request, mostly with its key."""
        document["target_request_id"] = target
        if document["kind"] == "resolve" and "resolution" not in document:
            document["resolution"] = {**_SAID, "outcome": "success"}
        known = self._by_request.get(target)
        astray = known is None or self.random.random() < 0.05
        topic = TOPIC if known is None else known.topic
        self.send(document, self.random.randrange(10) if known is None or astray else known.partition, topic)

    def send(self, document: Document | bytes, key: int, topic: str = TOPIC) -> None:
        number = key % self.plan.partitions
        value = document if isinstance(document, bytes) else json.dumps(document).encode()
        offset = self.kafka.append(TopicPartition(topic, number), OutRecord(topic, number, b"key", value, _HEADERS))
        record = InputRecord(topic, number, offset, None if isinstance(document, bytes) else document)
        self.inputs.append(record)
        self.sent_at[record.birth] = self.kafka.now()
        if record.opens and record.request_id is not None:
            self._by_request.setdefault(record.request_id, record)


@dataclass(slots=True)
class Operators:
    """They look at what is parked from time to time, and say one thing or another about it."""

    random: Random
    requests: Requests
    outsider: Outsider
    vcd: SimVcd
    astray: Random
    """How they err."""
    _asked: set[str] = field(default_factory=set)

    async def play(self, until: Callable[[], bool]) -> None:
        while not until():
            await asyncio.sleep(self.random.uniform(1, 2 * _OPERATORS_LOOK_SECONDS))
            self.outsider.look()
            for birth, event in self.outsider.parked().items():
                if event["event_id"] not in self._asked and event.get("request_id") is not None:
                    self._asked.add(event["event_id"])
                    self._settle(birth, event["request_id"])

    def _settle(self, birth: str, request_id: str) -> None:
        draw = self.random.random()
        if draw < 0.35:
            self.requests.control({"kind": "retry"}, request_id)
        elif draw < 0.55:
            self.requests.control({"kind": "cancel"}, request_id)
        elif draw < 0.95:
            self.requests.control({"kind": "resolve", "resolution": self._resolution(birth)}, request_id)

    def _resolution(self, birth: str) -> Document:
        """Whoever finds a Task of it in VCD names that, or by mistake one that another request is told to have."""
        anothers = self._of_others(birth)
        if anothers and self.astray.random() < 0.15:
            return {**_SAID, "task_href": _address(self.astray.choice(anothers))}
        started = [call for call in self.vcd.ledger if call.story == story_id(birth) and call.started]
        if started and self.random.random() < 0.7:
            return {**_SAID, "task_href": _address(started[-1].task_id or "")}
        return {**_SAID, "outcome": self.random.choice(["success", "error", "aborted"])}

    def _of_others(self, birth: str) -> list[str]:
        """Tasks that other requests of its partition have, as everybody can read; none where that may be forgotten."""
        if self.requests.plan.dedupe_seconds is not None:
            return []
        owners = {call.task_id: call.story for call in self.vcd.ledger if call.started}
        told = ((event["birth"], (event.get("task") or {}).get("id")) for event in self.outsider.events)
        others = (one for one in told if one[0] != birth and place_of(one[0]) == place_of(birth))
        return list(dict.fromkeys(task for other, task in others if task and owners.get(task) == story_id(other)))


def _address(task_id: str) -> str:
    return f"https://vcd/api/task/{task_id.rsplit(':', 1)[-1]}"
