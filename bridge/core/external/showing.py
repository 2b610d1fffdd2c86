"""The moves that the decisions about external tasks are made of: look, send again, ours now, ended, refused."""

from __future__ import annotations

from dataclasses import replace

from bridge.core.commands import Follow, Look, ReadTask
from bridge.core.events import Change, Outcome, Reason
from bridge.core.external import changes, documents
from bridge.core.external_rules import ExternalRules
from bridge.core.lifecycle import Phase, StoredRequest
from bridge.core.own_task import accept, observed
from bridge.core.rules import Rules
from bridge.core.story import Story
from bridge.core.task import ErrorDocument, Task, is_final, normal_status

BECAUSE = {
    "owner_silent": "the owner was not heard of for too long",
    "orphaned": "the Task bore the bridge's mark and nobody had it",
}


def unsure(story: Story, code: str, *, settle: bool, refused: Reason | None = None) -> None:
    """Only looking is allowed now. ``settle``: the call may still be on its way, from a process that is gone."""
    lifecycle = story.lifecycle
    story.become(
        phase=Phase.UNSURE, unsure_code=code, unsure_since=lifecycle.unsure_since or lifecycle.intent_at,
        looks=lifecycle.looks + 1, wake_at=None, parked_reason=None, parked_from=None, parked_at=None,
        evidence=(*lifecycle.evidence, f"attempt {lifecycle.attempt} is in doubt: {code}{_said(refused)}"),
        refused_code=refused.code if refused is not None else None,
        refused_message=refused.message[:1000] if refused is not None else None,
    )  # fmt: skip
    story.commands.append(Look(lifecycle.attempt, settle))


def _said(refused: Reason | None) -> str:
    return f" ({refused.code}: {refused.message[:200]})" if refused is not None else ""


def look_for_it(story: Story) -> None:
    """Parked, and VCD may show its Task by now. Where it does not it stays parked, and nobody is told anew: that it is
    looked for from there is seen by ``parked_from``."""
    lifecycle = story.lifecycle
    story.become(phase=Phase.UNSURE, looks=lifecycle.looks + 1)
    story.commands.append(Look(lifecycle.attempt, settle=False))


def show_again(story: Story, external: ExternalRules) -> None:
    """VCD does not show what is wanted: it is sent when the Task's pace allows, an ending at once."""
    lifecycle = story.lifecycle
    # No answer is from the future: the clock was set back since.
    sent_at = None if lifecycle.sent_at is None else min(lifecycle.sent_at, story.now)
    paced = None if is_final(lifecycle.wanted_status) or sent_at is None else sent_at + external.update_interval
    backing_off = lifecycle.phase is Phase.WAITING and lifecycle.waits > 0
    story.become(phase=Phase.WAITING, wake_at=lifecycle.wake_at if backing_off else paced)


def end_again(story: Story, rules: Rules) -> None:
    """VCD took our ending without showing it: it is sent once more, later each time."""
    waits = story.lifecycle.waits
    story.become(phase=Phase.WAITING, waits=waits + 1, wake_at=story.now + rules.retry.delay(waits, 0.0))
    if waits + 1 >= _WORTH_TELLING:
        status = story.lifecycle.wanted_status
        story.still_wait(Reason("end_not_shown", f"Cloud Director takes status {status} and does not show it"))


def back_off(story: Story, rules: Rules) -> None:
    """An update whose outcome nobody knows is sent once more: from the second in a row on later each time."""
    lifecycle = story.lifecycle
    again = lifecycle.tries - 2
    if lifecycle.phase is Phase.WAITING and again >= 0:
        later = story.now + rules.retry.delay(again, 0.0)
        paced = lifecycle.wake_at
        story.become(waits=lifecycle.waits + 1, wake_at=later if paced is None else max(paced, later))


_WORTH_TELLING = 3


def catch_up(story: Story, external: ExternalRules) -> None:
    """More was wanted while the call was out, or VCD took an ending that its answer does not show."""
    lifecycle = story.lifecycle
    if lifecycle.phase is not Phase.FOLLOWING:
        return
    if lifecycle.wanted > lifecycle.shown:
        show_again(story, external)
    elif is_final(lifecycle.wanted_status):
        story.commands.append(ReadTask())


def ours(story: Story, task: Task, request: StoredRequest | None, rules: Rules) -> None:
    """VCD made the Task, or the bridge found it again: from now on the call is an update of it."""
    if request is not None:
        base = story.request or request
        story.request = replace(base, method="PUT", path=documents.task_path(task.id))
    if task.is_final:
        story.become(task_id=task.id, task_href=task.href)
        ended_in_vcd(story, task)
    elif request is None and story.lifecycle.sequence > 0:
        # Whether it was told as accepted nobody knows any more; what is news is told as a change.
        story.become(phase=Phase.FOLLOWING, task_id=task.id, task_href=task.href, unsure_code=None, unsure_since=None)
        story.commands.append(Follow())
        observed(story, task, rules)
    else:
        accept(story, task)


def ended_in_vcd(story: Story, task: Task) -> None:
    """The Task has ended: as wanted, or as somebody else wanted."""
    lifecycle = story.lifecycle
    status = normal_status(task.status or "")
    reason = None
    if lifecycle.wanted_status is None:
        pass  # nothing is left of what was wanted
    elif status != lifecycle.wanted_status:
        wanted = f"; {lifecycle.wanted_status} was wanted" if is_final(lifecycle.wanted_status) else ""
        reason = Reason("ended_in_vcd", f"ended as {status} in Cloud Director by somebody else{wanted}")
        changes.refused(story, reason)
    elif lifecycle.sending < lifecycle.wanted:
        message = f"ended as {status} in Cloud Director by somebody else, before it was told what to show"
        reason = Reason("ended_in_vcd", message)
    elif lifecycle.ends_because is not None:
        reason = Reason(lifecycle.ends_because, f"ended by the bridge: {BECAUSE[lifecycle.ends_because]}")
    story.end(
        Outcome(status), task=task, reason=reason, vcd_error=task.document["error"], http_status=lifecycle.http_status
    )


def gone(story: Story, external: ExternalRules) -> None:
    """The Task cannot be read. An ending that was asked for is told all the same, and so is a silent owner's."""
    lifecycle = story.lifecycle
    reason = Reason("task_vanished", "VCD no longer shows the Task")
    if lifecycle.wanted_status is not None and is_final(lifecycle.wanted_status):
        story.end(Outcome(lifecycle.wanted_status), reason=reason)
    elif lifecycle.expires_at is not None and story.now >= lifecycle.expires_at:
        reason = Reason("owner_silent", f"{BECAUSE['owner_silent']}, and VCD no longer shows the Task")
        changes.refused(story, reason)
        story.end(Outcome(external.expired_status), reason=reason)
    else:
        story.park(reason)


def rejected(story: Story, reason: Reason, error: ErrorDocument | None = None) -> None:
    """There will be no Task: the create is refused, and with it what was to change it."""
    changes.refused(story, reason)
    story.end(
        Outcome.REJECTED,
        change=Change.REJECTED,
        reason=reason,
        vcd_error=error,
        http_status=story.lifecycle.http_status,
    )
