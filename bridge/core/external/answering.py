"""VCD answered a call for an external task: what that makes of the lifecycle.

VCD shall show what is wanted for as long as it takes: what cannot be sent now is sent later, without an end. Only a
refusal that comes from VCD itself ends a create, or takes a change back.
"""

from __future__ import annotations

from datetime import timedelta
from typing import assert_never

from bridge.core.answering import AT_ONCE, FROZEN
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
from bridge.core.commands import ReadTask
from bridge.core.events import Change, Reason
from bridge.core.external import changes
from bridge.core.external.showing import catch_up, ended_in_vcd, ours, rejected, unsure
from bridge.core.external_rules import ExternalRules
from bridge.core.inputs import Answered
from bridge.core.lifecycle import Phase, StoredRequest
from bridge.core.own_task import observed
from bridge.core.rules import Rules
from bridge.core.story import Story
from bridge.core.task import Task, is_final

CODES: dict[str, str] = {
    "end_not_shown": "Cloud Director takes the ending and goes on showing the Task as running; it is sent again",
    "ended_in_vcd": "somebody else ended the Task in Cloud Director",
    "owner_silent": "the owner of the task was not heard of for too long: the bridge ended the Task",
    "orphaned": "a running Task bore the bridge's mark and nobody had it: the bridge ended the Task, as configured",
    "reference_unanswered": "VCD does not tell whether what the task names exists; it is asked again",
    "task_vanished": "VCD no longer shows the Task",
    "unknown_organization": "the organization does not exist, or may not be seen",
    "unknown_owner": "the owner does not exist, or may not be seen",
    "unknown_user": "the user does not exist, or may not be seen",
    "update_unanswered": "no update of the Task was answered for many tries; it is sent again",
}
"""Reason codes told here -> meaning."""

REFUSED = "update_refused"
REFUSED_AGAIN = "update_refused_again"
"""Codes of doubt after VCD refused an update: how does the Task stand now?"""
REFUSED_REPEAT = "refused_after_unknown"
"""VCD refused a create that may have worked before."""
NOT_TOLD = "task_not_told"
"""VCD said yes without saying to what."""


def external_answered(
    story: Story, event: Answered, request: StoredRequest | None, rules: Rules, external: ExternalRules
) -> None:
    answer, jitter = event.answer, event.jitter
    match answer:
        case Accepted():
            story.become(http_status=answer.http_status, vcd_request_id=answer.vcd_request_id)
            _accepted(story, answer.task, request, rules, external)
        case Done():
            story.become(http_status=answer.http_status, vcd_request_id=answer.vcd_request_id)
            _done(story, external)
        case Refused():
            story.become(http_status=answer.http_status, vcd_request_id=answer.vcd_request_id)
            _refused(story, answer)
        case Busy() | Limited():
            _not_now(story, answer, jitter, rules)
        case SessionExpired():
            _again(story, jitter, rules, at_once=True)
        case NeverSent(code=code) if code == FROZEN:
            story.become(phase=Phase.WAITING, tries=max(0, story.lifecycle.tries - 1), wake_at=None)
            story.notes.append("retry_external")
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


# --- taken ------------------------------------------------------------------------------------------------------------


def _accepted(story: Story, task: Task, request: StoredRequest | None, rules: Rules, external: ExternalRules) -> None:
    lifecycle = story.lifecycle
    if lifecycle.task_id is not None and task.id != lifecycle.task_id:
        unsure(story, NOT_TOLD, settle=False)
        return
    _taken(story, unended=not task.is_final)
    if lifecycle.task_id is None:
        ours(story, task, request, rules)
    elif task.is_final:
        ended_in_vcd(story, task)
    else:
        story.become(phase=Phase.FOLLOWING)
        observed(story, task, rules)
    catch_up(story, external)


def _done(story: Story, external: ExternalRules) -> None:
    """A yes without a Task: for an update it is enough, of a create the Task has to be found."""
    if story.lifecycle.task_id is None:
        unsure(story, NOT_TOLD, settle=False)
        return
    _taken(story, unended=True)
    story.become(phase=Phase.FOLLOWING)
    story.commands.append(ReadTask())
    if story.lifecycle.wanted > story.lifecycle.shown:
        catch_up(story, external)


def _taken(story: Story, *, unended: bool) -> None:
    """VCD took the document that was sent. ``unended``: its answer shows no end."""
    lifecycle = story.lifecycle
    # An ending that is taken and not shown is sent later and later; see end_again.
    insisting = unended and is_final(lifecycle.wanted_status)
    changes.shown(story, unended=unended)
    story.become(
        sent_at=story.now, waits=lifecycle.waits if insisting else 0, tries=0,
        waiting_code=lifecycle.waiting_code if insisting else None, unsure_code=None, unsure_since=None, wake_at=None,
        refused_code=None, refused_message=None,
        evidence=() if lifecycle.task_id is not None else lifecycle.evidence,
    )  # fmt: skip


# --- refused ----------------------------------------------------------------------------------------------------------


def _refused(story: Story, answer: Refused) -> None:
    lifecycle = story.lifecycle
    reason = Reason(answer.code, answer.message)
    if lifecycle.task_id is not None:
        again = lifecycle.refused_code is not None
        story.become(tries=0)  # an answer, after all
        unsure(story, REFUSED_AGAIN if again else REFUSED, settle=False, refused=reason)
    elif lifecycle.unsure_code is not None:
        story.become(evidence=(*lifecycle.evidence, f"the repeat was answered {answer.code}: {answer.message}"))
        unsure(story, REFUSED_REPEAT, settle=False, refused=reason)
    else:
        rejected(story, reason, answer.error)


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
