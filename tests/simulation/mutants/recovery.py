"""Bugs in what is done after a doubt, and in the lanes."""

from __future__ import annotations

from collections.abc import Iterable
from copy import copy
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from bridge.catalogue.operation import Recovery
from bridge.core import action_request, answering, own_task, reconciling
from bridge.core.commands import SendCancel
from bridge.core.inputs import Looked, RetryWanted
from bridge.core.lifecycle import Lifecycle, Phase
from bridge.core.opening import Asker
from bridge.core.requests import ActionRequest
from bridge.core.rules import OperationFacts, Rules
from bridge.core.story import Story
from bridge.core.task import Task
from bridge.engine.calling.brake import Brake
from bridge.engine.desks import action_desk, controls
from bridge.engine.journal import claims
from bridge.engine.partition import lanes
from bridge.engine.partition.owned_partition import OwnedPartition
from bridge.engine.partition.round import PartitionRound
from bridge.engine.reading import patience
from bridge.engine.recovery import recovering as recovery
from bridge.engine.runner import Runner
from tests.simulation.mutants.plans import doubtful, frozen, hasty, parked, requests, twins, unanswered, unheard, unread
from tests.simulation.mutants.table import mutant

# --- doubt --------------------------------------------------------------------------------------------------------


@mutant("I2", doubtful)
def blind_second_call(patch: pytest.MonkeyPatch) -> None:
    """A call whose answer was lost leaves again without a look."""
    patch.setattr(recovery, "narrowed", lambda *_: ())
    patch.setattr(reconciling, "_why_not_again", lambda *_: None)


@mutant("I2", doubtful)
def recovery_class_ignored(patch: pytest.MonkeyPatch) -> None:
    """After a look that found nothing every operation is called again, also one that never may."""
    patch.setattr(reconciling, "_why_class_forbids", lambda look, facts: None)


@mutant("I2", doubtful, 4)
def retry_of_what_is_never_retried(patch: pytest.MonkeyPatch) -> None:
    """An operator's retry puts back an operation that is never called twice."""
    retry = action_request._retry_wanted

    def willing(story: Story, event: RetryWanted, facts: OperationFacts) -> str | None:
        return retry(story, event, replace(facts, recovery=Recovery.IDEMPOTENT))

    patch.setattr(action_request, "_retry_wanted", willing)


@mutant("I2", doubtful)
def claimed_task_is_adopted(patch: pytest.MonkeyPatch) -> None:
    """A look takes a Task for its own that belongs to another request."""
    patch.setattr(claims.Claims, "__contains__", lambda self, task_id: False)
    patch.setattr(claims.Claims, "settle", lambda self, look, *_: look)


@mutant("I2", twins)
def rivals_ignored(patch: pytest.MonkeyPatch) -> None:
    """A look takes the only Task that fits, whoever else could have made it."""
    settle = claims.Claims.settle
    patch.setattr(claims.Claims, "settle", lambda self, *args: replace(settle(self, *args), rivals=()))


@mutant("I2", twins, 4)
def ended_doubt_is_forgotten(patch: pytest.MonkeyPatch) -> None:
    """A request that ended in doubt is nobody's rival any more, though its call may have made the Task."""
    patch.setattr(OwnedPartition, "_keep_in_mind", lambda self, doubt: None)


@mutant("I2", twins)
def first_of_many_adopted(patch: pytest.MonkeyPatch) -> None:
    """Of several Tasks that fit a look takes the first."""
    found = reconciling._found

    def rash(story: Story, look: Looked) -> None:
        rivals = look.rivals if len(look.candidates) == 1 else ()
        found(story, replace(look, candidates=look.candidates[:1], rivals=rivals))

    patch.setattr(reconciling, "_found", rash)


@mutant("I2", unheard)
def no_settling_time(patch: pytest.MonkeyPatch) -> None:
    """What a look does not find is taken for not done at once, though the call may still be on its way."""
    patch.setattr(patience.SettleTimes, "of", lambda self, *, dead_owner: patience.Pause(timedelta(0), "none"))


