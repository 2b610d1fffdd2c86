"""A site that observes organizations."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, TypeGuard

from bridge.assembly import Policies
from bridge.core.coordinates import Birth
from bridge.core.lifecycle import Kind, Lifecycle
from bridge.core.observation_parts import OrderPart, SightedPart
from bridge.core.observation_rules import ObservationRules
from bridge.core.rules import Rules
from bridge.engine.observation.lookout import Lookout
from bridge.engine.observation.lookout_pace import LookoutPace
from bridge.engine.partition.owned_partition import OwnedPartition
from tests.engine.harness import NAMES, Document, Site, in_short
from tests.engine.observed_vcd import ObservedVcd
from tests.engine.scripted_vcd import urn
from tests.simulation.loop import EPOCH
from tests.support.decoding import decoded

ORDERS, OBSERVED, BLOCKING = "observations", "observed-tasks", "blocking-tasks"
INTERVAL, OVERLAP, ANSWER_SECONDS = 5.0, 30.0, 10.0


def _policies() -> Policies:
    names = replace(NAMES, observations=ORDERS, observed_tasks=OBSERVED, blocking_tasks=BLOCKING)
    return Policies(
        names=names,
        rules=Rules(observation=ObservationRules(overlap=timedelta(seconds=OVERLAP))),
        lookout=LookoutPace(interval=timedelta(seconds=INTERVAL), requests_per_second=20.0),
        answer_timeout=timedelta(seconds=ANSWER_SECONDS),
    )


@dataclass(slots=True)
class ObservingSite(Site):
    """Organizations are named by numbers; ``*`` is 0."""

    policies: Policies = field(default_factory=_policies)
    vcd: ObservedVcd = field(default_factory=ObservedVcd)

    # --- records --------------------------------------------------------------------------------------------------

    def observe(self, number: int = 1, *, partition: int = 0, **fields: Any) -> Birth:
        """Start an observation, or change it."""
        return self._order(number, {"action": "start", **fields}, partition)

    def stop_observing(self, number: int = 1, *, partition: int = 0) -> Birth:
        return self._order(number, {"action": "stop"}, partition)

    def _order(self, number: int, document: Document, partition: int) -> Birth:
        name = f"org-{number}" if number else "*"
        return self.send(document, key=name.encode(), topic=ORDERS, partition=partition)

    # --- what came of it ------------------------------------------------------------------------------------------

    def told(self) -> list[Document]:
        """Committed events of observed Tasks, in order."""
        return [decoded(record.value, record.headers) for record in self.committed(OBSERVED)]

    def stories(self) -> dict[str, list[str]]:
        """In short, by birth."""
        found: dict[str, list[str]] = defaultdict(list)
        for event in self.told():
            found[event["birth"]].append(in_short(event))
        return dict(found)

    def story_of(self, number: int) -> list[str]:
        """What was told about a Task, in short."""
        return [in_short(event) for event in self.told() if event["task"] and event["task"]["id"] == urn(number)]

    def ends(self) -> Counter[str]:
        """How often the end of each Task was told."""
        return Counter(event["task"]["id"] for event in self.told() if event["final"] and event["task"])

    def blocking(self) -> list[Document]:
        return [decoded(record.value, record.headers) for record in self.committed(BLOCKING)]

    def check_stories(self) -> None:
        """Each story is told without a gap and without a repeat, and ends once."""
        sequences: dict[str, list[int]] = defaultdict(list)
        finals: Counter[str] = Counter()
        for event in self.told():
            sequences[event["birth"]].append(event["sequence"])
            finals[event["birth"]] += event["final"]
        for birth, numbers in sequences.items():
            assert numbers == list(range(1, len(numbers) + 1)), birth
        assert set(finals.values()) <= {0, 1}

    def orders(self, partition: int = 0) -> OwnedPartition:
        return self.owned(partition, ORDERS)

    def sighted(self, partition: int = 0) -> list[Lifecycle]:
        """Observed Tasks that are remembered now."""
        return [one for one in self.orders(partition).lifecycles.values() if one.kind is Kind.OBSERVED_TASK]

    @property
    def lookout(self) -> Lookout:
        lookout = self.engine._p.lookout
        assert lookout is not None
        return lookout

    async def looks(self, number: int = 1) -> None:
        """So many looks, and what they have found is committed."""
        await asyncio.sleep(number * INTERVAL + 2.0)

    async def until(self, holds: Callable[[], bool], seconds: float = 600.0) -> None:
        async with asyncio.timeout(seconds):
            while not holds():
                await asyncio.sleep(0.5)


async def started(site: ObservingSite, *organizations: int, **fields: Any) -> None:
    """Observe organizations, by their numbers, and let a look pass."""
    await site.start()
    for number in organizations or (1,):
        site.observe(number, **fields)
    await site.looks()


def since(seconds: float) -> str:
    """RFC 3339 of VCD's second after the epoch of the tests."""
    return (EPOCH + timedelta(seconds=seconds)).isoformat(timespec="milliseconds")


def is_order(part: OrderPart | SightedPart | None) -> TypeGuard[OrderPart]:
    return isinstance(part, OrderPart)
