"""A request about a blocking task: what is held is decided once, and who comes late is told what happened."""

from __future__ import annotations

from bridge.catalogue.operation import HoldAction
from bridge.core.answers import Refused
from bridge.core.events import Change, Outcome, Reason
from bridge.core.hold import Hold, Verdict, verdict
from bridge.core.inputs import HoldSeen, Looked, ReferenceUnanswered
from bridge.core.lifecycle import Phase
from bridge.core.reconciling import become_unsure, park_unknown, repeat_or_park
from bridge.core.rules import OperationFacts, Rules
from bridge.core.story import Story

CODES: dict[str, str] = {
    "not_held": "the blocking task is not held any more, or not shown to the bridge's login; this call did nothing",
    "decided_otherwise": "the blocking task was decided by somebody else, or by its time-out, and not as asked here",
    "hold_unanswered": "VCD does not tell whether the blocking task is held; it is asked again",
}
"""Reason codes told here -> meaning."""

REFUSED = "refused_while_held"
"""VCD refused the only call there was, and that alone is looked into: no call is in doubt."""
_AS_GONE = frozenset({403, 404})
"""How VCD answers for what is decided already (it answers 403 for what does not exist; VCD API, errors)."""


def hold_seen(story: Story, event: HoldSeen) -> None:
    """Before the call: it is held, so it may be decided; or the request came too late."""
    hold = event.hold
    if hold.barred is not None:
        _reject(story, "organization_not_allowed", hold.barred)
        return
    if not hold.held:
        _reject(story, "not_held", hold.told)
        return
    task = hold.task
    story.become(
        phase=Phase.RECEIVED, waiting_code=None, held_task_id=task.id if task is not None else None,
        held_task_href=task.href if task is not None else None,
    )  # fmt: skip


def hold_unanswered(story: Story, event: ReferenceUnanswered, rules: Rules) -> None:
    """An outage rejects nothing; what VCD never answers for is not waited for without end."""
    waited = story.now - story.lifecycle.received_at
    if waited >= rules.longest_wait:
        message = f"VCD has not told for {waited.total_seconds() / 3600:g} h whether it is held: {event.message}"
        _reject(story, "retries_exhausted", message)
    else:
        story.still_wait(Reason("hold_unanswered", event.message, event.field))


def looks_into(answer: Refused, action: HoldAction | None) -> bool:
    """Whether a refusal may mean that somebody was quicker."""
    return action is not None and answer.http_status in _AS_GONE


def refused(story: Story, answer: Refused, jitter: float, rules: Rules) -> None:
    """The call did nothing, if VCD is right; what is held shows whether it is over, or why it was refused."""
    lifecycle = story.lifecycle
    # Should it be held still, it is not called again at once.
    story.become(
        refused_code=answer.code, refused_message=answer.message, http_status=answer.http_status,
        vcd_request_id=answer.vcd_request_id, waits=lifecycle.waits + 1,
        wake_at=story.now + rules.retry.delay(lifecycle.waits, jitter),
    )  # fmt: skip
    become_unsure(story, REFUSED if lifecycle.unsure_code in {None, REFUSED} else "refused_after_unknown", settle=False)


def hold_looked(story: Story, look: Looked, hold: Hold, facts: OperationFacts, rules: Rules) -> None:
    """A call was not answered, or was refused as what is gone is: the blocking task tells what came of it."""
    story.evidence = (*story.lifecycle.evidence, *look.evidence)
    story.become(evidence=story.evidence)
    if not hold.held:
        _gone(story, hold, facts.hold_action)
    elif not _refused_for_good(story, rules):
        repeat_or_park(story, look, facts, rules)


def _gone(story: Story, hold: Hold, action: HoldAction | None) -> None:
    decides = action is not None and action.decides
    shown = verdict(action, hold) if action is not None and decides else Verdict.UNCLEAR
    doubted = story.lifecycle.unsure_code != REFUSED
    if doubted and shown is Verdict.AS_WANTED:
        story.because("recovery_proven", "what was decided is so: nothing is left to do")
        reason = Reason("proven_by_state", f"the answer was lost; {hold.told}: as asked, whatever brought it about")
        story.end(Outcome.SUCCESS, reason=reason)
    elif shown is Verdict.OTHERWISE:
        _conclude(story, "decided_otherwise", hold.told)
    elif not doubted:
        _conclude(story, "not_held", hold.told)
    else:
        unclear = (
            "its Task does not tell by which decision" if decides else "whether it was put off before is not known"
        )
        why = f"{unclear}: {hold.told}"
        story.because("recovery_parked", f"parked: {why}")
        park_unknown(story, f"no answer to attempt {story.lifecycle.attempt}, and {why}")


def _refused_for_good(story: Story, rules: Rules) -> bool:
    """It is held still; whether VCD has refused the call so often that it is refused for something else."""
    lifecycle = story.lifecycle
    if lifecycle.unsure_code != REFUSED:
        return False
    if lifecycle.tries >= rules.max_tries:
        message = f"held still, and refused {lifecycle.tries} times: {lifecycle.refused_message}"
        _conclude(story, lifecycle.refused_code or "retries_exhausted", message)
        return True
    # No call is in doubt: VCD has said no to each.
    story.become(unsure_code=None, unsure_since=None)
    return False


def _conclude(story: Story, code: str, told: str) -> None:
    story.because("recovery_decided", told)
    _reject(story, code, told)


def _reject(story: Story, code: str, message: str) -> None:
    reason = Reason(code, message, "parameters.id" if code != "retries_exhausted" else None)
    story.end(Outcome.REJECTED, change=Change.REJECTED, reason=reason, http_status=story.lifecycle.http_status)
