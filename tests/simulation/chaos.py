"""The storm: what befalls processes, Kafka, Cloud Director and those who use it, in an order drawn from the seed."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING

from bridge.core.freeze import Freeze
from tests.simulation.cluster.hanging import CALLS, Hang
from tests.simulation.host import Running
from tests.simulation.plan import Trouble
from tests.simulation.vcd import end_by_others, hide

if TYPE_CHECKING:
    from tests.simulation.world import World

_STEPS_TO_LIVE = 400
_PAUSES = (0.3, 3.0, 8.0, 20.0)
_KAFKA_OUTAGES = (0.5, 4.0, 12.0)
_RESTARTS_OF_KAFKA = (2.0, 8.0, 20.0)
_LONGEST_OF_KAFKA = 1.5
"""Times as long as these, at most."""
_LONGEST_VCD_OUTAGE_SECONDS = 240.0
_LONGEST_FREEZE_SECONDS = 60.0
_LONGEST_HANG_SECONDS = 130.0
"""Longer than anybody watches a call that hangs."""
_HANGS_WITHIN_SECONDS = 30.0


def longest_hold_up(trouble: Trouble) -> float:
    """Seconds that something which has to reach VCD may wait for outages, freezes and hanging clients to end."""
    return (
        trouble.vcd_outages * _LONGEST_VCD_OUTAGE_SECONDS
        + trouble.freezes * _LONGEST_FREEZE_SECONDS
        + trouble.hung_calls * _LONGEST_HANG_SECONDS
    )


def longest_unwritten(trouble: Trouble) -> float:
    """Seconds that something which was decided may wait until Kafka takes it."""
    outages = trouble.kafka_outages * max(_KAFKA_OUTAGES) + trouble.all_brokers_away * max(_RESTARTS_OF_KAFKA)
    return outages * _LONGEST_OF_KAFKA


@dataclass(slots=True)
class Chaos:
    """``happened``: when, and what, for those who read a story."""

    world: World
    random: Random
    happened: list[tuple[float, str]] = field(default_factory=list)

    async def play(self) -> None:
        """Everything that the plan has, each at its time."""
        plan = self.world.plan
        kinds: dict[str, int] = {"crashes": plan.crashes, **asdict(plan.trouble)}
        begun = []
        for kind, count in kinds.items():
            begin: Callable[[], Awaitable[None]] = getattr(self, f"_{kind}")
            begun += [self._at(self.random.uniform(0, plan.storm_seconds), begin) for _ in range(count)]
        await asyncio.gather(*begun)

    async def _at(self, seconds: float, begin: Callable[[], Awaitable[None]]) -> None:
        await asyncio.sleep(seconds)
        await begin()

    def note(self, what: str) -> None:
        self.happened.append((asyncio.get_event_loop().time(), what))

    def _one(self) -> Running | None:
        running = self.world.running
        return self.random.choice(running) if running else None

    # --- processes ----------------------------------------------------------------------------------------------------

    async def _crashes(self) -> None:
        victim = self._one()
        if victim is not None:
            at_once = self.random.random() < 0.5
            victim.process.kill(after=0 if at_once else self.random.randrange(1, _STEPS_TO_LIVE))
        await asyncio.sleep(self.random.uniform(0, 12))
        await self.world.start()

    async def _pauses(self) -> None:
        victim = self._one()
        if victim is None or victim.process.paused:
            return
        seconds = self.random.choice(_PAUSES) * self.random.uniform(0.5, 1.5)
        self.note(f"{victim.name} stands still for {seconds:.1f} s")
        victim.pause()
        await asyncio.sleep(seconds)
        victim.resume()
        self.note(f"{victim.name} goes on")

    async def _unheard(self) -> None:
        victim = self._one()
        if victim is None or victim.process.paused:
            return
        seconds = self.random.uniform(1, 15)
        self.note(f"the group's coordinator does not hear {victim.name} for {seconds:.1f} s")
        self.world.kafka.silence(victim.process)
        await asyncio.sleep(seconds)
        if victim.process.runs:
            self.world.kafka.hear(victim.process)

    async def _cut_off(self) -> None:
        victim = self._one()
        if victim is None or victim.process.paused:
            return
        session = self.world.kafka.timing.session
        seconds = session + self.random.uniform(1, 4)
        self.note(f"{victim.name} does not reach the partitions' leaders for {seconds:.1f} s, nor at first the group's")
        self.world.kafka.cut_off(victim.process, "logs", seconds)
        self.world.kafka.silence(victim.process)
        await asyncio.sleep(session + 0.2)
        if victim.process.runs:
            self.world.kafka.hear(victim.process)

    async def _restarts(self) -> None:
        victim = self._one()
        if victim is not None:
            self.note(f"{victim.name} is stopped in order")
            victim.stop.set()
            await asyncio.sleep(self.random.uniform(0, 15))
            await self.world.start()

    async def _joins(self) -> None:
        joined = await self.world.start()
        await asyncio.sleep(self.random.uniform(1, 30))
        self.note(f"{joined.name} is stopped in order")
        joined.stop.set()

    async def _hung_calls(self) -> None:
        """Nobody but the process itself can notice it: it hears its coordinator, and is heard."""
        victim, hangs = self._one(), self.world.kafka.hangs.fated
        if victim is None or victim.process in hangs:
            return
        hang = Hang(call=self.random.choice(CALLS), carried_out=self.random.random() < 0.5)
        died = asyncio.Event()
        victim.process.on_death(died.set)
        hangs[victim.process] = hang
        await asyncio.sleep(self.random.uniform(1, _HANGS_WITHIN_SECONDS))
        hangs.pop(victim.process)
        if hang.since is not None:
            self.happened.append((hang.since, f"{hang.call} of {victim.name}'s Kafka client hangs"))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(died.wait(), _LONGEST_HANG_SECONDS)
                await self.world.start()

    async def _clock_jumps(self) -> None:
        victim = self._one()
        if victim is not None:
            most = self.world.plan.jump_seconds
            seconds = self.random.uniform(-most, most)
            self.note(f"the clock of {victim.name} is set by {seconds:+.1f} s")
            victim.clock.ahead += timedelta(seconds=seconds)

    # --- what they work with ------------------------------------------------------------------------------------------

    async def _kafka_outages(self) -> None:
        part = self.random.choice(["logs", "transactions", "groups"])
        seconds = self.random.choice(_KAFKA_OUTAGES) * self.random.uniform(0.5, _LONGEST_OF_KAFKA)
        self.note(f"Kafka's {part} are away for {seconds:.1f} s")
        self.world.kafka.outage(part, seconds)

    async def _all_brokers_away(self) -> None:
        seconds = self.random.choice(_RESTARTS_OF_KAFKA) * self.random.uniform(0.5, _LONGEST_OF_KAFKA)
        self.note(f"all of Kafka is restarted, for {seconds:.1f} s")
        self.world.kafka.restart(seconds)

    async def _truncations(self) -> None:
        await self.world.upsets.truncation()

    async def _offset_resets(self) -> None:
        await self.world.upsets.offset_reset()

    async def _store_losses(self) -> None:
        await self.world.upsets.store_loss()

    async def _vcd_outages(self) -> None:
        vcd, seconds = self.world.vcd, self.random.choice([5.0, 30.0, _LONGEST_VCD_OUTAGE_SECONDS])
        self.note(f"VCD is down for {seconds:.0f} s")
        vcd.down_until = vcd.now() + seconds
        if self.random.random() < 0.5:
            vcd.restart()

    async def _lost_sessions(self) -> None:
        self.note("VCD loses all sessions")
        self.world.vcd.restart()

    async def _slow_times(self) -> None:
        vcd, seconds = self.world.vcd, self.random.uniform(5, 40)
        self.note(f"VCD is slow for {seconds:.0f} s")
        vcd.slow_until = vcd.now() + seconds

    async def _silences(self) -> None:
        vcd, seconds = self.world.vcd, self.random.uniform(3, 40)
        self.note(f"VCD asks to be left alone for {seconds:.0f} s")
        vcd.silent_until = vcd.now() + seconds

    async def _refused_reads(self) -> None:
        vcd, seconds = self.world.vcd, self.random.uniform(5, 30)
        self.note(f"VCD refuses some reads for {seconds:.0f} s")
        vcd.refusals.append((vcd.now(), vcd.now() + seconds))

    async def _look_alikes(self) -> None:
        self.note("somebody else does under the bridges' login what the next calls do, whose answers are lost")
        self.world.vcd.look_alikes += 2

    async def _vanished(self) -> None:
        # Of a Task that nobody was told of nobody could know that it has vanished.
        self.world.outsider.look()
        told = {(event.get("task") or {}).get("id") for event in self.world.outsider.events}
        running = [task for task in self.world.vcd.running() if task.id in told and not task.gone[1]]
        if running:
            task = self.random.choice(running)
            self.note(f"VCD shows {task.id} to nobody any more")
            hide(self.world.vcd, task)

    async def _vanished_external(self) -> None:
        self.world.outsider.look()
        told = {(event.get("task") or {}).get("id") for event in self.world.outsider.events}
        running = [kept for kept in self.world.vcd.external.running() if kept.id in told]
        if running:
            kept = self.random.choice(running)
            self.note(f"VCD shows {kept.id} to nobody any more")
            kept.gone_at = self.world.vcd.now()

    async def _ended_by_others(self) -> None:
        running = self.world.vcd.running()
        if running:
            task = self.random.choice(running)
            self.note(f"an administrator ends {task.id}")
            end_by_others(self.world.vcd, task)

    async def _strangers(self) -> None:
        entity = f"/vApp/vapp-00000000-0000-4000-8000-{self.random.randrange(self.world.plan.entities):012d}"
        if self.world.vcd.is_busy(entity):
            return
        task = self.world.vcd.begin(entity, self.random.uniform(1, 20), "success", user="somebody")
        self.note(f"somebody else begins {task.id} on {entity}")

    async def _freezes(self) -> None:
        seconds = self.random.uniform(2, _LONGEST_FREEZE_SECONDS)
        self.note(f"the group is frozen for {seconds:.0f} s")
        self.world.control.say(Freeze(frozen=True, reason="maintenance"))
        await asyncio.sleep(seconds)
        self.world.control.say(Freeze(frozen=False))
