"""An observation to try things on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from bridge.core.coordinates import Birth
from bridge.core.inputs import OrganizationKnown
from bridge.core.lifecycle import Kind, Lifecycle
from bridge.core.observation.opening import open_order
from bridge.core.observation.order import decide_order
from bridge.core.observation_records import Observation
from bridge.core.observation_rules import ObservationRules
from bridge.core.opening import Asker
from bridge.core.rules import Rules
from bridge.core.task import Task, empty_document
from bridge.core.times import to_millis

NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
"""On the bridge's clock."""
VCD_NOW = NOW + timedelta(seconds=3)
RULES = ObservationRules()
ALL_RULES = Rules(observation=RULES)
ORG_UUID = "11111111-1111-4111-8111-111111111111"


def seconds(count: float) -> timedelta:
    return timedelta(seconds=count)


def asker(offset: int = 7) -> Asker:
    return Asker(
        birth=Birth("vcd.observations", 0, offset), key=b"acme", request_id=None, correlation_id="CHG1",
        requested_by=None, operation=None, traceparent=None, lifecycle=Kind.OBSERVATION,
    )  # fmt: skip


def received(*, offset: int = 7, since: datetime | None = None, blocking_tasks: bool = False) -> Lifecycle:
    record = Observation(organization="acme", since=since, blocking_tasks=blocking_tasks)
    return open_order(NOW, asker(offset), record).lifecycle


def followed(*, offset: int = 7, since: datetime | None = None, blocking_tasks: bool = False) -> Lifecycle:
    order = received(offset=offset, since=since, blocking_tasks=blocking_tasks)
    return decide_order(NOW, order, OrganizationKnown(ORG_UUID, VCD_NOW), RULES).lifecycle


def task(
    name: str = "t",
    status: str | None = "running",
    *,
    ended: datetime | None = None,
    progress: int | None = None,
    cancel: bool | None = None,
) -> Task:
    """``ended``: VCD's time. ``cancel`` None: as a row shows it, not at all."""
    document = empty_document()
    document["id"] = f"urn:vcloud:task:{name}"
    document["status"] = status
    document["progress"] = progress
    document["cancelRequested"] = cancel
    document["endTime"] = to_millis(ended) if ended is not None else None
    return Task(document)
