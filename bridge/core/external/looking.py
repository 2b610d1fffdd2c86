"""An external task whose call was not answered, or was refused, was looked at: what that makes of the lifecycle."""

from __future__ import annotations

from bridge.core.commands import Follow
from bridge.core.events import Reason
from bridge.core.external import changes, documents
from bridge.core.external.answering import NOT_TOLD, REFUSED_AGAIN, REFUSED_REPEAT
from bridge.core.external.marks import Marker
from bridge.core.external.showing import (
    back_off,
    catch_up,
    ended_in_vcd,
    gone,
    ours,
    rejected,
)
from bridge.core.external_rules import ExternalRules
from bridge.core.inputs import Looked
from bridge.core.lifecycle import Phase, StoredRequest
from bridge.core.own_task import observed
from bridge.core.reconciling import look_again
from bridge.core.rules import Rules
from bridge.core.story import Story
from bridge.core.task import Task, is_final

UNREADABLE = "state_unreadable"


def external_looked(
    story: Story, look: Looked, request: StoredRequest | None, rules: Rules, external: ExternalRules
) -> None:
    """``candidates``: the Task itself where it is known, else those that bear our mark, the likeliest first."""
    if look.overtaken:
        look_again(story, look)
        return
    story.evidence = (*story.lifecycle.evidence, *look.evidence)
    if story.lifecycle.parked_from is not None and not look.candidates:
        _stay_parked(story)
        return
    story.become(evidence=story.evidence)
    if not look.candidates:
        _not_found(story, look, rules, external)
    elif story.lifecycle.task_id is None:
        _found(story, look, request, rules, external)
    else:
        _stands(story, look.candidates[0], request, rules, external)


def take_over(story: Story, task: Task, external: ExternalRules) -> None:
    """What is stored of what is wanted cannot be read: it is what VCD shows; who asked for more is told.

    That an end is wanted, and which, is known all the same.
    """
    story.because("recovery_taken_over", f"what {task.id} shows is what is wanted from now on: the rest cannot be read")
    document = _shown(story, task, external)
    status = story.lifecycle.wanted_status
    if status is None or not is_final(status):
        _settle_for(story, task, document, lost())
        return
    before = story.lifecycle.wanted - 1
    story.request = documents.update_of(story.lifecycle.birth, task, {**document, "status": status})
    story.become(sending=before, shown=before, refused_code=None, refused_message=None)
    changes.refused_but_the_end(story, lost())


def take_back(story: Story, task: Task, external: ExternalRules, reason: Reason) -> None:
    """VCD does not take what is wanted: it is what VCD shows; who asked is told."""
    _settle_for(story, task, _shown(story, task, external), reason)


def lost() -> Reason:
    return Reason(UNREADABLE, "what is stored about the task cannot be read; what Cloud Director shows stays")


def _settle_for(story: Story, task: Task, document: documents.Document, reason: Reason) -> None:
    wanted = story.lifecycle.wanted
    story.request = documents.update_of(story.lifecycle.birth, task, document)
    # The owner has time to answer to what it is told; and an ending of the bridge's own that VCD refuses is tried again
    # after another silence, not at once for ever.
    story.become(
        wanted_status=task.status, sending=wanted, shown=wanted, ends_because=None, heard_at=story.now,
        service_namespace=task.document["serviceNamespace"], refused_code=None, refused_message=None,
    )  # fmt: skip
    changes.refused(story, reason)


def _shown(story: Story, task: Task, external: ExternalRules) -> documents.Document:
    lifecycle = story.lifecycle
    return documents.shown(
        task, lifecycle.external_key or "", Marker(external.group_id, lifecycle.birth.topic_partition)
    )


# --- found ------------------------------------------------------------------------------------------------------------


