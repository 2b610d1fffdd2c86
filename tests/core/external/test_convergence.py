"""One external task, and a small Cloud Director that keeps what it is told.

Whatever goes wrong on the way: when calls are answered again it shows exactly what the commands asked for, in one Task,
ended once. Calls are acted on or not, answered or not; processes die; a person asks for a cancel or ends the Task.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import Phase as Stage
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.core.answers import Accepted, CallAnswer, Done, Limited, NeverSent, Refused
from bridge.core.commands import Look, MakeCall, ReadTask
from bridge.core.external import documents
from bridge.core.external.documents import Document
from bridge.core.external.marks import Marker
from bridge.core.inputs import Answered, Granted, Looked, Observed, Woke
from bridge.core.lifecycle import Phase, StoredRequest
from bridge.core.task import Task, empty_document, is_final
from bridge.vcd.documents.wire import read_task
from tests.core.external.happenings import KEY, REFERENCED, UNKNOWN, Restart, finish, update
from tests.core.external.stories import BIRTH, GROUP, Run

BAD = "more than VCD takes"
COMMANDS = (
    update(progress=10), update(progress=20, details="half done"), update(details="goes on"), update(details=BAD),
    update(status="running", description="x"), update(), finish(), finish(status="aborted", details="canceled"),
    finish(details=BAD),
)  # fmt: skip


class Vcd:
    """Takes documents, and refuses bad ones and those of ended Tasks."""

    def __init__(self) -> None:
        self.tasks: dict[str, Document] = {}
        self.ends = 0
        self.ended_by_a_person = False

    def act(self, request: StoredRequest) -> CallAnswer:
        document = documents.read(request.body)
        task_id = documents.task_id_of(request) or f"urn:vcloud:task:{len(self.tasks):08}-0000-4000-8000-000000000000"
        before = self.tasks.get(task_id, {})
        if (request.method == "PUT" and not before) or is_final(documents.status_of(before)):
            return Refused(code="BAD_REQUEST", message="has ended", http_status=400)
        if document.get("details") == BAD:
            return Refused(code="BAD_REQUEST", message="too much", http_status=400)
        flag = {"cancelRequested": before.get("cancelRequested", False)}
        self.tasks[task_id] = {**document, **flag}
        self.ends += is_final(documents.status_of(document))
        return Accepted(task=self.read(task_id), http_status=200)

    def read(self, task_id: str) -> Task:
        task = read_task(json.loads(json.dumps({**empty_document(), **self.tasks[task_id], "id": task_id})), "")
        assert task is not None
        return task

    def marked(self) -> tuple[Task, ...]:
        marker = Marker(GROUP, BIRTH.topic_partition)
        tasks = (self.read(task_id) for task_id in self.tasks)
        return tuple(task for task in tasks if marker.bears(task.document["operation"], KEY))


_SURELY = 3
"""Readings after which nothing more is to be expected."""


class World:
    """The bridge's part, Cloud Director's, and what is on its way between them."""

    def __init__(self) -> None:
        self.run = Run()
        self.vcd = Vcd()
        self.call: tuple[int, StoredRequest] | None = None
        self.look: int | None = None
        self.asked = False
        self.seen = 0

    def happen(self, seconds: float, happening: Any) -> None:
        self.run.happen(seconds, happening)
        for step in self.run.steps[self.seen :]:
            for command in step.decision.commands:
                match command:
                    case MakeCall(attempt=attempt):
                        assert step.request is not None
                        self.call = (attempt, step.request)
                    case Look(attempt=attempt):
                        self.look = attempt
                    case ReadTask():
                        self.asked = True
                    case _:
                        pass
        self.seen = len(self.run.steps)
        assert len(self.vcd.tasks) <= 1, "a second Task"
        assert self.vcd.ends <= 1, "ended twice"

    # --- what can happen ------------------------------------------------------------------------------------------

    def grant(self) -> None:
        if self.run.lifecycle.phase in {Phase.RECEIVED, Phase.WAITING}:
            self.happen(0, Granted())

    def answer(self, *, acts: bool = True, instead: CallAnswer | None = None) -> None:
        if self.call is None:
            return
        (attempt, request), self.call = self.call, None
        answer = self.vcd.act(request) if acts else None
        # A yes is never told for what was refused.
        told = answer if isinstance(answer, Refused) and isinstance(instead, Done) else instead or answer
        assert told is not None
        self.happen(0, Answered(attempt, told, 0.5))

    def answer_post_with_nothing(self) -> None:
        """A gateway says yes in VCD's place."""
        if self.call is not None and self.call[1].method == "POST":
            self.answer(acts=False, instead=Done(http_status=204))

    def die(self, *, acts: bool) -> None:
        if self.call is not None and acts:
            self.vcd.act(self.call[1])
        self.call, self.look, self.asked = None, None, False
        self.happen(0, Restart())

    def looked(self) -> None:
        if self.look is None or self.run.lifecycle.phase is not Phase.UNSURE:
            return
        attempt, self.look = self.look, None
        task_id = self.run.lifecycle.task_id
        found = self.vcd.marked() if task_id is None else (self.vcd.read(task_id),)
        self.happen(0, Looked(attempt=attempt, candidates=found, happened=None, evidence=()))

    def watched(self) -> None:
        task_id = self.run.lifecycle.task_id
        if task_id is not None:
            asked, self.asked = self.asked, False
            self.happen(0, Observed(self.vcd.read(task_id), asked=asked))

    def person(self, **changes: Any) -> None:
        for task_id, document in self.vcd.tasks.items():
            if not is_final(documents.status_of(document)):
                self.vcd.tasks[task_id] = {**document, **changes}
                self.vcd.ended_by_a_person |= "status" in changes

    # --- and then all goes well -----------------------------------------------------------------------------------

    def settle(self) -> None:
        at_rest = 0
        for _ in range(60):
            match self.run.lifecycle.phase:
                case Phase.RESOLVING:
                    self.happen(0, REFERENCED)
                case Phase.RECEIVED | Phase.WAITING:
                    self.happen(300, Granted())
                case Phase.INTENT:
                    self.answer()
                case Phase.UNSURE:
                    self.looked()
                case Phase.PARKED:
                    ending = is_final(self.run.lifecycle.wanted_status)
                    self.happen(0, finish(status=self.run.lifecycle.wanted_status) if ending else update())
                case Phase.FOLLOWING:
                    self.watched()
                    at_rest += self.run.lifecycle.phase is Phase.FOLLOWING
                    if at_rest > _SURELY:
                        return
                case _:
                    return
        raise AssertionError(f"it never settles: {self.run}")


