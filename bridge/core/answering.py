"""VCD answered the call: what each kind of answer makes of the lifecycle."""

from __future__ import annotations

from typing import assert_never

from bridge.core.answers import (
    Accepted,
    Busy,
    CallAnswer,
    Done,
    Limited,
    NeverSent,
    OutcomeUnknown,
    Refused,
    SessionExpired,
)
from bridge.core.approving import looks_into, refused
from bridge.core.events import Change, Outcome, Reason
from bridge.core.lifecycle import Phase
from bridge.core.own_task import accept
from bridge.core.reconciling import become_unsure, park_unknown
from bridge.core.rules import OperationFacts, Rules
from bridge.core.story import Story
from bridge.core.task import ErrorDocument

MAYBE_DONE_CODES = frozenset({"INVALID_STATE", "DUPLICATE_NAME"})
MAYBE_DONE_STATUSES = frozenset({403, 404, 409})
"""Refusals that, after an attempt of unknown outcome, may mean that the earlier one worked: the state is reached, the
name is taken, what was to be deleted is gone (VCD answers 403 for what does not exist; VCD API, errors)."""

AT_ONCE = frozenset({"lease_expired", "handed_over", "held_back"})
"""Calls that this process itself did not let leave: made again without a pause, the first time."""


FROZEN = "frozen"
"""A call that was held back because operators have frozen the group: it says nothing about VCD or about the request,
and what holds it back from now on is its permit."""


def answered(story: Story, answer: CallAnswer, jitter: float, facts: OperationFacts, rules: Rules) -> None:
    match answer:
        case Accepted() if not facts.makes_task:
            _done(story, Done(http_status=answer.http_status, vcd_request_id=answer.vcd_request_id))
        case Accepted():
            story.become(http_status=answer.http_status, vcd_request_id=answer.vcd_request_id)
            accept(story, answer.task)
        case Done():
            _done(story, answer)
        case Refused() if looks_into(answer, facts.hold_action):
            refused(story, answer, jitter, rules)
        case Refused():
            _refused(story, answer)
        case Busy():
            _busy(story, answer, jitter, rules)
        case Limited():
            _limited(story, answer, jitter, rules)
        case SessionExpired():
            _session_expired(story, answer, jitter, rules)
        case NeverSent():
            _never_sent(story, answer, jitter, rules)
        case OutcomeUnknown():
            _unknown(story, answer)
        case _:
            assert_never(answer)


def _done(story: Story, answer: Done) -> None:
    story.become(http_status=answer.http_status, vcd_request_id=answer.vcd_request_id)
    story.end(Outcome.SUCCESS, http_status=answer.http_status)


def _refused(story: Story, answer: Refused) -> None:
    if story.lifecycle.unsure_code is not None and _may_mean_done(answer):
        _add_evidence(story, f"the repeat was answered {answer.code}: {answer.message}")
        become_unsure(story, "refused_after_unknown", settle=False)
        return
    story.become(http_status=answer.http_status, vcd_request_id=answer.vcd_request_id)
    reason = Reason(answer.code, answer.message)
    story.end(
        Outcome.REJECTED, change=Change.REJECTED, reason=reason, vcd_error=answer.error, http_status=answer.http_status
    )


def _may_mean_done(answer: Refused) -> bool:
    return answer.code in MAYBE_DONE_CODES or answer.http_status in MAYBE_DONE_STATUSES


def _unknown(story: Story, answer: OutcomeUnknown) -> None:
    if answer.http_status is not None:
        # A server that answers 500 has often said why; the operator who has to settle it should read it.
        said = f"HTTP {answer.http_status} {answer.code}: {answer.message}"
        _add_evidence(story, f"attempt {story.lifecycle.attempt} was answered {said}")
    become_unsure(story, answer.code, settle=False)
    story.notes.append("outcome_unknown")


# --- not now ----------------------------------------------------------------------------------------------------------


