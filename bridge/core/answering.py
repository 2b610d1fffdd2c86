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
from bridge.core.events import Change, Outcome, Reason
from bridge.core.lifecycle import Phase
from bridge.core.observing import accept
from bridge.core.reconciling import become_unsure
from bridge.core.rules import Rules
from bridge.core.story import Story
from bridge.core.task import ErrorDocument

MAYBE_DONE_CODES = frozenset({"INVALID_STATE", "DUPLICATE_NAME"})
"""Refusals that, after an attempt of unknown outcome, may mean that the earlier one worked (VCD API, errors)."""


def answered(story: Story, answer: CallAnswer, jitter: float, rules: Rules) -> None:
    match answer:
        case Accepted():
            story.become(http_status=answer.http_status, vcd_request_id=answer.vcd_request_id)
            accept(story, answer.task)
        case Done():
            story.become(http_status=answer.http_status, vcd_request_id=answer.vcd_request_id)
            story.end(Outcome.SUCCESS, http_status=answer.http_status)
        case Refused():
            _refused(story, answer)
        case Busy():
            _busy(story, answer, jitter, rules)
        case Limited():
            _limited(story, answer, jitter, rules)
        case SessionExpired():
            _try_again(story, Reason("session_expired", answer.message), 0.0, rules, immediately=True)
        case NeverSent():
            immediately = answer.code in {"lease_expired", "handed_over"}
            _try_again(story, Reason(answer.code, answer.message), jitter, rules, immediately=immediately)
        case OutcomeUnknown():
            become_unsure(story, answer.code, settle=False)
            story.notes.append("outcome_unknown")
        case _:
            assert_never(answer)


def _refused(story: Story, answer: Refused) -> None:
    story.become(http_status=answer.http_status, vcd_request_id=answer.vcd_request_id)
    if story.lifecycle.unsure_code is not None and answer.code in MAYBE_DONE_CODES:
        become_unsure(story, "refused_after_unknown", settle=False)
        story.become(evidence=(*story.lifecycle.evidence, f"repeat answered {answer.code}: {answer.message}"))
        return
    reason = Reason(answer.code, answer.message)
    story.end(
        Outcome.REJECTED, change=Change.REJECTED, reason=reason, vcd_error=answer.error, http_status=answer.http_status
    )


def _busy(story: Story, answer: Busy, jitter: float, rules: Rules) -> None:
    lifecycle = story.lifecycle
    if _canceled_instead(story):
        return
    first_call = lifecycle.first_intent_at or story.now
    if story.now - first_call >= rules.busy_wait:
        message = f"still busy after {int((story.now - first_call).total_seconds())} s: {answer.message}"
        _give_up(story, message, answer.error, answer.http_status)
        return
    told_before = lifecycle.waits > 0 and lifecycle.waiting_for == answer.task_id
    story.become(
        phase=Phase.WAITING, waits=lifecycle.waits + 1, tries=max(0, lifecycle.tries - 1), waiting_for=answer.task_id,
        wake_at=story.now + rules.busy.delay(lifecycle.waits, jitter),
    )  # fmt: skip
    if not told_before:
        named = f" (waits for {answer.task_id})" if answer.task_id else ""
        reason = Reason("BUSY_ENTITY", answer.message + named)
        story.tell(Change.WAITING, reason=reason, vcd_error=answer.error, http_status=answer.http_status)


def _limited(story: Story, answer: Limited, jitter: float, rules: Rules) -> None:
    lifecycle = story.lifecycle
    if _canceled_instead(story) or _exhausted(story, rules, answer.message, answer.http_status):
        return
    delay = answer.retry_after or rules.limits.delay(lifecycle.waits, jitter)
    story.become(phase=Phase.WAITING, waits=lifecycle.waits + 1, waiting_for=None, wake_at=story.now + delay)
    if lifecycle.waits == 0:
        reason = Reason(answer.code, answer.message)
        story.tell(Change.WAITING, reason=reason, vcd_error=answer.error, http_status=answer.http_status)


def _try_again(story: Story, reason: Reason, jitter: float, rules: Rules, *, immediately: bool) -> None:
    lifecycle = story.lifecycle
    if _canceled_instead(story) or _exhausted(story, rules, reason.message, None):
        return
    wake_at = None if immediately else story.now + rules.retry.delay(lifecycle.tries - 1, jitter)
    story.become(phase=Phase.WAITING, wake_at=wake_at)
    story.notes.append(f"retry_{reason.code}")


def _exhausted(story: Story, rules: Rules, message: str, http_status: int | None) -> bool:
    if story.lifecycle.tries < rules.max_tries:
        return False
    _give_up(story, f"{story.lifecycle.tries} tries, the last: {message}", None, http_status)
    return True


def _give_up(story: Story, message: str, error: ErrorDocument | None, http_status: int | None) -> None:
    reason = Reason("retries_exhausted", message)
    story.end(Outcome.REJECTED, change=Change.REJECTED, reason=reason, vcd_error=error, http_status=http_status)


def _canceled_instead(story: Story) -> bool:
    """A cancel arrived while the call was out, and the call started nothing."""
    if not story.lifecycle.cancel_wanted:
        return False
    story.end(Outcome.CANCELED, reason=Reason("canceled_before_start", "canceled; VCD had not started anything"))
    return True