def _found(story: Story, look: Looked, request: StoredRequest | None, rules: Rules, external: ExternalRules) -> None:
    """Our POST was acted on; if it was acted on twice, the first is ours, and the others are orphans."""
    task = look.candidates[0]
    story.because("recovery_adopted", f"adopted {task.id}: it bears the mark of this call")
    if len(look.candidates) > 1:
        others = ", ".join(one.id for one in look.candidates[1:6])
        story.because("external_duplicate", f"the call made more than one Task; {others} are left over")
    lifecycle = story.lifecycle
    if request is not None and lifecycle.unsure_since == lifecycle.intent_at:
        changes.shown(story, unended=not task.is_final)
    # Else several POSTs were in doubt, and nobody knows which of their documents it is: the whole one is sent.
    story.become(
        sent_at=story.now, refused_code=None, refused_message=None, waits=0, tries=0, parked_reason=None,
        parked_from=None, parked_at=None,
    )  # fmt: skip
    if request is None and not task.is_final:
        take_over(story, task, external)
    ours(story, task, request, rules)
    catch_up(story, external)


def _stands(story: Story, task: Task, request: StoredRequest | None, rules: Rules, external: ExternalRules) -> None:
    """The Task after an update whose outcome is unknown, or that was refused."""
    lifecycle = story.lifecycle
    refused, again = lifecycle.refused_code, lifecycle.unsure_code == REFUSED_AGAIN
    story.because("recovery_shown", f"VCD shows {task.id} as {task.status}: what it lacks of what is wanted is sent")
    story.become(unsure_code=None, unsure_since=None, sent_at=story.now)
    if task.is_final:
        ended_in_vcd(story, task)
        return
    story.become(phase=Phase.FOLLOWING, evidence=())
    story.commands.append(Follow())
    observed(story, task, rules)
    if request is None:
        take_over(story, task, external)
    elif refused is not None and (again or lifecycle.wanted == lifecycle.sending):
        # What came after the refused change is tried with it once, and not for ever.
        story.notes.append("external_update_refused")
        take_back(story, task, external, Reason(refused, lifecycle.refused_message or ""))
    elif lifecycle.wanted > lifecycle.shown and lifecycle.tries >= rules.max_tries:
        story.still_wait(Reason("update_unanswered", f"{lifecycle.tries} updates were not answered; it goes on"))
    # Whether it was taken is not known, and sending it again says the same once more.
    catch_up(story, external)
    if refused is None:
        back_off(story, rules)


# --- not found --------------------------------------------------------------------------------------------------------


def _stay_parked(story: Story) -> None:
    """It was looked for without anybody's word: it stays as it was, until its owner's next silence or the next owner of
    its partition."""
    story.become(phase=Phase.PARKED)
    story.notes.append("recovery_still_parked")
    expires_at = story.lifecycle.expires_at
    if expires_at is not None and story.now >= expires_at:
        story.become(heard_at=story.now)


def _not_found(story: Story, look: Looked, rules: Rules, external: ExternalRules) -> None:
    lifecycle = story.lifecycle
    if lifecycle.task_id is not None:
        gone(story, external)
    elif (why := _why_not_again(story, look, rules)) is not None:
        story.because("recovery_parked", f"parked: {why.message}")
        story.park(why)
    elif lifecycle.unsure_code == REFUSED_REPEAT:
        rejected(story, Reason(lifecycle.refused_code or "refused", lifecycle.refused_message or ""))
    else:
        # The mark proves that no call was acted on: the next one makes the only Task.
        story.because("recovery_repeated", "called again: no Task bears the mark, so no call was acted on")
        story.become(phase=Phase.WAITING, wake_at=None)


def _why_not_again(story: Story, look: Looked, rules: Rules) -> Reason | None:
    """Why the POST must not leave again though no Task bears our mark, or None where it may."""
    lifecycle = story.lifecycle
    if look.incomplete is not None:
        return Reason("outcome_unknown", f"not everything could be looked at: {look.incomplete}")
    if lifecycle.unsure_code == UNREADABLE:
        return Reason(UNREADABLE, "the task's record cannot be read, and no Task bears its mark")
    if lifecycle.unsure_code == NOT_TOLD:
        return Reason("outcome_unknown", "VCD said that it made the Task, and no Task bears our mark")
    if lifecycle.tries >= rules.max_tries and lifecycle.unsure_code != REFUSED_REPEAT:
        return Reason("outcome_unknown", f"{lifecycle.tries} calls were not answered; no Task bears our mark")
    return None
