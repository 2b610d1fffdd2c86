"""What becomes of the commands that change an external task: VCD shows their changes, or each of them is told."""

from __future__ import annotations

from bridge.core.events import Change, Outcome, Reason, StatusEvent
from bridge.core.inputs import Commanded
from bridge.core.lifecycle import Unshown
from bridge.core.story import Story, event_key
from bridge.core.task import is_final

TOLD_WITH_CORRELATION = 32
"""Commands not shown yet whose correlation ids are kept. Of more of them, up to ``judging.MOST_UNSHOWN``, only that is
kept which lets each be told and sent again, and takes little room."""


def taken(story: Story, event: Commanded, status: str | None) -> None:
    """A command changed the wanted document."""
    lifecycle = story.lifecycle
    story.become(
        wanted=lifecycle.wanted + 1,
        wanted_status=status if status is not None else lifecycle.wanted_status,
    )
    _remember(story, event)


def asked_again(story: Story, event: Commanded) -> None:
    """A command asks for what is wanted already: while VCD does not show that, both have the same fate."""
    lifecycle = story.lifecycle
    if lifecycle.unshown or lifecycle.wanted > lifecycle.shown:
        _remember(story, event)


def _remember(story: Story, event: Commanded) -> None:
    lifecycle = story.lifecycle
    asked = Unshown(
        birth=event.birth,
        change=lifecycle.wanted,
        fingerprint=event.fingerprint,
        revision_before=lifecycle.revision,
        correlation_id=event.command.correlation_id if len(lifecycle.unshown) < TOLD_WITH_CORRELATION else None,
    )
    story.become(unshown=(*lifecycle.unshown, asked))


def shown(story: Story, *, unended: bool) -> None:
    """VCD took the document that was sent last; ``unended``: and shows no end, also where that asks for one."""
    lifecycle = story.lifecycle
    insists = unended and is_final(lifecycle.wanted_status)
    first = lifecycle.sending if insists else lifecycle.sending + 1
    later = tuple(one for one in lifecycle.unshown if one.change >= first)
    story.become(shown=lifecycle.sending, unshown=later)


def refused(story: Story, reason: Reason) -> None:
    """What VCD does not show yet it never will: who asked for it is told, in a story of one event each.

    A command that was told so is not known any more: it can be sent again.
    """
    lifecycle = story.lifecycle
    if lifecycle.unshown:
        _tell(story, lifecycle.unshown, reason)
        story.become(unshown=(), revision=lifecycle.unshown[0].revision_before)


def refused_but_the_end(story: Story, reason: Reason) -> None:
    """The same, where of all that is wanted only the end is still known: the last change asks for it."""
    lifecycle = story.lifecycle
    lost = tuple(one for one in lifecycle.unshown if one.change < lifecycle.wanted)
    _tell(story, lost, reason)
    story.become(unshown=lifecycle.unshown[len(lost) :])


def _tell(story: Story, commands: tuple[Unshown, ...], reason: Reason) -> None:
    story.events += [_rejected(story, asked, reason) for asked in commands]
    forgotten = {asked.fingerprint for asked in commands}
    story.become(commands=tuple(one for one in story.lifecycle.commands if one not in forgotten))


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
