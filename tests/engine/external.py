"""A site that shows external tasks: a second input topic, and a Cloud Director that keeps them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from bridge.assembly import Policies
from bridge.core.coordinates import Birth
from bridge.core.external_rules import ExternalRules
from bridge.core.rules import Rules
from bridge.engine.following.watch import Watch
from bridge.engine.partition.owned_partition import OwnedPartition
from bridge.ports import StoredRecord
from tests.engine.external_vcd import NAMESPACE, ExternalVcd
from tests.engine.harness import NAMES, Document, Site, in_short

TICKETS = "tickets"
WEEK = timedelta(days=7)
RULES = ExternalRules(group_id=NAMES.group_id, default_namespace=NAMESPACE, namespaces={NAMESPACE: WEEK})
ANSWER_SECONDS = 10.0


def mark(key: str, partition: int = 0) -> str:
    return f"[{NAMES.group_id}/{TICKETS}-{partition}/{key}]"


def _policies() -> Policies:
    names = replace(NAMES, external_tasks=TICKETS)
    return Policies(names=names, rules=Rules(external=RULES), answer_timeout=timedelta(seconds=ANSWER_SECONDS))


@dataclass(slots=True)
class ExternalSite(Site):
    """Keys stand for tickets; all of them on partition 0 unless told otherwise."""

    policies: Policies = field(default_factory=_policies)
    vcd: ExternalVcd = field(default_factory=ExternalVcd)

    def rules(self, **changes: Any) -> None:
        """Other rules of external tasks, before the start."""
        rules = self.policies.rules
        assert rules.external is not None
        self.policies = replace(self.policies, rules=replace(rules, external=replace(rules.external, **changes)))

    # --- commands -------------------------------------------------------------------------------------------------

    def create(self, key: str = "CHG1", *, partition: int = 0, **fields: Any) -> Birth:
        return self.command("create", key, partition=partition, **{"organization": "acme", **fields})

    def update(self, key: str = "CHG1", *, partition: int = 0, **fields: Any) -> Birth:
        return self.command("update", key, partition=partition, **fields)

    def finish(self, key: str = "CHG1", *, partition: int = 0, **fields: Any) -> Birth:
        return self.command("finish", key, partition=partition, **fields)

    def command(self, verb: str, key: str, *, partition: int = 0, **fields: Any) -> Birth:
        return self.send({"command": verb, **fields}, key=key.encode(), topic=TICKETS, partition=partition)

    # --- what came of it ------------------------------------------------------------------------------------------

    def of(self, key: str = "CHG1") -> list[Document]:
        """The events of a key."""
        return [event for event in self.events() if event["external_key"] == key]

    def told(self, key: str = "CHG1") -> list[str]:
        return [in_short(event) for event in self.of(key)]

    def answers(self, birth: Birth) -> list[str]:
        """The story of one record."""
        return [in_short(event) for event in self.events() if event["birth"] == str(birth)]

    def tickets(self, partition: int = 0) -> OwnedPartition:
        return self.owned(partition, TICKETS)

    def kept(self) -> Mapping[str, StoredRecord]:
        """What the store of external tasks holds."""
        return self.stored(TICKETS)

    def phase(self, key: str = "CHG1") -> list[str]:
        """Phases of the open lifecycles of a key, as stored."""
        return [one.phase.value for one in self.lifecycles(TICKETS) if one.external_key == key]

    @property
    def watch(self) -> Watch:
        watch = self.engine._p.watch
        assert watch is not None
        return watch

    def noted_of(self, name: str) -> list[tuple[Any, ...]]:
        """What the observer was told under this name."""
        return [fact.values for fact in self.noted.facts if fact.name == name]


async def running(site: ExternalSite, *keys: str, **fields: Any) -> None:
    """Started, with a Task that VCD shows for each key."""
    await site.start()
    for key in keys or ("CHG1",):
        site.create(key, **fields)
    await asyncio.sleep(5)
    assert {tuple(site.told(key)) for key in keys or ("CHG1",)} == {("accepted running",)}