@mutant("I2", hasty, 2)
def repeated_after_any_time(patch: pytest.MonkeyPatch) -> None:
    """A call whose outcome is unknown is made again however long ago it was."""
    for module in (action_request, reconciling):
        patch.setattr(module, "too_late_to_repeat", lambda story, rules: False)


@mutant("I2", parked, 41)
def resolved_with_anothers_task(patch: pytest.MonkeyPatch) -> None:
    """An operator's word gives a request the Task that another one has."""
    patch.setattr(controls, "_of_another", lambda work, target, wanted: None)


@mutant("I2", doubtful)
def look_is_not_told(patch: pytest.MonkeyPatch) -> None:
    """What recovery looked at is not told."""
    settled = reconciling.looked

    def silent(story: Story, look: Looked, facts: OperationFacts, rules: Rules) -> None:
        settled(story, replace(look, evidence=()), facts, rules)

    patch.setattr(action_request, "looked", silent)


@mutant("I2", doubtful)
def lost_answer_is_a_refusal(patch: pytest.MonkeyPatch) -> None:
    """An unanswered call is taken for one that was refused."""
    from bridge.core import answering
    from bridge.core.answers import OutcomeUnknown, Refused

    def refused(story: Story, answer: OutcomeUnknown) -> None:
        answering._refused(story, Refused(code=answer.code, message=answer.message, http_status=400))

    patch.setattr(answering, "_unknown", refused)


# --- lanes --------------------------------------------------------------------------------------------------------


@mutant("I5", requests)
def lanes_ignored(patch: pytest.MonkeyPatch) -> None:
    """Nobody waits for those before it in its lane."""

    def first(self: lanes.Lanes, lane: str) -> object:
        return next(iter(self._waiting.get(lane, ())), None)

    patch.setattr(lanes.Lanes, "head", first)


@mutant("I5", requests)
def last_comes_first(patch: pytest.MonkeyPatch) -> None:
    """The newest of a lane starts first."""

    def last(self: lanes.Lanes, lane: str) -> object:
        waiting = self._waiting.get(lane)
        return waiting[-1] if waiting and not self._started.get(lane) else None

    patch.setattr(lanes.Lanes, "head", last)


def _released_in(patch: pytest.MonkeyPatch, *phases: Phase) -> None:
    holds = vars(Lifecycle)["holds_lane"].fget
    patch.setattr(Lifecycle, "holds_lane", property(lambda self: holds(self) and self.phase not in phases))


@mutant("I5", doubtful)
def lane_given_back_in_doubt(patch: pytest.MonkeyPatch) -> None:
    """A request whose call is in doubt lets the next one of its entity start."""
    _released_in(patch, Phase.UNSURE)


@mutant("I5", doubtful)
def lane_given_back_when_parked(patch: pytest.MonkeyPatch) -> None:
    """A parked request lets the next one of its entity start at once."""
    _released_in(patch, Phase.PARKED)


@mutant("I5", requests)
def lane_given_back_when_accepted(patch: pytest.MonkeyPatch) -> None:
    """A request whose Task runs lets the next one of its entity start."""
    _released_in(patch, Phase.FOLLOWING)


@mutant("I1", requests)
def lane_never_given_back(patch: pytest.MonkeyPatch) -> None:
    """Who has ended still holds its lane."""
    patch.setattr(lanes.Lanes, "_leave", lambda self, lane, birth: None)


# --- cancels ------------------------------------------------------------------------------------------------------


@mutant("I2", unanswered)
def cancel_after_the_end(patch: pytest.MonkeyPatch) -> None:
    """A cancel is sent a second time, whatever has become of the Task meanwhile."""
    once = Runner._cancel

    async def twice(self: Runner, owned: OwnedPartition, lifecycle: Lifecycle, failures: int, leave_by: float) -> None:
        await once(self, owned, lifecycle, failures, leave_by)
        await once(self, owned, lifecycle, failures, self._clock.monotonic() + 5.0)

    patch.setattr(Runner, "_cancel", twice)