def _busy(story: Story, answer: Busy, jitter: float, rules: Rules) -> None:
    lifecycle = story.lifecycle
    if _canceled_instead(story) or _waited_too_long(story, rules, answer.message, answer.error, answer.http_status):
        return
    told = lifecycle.waiting_code == "BUSY_ENTITY" and lifecycle.waiting_for == answer.task_id
    story.become(
        waits=lifecycle.waits + 1, tries=_uncounted(story), waiting_for=answer.task_id,
        wake_at=story.now + rules.busy.delay(lifecycle.waits, jitter),
    )  # fmt: skip
    if not told:
        named = f" (waits for {answer.task_id})" if answer.task_id else ""
        _tell_waiting(story, Reason("BUSY_ENTITY", answer.message + named), answer.error, answer.http_status)
    if lifecycle.unsure_code is not None:
        # What holds the entity may be our own earlier call.
        _add_evidence(
            story, f"the repeat was answered BUSY_ENTITY, held by {answer.task_id or 'a Task it did not name'}"
        )
        become_unsure(story, "busy_after_unknown", settle=False)
        return
    named_now = (answer.task_id,) if answer.task_id and answer.task_id not in lifecycle.blockers else ()
    story.become(phase=Phase.WAITING, blockers=(*lifecycle.blockers, *named_now)[-8:])


def _limited(story: Story, answer: Limited, jitter: float, rules: Rules) -> None:
    lifecycle = story.lifecycle
    if _canceled_instead(story) or _waited_too_long(story, rules, answer.message, answer.error, answer.http_status):
        return
    delay = answer.retry_after or rules.limits.delay(lifecycle.waits, jitter)
    told = lifecycle.waiting_code == answer.code
    story.become(
        phase=Phase.WAITING, waits=lifecycle.waits + 1, tries=_uncounted(story), waiting_for=None,
        wake_at=story.now + delay,
    )  # fmt: skip
    if not told:
        _tell_waiting(story, Reason(answer.code, answer.message), answer.error, answer.http_status)


def _never_sent(story: Story, answer: NeverSent, jitter: float, rules: Rules) -> None:
    if _canceled_instead(story):
        return
    if answer.code == FROZEN:
        story.become(phase=Phase.WAITING, tries=_uncounted(story), wake_at=None)
        story.notes.append(f"retry_{FROZEN}")
        return
    if _waited_too_long(story, rules, answer.message, None, None):
        return
    story.become(tries=_uncounted(story))
    _again(story, answer.code, jitter, rules, at_once=answer.code in AT_ONCE)


def _session_expired(story: Story, answer: SessionExpired, jitter: float, rules: Rules) -> None:
    if _canceled_instead(story):
        return
    if story.lifecycle.tries >= rules.max_tries:
        _give_up(story, f"{story.lifecycle.tries} tries, the last: {answer.message}", None, answer.http_status)
        return
    _again(story, "session_expired", jitter, rules, at_once=True)


def _again(story: Story, code: str, jitter: float, rules: Rules, *, at_once: bool) -> None:
    waits = story.lifecycle.waits
    wake_at = None if at_once and waits == 0 else story.now + rules.retry.delay(waits, jitter)
    story.become(phase=Phase.WAITING, waits=waits + 1, wake_at=wake_at)
    story.notes.append(f"retry_{code}")


def _uncounted(story: Story) -> int:
    return max(0, story.lifecycle.tries - 1)


def _waited_too_long(
    story: Story, rules: Rules, message: str, error: ErrorDocument | None, http_status: int | None
) -> bool:
    waited = story.now - (story.lifecycle.first_intent_at or story.now)
    if waited < rules.longest_wait:
        return False
    _give_up(story, f"still so after {int(waited.total_seconds())} s: {message}", error, http_status)
    return True


def _give_up(story: Story, message: str, error: ErrorDocument | None, http_status: int | None) -> None:
    if story.lifecycle.unsure_code is not None:
        story.because("recovery_parked", f"parked: {message}")
        park_unknown(story, f"an earlier call's outcome is unknown, and now: {message}", vcd_error=error)
        return
    reason = Reason("retries_exhausted", message)
    story.end(Outcome.REJECTED, change=Change.REJECTED, reason=reason, vcd_error=error, http_status=http_status)


def _canceled_instead(story: Story) -> bool:
    """A cancel arrived while the call was out, and this call started nothing."""
    if not story.lifecycle.cancel_wanted:
        return False
    if story.lifecycle.unsure_code is not None:
        become_unsure(story, "canceled_after_unknown", settle=False)
    else:
        story.end(Outcome.CANCELED, reason=Reason("canceled_before_start", "canceled; VCD had not started anything"))
    return True


def _tell_waiting(story: Story, reason: Reason, error: ErrorDocument | None, http_status: int | None) -> None:
    story.become(waiting_code=reason.code)
    story.tell(Change.WAITING, reason=reason, vcd_error=error, http_status=http_status)


def _add_evidence(story: Story, seen: str) -> None:
    story.become(evidence=(*story.lifecycle.evidence, seen))
