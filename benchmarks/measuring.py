"""One measured run: actions in, ends out, and what it cost whom."""

from __future__ import annotations

import json
import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import psutil
from confluent_kafka import Producer

from benchmarks.contestants import Contestant
from tests.support.simulator import Simulator

OPERATION = "deployVApp"
WARM_UP_ACTIONS = 50
PATIENCE_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Measurement:
    """Seconds are those of the measured actions alone; the warm-up is left out. ``own_cpu`` is the contestant's."""

    actions: int
    seconds: float
    own_cpu: float
    simulator_cpu: float
    broker_cpu: float
    requests: Mapping[str, int]
    records_out: int

    @property
    def figures(self) -> dict[str, float]:
        """By the names of the table's rows."""
        thousands = self.actions / 1000
        return {
            "actions/s": self.actions / self.seconds,
            "wall time, s": self.seconds,
            "own CPU-s per 1,000 actions": self.own_cpu / thousands,
            "simulator CPU-s per 1,000 actions": self.simulator_cpu / thousands,
            "broker CPU-s per 1,000 actions": self.broker_cpu / thousands,
            "VCD requests per action": sum(self.requests.values()) / self.actions,
            "records published per action": self.records_out / self.actions,
        }


@dataclass(frozen=True, slots=True)
class Cost:
    """What a piece of work took. ``own_cpu`` is the contestant's, of all its processes."""

    seconds: float
    own_cpu: float
    simulator_cpu: float
    broker_cpu: float
    calls: Sequence[Mapping[str, Any]]
    """The ledger's entries."""
    records_out: int


def cost_of(contestant: Contestant, simulator: Simulator, broker_pid: int, work: Callable[[], float]) -> Cost:
    """Do it. ``work`` returns the monotonic time at which it was seen to be done."""
    watched = (contestant.processes, (psutil.Process(_pid(simulator)),), (psutil.Process(broker_pid),))
    number, records = _last(simulator), contestant.reader.records
    before = [_cpu_seconds(processes) for processes in watched]
    start = time.monotonic()
    end = work()
    own, simulators, brokers = (
        _cpu_seconds(processes) - earlier for processes, earlier in zip(watched, before, strict=True)
    )
    records_out = contestant.reader.records - records
    return Cost(end - start, own, simulators, brokers, simulator.ledger(number), records_out)


def measure(contestant: Contestant, bootstrap: str, simulator: Simulator, broker_pid: int, actions: int) -> Measurement:
    """Warm up, then run ``actions`` actions. Raises when VCD was not called exactly once for each."""
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 5, "partitioner": "murmur2_random"})

    def act(number: int) -> float:
        return contestant.reader.wait(_send(producer, contestant.requests, number), PATIENCE_SECONDS)

    act(WARM_UP_ACTIONS)
    cost = cost_of(contestant, simulator, broker_pid, lambda: act(actions))
    effects = sum(1 for call in cost.calls if call["operation"] == OPERATION and call["effect"])
    if effects != actions:
        raise RuntimeError(f"{contestant.name}: {effects} effects in VCD for {actions} actions")
    requests = Counter(str(call["operation"]) for call in cost.calls)
    return Measurement(
        actions, cost.seconds, cost.own_cpu, cost.simulator_cpu, cost.broker_cpu, requests, cost.records_out
    )


def medians(measurements: Sequence[Measurement]) -> dict[str, float]:
    """The median of every figure."""
    rows = [one.figures for one in measurements]
    return {name: median(row[name] for row in rows) for name in rows[0]}


def requests_per_action(measurements: Sequence[Measurement]) -> dict[str, float]:
    """By the ledger's operation, over all runs."""
    total = sum((Counter(one.requests) for one in measurements), Counter[str]())
    actions = sum(one.actions for one in measurements)
    return {name: count / actions for name, count in total.most_common()}


def _send(producer: Producer, topic: str, actions: int) -> set[str]:
    """One request per entity; every entity is new."""
    ids: set[str] = set()
    for _ in range(actions):
        entity = f"vapp-{uuid.uuid4()}"
        document = {
            "request_id": f"r-{entity}",
            "operation": OPERATION,
            "parameters": {"id": entity},
            "body": {"powerOn": True},
        }
        producer.produce(topic, json.dumps(document).encode(), entity)
        ids.add(str(document["request_id"]))
    if producer.flush(30):
        raise RuntimeError(f"{topic}: not all requests were written")
    return ids


def _cpu_seconds(processes: Sequence[psutil.Process]) -> float:
    times = [process.cpu_times() for process in processes]
    return float(sum(one.user + one.system for one in times))


def _last(simulator: Simulator) -> int:
    last: int = simulator.state()["ledger"]["last"]
    return last


def _pid(simulator: Simulator) -> int:
    if simulator.process is None:
        raise RuntimeError("the simulator is not a process of ours")
    return simulator.process.pid
