"""A record opens an observation, changes the one that goes on, or is refused."""

from __future__ import annotations

from datetime import datetime

from bridge.core.commands import Decision, ReadReferences
from bridge.core.events import Reason
from bridge.core.lifecycle import Kind, Lifecycle, Phase
from bridge.core.observation.order import order_part
from bridge.core.observation_parts import EVERYTHING, OrderPart, whole_millis
from bridge.core.observation_records import Observation
from bridge.core.observation_rules import ObservationRules
from bridge.core.opening import Asker
from bridge.core.policy import allows_organization

CODES: dict[str, str] = {
    "provider_needed": "only a login of the provider sees this: all organizations, or their blocking tasks",
    "since_earlier": "the observation goes on already, and what ended before its beginning is not told any more",
    "not_observed": "there is no observation of this organization to be stopped",
    "too_many_observations": "so many observations stand on this partition that no new one is taken",
}
"""Reason codes told here -> meaning."""


def judge_start(record: Observation, rules: ObservationRules, *, is_provider: bool) -> Reason | None:
    """Why a start cannot be taken, whatever else is known. Of another organization than a tenant's own, VCD tells."""
    if not is_provider and record.organization == EVERYTHING:
        message = "all organizations are seen by a login of the provider only: log in with vcd.organization = System"
        return Reason("provider_needed", message, "organization")
    if not is_provider and record.blocking_tasks:
        message = "blocking tasks are shown to system administrators only: log in with vcd.organization = System"
        return Reason("provider_needed", message, "blocking_tasks")
    if not allows_organization(rules.policy, record.organization):
        message = f"policy.organizations does not allow {record.organization!r}"
        return Reason("organization_not_allowed", message, "organization")
    return None


def judge_change(record: Observation, known: Lifecycle) -> Reason | None:
    """Why a further start cannot change the observation that goes on."""
    part = order_part(known)
    began = part.since or known.received_at
    if known.phase is Phase.RESOLVING or record.since is None or record.since >= began:
        return None
    message = (
        f"the observation tells what ends from {began.isoformat(timespec='milliseconds')} on; for what ended before, "
        "stop it and start it again"
    )
    return Reason("since_earlier", message, "since")


def is_repeat(record: Observation, known: Lifecycle) -> bool:
    """Whether a further start asks for what the observation does already."""
    part = order_part(known)
    new_since = known.phase is Phase.RESOLVING and record.since != part.since
    return record.blocking_tasks == part.blocking_tasks and not new_since


def open_order(now: datetime, who: Asker, record: Observation, vcd_time: datetime | None = None) -> Decision:
    """A new observation: its organization is read first. ``vcd_time``: ``now`` on VCD's clock; None: not known."""
    asked_at = whole_millis(vcd_time) if vcd_time is not None else None
    lifecycle = Lifecycle(
        birth=who.birth,
        kind=Kind.OBSERVATION,
        phase=Phase.RESOLVING,
        request_id=None,
        key=who.key,
        correlation_id=who.correlation_id,
        requested_by=who.requested_by,
        traceparent=who.traceparent,
        organization=record.organization,
        received_at=now,
        observation=OrderPart(asked_at=asked_at, since=record.since, blocking_tasks=record.blocking_tasks),
    )
    return Decision(lifecycle, commands=(ReadReferences(),))


def too_many_observations(partition: int) -> Reason:
    """The partition takes no new one: what would stop others comes in behind it."""
    message = f"too many observations stand on partition {partition}: stop some (intake.max_open_per_partition)"
    return Reason("too_many_observations", message)
