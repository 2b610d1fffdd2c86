"""VCD answered a call for an external task, or was looked at: what that makes of the lifecycle.

VCD shall show what is wanted for as long as it takes: what cannot be sent now is sent later, without an end. Only a
refusal that comes from VCD itself ends a create, or takes a change back.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import assert_never

from bridge.core.answering import AT_ONCE
from bridge.core.answers import (
    Accepted,
    Busy,
    Done,
    Limited,
    NeverSent,
    OutcomeUnknown,
    Refused,
    SessionExpired,
)
from bridge.core.commands import Follow, Look, ReadTask
from bridge.core.coordinates import Birth
from bridge.core.events import Change, Outcome, Reason, StatusEvent
from bridge.core.external import documents
from bridge.core.external.marks import Marker
from bridge.core.external_rules import ExternalRules
from bridge.core.inputs import Answered, Looked
from bridge.core.lifecycle import Phase, StoredRequest
from bridge.core.observing import accept, observed
from bridge.core.rules import Rules
from bridge.core.story import Story, event_key
from bridge.core.task import ErrorDocument, Task, is_final, normal_status

CODES: dict[str, str] = {
    "ended_in_vcd": "somebody else ended the Task in Cloud Director",
    "owner_silent": "the owner of the task was not heard of for too long: the bridge ended the Task",
    "orphaned": "a running Task bore the bridge's mark and nobody had it: the bridge ended the Task, as configured",
    "task_vanished": "VCD no longer shows the Task",
    "unknown_organization": "the organization does not exist, or may not be seen",
    "unknown_owner": "the owner does not exist, or may not be seen",
    "unknown_user": "the user does not exist, or may not be seen",
}
"""Reason codes told here -> meaning."""

BECAUSE = {
    "owner_silent": "the owner was not heard of for too long",
    "orphaned": "the Task bore the bridge's mark and nobody had it",
}


def unsure(story: Story, code: str, *, settle: bool) -> None:
    """Only looking is allowed now. ``settle``: the call may still be on its way, from a process that is gone."""
    lifecycle = story.lifecycle
    story.become(
        phase=Phase.UNSURE, unsure_code=code, unsure_since=lifecycle.unsure_since or lifecycle.intent_at,
        looks=lifecycle.looks + 1, wake_at=None, parked_reason=None, parked_from=None, parked_at=None,
    )  # fmt: skip
    story.commands.append(Look(lifecycle.attempt, settle))


def show_again(story: Story, external: ExternalRules) -> None:
    """VCD does not show what is wanted: it is sent when the Task's pace allows, an ending at once."""
    lifecycle = story.lifecycle
    at_once = is_final(lifecycle.wanted_status) or lifecycle.sent_at is None
    paced = None if at_once or lifecycle.sent_at is None else lifecycle.sent_at + external.update_interval
    backing_off = lifecycle.phase is Phase.WAITING and lifecycle.waits > 0
    story.become(phase=Phase.WAITING, wake_at=lifecycle.wake_at if backing_off else paced)


def external_answered(
    story: Story, event: Answered, request: StoredRequest | None, rules: Rules, external: ExternalRules
) -> None:
    answer, jitter = event.answer, event.jitter
    match answer:
        case Accepted():
            story.become(http_status=answer.http_status, vcd_request_id=answer.vcd_request_id)
            _taken(story, answer.task, request, rules, external)
        case Done():
            story.become(http_status=answer.http_status, vcd_request_id=answer.vcd_request_id)
            unsure(story, "task_not_told", settle=False)
        case Refused():
            _refused(story, answer)
        case Busy() | Limited():
            _not_now(story, answer, jitter, rules)
        case SessionExpired():
            _again(story, jitter, rules, at_once=True)
        case NeverSent():
            _again(story, jitter, rules, at_once=answer.code in AT_ONCE)
        case OutcomeUnknown():
            if answer.http_status is not None:
                said = f"attempt {story.lifecycle.attempt} was answered HTTP {answer.http_status}: {answer.message}"
                story.become(evidence=(*story.lifecycle.evidence, said))
            story.notes.append("outcome_unknown")
            unsure(story, answer.code, settle=False)
        case _:
            assert_never(answer)


def _taken(story: Story, task: Task, request: StoredRequest | None, rules: Rules, external: ExternalRules) -> None:
    """VCD took the document that was sent."""
    lifecycle = story.lifecycle
    story.become(
        shown=lifecycle.sending, sent_at=story.now, waits=0, tries=0, waiting_code=None, unsure_code=None,
        unsure_since=None, wake_at=None, evidence=() if lifecycle.task_id is not None else lifecycle.evidence,
    )  # fmt: skip
    if lifecycle.task_id is None:
        _ours(story, task, request)
    elif task.id != lifecycle.task_id:
        unsure(story, "task_not_told", settle=False)
        return
    elif task.is_final:
        ended_in_vcd(story, task)
    else:
        story.become(phase=Phase.FOLLOWING)
        observed(story, task, rules)
    _catch_up(story, external)


