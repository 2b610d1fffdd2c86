"""The outcome of a call is unknown: what a completed look decides. Never a blind second call."""

from __future__ import annotations

from typing import assert_never

from bridge.catalogue.operation import Recovery
from bridge.core.commands import Look
from bridge.core.events import Outcome, Reason
from bridge.core.inputs import Looked
from bridge.core.lifecycle import Phase
from bridge.core.observing import accept
from bridge.core.rules import OperationFacts, Rules
from bridge.core.story import Story


def become_unsure(story: Story, code: str, *, settle: bool) -> None:
    story.become(phase=Phase.UNSURE, unsure_code=code, looks=story.lifecycle.looks + 1, wake_at=None)
    story.commands.append(Look(story.lifecycle.attempt, settle))


def looked(story: Story, look: Looked, facts: OperationFacts, rules: Rules) -> None:
    lifecycle = story.lifecycle
    story.evidence = (*lifecycle.evidence, *look.evidence)
    story.become(evidence=story.evidence)
    if len(look.candidates) == 1:
        story.notes.append("recovery_adopted")
        accept(story, look.candidates[0])
    elif len(look.candidates) > 1:
        story.notes.append("recovery_parked")
        named = ", ".join(task.id for task in look.candidates[:5])
        story.park(Reason("ambiguous", f"{len(look.candidates)} Tasks could be this request's: {named}"))
    elif look.happened:
        story.notes.append("recovery_proven")
        reason = Reason("proven_by_state", "the answer was lost; the entity's state proves that it happened")
        story.end(Outcome.SUCCESS, reason=reason)
    elif not _may_repeat(story, look, facts, rules):
        story.notes.append("recovery_parked")
        story.park(Reason("outcome_unknown", _why_parked(story, facts, rules)))
    elif lifecycle.cancel_wanted:
        story.notes.append("recovery_canceled")
        story.end(Outcome.CANCELED, reason=Reason("canceled_before_start", "canceled; no trace of the call was found"))
    else:
        story.notes.append("recovery_repeated")
        story.become(phase=Phase.WAITING, wake_at=None)


def _may_repeat(story: Story, look: Looked, facts: OperationFacts, rules: Rules) -> bool:
    lifecycle = story.lifecycle
    if lifecycle.unsure_code == "refused_after_unknown" or lifecycle.tries >= rules.max_tries:
        return False
    if lifecycle.intent_at is None or story.now - lifecycle.intent_at > rules.repeat_within:
        return False
    match facts.recovery:
        case Recovery.IDEMPOTENT:
            return True
        case Recovery.PROBE | Recovery.KEYED:
            return look.happened is False
        case Recovery.NEVER_RETRY:
            return False
        case _:
            assert_never(facts.recovery)


def _why_parked(story: Story, facts: OperationFacts, rules: Rules) -> str:
    lifecycle = story.lifecycle
    why = {
        Recovery.NEVER_RETRY: "the operation is never called twice",
        Recovery.PROBE: "the entity's state does not tell",
        Recovery.KEYED: "the entity's state does not tell",
        Recovery.IDEMPOTENT: "a repeat was not allowed any more",
    }[facts.recovery]
    if lifecycle.unsure_code == "refused_after_unknown":
        why = "the repeat was refused in a way that may mean that the first call worked"
    elif lifecycle.intent_at is not None and story.now - lifecycle.intent_at > rules.repeat_within:
        why = f"the call is older than {int(rules.repeat_within.total_seconds())} s"
    return f"no answer to attempt {lifecycle.attempt}, no Task of it found, and {why}"
