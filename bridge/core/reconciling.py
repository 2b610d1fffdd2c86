"""The outcome of a call is unknown: what a completed look decides. Never a blind second call."""

from __future__ import annotations

from typing import assert_never

from bridge.catalogue.operation import Recovery
from bridge.core.commands import Look
from bridge.core.events import Outcome, Reason
from bridge.core.inputs import Looked
from bridge.core.lifecycle import Phase
from bridge.core.own_task import accept
from bridge.core.rules import OperationFacts, Rules
from bridge.core.story import Story
from bridge.core.task import ErrorDocument


def become_unsure(story: Story, code: str, *, settle: bool) -> None:
    """Only looking is allowed now. ``settle``: the call may still be on its way, from a process that is gone."""
    lifecycle = story.lifecycle
    story.become(
        phase=Phase.UNSURE, unsure_code=code, unsure_since=lifecycle.in_doubt_since or lifecycle.intent_at,
        looks=lifecycle.looks + 1, evidence=(*lifecycle.evidence, f"attempt {lifecycle.attempt} is in doubt: {code}"),
    )  # fmt: skip
    story.commands.append(Look(lifecycle.attempt, settle))


def look_again(story: Story, look: Looked) -> None:
    """What was found has become others' meanwhile, and for that nobody has waited until the call could not be on its
    way any more. The look that follows decides, by what it sees alone."""
    story.evidence = (*story.lifecycle.evidence, *look.evidence)
    story.notes.append("recovery_overtaken")
    story.commands.append(Look(story.lifecycle.attempt, settle=True))


def park_unknown(story: Story, why: str, *, vcd_error: ErrorDocument | None = None) -> None:
    """Nobody but a person can tell what became of the call."""
    story.park(Reason("outcome_unknown", why), vcd_error=vcd_error)


def too_late_to_repeat(story: Story, rules: Rules) -> bool:
    """Whether the first call in doubt is so long ago that the world may have moved on since."""
    since = story.lifecycle.in_doubt_since
    return since is not None and story.now - since > rules.repeat_within


def looked(story: Story, look: Looked, facts: OperationFacts, rules: Rules) -> None:
    if look.overtaken:
        look_again(story, look)
        return
    story.evidence = (*story.lifecycle.evidence, *look.evidence)
    story.become(evidence=story.evidence)
    if look.candidates:
        _found(story, look)
    elif look.happened and look.incomplete is None:
        story.because("recovery_proven", "what the call wanted is so: nothing is left to do")
        reason = Reason("proven_by_state", "the answer was lost; the wanted state holds, whatever brought it about")
        story.end(Outcome.SUCCESS, reason=reason)
    else:
        repeat_or_park(story, look, facts, rules)


def repeat_or_park(story: Story, look: Looked, facts: OperationFacts, rules: Rules) -> None:
    """No trace of the call was found: it leaves again where that may be."""
    why = _why_not_again(story, look, facts, rules) or _why_nobody_knows(story, look, facts)
    if why is not None:
        story.because("recovery_parked", f"parked: {why}")
        park_unknown(story, f"no answer to attempt {story.lifecycle.attempt}, no Task of it found, and {why}")
    else:
        _nothing_happened(story, facts, rules)


def _found(story: Story, look: Looked) -> None:
    if len(look.candidates) == 1 and not look.rivals and look.incomplete is None:
        story.because(
            "recovery_adopted", f"adopted {look.candidates[0].id}: it alone fits, and no other call is in doubt"
        )
        accept(story, look.candidates[0])
        return
    named = ", ".join(task.id for task in look.candidates[:5])
    message = f"{len(look.candidates)} Tasks could be this request's: {named}"
    if look.rivals:
        message = f"{named} could be this request's, or that of {', '.join(look.rivals[:5])}"
    if look.incomplete is not None:
        message = f"{message}; not everything could be looked at: {look.incomplete}"
    story.because("recovery_parked", f"parked: {message}")
    story.park(Reason("ambiguous", message))


def _nothing_happened(story: Story, facts: OperationFacts, rules: Rules) -> None:
    """No trace was found where it would have to be, and the call may leave again."""
    lifecycle = story.lifecycle
    if lifecycle.cancel_wanted:
        story.because("recovery_canceled", "not called again: a cancel came meanwhile")
        story.end(Outcome.CANCELED, reason=Reason("canceled_before_start", "canceled; no trace of the call was found"))
    elif lifecycle.start_by is not None and story.now >= lifecycle.start_by:
        story.because("recovery_expired", f"not called again: start_by {lifecycle.start_by.isoformat()} has passed")
        reason = Reason("start_by_passed", "start_by has passed, and no trace of the call was found", "start_by")
        story.end(Outcome.EXPIRED, reason=reason)
    else:
        since = lifecycle.unsure_since or story.now
        story.because(
            "recovery_repeated",
            f"called again: recovery class {facts.recovery}, {lifecycle.tries} of {rules.max_tries} tries, "
            f"{(story.now - since).total_seconds():.0f} s since the first call in doubt",
        )
        # A wait that a busy entity asked for is kept.
        story.become(phase=Phase.WAITING)


def _is_unwanted(story: Story) -> bool:
    """Nobody wants the call any more."""
    lifecycle = story.lifecycle
    return lifecycle.cancel_wanted or (lifecycle.start_by is not None and story.now >= lifecycle.start_by)


def _why_nobody_knows(story: Story, look: Looked, facts: OperationFacts) -> str | None:
    """Why what is not to be called again cannot be told as not called either, or None where it can."""
    if facts.makes_task or look.happened is not None or not _is_unwanted(story):
        return None
    return "a call of this operation makes none: it may have been carried out, and nobody wants it again"


def _why_not_again(story: Story, look: Looked, facts: OperationFacts, rules: Rules) -> str | None:
    """Why the call must not leave again, or None where it may."""
    lifecycle = story.lifecycle
    if lifecycle.unsure_code == "refused_after_unknown" and look.hold is None:
        return "the repeat was refused in a way that may mean that the first call worked"
    if too_late_to_repeat(story, rules):
        return f"the call is older than {int(rules.repeat_within.total_seconds())} s"
    if lifecycle.tries >= rules.max_tries:
        return f"{lifecycle.tries} tries are all that are allowed"
    if look.incomplete is not None:
        return f"not everything could be looked at: {look.incomplete}"
    return _why_class_forbids(look, facts)


def _why_class_forbids(look: Looked, facts: OperationFacts) -> str | None:
    match facts.recovery:
        case Recovery.IDEMPOTENT:
            return None
        case Recovery.PROBE | Recovery.KEYED | Recovery.DECISION:
            return None if look.happened is False else "the entity's state does not tell"
        case Recovery.NEVER_RETRY:
            return "the operation is never called twice"
        case _:
            assert_never(facts.recovery)