def _ours(story: Story, task: Task, request: StoredRequest | None) -> None:
    """VCD made the Task, or the bridge found it again: from now on the call is an update of it."""
    if request is not None:
        uuid = task.id.rpartition(":")[2]
        base = story.request or request
        story.request = replace(base, method="PUT", path=f"/task/{uuid}")
    if task.is_final:
        story.become(task_id=task.id, task_href=task.href)
        ended_in_vcd(story, task)
        return
    accept(story, task)


def _catch_up(story: Story, external: ExternalRules) -> None:
    """More was wanted while the call was out."""
    lifecycle = story.lifecycle
    if lifecycle.phase is Phase.FOLLOWING and lifecycle.wanted > lifecycle.shown:
        show_again(story, external)
    elif lifecycle.phase is Phase.FOLLOWING and is_final(lifecycle.wanted_status):
        story.commands.append(ReadTask())


def ended_in_vcd(story: Story, task: Task) -> None:
    """The Task has ended: as wanted, or as somebody else wanted."""
    lifecycle = story.lifecycle
    status = normal_status(task.status or "")
    reason = None
    if status != lifecycle.wanted_status:
        wanted = f"; {lifecycle.wanted_status} was wanted" if is_final(lifecycle.wanted_status) else ""
        reason = Reason("ended_in_vcd", f"ended as {status} in Cloud Director by somebody else{wanted}")
    elif lifecycle.ends_because is not None:
        reason = Reason(lifecycle.ends_because, f"ended by the bridge: {BECAUSE[lifecycle.ends_because]}")
    story.end(
        Outcome(status), task=task, reason=reason, vcd_error=task.document["error"], http_status=lifecycle.http_status
    )


# --- refused ----------------------------------------------------------------------------------------------------------


def _refused(story: Story, answer: Refused) -> None:
    lifecycle = story.lifecycle
    story.become(http_status=answer.http_status, vcd_request_id=answer.vcd_request_id)
    if lifecycle.task_id is not None:
        story.become(refused_code=answer.code, refused_message=answer.message[:1000])
        unsure(story, "update_refused", settle=False)
    elif lifecycle.unsure_code is not None:
        story.become(evidence=(*lifecycle.evidence, f"the repeat was answered {answer.code}: {answer.message}"))
        story.become(refused_code=answer.code, refused_message=answer.message[:1000])
        unsure(story, "refused_after_unknown", settle=False)
    else:
        _rejected(story, answer.code, answer.message, answer.error)


def _rejected(story: Story, code: str, message: str, error: ErrorDocument | None = None) -> None:
    story.end(
        Outcome.REJECTED,
        change=Change.REJECTED,
        reason=Reason(code, message),
        vcd_error=error,
        http_status=story.lifecycle.http_status,
    )


# --- not now ----------------------------------------------------------------------------------------------------------


def _not_now(story: Story, answer: Busy | Limited, jitter: float, rules: Rules) -> None:
    code = answer.code if isinstance(answer, Limited) else "BUSY_ENTITY"
    told = story.lifecycle.waiting_code == code
    asked = answer.retry_after if isinstance(answer, Limited) else None
    delay = asked or rules.limits.delay(story.lifecycle.waits, jitter)
    _wait(story, delay)
    if not told:
        story.become(waiting_code=code)
        reason = Reason(code, answer.message)
        story.tell(Change.WAITING, reason=reason, vcd_error=answer.error, http_status=answer.http_status)


def _again(story: Story, jitter: float, rules: Rules, *, at_once: bool) -> None:
    waits = story.lifecycle.waits
    _wait(story, None if at_once and waits == 0 else rules.retry.delay(waits, jitter))
    story.notes.append("retry_external")


def _wait(story: Story, delay: timedelta | None) -> None:
    lifecycle = story.lifecycle
    story.become(
        phase=Phase.WAITING, waits=lifecycle.waits + 1, tries=max(0, lifecycle.tries - 1),
        wake_at=None if delay is None else story.now + delay,
    )  # fmt: skip


# --- looked -----------------------------------------------------------------------------------------------------------


def external_looked(
    story: Story, look: Looked, request: StoredRequest | None, rules: Rules, external: ExternalRules
) -> None:
    """``candidates``: the Task itself where it is known, else those that bear our mark, oldest first."""
    story.evidence = (*story.lifecycle.evidence, *look.evidence)
    story.become(evidence=story.evidence)
    if not look.candidates:
        _not_found(story, look, rules)
    elif story.lifecycle.task_id is None:
        _found(story, look, request, external)
    else:
        _stands(story, look.candidates[0], request, rules, external)