@mutant("I1", frozen)
def cancel_forgotten_by_the_next_owner(patch: pytest.MonkeyPatch) -> None:
    """A cancel that the former owner had not sent is never sent."""
    restored = action_request._restored

    def forgetful(story: Story) -> None:
        restored(story)
        story.commands[:] = [one for one in story.commands if not isinstance(one, SendCancel)]

    patch.setattr(action_request, "_restored", forgetful)


@mutant("I6", frozen)
def cancels_leave_in_a_freeze(patch: pytest.MonkeyPatch) -> None:
    """A freeze holds calls back, and no cancels."""
    begin, cancel = Runner._begin_cancel, Runner._cancel

    def unfrozen(runner: Runner) -> Runner:
        loose = copy(runner)
        loose._brake = cast("Brake", SimpleNamespace(is_on=False))
        return loose

    patch.setattr(Runner, "_begin_cancel", lambda self, *args: begin(unfrozen(self), *args))
    patch.setattr(Runner, "_cancel", lambda self, *args: cancel(unfrozen(self), *args))


@mutant("I1", frozen)
def held_cancels_are_forgotten(patch: pytest.MonkeyPatch) -> None:
    """What a freeze has held back of cancels is not sent when it is over."""

    def forget(self: Runner, partitions: Iterable[OwnedPartition]) -> None:
        for owned in partitions:
            owned.held_cancels = {}

    patch.setattr(Runner, "thawed", forget)


@mutant("I1", requests)
def cancel_swallowed(patch: pytest.MonkeyPatch) -> None:
    """A cancel changes nothing."""
    patch.setattr(action_request, "_cancel_wanted", lambda story, event: None)


@mutant("I1", requests)
def waiting_cancel_is_forgotten(patch: pytest.MonkeyPatch) -> None:
    """A cancel that came before its request does not wait for it."""
    patch.setattr(controls, "open_control", lambda *args: replace(_open(*args), phase=Phase.ENDED))


@mutant("I1", requests)
def nobody_is_waited_for(patch: pytest.MonkeyPatch) -> None:
    """A cancel for a request that is not there yet is refused at once."""
    take_control = controls.take_control

    def hasty(work: PartitionRound, who: Asker, record: ActionRequest, *, may_wait: bool) -> None:
        take_control(work, who, record, may_wait=False)

    patch.setattr(action_desk, "take_control", hasty)


def _open(*args: Any) -> Lifecycle:
    from bridge.core.opening import open_control

    return open_control(*args)


@mutant("I2", unread, 10)
def look_that_saw_less_adopts(patch: pytest.MonkeyPatch) -> None:
    """A look takes the one Task that it found, though not everything could be looked at."""
    looked = reconciling.looked

    def content(story: Story, look: Looked, facts: OperationFacts, rules: Rules) -> None:
        looked(story, replace(look, incomplete=None), facts, rules)

    patch.setattr(action_request, "looked", content)


@mutant("I2", twins, 35, 43, 47)
def retry_forgets_the_doubt(patch: pytest.MonkeyPatch) -> None:
    """What an operator has put back is nobody's rival any more, though its first call may have made the Task."""
    retry = action_request._retry_wanted

    def forgetful(story: Story, event: RetryWanted, facts: OperationFacts) -> str | None:
        refusal = retry(story, event, facts)
        if refusal is None:
            story.become(unsure_since=None)
        return refusal

    patch.setattr(action_request, "_retry_wanted", forgetful)


@mutant("I1", unanswered, 11)
def cancel_before_acceptance_is_lost(patch: pytest.MonkeyPatch) -> None:
    """A cancel that was wanted before VCD had accepted the call is not sent."""
    accept = own_task.accept

    def forgetful(story: Story, task: Task) -> None:
        accept(story, task)
        story.commands[:] = [one for one in story.commands if not isinstance(one, SendCancel)]

    for module in (answering, reconciling, action_request):
        patch.setattr(module, "accept", forgetful)