ACTIONS: tuple[Callable[[World], None], ...] = (
    *[World.grant] * 4,
    *[World.answer] * 4,
    lambda world: world.answer(instead=UNKNOWN),
    lambda world: world.answer(acts=False, instead=UNKNOWN),
    lambda world: world.answer(acts=False, instead=NeverSent(code="connect_failed", message="refused")),
    lambda world: world.answer(acts=False, instead=Limited(code="HTTP_429", message="slow", http_status=429)),
    lambda world: world.answer(instead=Done(http_status=204)),
    lambda world: world.answer_post_with_nothing(),
    lambda world: world.die(acts=True),
    lambda world: world.die(acts=False),
    *[World.looked] * 3,
    World.watched,
    lambda world: world.person(cancelRequested=True),
    lambda world: world.person(status="aborted"),
    lambda world: world.happen(0, REFERENCED),
    lambda world: world.happen(2, Woke()),
    *[lambda world, command=command: world.happen(0, command) for command in COMMANDS],
)


def _played(tape: bytes) -> World:
    world = World()
    world.happen(0, REFERENCED)
    for number in tape:
        ACTIONS[number % len(ACTIONS)](world)
    world.settle()
    return world


worlds = st.binary(min_size=16, max_size=48).map(_played)
of_every_world = settings(max_examples=600, deadline=None, derandomize=True, database=None)


def _allowed(run: Run) -> dict[str, set[Any]]:
    """What each field may show: what the last command that stands asked for, or one after it that was told as refused;
    of these VCD may have taken what is not in doubt."""
    told = {event.birth for _, event in run.refusals}
    allowed: dict[str, set[Any]] = {"status": {"running"}, "details": {run.created.details}}
    for birth, (command, verdict) in run.verdicts.items():
        if verdict is None:
            for name, value in documents.asked(command).items():
                before = allowed.get(name, {None}) if birth in told else set()
                allowed[name] = before | ({value} - {BAD})
    return allowed


def _shows_what_was_asked_for(world: World) -> None:
    run, vcd = world.run, world.vcd
    if run.lifecycle.outcome == "rejected":
        assert not vcd.tasks
        return
    (shown,) = vcd.tasks.values()
    status = documents.status_of(shown)
    assert (run.lifecycle.phase is Phase.ENDED) == is_final(status), f"{status} in {run.lifecycle.phase}"
    if is_final(status):
        assert run.lifecycle.outcome == status
    if not vcd.ended_by_a_person:
        for name, values in _allowed(run).items():
            assert shown.get(name) in values, f"{name} is {shown.get(name)}, not of {values}"


def _a_flag_is_told(world: World) -> None:
    (shown,) = world.vcd.tasks.values() or ({},)
    if shown.get("cancelRequested"):
        assert any(event.task is not None and event.task.cancel_requested for event in world.run.events)


@given(worlds)
@of_every_world
def test_vcd_shows_what_was_asked_for(world: World) -> None:
    _shows_what_was_asked_for(world)
    _a_flag_is_told(world)


def test_the_worlds_go_everywhere() -> None:
    seen: set[str] = set()

    @given(worlds)
    @of_every_world
    def count(world: World) -> None:
        seen.add(str(world.run.lifecycle.outcome or world.run.lifecycle.phase))
        seen.update(step.after.phase for step in world.run.steps)
        seen.update(note for step in world.run.steps for note in step.decision.notes)
        seen.update("told" for _ in world.run.refusals)

    count()
    wanted = {"success", "aborted", "rejected", "following", "parked", "told", "recovery_adopted", "recovery_repeated"}
    assert wanted | {"external_update_refused"} <= seen


def test_a_world_in_which_nothing_is_repeated_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the tester: without the look after a death, a second Task is made."""
    monkeypatch.setattr(Vcd, "marked", lambda _: ())

    @given(worlds)
    @settings(of_every_world, phases=[Stage.generate], report_multiple_bugs=False)
    def play(world: World) -> None:
        _shows_what_was_asked_for(world)

    with pytest.raises(AssertionError):
        play()
