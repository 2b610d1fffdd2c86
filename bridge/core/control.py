"""The lifecycle of a record about another one that was not there (yet): it waits, durable and bounded.

``CONTROL_TRANSITIONS`` is the contract; ``decide_control`` is checked against it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bridge.core.commands import Decision
from bridge.core.events import Change, Outcome, Reason
from bridge.core.inputs import Woke
from bridge.core.lifecycle import Lifecycle, Phase
from bridge.core.story import Story
from bridge.errors import InvariantViolation


@dataclass(frozen=True, slots=True)
class TargetCame:
    """The lifecycle it is about was opened, and has been asked. ``refusal``: why it could not be done, None: it was."""

    refusal: Reason | None


ControlInput = Woke | TargetCame

CONTROL_TRANSITIONS: dict[Phase, dict[type[ControlInput], frozenset[Phase]]] = {
    Phase.PENDING: {
        TargetCame: frozenset({Phase.ENDED}),
        Woke: frozenset({Phase.PENDING, Phase.ENDED}),
    },
    Phase.ENDED: {},
}
"""Phase -> input -> phases that may follow."""


def decide_control(now: datetime, control: Lifecycle, event: ControlInput) -> Decision:
    """One input applied to a waiting control record. One that takes effect tells nothing: its target's events do.

    Raises InvariantViolation for what the table does not know.
    """
    allowed = CONTROL_TRANSITIONS.get(control.phase, {}).get(type(event))
    if allowed is None:
        if control.phase is Phase.ENDED:
            return Decision(control)
        raise InvariantViolation(f"{control.birth}: {type(event).__name__} for a control record in {control.phase}")
    story = Story(now, control)
    match event:
        case TargetCame(refusal=why):
            if why is None:
                story.become(phase=Phase.ENDED, ended_at=now, wake_at=None)
            else:
                _reject(story, why)
        case Woke():
            if control.wake_at is None or now >= control.wake_at:
                _reject(story, _nobody_came(control))
    if story.lifecycle.phase not in allowed:
        raise InvariantViolation(f"{control.birth}: {control.phase} -> {story.lifecycle.phase} is not in the table")
    return story.decision()


def not_possible(why: str) -> Reason:
    """The target exists, but this cannot be done to it now."""
    return Reason("not_possible", why, "target_request_id")


def unknown_target(target: str | None, *, waited: bool = True) -> Reason:
    """Nobody of that name came within the wait, or is there while there is no room to wait."""
    so_far = "within the wait" if waited else "so far, and too much waits there for this record to wait too"
    message = (
        f"no request {target!r} on this partition {so_far}; "
        "all records about one request or entity must carry the same Kafka key"
    )
    return Reason("unknown_request", message, "target_request_id")


def unknown_external_key(external_key: str | None, *, waited: bool = True) -> Reason:
    """No create of this key came within the wait, or is there while there is no room to wait."""
    so_far = "within the wait" if waited else "so far, and too much waits there for this record to wait too"
    message = f"no create of external key {external_key!r} on this partition {so_far}: send it, then this again"
    return Reason("unknown_external_key", message, "external_key")


def _nobody_came(control: Lifecycle) -> Reason:
    if control.external_key is not None:
        return unknown_external_key(control.external_key)
    return unknown_target(control.target_request_id)


def _reject(story: Story, reason: Reason) -> None:
    story.end(Outcome.REJECTED, change=Change.REJECTED, reason=reason)
