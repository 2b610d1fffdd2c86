"""Bugs in how work done elsewhere is shown in VCD."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from bridge.core.coordinates import Birth, TopicPartition
from bridge.core.events import Outcome
from bridge.core.external import answering, changes, documents, judging, looking, marks, showing
from bridge.core.external import lifecycle as external_lifecycle
from bridge.core.external_commands import ExternalCommand
from bridge.core.lifecycle import Ended, Lifecycle, Phase, StoredRequest
from bridge.core.task import is_final, normal_status
from bridge.engine.desks import external_desk
from bridge.engine.desks.external_desk import ExternalDesk
from bridge.engine.partition import restoring
from bridge.engine.partition.owned_partition import OwnedPartition
from bridge.engine.partition.records import RecordWriter
from bridge.engine.partition.round import PartitionRound
from bridge.engine.recovery.orphans import Orphans
from tests.simulation.external import ExternalTasks, Kept
from tests.simulation.mutants.plans import silent, tickets
from tests.simulation.mutants.table import mutant


@mutant("I2", tickets)
def blind_second_post(patch: pytest.MonkeyPatch) -> None:
    """A POST whose answer was lost leaves again though a Task bears its mark."""
    patch.setattr(marks.Marker, "bears", lambda *_: False)


@mutant("I9", tickets)
def stranger_taken_for_an_orphan(patch: pytest.MonkeyPatch) -> None:
    """Whatever runs in the namespace is taken over, whosever mark it bears."""
    patch.setattr(marks.Marker, "key_in", lambda self, operation: "K0")


@mutant("I9", tickets, 3)
def orphan_left_alone(patch: pytest.MonkeyPatch) -> None:
    """A Task that nobody has runs for ever: the second one of a POST that was carried out twice."""
    patch.setattr(Orphans, "begin", lambda self, owned: None)
    patch.setattr(marks.Marker, "bears", lambda *_: False)


@mutant("I1", tickets)
def command_swallowed(patch: pytest.MonkeyPatch) -> None:
    """Every other update and finish changes nothing, and nobody is told."""
    act = ExternalDesk._act

    def some(
        self: ExternalDesk, work: PartitionRound, command: ExternalCommand, birth: Birth, known: Lifecycle | Ended
    ) -> Any:
        return None if birth.offset % 2 == 0 else act(self, work, command, birth, known)

    patch.setattr(ExternalDesk, "_act", some)


@mutant("I1", tickets)
def waiting_command_is_forgotten(patch: pytest.MonkeyPatch) -> None:
    """What came before its create is not applied to it."""
    patch.setattr(ExternalDesk, "_let_waiting_act", lambda self, work, key: None)


@mutant("I9", tickets)
def older_document_after_newer(patch: pytest.MonkeyPatch) -> None:
    """The store keeps the document that a create asked for: the next owner sends that."""
    states = RecordWriter._states

    def frozen(self: RecordWriter, work: PartitionRound) -> Any:
        for birth in [b for b in work.requests if b in work.owned.lifecycles]:
            request = work.owned.requests.get(birth)
            if request is not None and request.body is not None and work.changed[birth].kind == "external_task":
                work.requests[birth] = request
        return states(self, work)

    patch.setattr(RecordWriter, "_states", frozen)


@mutant("I1", tickets)
def silence_not_noticed(patch: pytest.MonkeyPatch) -> None:
    """Nobody looks at the clock of an owner who has fallen silent."""
    patch.setattr(external_lifecycle, "_is_silent", lambda story: False)


@mutant("I9", silent)
def silence_is_cut_short(patch: pytest.MonkeyPatch) -> None:
    """An owner's silence ends his task after a quarter of the time."""

    def early(self: Lifecycle) -> datetime | None:
        at = expires_at(self)
        return None if at is None or self.heard_at is None else self.heard_at + (at - self.heard_at) / 4

    expires_at = vars(Lifecycle)["expires_at"].fget
    patch.setattr(Lifecycle, "expires_at", property(early))


@mutant("I9", silent)
def silence_starts_over_with_each_owner(patch: pytest.MonkeyPatch) -> None:
    """A partition that comes from another owner takes every owner of a task for heard of just now."""

    async def changed(
        partition: TopicPartition, epoch: int, restored: Any, codec: Any, now: datetime
    ) -> OwnedPartition:
        owned = await restoring.build(partition, epoch, restored, codec, now)
        for birth, one in owned.lifecycles.items():
            if one.heard_at is not None:
                owned.lifecycles[birth] = replace(one, heard_at=now)
        return owned

    patch.setattr("bridge.engine.ownership.build", changed)


@mutant("I9", tickets)
def mark_left_out(patch: pytest.MonkeyPatch) -> None:
    """The operation text is sent without the mark."""
    patch.setattr(marks.Marker, "marked", lambda self, operation, key: operation or "")


@mutant("I9", tickets)
def end_of_others_is_ours(patch: pytest.MonkeyPatch) -> None:
    """That somebody else has ended the Task is told as if it had been wanted."""

    def plain(story: Any, task: Any) -> None:
        story.end(Outcome(normal_status(task.status or "")), task=task)

    for module in (answering, looking, external_lifecycle, showing):
        patch.setattr(module, "ended_in_vcd", plain)


@mutant("I1", tickets)
def refused_update_is_swallowed(patch: pytest.MonkeyPatch) -> None:
    """Who asked for what VCD never showed is not told."""
    patch.setattr(changes, "refused", lambda story, reason: story.become(unshown=()))


@mutant("I9", tickets)
def update_after_the_finish(patch: pytest.MonkeyPatch) -> None:
    """An update is taken although the task has been finished, and takes its end back."""

    def lenient(command: ExternalCommand, known: Lifecycle | Ended, request: StoredRequest | None) -> Any:
        good = isinstance(known, Lifecycle) and known.is_open and request is not None
        return None if good else judging.judge_change(command, known, request)

    changed = documents.changed

    def reopening(before: Any, command: ExternalCommand, marker: Any) -> Any:
        after = changed(before, command, marker)
        reopens = is_final(documents.status_of(before)) and command.status is None and command.verb == "update"
        return {**after, "status": "running"} if reopens else after

    patch.setattr(external_desk, "judge_change", lenient)
    patch.setattr(documents, "changed", reopening)


@mutant("I9", tickets)
def finish_sent_twice(patch: pytest.MonkeyPatch) -> None:
    """A finish that VCD has taken is sent once more.

    VCD itself is a second wall: it refuses what is asked of a Task that has ended. This one takes it where the end was
    a call's.
    """
    accepted, by_id = answering._accepted, ExternalTasks.by_id

    def insisting(story: Any, task: Any, request: Any, rules: Any, external: Any) -> None:
        if story.lifecycle.task_id is not None and task.is_final and story.lifecycle.tries < 2:
            story.become(phase=Phase.WAITING, wake_at=None)
        else:
            accepted(story, task, request, rules, external)

    def lenient(self: ExternalTasks, task_id: str) -> Kept | None:
        kept = by_id(self, task_id)
        ended_by_a_call = kept is not None and kept.document["status"] != "canceled"
        return replace(kept, ended=None) if kept is not None and ended_by_a_call else kept

    patch.setattr(answering, "_accepted", insisting)
    patch.setattr(ExternalTasks, "by_id", lenient)
