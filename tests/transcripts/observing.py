"""The words of a transcript about an observation, and about what one has seen, as inputs of the core.

``> observation since=-60s blocking_tasks=yes`` opens one; ``> known``, ``> unknown`` and ``> unanswered`` tell of its
organization; ``> start`` and ``> stop`` are further records; ``> look +10s`` is the end of a look, with ``quiet`` where
it found nothing. ``> observed status=running`` opens an observed Task; ``> task`` is what a look shows of it, ``>
missing`` that VCD shows it no more, ``> left`` that it is forgotten. ``> blocking timeout=+600s action=abort`` opens a
blocking task; ``> held`` is what a look shows of it, ``> gone status=running`` that it is not there any more.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from bridge.core.blocking_task import BlockingTask
from bridge.core.commands import Decision
from bridge.core.events import Reason
from bridge.core.inputs import (
    BlockingInput,
    ChangeWanted,
    Emptied,
    LeftBehind,
    NotReferenced,
    ObservedInput,
    OrderInput,
    OrganizationKnown,
    ReferenceUnanswered,
    Restored,
    StopWanted,
)
from bridge.core.lifecycle import Kind, Lifecycle
from bridge.core.observation.blocking import open_blocking
from bridge.core.observation.opening import is_repeat, judge_change, open_order
from bridge.core.observation.order import decide_order
from bridge.core.observation.task import open_observed
from bridge.core.observation_records import Observation
from bridge.core.observation_rules import ObservationRules
from bridge.core.observation_seen import BlockingGone, LookOver, SeenBlocking, SeenMissing, SeenTask
from bridge.core.opening import Asker
from bridge.core.task import Task, empty_document
from bridge.core.times import to_millis
from tests.transcripts.reading import Arguments

ObservationInput = OrderInput | ObservedInput | BlockingInput
OPENED = frozenset({"observation", "observed", "blocking"})
ORG_UUID = "33333333-3333-4333-8333-333333333333"
URN, BLOCKING_URN = "urn:vcloud:task:t1", "urn:vcloud:blockingTask:b1"


def opened(now: datetime, who: Asker, verb: str, arguments: Arguments) -> Decision:
    """The clocks of VCD and of the bridge agree."""
    if verb == "observation":
        return open_order(now, who, _record(now, arguments))
    received = open_order(now, who, Observation(organization="acme", blocking_tasks=True)).lifecycle
    order = decide_order(now, received, OrganizationKnown(ORG_UUID, now), ObservationRules()).lifecycle
    if verb == "blocking":
        return open_blocking(now, order, _blocking(now, arguments))
    decision = open_observed(now, order, _task(now, arguments))
    assert decision is not None, "it ended before the observation began"
    return decision


def verdict(now: datetime, known: Lifecycle, arguments: Arguments) -> Reason | str | None:
    """What becomes of a further ``start`` before it is an input."""
    record = _record(now, arguments)
    return judge_change(record, known) or ("known repeat" if is_repeat(record, known) else None)


def observation_input_of(
    now: datetime, lifecycle: Lifecycle, verb: str, plain: list[str], arguments: Arguments
) -> ObservationInput:
    if lifecycle.kind is Kind.OBSERVATION:
        return _order_input(now, lifecycle, verb, plain, arguments)
    if verb == "left":
        return LeftBehind()
    order = lifecycle.birth
    match verb:
        case "task":
            return SeenTask(order=order, task=_task(now, arguments))
        case "missing":
            return SeenMissing(order=order, task_id=URN, http_status=403, message="no access", at=now)
        case "held":
            return SeenBlocking(order=order, blocking=_blocking(now, arguments))
        case "gone":
            behind = _task(now, arguments) if "status" in arguments else None
            return BlockingGone(order=order, blocking_task_id=BLOCKING_URN, task=behind, at=now)
        case _:
            raise AssertionError(f"no input of what an observation has seen: {verb}")


def _order_input(now: datetime, lifecycle: Lifecycle, verb: str, plain: list[str], arguments: Arguments) -> OrderInput:
    match verb:
        case "known":
            return OrganizationKnown(ORG_UUID, now)
        case "unknown":
            return NotReferenced("organization", "no such organization")
        case "unanswered":
            return ReferenceUnanswered("organization", "503")
        case "start":
            return ChangeWanted(_record(now, arguments))
        case "stop":
            return StopWanted(lifecycle.birth)
        case "look":
            position = now + _seconds(plain[0])
            return LookOver(order=lifecycle.birth, position=position, is_news="quiet" not in plain)
        case "emptied":
            return Emptied()
        case "restored":
            return Restored()
        case _:
            raise AssertionError(f"no input of an observation: {verb}")


def _record(now: datetime, arguments: Arguments) -> Observation:
    since = now + _seconds(arguments["since"]) if "since" in arguments else None
    return Observation(organization="acme", since=since, blocking_tasks=arguments.get("blocking_tasks") == "yes")


def _task(now: datetime, arguments: Arguments) -> Task:
    """A row: what it does not show is null."""
    document = empty_document()
    document["id"], document["status"] = URN, arguments.get("status", "running")
    document["progress"] = int(arguments["progress"]) if "progress" in arguments else None
    if "ended" in arguments:
        document["endTime"] = to_millis(now + _seconds(arguments["ended"]))
    return Task(document)


def _blocking(now: datetime, arguments: Arguments) -> BlockingTask:
    return BlockingTask(
        id=BLOCKING_URN, operation="vappDeploy", timeout=now + _seconds(arguments.get("timeout", "+600s")),
        timeout_action=arguments.get("action", "abort"), task=_task(now, {"status": "preRunning"}),
    )  # fmt: skip


def _seconds(text: str) -> timedelta:
    return timedelta(seconds=float(text.removesuffix("s")))
