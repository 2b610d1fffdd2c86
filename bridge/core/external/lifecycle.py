"""The lifecycle of an external task: asked for, posted, kept as wanted, ended. Pure: no clock and no I/O.

``EXTERNAL_TRANSITIONS`` is the contract; ``decide_external`` is checked against it at every step.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import assert_never

from bridge.core.commands import Decision, Follow, Look, MakeCall, ReadReferences, ReadTask
from bridge.core.events import Change, Outcome, Reason
from bridge.core.external import documents
from bridge.core.external.answering import ended_in_vcd, external_answered, external_looked, show_again, unsure
from bridge.core.external.judging import REMEMBERED_COMMANDS
from bridge.core.external.marks import Marker
from bridge.core.external.transitions import EXTERNAL_LATE, EXTERNAL_TRANSITIONS
from bridge.core.external_rules import ExternalRules
from bridge.core.inputs import (
    Answered,
    Commanded,
    ExternalInput,
    Granted,
    Looked,
    NotReferenced,
    Observed,
    Referenced,
    Restored,
    Unreadable,
    Vanished,
    Woke,
)
from bridge.core.lifecycle import Lifecycle, Phase, StoredRequest
from bridge.core.observing import observed
from bridge.core.rules import Rules
from bridge.core.story import Story
from bridge.core.task import is_final
from bridge.errors import InvariantViolation


def decide_external(
    now: datetime, lifecycle: Lifecycle, event: ExternalInput, request: StoredRequest | None, rules: Rules
) -> Decision:
    """One input applied to one external task. ``request``: its next call as it stands, None where it cannot be read.

    Raises InvariantViolation for an input that the tables do not know in this phase.
    """
    kind = type(event)
    if kind not in EXTERNAL_TRANSITIONS[lifecycle.phase]:
        if kind in EXTERNAL_LATE[lifecycle.phase]:
            return Decision(lifecycle)
        raise InvariantViolation(f"{lifecycle.birth}: {kind.__name__} in phase {lifecycle.phase}")
    if rules.external is None:
        raise InvariantViolation(f"{lifecycle.birth}: an external task while external tasks are off")
    story = Story(now, lifecycle, request=None)
    _apply(story, event, request, rules, rules.external)
    if story.lifecycle.phase not in EXTERNAL_TRANSITIONS[lifecycle.phase][kind] and story.lifecycle is not lifecycle:
        raise InvariantViolation(
            f"{lifecycle.birth}: {lifecycle.phase} -> {story.lifecycle.phase} by {kind.__name__} is not in the table"
        )
    return story.decision()


def marker_of(lifecycle: Lifecycle, external: ExternalRules) -> Marker:
    return Marker(external.group_id, lifecycle.birth.topic_partition)


def next_wake_external(lifecycle: Lifecycle, after: datetime | None = None) -> datetime | None:
    """The next moment at which a waiting task may be sent, or the silence of its owner has lasted too long."""
    times = [lifecycle.expires_at if lifecycle.phase is not Phase.PARKED else None]
    if lifecycle.phase is Phase.WAITING:
        times.append(lifecycle.wake_at)
    return min((time for time in times if time is not None and (after is None or time > after)), default=None)


def _apply(
    story: Story, event: ExternalInput, request: StoredRequest | None, rules: Rules, external: ExternalRules
) -> None:
    match event:
        case Granted() | Answered() | Looked():
            _apply_call(story, event, request, rules, external)
        case Observed():
            _observed(story, event, request, rules, external)
        case Vanished():
            story.park(Reason("task_vanished", f"VCD no longer shows the Task (HTTP {event.http_status})"))
        case Commanded():
            _commanded(story, event, request, external)
        case Referenced() | NotReferenced():
            _referenced(story, event, request)
        case Woke() | Restored() | Unreadable():
            _apply_own(story, event)
        case _:
            assert_never(event)


def _apply_call(
    story: Story,
    event: Granted | Answered | Looked,
    request: StoredRequest | None,
    rules: Rules,
    external: ExternalRules,
) -> None:
    match event:
        case Granted():
            _granted(story)
        case Answered():
            if event.attempt == story.lifecycle.attempt:
                external_answered(story, event, request, rules, external)
        case Looked():
            if event.attempt == story.lifecycle.attempt:
                external_looked(story, event, request, rules, external)
        case _:
            assert_never(event)


def _apply_own(story: Story, event: Woke | Restored | Unreadable) -> None:
    match event:
        case Woke():
            _woke(story)
        case Restored():
            _restored(story)
        case Unreadable():
            _unreadable(story, event)
        case _:
            assert_never(event)


def _granted(story: Story) -> None:
    lifecycle = story.lifecycle
    attempt = lifecycle.attempt + 1
    story.become(
        phase=Phase.INTENT, attempt=attempt, tries=lifecycle.tries + 1, looks=0, wake_at=None, intent_at=story.now,
        first_intent_at=lifecycle.first_intent_at or story.now, sending=lifecycle.wanted,
    )  # fmt: skip
    story.commands.append(MakeCall(attempt))


def _referenced(story: Story, event: Referenced | NotReferenced, request: StoredRequest | None) -> None:
    match event:
        case NotReferenced(field=field, message=message):
            reason = Reason(f"unknown_{field}", message, field)
            story.end(Outcome.REJECTED, change=Change.REJECTED, reason=reason)
        case Referenced() if request is not None:
            document = documents.referenced(documents.read(request.body), event.owner, event.user)
            path = f"/tasksList/{event.organization_uuid}"
            story.request = replace(request, path=path, body=documents.write(document))
            story.become(phase=Phase.RECEIVED)
        case Referenced():
            pass


def _commanded(story: Story, event: Commanded, request: StoredRequest | None, external: ExternalRules) -> None:
    lifecycle, command = story.lifecycle, event.command
    before = documents.read(request.body if request is not None else None)
    after = documents.changed(before, command, marker_of(lifecycle, external))
    taken = lifecycle.commands
    if event.fingerprint is not None:
        taken = (*taken, event.fingerprint)[-REMEMBERED_COMMANDS:]
    expire_after = command.expire_after
    story.become(
        heard_at=story.now,
        commands=taken,
        revision=command.revision if command.revision is not None else lifecycle.revision,
        expire_after_seconds=lifecycle.expire_after_seconds if expire_after is None else _whole_seconds(expire_after),
        correlation_id=command.correlation_id or lifecycle.correlation_id,
    )
    if after != before and request is not None:
        story.request = replace(request, body=documents.write(after))
        status = after.get("status")
        story.become(
            wanted=lifecycle.wanted + 1,
            wanted_by=event.birth,
            wanted_status=status if isinstance(status, str) else lifecycle.wanted_status,
        )
        if lifecycle.phase in {Phase.FOLLOWING, Phase.WAITING}:
            show_again(story, external)
    if lifecycle.phase is Phase.PARKED:
        story.become(tries=0)
        unsure(story, "asked_again", settle=False)


def _observed(
    story: Story, event: Observed, request: StoredRequest | None, rules: Rules, external: ExternalRules
) -> None:
    task = event.task
    if task.id != story.lifecycle.task_id:
        return
    if task.is_final:
        ended_in_vcd(story, task)
        return
    observed(story, task, rules)
    lifecycle = story.lifecycle
    if event.asked and lifecycle.expires_at is not None and story.now >= lifecycle.expires_at:
        _expire(story, request, external)
    elif lifecycle.phase is Phase.FOLLOWING and is_final(lifecycle.wanted_status):
        # VCD took our ending without showing it.
        show_again(story, external)


def _expire(story: Story, request: StoredRequest | None, external: ExternalRules) -> None:
    if request is None:
        return
    seconds = story.lifecycle.expire_after_seconds
    message = f"ended because its owner has not been heard of for {seconds} s"
    end_it(story, request, external.expired_status, "owner_silent", message)
    show_again(story, external)


def end_it(story: Story, request: StoredRequest, status: str, code: str, message: str) -> None:
    """The bridge itself wants the Task to end."""
    document = documents.ended(documents.read(request.body), status, code, message)
    story.request = replace(request, body=documents.write(document))
    story.become(wanted=story.lifecycle.wanted + 1, wanted_by=None, wanted_status=status, ends_because=code)


def _woke(story: Story) -> None:
    lifecycle = story.lifecycle
    due = lifecycle.expires_at is not None and story.now >= lifecycle.expires_at
    if due and lifecycle.phase in {Phase.FOLLOWING, Phase.WAITING}:
        story.commands.append(ReadTask())


def _restored(story: Story) -> None:
    lifecycle = story.lifecycle
    if lifecycle.task_id is not None and lifecycle.phase is not Phase.PARKED:
        story.commands.append(Follow())
    match lifecycle.phase:
        case Phase.RESOLVING:
            story.commands.append(ReadReferences())
        case Phase.INTENT:
            unsure(story, "owner_changed", settle=True)
        case Phase.UNSURE:
            story.commands.append(Look(lifecycle.attempt, settle=True))
        case _:
            pass


def _unreadable(story: Story, event: Unreadable) -> None:
    """Our mark tells the Task, where VCD has one."""
    story.become(evidence=(*story.lifecycle.evidence, event.message))
    if story.lifecycle.external_key is not None:
        unsure(story, "state_unreadable", settle=True)
    elif story.lifecycle.parked_from is None:
        story.park(Reason("state_unreadable", event.message))


def _whole_seconds(value: timedelta) -> int:
    return max(1, int(value.total_seconds()))
