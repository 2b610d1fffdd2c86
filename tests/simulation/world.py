"""Several bridge processes, one simulated Kafka, one simulated VCD, one seed: a run that anybody can repeat."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from random import Random
from unittest import mock

from bridge.core.coordinates import TopicPartition
from bridge.core.rules import Rules
from bridge.engine.observation import listing
from bridge.errors import ProcessMustEnd, TemporaryError
from bridge.ports import TopicNames
from tests.simulation import host
from tests.simulation.bus import SimBus
from tests.simulation.chaos import Chaos, longest_hold_up, longest_unwritten
from tests.simulation.cluster.adapters import simulated_clients
from tests.simulation.cluster.broker import Faults, SimKafka, Timing
from tests.simulation.control import SimControlTopic
from tests.simulation.gateway import TRAVEL_SECONDS
from tests.simulation.holds import CELLS_APART_SECONDS
from tests.simulation.host import Running
from tests.simulation.loop import EPOCH, run_virtually
from tests.simulation.observations import (
    BLOCKING_TOPIC,
    OBSERVATION_TOPIC,
    OBSERVED_TOPIC,
    Observations,
)
from tests.simulation.outside import Outsider
from tests.simulation.plan import Plan, Trouble
from tests.simulation.process import begin_in_world
from tests.simulation.senders import APPROVALS_TOPIC, TOPIC, Operators, Requests
from tests.simulation.tasks import LONGEST_ROW_LATENESS_SECONDS
from tests.simulation.tickets import EXTERNAL_TOPIC, Tickets
from tests.simulation.upsets import Upsets
from tests.simulation.vcd import SimVcd
from tests.support.checker import Violation, violations
from tests.support.checker.evidence import Evidence, InputRecord, Tenure, operation_facts, place_of

__all__ = ["Plan", "Run", "Trouble", "World", "play", "run"]

NAMES = TopicNames(
    action_requests=TOPIC, task_events="vcd.task-events", ticket_updates="vcd.ticket-updates",
    dead_letters="vcd.dead-letters", group_id="sim",
)  # fmt: skip
_SUPERVISOR_SECONDS = 5.0
"""Longest until whoever looks after a process starts it again."""
_LOOKS = (1.0, 5.0, 20.0, 20.0, 60.0)
"""Seconds between looks at whether everything has ended, the last one again and again."""
_LOOKS_AT_GROUP = 3
"""After so many of them somebody looks whether each partition has an owner."""
_OBSERVED_SECONDS = 60.0
"""So long observations are watched when the storm is over: nothing may come twice, and what is over be forgotten."""
_LOOKS_AT_TICKETS = 6
"""After so many of them the ticketing system looks after what it has finished and what runs on."""


@dataclass(slots=True)
class World:
    """One run. ``play`` returns what an outsider can read afterwards."""

    plan: Plan
    random: Random = field(init=False)
    kafka: SimKafka = field(init=False)
    vcd: SimVcd = field(init=False)
    control: SimControlTopic = field(default_factory=SimControlTopic)
    names: TopicNames = field(init=False)
    requests: Requests = field(init=False)
    tickets: Tickets = field(init=False)
    observations: Observations = field(init=False)
    outsider: Outsider = field(init=False)
    chaos: Chaos = field(init=False)
    upsets: Upsets = field(init=False)
    closed: int = 0
    """How many want nobody to be at work now."""
    may_start: asyncio.Event = field(default_factory=asyncio.Event)
    running: list[Running] = field(default_factory=list)
    started: list[Running] = field(default_factory=list)
    failures: list[BaseException] = field(default_factory=list)
    _calm_since: float = 0.0

    def __post_init__(self) -> None:
        plan = self.plan
        self.random = Random(plan.seed)  # a seed, not a secret
        timing = Timing(marker=plan.marker_seconds)
        self.kafka = SimKafka(
            self.random, plan.partitions, timing=timing, faults=_kafka_faults(plan),
            ended_retention_seconds=plan.dedupe_seconds,
        )  # fmt: skip
        bus = SimBus(Random(f"bus {plan.seed}")) if plan.bus else None
        self.vcd = SimVcd(self.random, plan.cells, long_tasks=plan.long_tasks, bus=bus)
        self.names = replace(NAMES, external_tasks=EXTERNAL_TOPIC if plan.tickets else None)
        if plan.decisions:
            self.names = replace(self.names, approvals=APPROVALS_TOPIC)
        if plan.observations:
            self.vcd.unset_last = plan.seed % 2 == 1
            self.names = replace(
                self.names, observations=OBSERVATION_TOPIC, observed_tasks=OBSERVED_TOPIC, blocking_tasks=BLOCKING_TOPIC
            )
        self.requests = Requests(plan, self.random, self.kafka)
        self.tickets = Tickets(self.random, self.kafka, self.vcd, NAMES.group_id, plan.tickets, plan.storm_seconds)
        self.outsider = Outsider(self.kafka, self.names)
        self.chaos = Chaos(self, self.random)
        self.upsets = Upsets(self, self.random)
        self.observations = Observations(
            Random(f"observed {plan.seed}"), self.kafka, self.vcd, plan.observations, plan.storm_seconds,
            self.upsets.removed,
        )  # fmt: skip
        self.may_start.set()

    @property
    def inputs(self) -> list[InputRecord]:
        return [*self.requests.inputs, *self.tickets.inputs, *self.observations.inputs]

    @property
    def sent_at(self) -> dict[str, float]:
        """When each input record was written, by birth."""
        return {**self.requests.sent_at, **self.tickets.sent_at, **self.observations.sent_at}

    async def play(self) -> Evidence:
        for _ in range(self.plan.processes):
            await self.start()
        work = [self.requests.play(), self.tickets.play(), self.observations.play(), self.chaos.play()]
        if self.plan.operators:
            operators = Operators(
                self.random, self.requests, self.outsider, self.vcd, Random(f"astray {self.plan.seed}")
            )
            work.append(operators.play(lambda: self.vcd.calm))
        storm = [asyncio.ensure_future(one) for one in work]
        await asyncio.gather(*storm[:4])
        await self._calm_down()
        await asyncio.gather(*storm)
        await self._until_ended()
        return self.evidence()

    async def start(self) -> Running:
        """Start one more bridge process, once nobody minds."""
        await self.may_start.wait()
        name = f"p{len(self.started) + 1}"
        taken = {running.slot for running in self.running}
        slot = next(slot for number in range(99) if (slot := f"host-{number}") not in taken)
        running = host.start(self, name, slot, self._ended)
        self.chaos.note(f"{name} starts on {slot} as {running.witness.name}")
        self.running.append(running)
        self.started.append(running)
        running.process.on_death(lambda: self._died(running))
        await asyncio.sleep(0)
        return running

    def owner(self, partition: TopicPartition) -> Running | None:
        """Whose a partition is by the group's coordinator."""
        held = self.kafka.group(self.names.group_id).held.get(partition)
        return next((one for one in self.running if held is not None and one.process is held.process), None)

    def _died(self, running: Running) -> None:
        if running in self.running:
            self.running.remove(running)
            self.chaos.note(f"{running.name} is dead")

    def _ended(self, running: Running, task: asyncio.Task[None]) -> None:
        """Its engine has stopped, because it was told to or because of an error."""
        if not running.process.alive or task.cancelled():
            return
        error = task.exception()
        self.chaos.note(f"{running.name} has stopped{f' by itself: {error}' if error is not None else ''}")
        running.process.kill()
        if isinstance(error, ProcessMustEnd | TemporaryError):
            begin_in_world(self._start_again())
        elif error is not None:
            self.failures.append(error)

    async def _start_again(self) -> None:
        await asyncio.sleep(self.random.uniform(0.5, _SUPERVISOR_SECONDS))
        await self.start()

    async def _calm_down(self) -> None:
        """No more faults; those that died are started again."""
        self.vcd.calm = True
        self.kafka.faults = Faults()
        self._calm_since = EPOCH.timestamp() + asyncio.get_event_loop().time()
        self.chaos.note("the storm is over")
        if not self.running:
            await self.start()

    async def _until_ended(self) -> None:
        """Wait until nothing but parked work is open, bounded."""
        loop = asyncio.get_event_loop()
        deadline, looks = loop.time() + self.plan.calm_seconds, 0
        while loop.time() < deadline:
            await asyncio.sleep(_LOOKS[min(looks, len(_LOOKS) - 1)])
            looks += 1
            if self.failures:
                raise self.failures[0]
            self._assert_nothing_is_refused()
            self.outsider.look()
            if self._is_over():
                return
            if looks == _LOOKS_AT_GROUP and self.plan.protocol == "static" and self._is_one_nobodys():
                await self.start()
            if looks % _LOOKS_AT_TICKETS == 0:
                for birth in self.outsider.in_phase("following", EXTERNAL_TOPIC):
                    self.tickets.finish_again(birth)

    def _is_one_nobodys(self) -> bool:
        """A static member that dies between letting go of a partition and joining again leaves it to nobody: whoever
        comes under its name takes its place as it is, without a rebalance. The next one gives the partition away."""
        held = self.kafka.group(self.names.group_id).held
        return any(one not in held for topic in self.names.inputs for one in self.kafka.partitions_of(topic))

    def _assert_nothing_is_refused(self) -> None:
        stopped = [
            stop
            for running in self.started
            for stop in running.witness.stopped.values()
            if stop.place not in self.upsets.lost
        ]
        assert not stopped, f"partitions cannot go on: {stopped}"

    def _is_over(self) -> bool:
        """All that can be is read and ended. What has lost its store waits for a person."""
        lost, cursors = self.upsets.lost, self.outsider.cursors
        for record in self.inputs:
            unread = record.offset >= cursors.get(record.place, 0) and record.birth not in self.upsets.removed
            if unread and record.place not in lost:
                return False
        if any(place_of(birth) not in lost for birth in self.outsider.standing()):
            return False
        upto = self._calm_since + _OBSERVED_SECONDS
        if any(order.position < upto and place_of(birth) not in lost for birth, order in self.outsider.orders.items()):
            return False
        # The markers of one transaction are not written at one moment: its reader waits for all of them.
        return all(log.stable_end == log.end for log in self.kafka.logs.values())

    def evidence(self) -> Evidence:
        self.outsider.look()
        for running in self.running:
            running.witness.ended(asyncio.get_event_loop().time())
        plan, outside, epoch = self.plan, self.outsider, EPOCH.timestamp()
        return Evidence(
            inputs=self.inputs,
            ledger=self.vcd.ledger,
            events=outside.events,
            dead_letters=outside.dead_letters,
            received=outside.received(),
            writes=outside.writes_in_log_order(),
            ended=outside.ended,
            offsets={(one.topic, one.partition): offset for one, (offset, _) in self.kafka.committed.items()},
            operations=operation_facts(host.the_catalogue()),
            tasks=self.vcd.truth(),
            group=NAMES.group_id,
            external_tasks=self.vcd.external.evidence(),
            absences=[one for running in self.started for one in running.witness.absences],
            freezes=[freeze for running in self.started for freeze in running.witness.freezes],
            tenures=list(self._tenures()),
            offset_transactions=outside.offset_transactions(),
            event_times=outside.event_times,
            event_transactions=outside.event_transactions,
            ticket_updates=outside.ticket_updates,
            lease_seconds=host.LEASE_SECONDS,
            travel_seconds=TRAVEL_SECONDS + 0.01,
            clock_seconds=0.001,
            host_clock_seconds=plan.clock_error_seconds,
            patience_seconds=60.0 + longest_hold_up(plan.trouble),
            silence_late_seconds=60.0 + longest_hold_up(plan.trouble),
            unknown_wait_seconds=Rules().unknown_cancel_wait.total_seconds(),
            parked_lane_release_seconds=host.PARKED_LANE_RELEASE_SECONDS,
            repeat_within_seconds=host.repeat_within(plan).total_seconds(),
            dedupe_seconds=plan.dedupe_seconds,
            dedupe_slack_seconds=10.0 + longest_unwritten(plan.trouble),
            removed=self.upsets.removed,
            moved=self.upsets.moved,
            refused=self.upsets.refused,
            stops=[stop for running in self.started for stop in running.witness.stops],
            lost_stores=self.upsets.lost,
            decided=self.vcd.inventory.holds.decided(),
            held_ends=self.vcd.inventory.holds.ended_as(),
            reads_refused=[(epoch + since, epoch + until) for since, until in self.vcd.refusals],
            max_open=plan.max_open,
            max_waiting_bytes=plan.max_waiting_bytes,
            lists_late_seconds=LONGEST_ROW_LATENESS_SECONDS + CELLS_APART_SECONDS + 1.0,
            blocked=self.observations.blocked(),
            judged_at=epoch + asyncio.get_event_loop().time(),
        )

    def _tenures(self) -> Iterator[Tenure]:
        names = {running.process: running.witness.name for running in self.started}
        epoch, now = EPOCH.timestamp(), asyncio.get_event_loop().time()
        for group in self.kafka.groups.values():
            for held in (*group.former, *group.held.values()):
                until = held.until if held.until is not None else now
                if held.process in names:
                    yield Tenure(
                        process=names[held.process], topic=held.partition.topic, partition=held.partition.partition,
                        since=epoch + held.since, until=epoch + until,
                    )  # fmt: skip


