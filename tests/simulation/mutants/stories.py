"""Bugs in what is told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bridge.core import action_request, answering, own_task, repeats
from bridge.core.answers import Busy, Limited, Refused
from bridge.core.events import Outcome
from bridge.core.inputs import ResolveWanted
from bridge.core.lifecycle import Phase
from bridge.core.repeats import Known
from bridge.core.requests import Undecodable
from bridge.core.story import Story
from bridge.core.task import Task
from bridge.engine.desks import action_desk
from bridge.engine.partition import dead_letters
from bridge.engine.partition.records import RecordWriter
from bridge.ports import Delivery, OutRecord
from tests.simulation.mutants.plans import doubtful, requests
from tests.simulation.mutants.table import mutant


@mutant("I4", requests)
def final_event_twice(patch: pytest.MonkeyPatch) -> None:
    """The end is told twice."""
    finish = own_task.finish

    def twice(story: Story, task: Task) -> None:
        finish(story, task)
        finish(story, task)

    patch.setattr(own_task, "finish", twice)


@mutant("I4", requests)
def status_goes_backward(patch: pytest.MonkeyPatch) -> None:
    """What a reading shows is told though it is older than what was told before."""
    patch.setattr(own_task, "is_regression", lambda lifecycle, task: False)
    patch.setattr(own_task, "is_news", lambda lifecycle, task, rules: task.status != lifecycle.status)


@mutant("I4", requests)
def unknown_end_is_success(patch: pytest.MonkeyPatch) -> None:
    """A Task that ended in any way is told as success."""
    end = Story.end

    def fine(self: Story, outcome: Outcome, **told: Any) -> None:
        end(self, Outcome.SUCCESS if told.get("task") is not None else outcome, **told)

    patch.setattr(Story, "end", fine)


@mutant("I1", doubtful)
def resolve_tells_no_end(patch: pytest.MonkeyPatch) -> None:
    """An operator's resolve ends a request without an event."""

    def silent(story: Story, event: ResolveWanted) -> str | None:
        story.become(phase=Phase.ENDED, outcome=Outcome.SUCCESS, ended_at=story.now)
        return None

    patch.setattr(action_request, "_resolve_wanted", silent)


@mutant("I1", doubtful)
def parked_in_silence(patch: pytest.MonkeyPatch) -> None:
    """A request is parked, and nobody is told."""

    def silent(self: Story, reason: Any, **more: Any) -> None:
        self.become(phase=Phase.PARKED, parked_reason=reason.code, parked_from=self.lifecycle.phase,
                    parked_at=self.now, wake_at=None)  # fmt: skip

    patch.setattr(Story, "park", silent)


@mutant("I4", requests)
def ticket_is_told_nothing(patch: pytest.MonkeyPatch) -> None:
    """An end has no ticket update."""

    def events_only(self: RecordWriter, work: Any, event: Any) -> Any:
        yield self.event(event)

    patch.setattr(RecordWriter, "_told", events_only)


@mutant("I1", requests)
def dead_letter_is_emptied(patch: pytest.MonkeyPatch) -> None:
    """Of what cannot be read the coordinates are kept, and nothing else."""

    def emptied(topic: str, delivery: Delivery, error: Undecodable) -> OutRecord:
        return replace(whole(topic, delivery, error), key=None, value=b"")

    whole = dead_letters.whole
    patch.setattr(dead_letters, "whole", emptied)


@mutant("I1", requests, 5)
def other_content_is_a_repeat(patch: pytest.MonkeyPatch) -> None:
    """Another request under a known id is taken for a repeat."""
    recognise = repeats.recognise

    def careless(known: Any, content_hash: str | None) -> Known:
        found = recognise(known, content_hash)
        return Known.REPEAT if found is Known.CONFLICT else found

    patch.setattr(action_desk, "recognise", careless)


@mutant("I3", requests)
def repeat_is_a_conflict(patch: pytest.MonkeyPatch) -> None:
    """The same request sent again is refused."""
    recognise = repeats.recognise

    def strict(known: Any, content_hash: str | None) -> Known:
        found = recognise(known, content_hash)
        return Known.CONFLICT if found is Known.REPEAT else found

    patch.setattr(action_desk, "recognise", strict)


@mutant("I1", requests)
def task_is_not_followed(patch: pytest.MonkeyPatch) -> None:
    """A Task that VCD has accepted is not looked at any more."""
    from bridge.engine.following.follower import Follower

    patch.setattr(Follower, "add", lambda self, owned, lifecycle: None)


@mutant("I5", doubtful, 5)
def busy_is_a_refusal(patch: pytest.MonkeyPatch) -> None:
    """A request ends because somebody else is at work on its entity."""

    def refused(story: Story, answer: Busy, *_: object) -> None:
        answering._refused(story, Refused(code="BUSY_ENTITY", message=answer.message, http_status=answer.http_status))

    patch.setattr(answering, "_busy", refused)


@mutant("I5", doubtful)
def limit_is_a_refusal(patch: pytest.MonkeyPatch) -> None:
    """A request ends because VCD has too much to do just then."""

    def refused(story: Story, answer: Limited, *_: object) -> None:
        answering._refused(story, Refused(code=answer.code, message=answer.message, http_status=answer.http_status))

    patch.setattr(answering, "_limited", refused)
