"""What holds for every story of an external task, whatever happens in whatever order.

Judged from outside: inputs,
phases, events, commands and the calls as they would be sent; none of the core's own counters but where they are named.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from bridge.core.answers import Accepted, Done, Refused
from bridge.core.commands import Follow, Look, MakeCall, ReadReferences, ReadTask
from bridge.core.coordinates import Birth
from bridge.core.events import Change, Outcome
from bridge.core.external import documents
from bridge.core.external.documents import Document
from bridge.core.external.judging import Repeat
from bridge.core.external.marks import Marker
from bridge.core.external.transitions import EXTERNAL_LATE
from bridge.core.external_commands import ExternalCommand, ExternalVerb
from bridge.core.inputs import (
    Answered,
    Commanded,
    ExternalInput,
    Granted,
    Looked,
    Observed,
    Restored,
    Unreadable,
    Vanished,
)
from bridge.core.lifecycle import Phase, StoredRequest
from bridge.core.task import is_final, rank
from tests.core.external.happenings import KEY
from tests.core.external.stories import BIRTH, EXTERNAL, GROUP, Run, Step

# --- what is told -----------------------------------------------------------------------------------------------------


def sequences_have_no_gap(run: Run) -> None:
    assert [event.sequence for event in run.events] == list(range(1, len(run.events) + 1))
    assert run.lifecycle.sequence == len(run.events)


def nothing_follows_the_final_event(run: Run) -> None:
    finals = [index for index, event in enumerate(run.events) if event.final]
    assert finals in ([], [len(run.events) - 1])
    assert bool(finals) == (run.lifecycle.phase is Phase.ENDED)


def known_statuses_never_go_backward(run: Run) -> None:
    if run.lost_state:
        return  # nobody knows what was told
    statuses = [event.task.status for event in run.events if event.task is not None and event.task.status is not None]
    told = [known for status in statuses if (known := rank(status)) is not None]
    assert told == sorted(told)


def what_was_told_before_is_told_right(run: Run) -> None:
    if run.lost_state:
        return
    previous = None
    for event in run.events:
        assert event.previous_status == previous
        if event.task is not None and event.task.status is not None:
            previous = event.task.status


def acceptance_is_told_at_most_once(run: Run) -> None:
    assert [event.change for event in run.events].count(Change.ACCEPTED) <= 1


def a_command_is_told_at_most_once(run: Run) -> None:
    told = [event.birth for _, event in run.refusals]
    assert len(told) == len(set(told))
    for birth in told:
        assert run.verdicts[birth][1] is None, "refused when it came, and again later"
    for _, event in run.refusals:
        assert (event.sequence, event.outcome, event.external_key) == (1, Outcome.REJECTED, KEY)
        assert event.correlation_id == run.verdicts[event.birth][0].correlation_id


def every_command_is_shown_or_told(run: Run) -> None:
    """When the story has ended otherwise than its owner wanted, what VCD has not shown was told."""
    ending = run.steps[-1] if run.steps else None
    ended = next((step for step in run.steps if step.after.phase is Phase.ENDED), ending)
    if run.lifecycle.phase is not Phase.ENDED or run.lost_state or ended is None:
        return
    if run.lifecycle.outcome == ended.before.wanted_status or isinstance(ended.event, Commanded):
        return
    told = {event.birth for _, event in run.refusals}
    unknown = {change.birth for change in _changes(run) if not change.shown} - told
    assert unknown == set(), f"{unknown} were never shown, and nobody was told"


# --- what is called ---------------------------------------------------------------------------------------------------


def no_post_follows_a_known_task(run: Run) -> None:
    known = False
    for step in run.steps:
        if call := _call(step):
            assert call.method in {"POST", "PUT"}
            assert (call.method == "PUT") >= known, "a second Task would be made"
        known = known or any(event.task is not None for event in step.decision.events if event.birth == BIRTH)


def every_call_has_its_own_intent(run: Run) -> None:
    attempts = []
    for step in run.steps:
        for command in step.decision.commands:
            if isinstance(command, MakeCall):
                attempts.append(command.attempt)
                assert isinstance(step.event, Granted)
                assert step.after.phase is Phase.INTENT
                assert (step.after.attempt, step.after.intent_at) == (command.attempt, step.now)
    assert run.lost_state or attempts == sorted(set(attempts))


def at_most_one_call_is_out(run: Run) -> None:
    """Until it is answered, or a process that is gone can have nothing out any more."""
    out = False
    for step in run.steps:
        if (isinstance(step.event, Answered) and step.event.attempt == step.before.attempt) or isinstance(
            step.event, Restored | Unreadable
        ):
            out = False
        if _call(step):
            assert not out
            out = True


def no_call_follows_one_in_doubt_without_a_look(run: Run) -> None:
    doubt = False
    for step in run.steps:
        assert not (_call(step) and doubt)
        if step.before.phase is Phase.INTENT and step.after.phase is Phase.UNSURE:
            doubt = True
        if isinstance(step.event, Restored | Unreadable) and step.before.phase is Phase.INTENT:
            doubt = True
        if isinstance(step.event, Looked) and step.before.phase is Phase.UNSURE and not _of_another(step):
            doubt = step.event.overtaken


def no_post_follows_one_that_may_have_worked(run: Run) -> None:
    """Only a look that saw everything and found nothing lets a POST leave again."""
    disproved = True
    for step in run.steps:
        if (call := _call(step)) and call.method == "POST":
            assert disproved
            disproved = False
        if isinstance(step.event, Looked) and step.before.phase is Phase.UNSURE and not _of_another(step):
            disproved = not step.event.candidates and step.event.incomplete is None and not step.event.overtaken
        elif isinstance(step.event, Answered) and step.before.phase is Phase.INTENT and not _of_another(step):
            # Refused for now, or never sent: nothing was made.
            disproved = step.after.phase is Phase.WAITING


def every_call_bears_the_mark(run: Run) -> None:
    marker = Marker(GROUP, BIRTH.topic_partition)
    for _, document in _sent(run):
        operation = document["operation"]
        assert isinstance(operation, str)
        assert marker.bears(operation, KEY)
        assert operation.endswith(marker.mark(KEY))
        assert operation.count(marker.mark(KEY)) == 1


def after_an_end_is_wanted_nothing_else_is_sent(run: Run) -> None:
    """Until VCD has refused it, and its owner was told so."""
    if run.lost_state:
        return  # with the call it is lost that an end was wanted
    refused = dict(_refused_at(run))
    wanted: dict[Birth, int] = {}
    for number, step in enumerate(run.steps):
        if isinstance(step.event, Commanded) and step.event.command.verb is ExternalVerb.FINISH:
            wanted[step.event.birth] = number
        wanted = {birth: at for birth, at in wanted.items() if refused.get(birth, number + 1) > number}
        if call := _call(step):
            status = documents.status_of(documents.read(call.body))
            assert is_final(status) or not wanted, f"{status} is sent after a finish"


def a_refused_change_is_not_sent_for_ever(run: Run) -> None:
    """VCD is asked for the same change twice at most once it has refused it; what is parked is asked for anew."""
    refused: dict[Birth, int] = {}
    for step in run.steps:
        if step.before.phase is Phase.INTENT and not _of_another(step):
            answer = step.event.answer if isinstance(step.event, Answered) else None
            if isinstance(answer, Refused) and step.before.task_id is not None:
                for asked in step.before.unshown:
                    if asked.change <= step.before.sending:
                        refused[asked.birth] = refused.get(asked.birth, 0) + 1
                        assert refused[asked.birth] <= _OFTEN
            elif step.after.phase not in {Phase.INTENT, Phase.WAITING}:
                refused = {}
        parked = Phase.PARKED in {step.before.phase, step.after.phase}
        if parked or isinstance(step.event, Unreadable) or _taken_back(step):
            refused = {}


_OFTEN = 2


def updates_keep_their_pace(run: Run) -> None:
    answered_at = None
    for step in run.steps:
        if (call := _call(step)) and call.method == "PUT" and answered_at is not None:
            ends = is_final(documents.status_of(documents.read(call.body)))
            assert ends or step.now - answered_at >= EXTERNAL.update_interval
        answer = step.event.answer if isinstance(step.event, Answered) and not _of_another(step) else None
        if step.before.phase is Phase.INTENT and isinstance(answer, Accepted | Done):
            answered_at = step.now
        if run.lost_state:
            return


# --- what is shown ----------------------------------------------------------------------------------------------------


def counters_are_in_order(run: Run) -> None:
    for step in run.steps:
        assert step.after.shown <= step.after.sending <= step.after.wanted


def what_was_taken_is_sent(run: Run) -> None:
    """Every call holds the changes of all commands that were taken before it; and at rest all were sent."""
    last: Document = {}
    pending: dict[str, object] = {}
    for step in run.steps:
        if step.decision.request is not None and _taken_back(step):
            pending, last = {}, documents.read(step.decision.request.body)
        if isinstance(step.event, Commanded) and step.request_before is not None:
            pending |= _asked(step.event.command)
        if call := _call(step):
            last = documents.read(call.body)
            _holds(last, pending)
        if step.after.phase is Phase.FOLLOWING and step.before.phase is not Phase.FOLLOWING:
            _holds(last, pending)
        if step.after.ends_because is not None:
            pending = {}


def _holds(document: Mapping[str, object], pending: Mapping[str, object]) -> None:
    assert {name: document.get(name) for name in pending} == dict(pending)


def _asked(command: ExternalCommand) -> dict[str, object]:
    given = {"progress": command.progress, "details": command.details, "status": command.status}
    if command.verb is ExternalVerb.FINISH and command.status is None:
        given["status"] = "success"
    return {name: value for name, value in given.items() if value is not None}


def _taken_back(step: Step) -> bool:
    """What is wanted became what VCD shows."""
    refused = "external_update_refused" in step.decision.notes
    return refused or (step.request_before is None and isinstance(step.event, Looked | Observed))


# --- its owner's silence ----------------------------------------------------------------------------------------------


def silence_ends_nothing_without_a_look(run: Run) -> None:
    for step in run.steps:
        told = any(event.reason is not None and event.reason.code == "owner_silent" for event in step.decision.events)
        ends = step.after.ends_because == "owner_silent" != step.before.ends_because
        if ends or (told and step.before.ends_because is None):
            expires_at = step.before.expires_at
            assert expires_at is not None
            assert expires_at <= step.now
            asked = isinstance(step.event, Observed) and step.event.asked
            assert asked or isinstance(step.event, Looked | Vanished)


def silence_is_noticed(run: Run) -> None:
    """Whatever is shown in VCD and whose owner is silent is being read, or looked at, or its end is being sent."""
    for now, lifecycle, steps in run.rests:
        expires_at = lifecycle.expires_at
        if expires_at is None or expires_at > now or lifecycle.phase in {Phase.INTENT, Phase.UNSURE, Phase.ENDED}:
            continue
        asked = any(
            step.now >= expires_at and any(isinstance(c, ReadTask | Look) for c in step.decision.commands)
            for step in run.steps[:steps]
        )
        assert asked, f"silent since {expires_at} in {lifecycle.phase}, and nobody looks"


# --- the tables and the engine ----------------------------------------------------------------------------------------


def an_input_applied_twice_changes_nothing(run: Run) -> None:
    for step in run.steps:
        if isinstance(step.event, Commanded) and step.event.fingerprint is None:
            continue  # nothing tells it from another one that asks for the same
        if isinstance(step.event, Commanded):
            command, verdict = run.verdicts[step.event.birth]
            assert verdict is None
            assert isinstance(run.judged_again(step, command), Repeat) or step.after.phase is Phase.ENDED
            continue
        again = run.again(step)
        assert not again.events
        assert not any(isinstance(command, MakeCall) for command in again.commands)
        if not isinstance(step.event, Unreadable):
            assert again.lifecycle == step.after, f"{step.event} in {step.before.phase}"


def what_is_late_changes_nothing(run: Run) -> None:
    for step in run.steps:
        if _of_another(step) or type(step.event) in EXTERNAL_LATE[step.before.phase]:
            assert step.after is step.before, f"{step.event} in {step.before.phase}"
            assert not step.decision.events
            assert not step.decision.commands
            assert step.decision.request is None


def every_phase_is_driven(run: Run) -> None:
    """Who enters a phase, or is restored in it, has somebody at work who brings the next input."""
    at_work = {Phase.INTENT: MakeCall, Phase.UNSURE: Look, Phase.RESOLVING: ReadReferences}
    for step in run.steps:
        phase, commands = step.after.phase, step.decision.commands
        entered = phase is not step.before.phase
        if phase in at_work and (entered or isinstance(step.event, Restored)):
            assert any(isinstance(command, at_work[phase]) for command in commands), step
        unwatched = step.before.task_id is None or step.before.phase in {Phase.UNSURE, Phase.PARKED}
        if phase in {Phase.FOLLOWING, Phase.WAITING} and step.after.task_id is not None:
            if unwatched or isinstance(step.event, Restored):
                assert any(isinstance(command, Follow) for command in commands), step
        if phase is Phase.FOLLOWING and is_final(step.after.wanted_status) and entered:
            assert any(isinstance(command, ReadTask) for command in commands), step


PROPERTIES: tuple[Callable[[Run], None], ...] = (
    sequences_have_no_gap,
    nothing_follows_the_final_event,
    known_statuses_never_go_backward,
    what_was_told_before_is_told_right,
    acceptance_is_told_at_most_once,
    a_command_is_told_at_most_once,
    every_command_is_shown_or_told,
    no_post_follows_a_known_task,
    every_call_has_its_own_intent,
    at_most_one_call_is_out,
    no_call_follows_one_in_doubt_without_a_look,
    no_post_follows_one_that_may_have_worked,
    every_call_bears_the_mark,
    after_an_end_is_wanted_nothing_else_is_sent,
    a_refused_change_is_not_sent_for_ever,
    updates_keep_their_pace,
    counters_are_in_order,
    what_was_taken_is_sent,
    silence_ends_nothing_without_a_look,
    silence_is_noticed,
    an_input_applied_twice_changes_nothing,
    what_is_late_changes_nothing,
    every_phase_is_driven,
)


# --- calls and commands, as an outsider knows them --------------------------------------------------------------------


class _Change:
    """A command that was taken; ``shown``: VCD took a document with it, or every POST that may have worked had it."""

    def __init__(self, birth: Birth, *, posted: bool) -> None:
        self.birth = birth
        self.posted = posted
        self.sent = False
        self.shown = False


def _changes(run: Run) -> list[_Change]:
    changes: list[_Change] = []
    posts = 0
    for step in run.steps:
        if isinstance(step.event, Commanded) and step.decision.request is not None:
            changes.append(_Change(step.event.birth, posted=posts == 0))
        if call := _call(step):
            posts += call.method == "POST"
            for change in changes:
                change.sent = True
        if isinstance(step.event, Answered) and step.before.task_id is None and step.after.phase is Phase.WAITING:
            posts -= step.before.phase is Phase.INTENT and not _of_another(step)  # nothing was made
        if _takes(step):
            for change in changes:
                change.shown = change.shown or change.sent
        if isinstance(step.event, Looked) and step.before.task_id is None and step.after.task_id is not None:
            for change in changes:
                change.shown = change.shown or (change.posted and change.sent)
    return changes


def _takes(step: Step) -> bool:
    """VCD says that it took the document that was sent."""
    if not isinstance(step.event, Answered) or step.before.phase is not Phase.INTENT or _of_another(step):
        return False
    match step.event.answer:
        case Accepted(task=task):
            return step.before.task_id in {None, task.id}
        case Done():
            return step.before.task_id is not None
        case _:
            return False


def _call(step: Step) -> StoredRequest | None:
    """The call that leaves after this step."""
    makes = any(isinstance(command, MakeCall) for command in step.decision.commands)
    return step.request if makes else None


def _sent(run: Run) -> Iterator[tuple[Step, Document]]:
    for step in run.steps:
        if call := _call(step):
            yield step, documents.read(call.body)


def _refused_at(run: Run) -> Iterator[tuple[Birth, int]]:
    return ((event.birth, number) for number, event in run.refusals)


def _of_another(step: Step) -> bool:
    event: ExternalInput = step.event
    if isinstance(event, Answered | Looked):
        return event.attempt != step.before.attempt
    return isinstance(event, Observed) and event.task.id != step.before.task_id