def _kafka_faults(plan: Plan) -> Faults:
    rate = plan.abort_rate
    return Faults(cut=rate, late=rate / 5, silent=rate / 10 + plan.unanswered_rate, undecided=rate / 2)


@dataclass(slots=True)
class Run:
    """A run that is over. ``broken``: what ended it before its time."""

    world: World
    evidence: Evidence | None
    found: list[Violation]
    broken: BaseException | None = None


def play(plan: Plan) -> Run:
    """Play one seed."""
    worlds: list[World] = []

    async def main() -> Evidence:
        worlds.append(World(plan))
        try:
            return await worlds[0].play()
        finally:
            worlds[0].kafka.hangs.end()

    with simulated_clients(Random(f"clients {plan.seed}")), mock.patch.object(listing, "PIECE", plan.piece):
        try:
            evidence = run_virtually(main())
        except Exception as error:
            return Run(worlds[0], None, [], error)
        finally:
            worlds[0].kafka.close()
    return Run(worlds[0], evidence, violations(evidence))


def run(plan: Plan) -> tuple[Evidence, list[Violation]]:
    """Play one seed. Returns what happened and what contradicts the guarantees; raises what broke it."""
    played = play(plan)
    if played.broken is not None or played.evidence is None:
        raise played.broken or AssertionError("there is no evidence")
    return played.evidence, played.found