def _found(story: Story, look: Looked, request: StoredRequest | None, external: ExternalRules) -> None:
    """Our POST was acted on; if it was acted on twice, the oldest is ours, and the others are orphans."""
    story.notes.append("recovery_adopted")
    if len(look.candidates) > 1:
        story.notes.append("external_duplicate")
    task = look.candidates[0]
    story.become(shown=0, sent_at=story.now, refused_code=None, refused_message=None, waits=0, tries=0)
    if request is None:
        _take_over(story, task, external)
    _ours(story, task, request)
    _catch_up(story, external)


def _take_over(story: Story, task: Task, external: ExternalRules) -> None:
    """Nothing is known of what was wanted: it is what VCD shows."""
    key = story.lifecycle.external_key or ""
    marker = Marker(external.group_id, story.lifecycle.birth.topic_partition)
    document = documents.shown(task, key, marker)
    story.request = StoredRequest(
        birth=story.lifecycle.birth,
        method="PUT",
        path=f"/task/{task.id.rpartition(':')[2]}",
        query=(),
        media_type=documents.MEDIA_TYPE,
        body=documents.write(document),
    )
    story.become(
        wanted_status=task.status, shown=story.lifecycle.wanted, service_namespace=task.document["serviceNamespace"]
    )


def _stands(story: Story, task: Task, request: StoredRequest | None, rules: Rules, external: ExternalRules) -> None:
    """The Task after an update whose outcome is unknown, or that was refused."""
    lifecycle = story.lifecycle
    refused, why = lifecycle.refused_code, lifecycle.refused_message or ""
    story.become(unsure_code=None, unsure_since=None, refused_code=None, refused_message=None, sent_at=story.now)
    if task.is_final:
        ended_in_vcd(story, task)
        return
    story.become(phase=Phase.FOLLOWING, evidence=())
    story.commands.append(Follow())
    observed(story, task, rules)
    if refused is not None and lifecycle.wanted == lifecycle.sending:
        _take_back(story, Reason(refused, why), task, request, external)
        return
    if request is None:
        _take_over(story, task, external)
    # Whether it was taken is not known, and sending it again says the same once more.
    if lifecycle.wanted > lifecycle.shown:
        show_again(story, external)


def _take_back(
    story: Story, reason: Reason, task: Task, request: StoredRequest | None, external: ExternalRules
) -> None:
    """VCD does not take the change: what is wanted is what it shows, and who asked for it is told."""
    lifecycle = story.lifecycle
    asked = lifecycle.wanted_by
    _take_over(story, task, external)
    story.become(wanted_by=None, ends_because=None, shown=lifecycle.wanted)
    story.notes.append("external_update_refused")
    if asked is not None:
        story.events.append(_command_refused(story, asked, reason))


def _command_refused(story: Story, asked: Birth, reason: Reason) -> StatusEvent:
    """The one-event story of the command whose change VCD did not take, with those that came before it unsent."""
    lifecycle = story.lifecycle
    return StatusEvent(
        birth=asked,
        sequence=1,
        lifecycle=lifecycle.told_as,
        key=event_key(lifecycle.external_key, lifecycle.key),
        request_id=None,
        external_key=lifecycle.external_key,
        correlation_id=lifecycle.correlation_id,
        requested_by=None,
        catalogue_operation=None,
        change=Change.REJECTED,
        outcome=Outcome.REJECTED,
        reason=reason,
        http_status=lifecycle.http_status,
        vcd_request_id=lifecycle.vcd_request_id,
        observed_at=story.now,
        traceparent=lifecycle.traceparent,
    )


def _not_found(story: Story, look: Looked, rules: Rules) -> None:
    lifecycle = story.lifecycle
    if lifecycle.task_id is not None:
        _gone(story)
    elif look.incomplete is not None:
        story.notes.append("recovery_parked")
        story.park(Reason("outcome_unknown", f"not everything could be looked at: {look.incomplete}"))
    elif lifecycle.unsure_code == "state_unreadable":
        story.park(Reason("state_unreadable", "the task's record cannot be read, and no Task bears its mark"))
    elif lifecycle.unsure_code == "refused_after_unknown":
        _rejected(story, lifecycle.refused_code or "refused", lifecycle.refused_message or "")
    elif lifecycle.tries >= rules.max_tries:
        story.notes.append("recovery_parked")
        story.park(Reason("outcome_unknown", f"{lifecycle.tries} calls were not answered; no Task bears our mark"))
    else:
        # The mark proves that no call was acted on: the next one makes the only Task.
        story.notes.append("recovery_repeated")
        story.become(phase=Phase.WAITING, wake_at=None)


def _gone(story: Story) -> None:
    """The Task cannot be read. An ending that was asked for is told all the same."""
    status = story.lifecycle.wanted_status
    reason = Reason("task_vanished", "VCD no longer shows the Task")
    if status is not None and is_final(status):
        story.end(Outcome(status), reason=reason)
    else:
        story.park(reason)
