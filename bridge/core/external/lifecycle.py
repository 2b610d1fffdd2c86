"""The lifecycle of an external task: asked for, posted, kept as wanted, ended. Pure: no clock and no I/O.

``EXTERNAL_TRANSITIONS`` is the contract; ``decide_external`` is checked against it at every step.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import assert_never

from bridge.core.checking import checked, is_late
from bridge.core.commands import Decision, Follow, Look, MakeCall, ReadReferences, ReadTask
from bridge.core.events import Outcome, Reason
from bridge.core.external import changes, documents
from bridge.core.external.answering import external_answered
from bridge.core.external.judging import REMEMBERED_COMMANDS
from bridge.core.external.looking import UNREADABLE, external_looked, lost, take_over
from bridge.core.external.marks import Marker
from bridge.core.external.showing import (
    catch_up,
    end_again,
    ended_in_vcd,
    gone,
    look_for_it,
    rejected,
    show_again,
    unsure,
)
from bridge.core.external.transitions import EXTERNAL_LATE, EXTERNAL_TRANSITIONS
from bridge.core.external_rules import ExternalRules
from bridge.core.inputs import (
    Answered,
    Commanded,
    ExternalInput,
    Granted,
    Looked,
    NotReferenced,
    Observed,
    Referenced,
    ReferenceUnanswered,
    Restored,
    Unreadable,
    Vanished,
    Woke,
)
from bridge.core.lifecycle import Lifecycle, Phase, StoredRequest
from bridge.core.own_task import observed
from bridge.core.rules import Rules
from bridge.core.story import Story
from bridge.core.task import is_final
from bridge.errors import InvariantViolation


def decide_external(
    now: datetime, lifecycle: Lifecycle, event: ExternalInput, request: StoredRequest | None, rules: Rules
) -> Decision:
    """One input applied to one external task. ``request``: its next call as it stands, None where it cannot be read.

    Raises InvariantViolation for an input that the tables do not know in this phase.
    """
    if is_late(lifecycle, event, EXTERNAL_TRANSITIONS, EXTERNAL_LATE):
        return Decision(lifecycle)
    if rules.external is None:
        raise InvariantViolation(f"{lifecycle.birth}: an external task while external tasks are off")
    story = Story(now, lifecycle, request=None)
    _apply(story, event, request, rules, rules.external)
    return checked(story, lifecycle, event, EXTERNAL_TRANSITIONS)


def marker_of(lifecycle: Lifecycle, external: ExternalRules) -> Marker:
    return Marker(external.group_id, lifecycle.birth.topic_partition)


def next_wake_external(lifecycle: Lifecycle, after: datetime | None = None) -> datetime | None:
    """The next moment at which a waiting task may be sent, or the silence of its owner has lasted too long."""
    times = [lifecycle.expires_at]
    if lifecycle.phase is Phase.WAITING:
        times.append(lifecycle.wake_at)
    return min((time for time in times if time is not None and (after is None or time > after)), default=None)


def _apply(
    story: Story, event: ExternalInput, request: StoredRequest | None, rules: Rules, external: ExternalRules
) -> None:
    match event:
        case Granted() | Answered() | Looked():
            _apply_call(story, event, request, rules, external)
        case Observed():
            _observed(story, event, request, rules, external)
        case Vanished():
            seen = f"GET {story.lifecycle.task_id}: {event.http_status}"
            story.become(evidence=(*story.lifecycle.evidence, seen))
            gone(story, external)
        case Commanded():
            _commanded(story, event, request, external)
        case Referenced() | NotReferenced():
            _referenced(story, event, request)
        case ReferenceUnanswered():
            _unreferenced(story, event, rules)
        case Woke() | Restored() | Unreadable():
            _apply_own(story, event, request, external)
        case _:
            assert_never(event)


def _apply_call(
    story: Story,
    event: Granted | Answered | Looked,
    request: StoredRequest | None,
    rules: Rules,
    external: ExternalRules,
) -> None:
    match event:
        case Granted():
            _granted(story)
        case Answered():
            if event.attempt == story.lifecycle.attempt:
                external_answered(story, event, request, rules, external)
        case Looked():
            if event.attempt == story.lifecycle.attempt:
                external_looked(story, event, request, rules, external)
        case _:
            assert_never(event)


def _apply_own(
    story: Story, event: Woke | Restored | Unreadable, request: StoredRequest | None, external: ExternalRules
) -> None:
    match event:
        case Woke():
            _woke(story)
        case Restored():
            _restored(story, request)
        case Unreadable():
            _unreadable(story, event, request, external)
        case _:
            assert_never(event)


def _granted(story: Story) -> None:
    lifecycle = story.lifecycle
    attempt = lifecycle.attempt + 1
    story.become(
        phase=Phase.INTENT, attempt=attempt, tries=lifecycle.tries + 1, looks=0, wake_at=None, intent_at=story.now,
        first_intent_at=lifecycle.first_intent_at or story.now, sending=lifecycle.wanted,
    )  # fmt: skip
    story.commands.append(MakeCall(attempt))


def _referenced(story: Story, event: Referenced | NotReferenced, request: StoredRequest | None) -> None:
    match event:
        case NotReferenced(field=field, message=message):
            rejected(story, Reason(f"unknown_{field}", message, field))
        case Referenced() if request is not None:
            document = documents.referenced(documents.read(request.body), event.owner, event.user)
            path = f"/tasksList/{event.organization_uuid}"
            story.request = replace(request, path=path, body=documents.write(document))
            story.become(phase=Phase.RECEIVED)
        case Referenced():
            pass  # nobody reads the references of what cannot be read


def _unreferenced(story: Story, event: ReferenceUnanswered, rules: Rules) -> None:
    """An outage rejects nothing; what VCD never answers for is not waited for without end."""
    if story.now - story.lifecycle.received_at < rules.longest_wait:
        story.still_wait(Reason("reference_unanswered", event.message, event.field))
        return
    hours = rules.longest_wait.total_seconds() / 3600
    message = f"VCD has not told of the {event.field} for {hours:g} h: {event.message}"
    rejected(story, Reason("retries_exhausted", message, event.field))


# --- its owner's word -------------------------------------------------------------------------------------------------


def _commanded(story: Story, event: Commanded, request: StoredRequest | None, external: ExternalRules) -> None:
    command = event.command
    before = documents.read(request.body if request is not None else None)
    after = documents.changed(before, command, marker_of(story.lifecycle, external))
    if request is not None and after != before:
        story.request = replace(request, body=documents.write(after))
        changes.taken(story, event, documents.status_of(after))
    elif documents.asked(command):
        changes.asked_again(story, event)
    _heard(story, event)
    lifecycle = story.lifecycle
    if request is None:
        # Parked, and nothing is left to send: its owner's word ends the story.
        story.end(Outcome(documents.status_of(after) or external.expired_status), reason=lost())
    elif lifecycle.phase is Phase.PARKED:
        story.become(tries=0)
        unsure(story, "asked_again", settle=False)
    elif lifecycle.phase is Phase.UNSURE and lifecycle.parked_from is not None:
        # It is being looked for already; with its owner's word what is not found is made.
        story.become(tries=0, unsure_code="asked_again", parked_reason=None, parked_from=None, parked_at=None)
    elif lifecycle.phase in {Phase.FOLLOWING, Phase.WAITING} and story.request is not None:
        show_again(story, external)


def _heard(story: Story, event: Commanded) -> None:
    """The owner is alive, and has said what it has said. A story keeps the correlation id that it began with."""
    lifecycle, command = story.lifecycle, event.command
    commands, expire_after = lifecycle.commands, command.expire_after
    if event.fingerprint is not None:
        commands = (*commands, event.fingerprint)[-REMEMBERED_COMMANDS:]
    story.become(
        heard_at=story.now,
        commands=commands,
        revision=command.revision if command.revision is not None else lifecycle.revision,
        expire_after_seconds=lifecycle.expire_after_seconds if expire_after is None else whole_seconds(expire_after),
        correlation_id=lifecycle.correlation_id or command.correlation_id,
    )


# --- what VCD shows ---------------------------------------------------------------------------------------------------


def _observed(
    story: Story, event: Observed, request: StoredRequest | None, rules: Rules, external: ExternalRules
) -> None:
    task = event.task
    if task.id != story.lifecycle.task_id:
        return
    if task.is_final:
        ended_in_vcd(story, task)
        return
    observed(story, task, rules)
    if request is None:
        take_over(story, task, external)
        request = story.request
        story.become(phase=Phase.FOLLOWING, wake_at=None)
        catch_up(story, external)
    lifecycle = story.lifecycle
    if request is not None and event.asked and _is_silent(story):
        message = f"ended because its owner has not been heard of for {lifecycle.expire_after_seconds} s"
        end_it(story, request, external.expired_status, "owner_silent", message)
        show_again(story, external)
    elif lifecycle.phase is Phase.FOLLOWING and is_final(lifecycle.wanted_status):
        end_again(story, rules)


def end_it(story: Story, request: StoredRequest, status: str, code: str, message: str) -> None:
    """The bridge itself wants the Task to end."""
    document = documents.ended(documents.read(request.body), status, code, message)
    story.request = replace(request, body=documents.write(document))
    story.become(wanted=story.lifecycle.wanted + 1, wanted_status=status, ends_because=code)


def _is_silent(story: Story) -> bool:
    expires_at = story.lifecycle.expires_at
    return expires_at is not None and story.now >= expires_at


# --- its own times ----------------------------------------------------------------------------------------------------


def _woke(story: Story) -> None:
    """Nothing is ended by a timer without one look."""
    if not _is_silent(story):
        return
    if story.lifecycle.may_be_found:
        look_for_it(story)
    elif story.lifecycle.phase is Phase.PARKED:
        unsure(story, "owner_silent", settle=False)
    elif story.lifecycle.phase in {Phase.FOLLOWING, Phase.WAITING}:
        story.commands.append(ReadTask())


def _restored(story: Story, request: StoredRequest | None) -> None:
    lifecycle = story.lifecycle
    if lifecycle.task_id is not None and lifecycle.phase is not Phase.PARKED:
        story.commands.append(Follow())
    match lifecycle.phase:
        case Phase.RESOLVING:
            story.commands.append(ReadReferences())
        case Phase.INTENT:
            unsure(story, "owner_changed", settle=True)
        case Phase.UNSURE:
            story.commands.append(Look(lifecycle.attempt, settle=True))
        case Phase.PARKED if lifecycle.may_be_found:
            look_for_it(story)
        case Phase.FOLLOWING if request is None or is_final(lifecycle.wanted_status):
            # What is wanted cannot be read any more, or VCD did not show the ending that it took: the Task tells.
            story.commands.append(ReadTask())
        case _:
            pass


def _unreadable(story: Story, event: Unreadable, request: StoredRequest | None, external: ExternalRules) -> None:
    """What is left is taken up: the next call where that can be read, and our mark, which tells the Task."""
    lifecycle = story.lifecycle
    story.become(evidence=(*lifecycle.evidence, event.message))
    if lifecycle.external_key is None:
        if lifecycle.parked_from is None:
            story.park(Reason(UNREADABLE, event.message))
        return
    if request is not None and lifecycle.wanted == 0:
        _learn(story, request)
    if lifecycle.heard_at is None:
        namespace = story.lifecycle.service_namespace or external.default_namespace or ""
        story.become(heard_at=story.now, expire_after_seconds=whole_seconds(external.silence(namespace)))
    unsure(story, UNREADABLE, settle=True)


def _learn(story: Story, request: StoredRequest) -> None:
    """A state that could not be read is made anew from the call that it would make next."""
    document = documents.read(request.body)
    story.become(
        evidence=(
            *story.lifecycle.evidence,
            f"made anew from the call that it would make: {request.method} {request.path}",
        ),
        wanted=1,
        wanted_status=documents.status_of(document),
        service_namespace=documents.text(document, "serviceNamespace"),
        task_id=documents.task_id_of(request),
    )


def whole_seconds(value: timedelta) -> int:
    """Of how long an owner may be silent: never 0."""
    return max(1, int(value.total_seconds()))
