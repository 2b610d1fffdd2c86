"""What becomes of the commands that change an external task: VCD shows their changes, or each of them is told."""

from __future__ import annotations

from bridge.core.events import Change, Outcome, Reason, StatusEvent
from bridge.core.external.judging import REMEMBERED_COMMANDS
from bridge.core.inputs import Commanded
from bridge.core.lifecycle import Unshown
from bridge.core.story import Story, event_key


def taken(story: Story, event: Commanded, status: str | None) -> None:
    """A command changed the wanted document. An owner's word takes the place of an ending of the bridge's own."""
    lifecycle = story.lifecycle
    change = lifecycle.wanted + 1
    asked = Unshown(
        birth=event.birth,
        change=change,
        fingerprint=event.fingerprint,
        revision_before=lifecycle.revision,
        correlation_id=event.command.correlation_id,
    )
    story.become(
        wanted=change,
        wanted_status=status if status is not None else lifecycle.wanted_status,
        unshown=(*lifecycle.unshown, asked)[-REMEMBERED_COMMANDS:],
        ends_because=None,
    )


def shown(story: Story, *, unended: bool) -> None:
    """VCD took the document that was sent last; ``unended``: without showing the end that it asks for."""
    lifecycle = story.lifecycle
    first = lifecycle.sending if unended else lifecycle.sending + 1
    later = tuple(one for one in lifecycle.unshown if one.change >= first)
    story.become(shown=lifecycle.sending, unshown=later)


def refused(story: Story, reason: Reason) -> None:
    """What VCD does not show yet it never will: who asked for it is told, in a story of one event each.

    A command that was told so is not known any more: it can be sent again.
    """
    lifecycle = story.lifecycle
    if not lifecycle.unshown:
        return
    for asked in lifecycle.unshown:
        story.events.append(_rejected(story, asked, reason))
    forgotten = {asked.fingerprint for asked in lifecycle.unshown}
    story.become(
        unshown=(),
        revision=lifecycle.unshown[0].revision_before,
        commands=tuple(one for one in lifecycle.commands if one not in forgotten),
    )


def _rejected(story: Story, asked: Unshown, reason: Reason) -> StatusEvent:
    lifecycle = story.lifecycle
    return StatusEvent(
        birth=asked.birth,
        sequence=1,
        lifecycle=lifecycle.told_as,
        key=event_key(lifecycle.external_key, lifecycle.key),
        request_id=None,
        external_key=lifecycle.external_key,
        correlation_id=asked.correlation_id,
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
