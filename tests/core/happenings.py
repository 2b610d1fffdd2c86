"""What can happen to an action request in each phase, as a list to draw from."""

from __future__ import annotations

from collections.abc import Iterator

from bridge.core.answers import (
    Accepted,
    Busy,
    CallAnswer,
    CancelAnswer,
    Done,
    Limited,
    NeverSent,
    OutcomeUnknown,
    Refused,
    SessionExpired,
)
from bridge.core.hold import Hold
from bridge.core.inputs import (
    Answered,
    CancelAnswered,
    CancelWanted,
    Granted,
    HoldSeen,
    Input,
    Looked,
    Observed,
    ReferenceUnanswered,
    ResolveWanted,
    Restored,
    RetryWanted,
    Unreadable,
    Vanished,
    Woke,
)
from bridge.core.lifecycle import Lifecycle, Phase
from bridge.core.requests import Resolution
from bridge.core.task import Task, empty_document

UNKNOWN = OutcomeUnknown(code="no_answer", message="time-out")
GONE = Hold(held=False, task=None, told="gone")


def possible(lifecycle: Lifecycle) -> list[Input]:
    """Inputs that can reach this lifecycle now: those that its phase waits for, several times, so that they are drawn
    often; operators' words; and what is late."""
    attempt = lifecycle.attempt
    mine = lifecycle.task_id or f"urn:vcloud:task:{attempt}"
    late: list[Input] = [
        Answered(attempt - 1, _accepted("late"), 0.5), Looked(attempt=attempt - 1, candidates=(task("late"),),
        happened=None, evidence=("late",)),
    ]  # fmt: skip
    if lifecycle.phase is not Phase.RESOLVING:
        late += [HoldSeen(GONE), ReferenceUnanswered("parameters.id", "time-out")]
    match lifecycle.phase:
        case Phase.RESOLVING:
            held = [HoldSeen(Hold(held=True, task=task("held", None), told="held"))]
            expected: list[Input] = [*held * 2, *late, *_unread(), Woke(), Restored()]
        case Phase.RECEIVED:
            expected = [*[Granted()] * 12, Woke(), Restored(), *late]
        case Phase.WAITING:
            expected = [*[Granted()] * 12, Woke(), Restored(), *_late_task(mine), *late]
        case Phase.INTENT:
            answers = [Answered(attempt, answer, 0.5) for answer in _answers(attempt)]
            expected = [*answers, *[Restored()] * 2, Woke(), Unreadable("bad"), Granted(), *_late_task(mine), *late]
        case Phase.UNSURE:
            unanswered = Answered(attempt, OutcomeUnknown(code="no_answer", message="late"), 0.5)
            looks = _looks(attempt) if lifecycle.held_task_id is None else _looks_at_hold(attempt)
            expected = [*looks, Restored(), Woke(), unanswered, Granted(), *_late_task(mine), *late]
        case Phase.FOLLOWING:
            expected = [*_readings(mine), Observed(task("other", "success")), Woke(), Restored(), Granted(), *late]
        case Phase.PARKED:
            expected = [Woke(), Restored(), Unreadable("bad"), Granted(), *_late_task(mine), *late]
        case _:
            expected = [Granted(), Woke(), Restored(), *_late_task(mine), *late]
    return expected + _operators_words(lifecycle)


def _operators_words(lifecycle: Lifecycle) -> list[Input]:
    rare: list[Input] = [
        CancelWanted(None), RetryWanted(None), ResolveWanted(Resolution(outcome="success"), None),
        ResolveWanted(Resolution(task_href="/api/task/cccccccc-cccc-4ccc-8ccc-cccccccccccc"), None),
        ResolveWanted(Resolution(), None),
    ]  # fmt: skip
    if lifecycle.phase is Phase.PARKED:
        return [*rare, *[rare[1]] * 6, *[rare[3]] * 2]
    return [*rare, *[rare[0]] * 2] if lifecycle.phase in {Phase.WAITING, Phase.FOLLOWING} else rare


def _answers(attempt: int) -> Iterator[CallAnswer]:
    yield from [UNKNOWN] * 8
    for status in ("queued", "running", "odd", "success", None):
        yield _accepted(str(attempt), status)
    yield Done(http_status=204)
    yield from [Busy(message="busy", http_status=400, task_id="urn:vcloud:task:z")] * 2
    yield Busy(message="busy", http_status=400)
    yield Limited(code="HTTP_429", message="slow", http_status=429)
    yield from [SessionExpired(message="expired")] * 3
    yield from [NeverSent(code=code, message="not sent") for code in ("connect_failed", "lease_expired")]
    for code, http_status in (("BAD_REQUEST", 400), ("INVALID_STATE", 400), ("FORBIDDEN", 403)):
        yield Refused(code=code, message="no", http_status=http_status)


def _accepted(name: str, status: str | None = "running") -> Accepted:
    return Accepted(task=task(name, status), http_status=202)


def _looks(attempt: int) -> Iterator[Input]:
    found = (task(str(attempt)),)
    yield Looked(attempt=attempt, candidates=(), happened=None, evidence=("looked",), overtaken=True)
    for candidates, happened, incomplete, rivals in (
        *[((), None, None, ())] * 3,
        *[((), False, None, ())] * 8,
        ((), True, None, ()),
        ((), True, "one cannot be read", ()),
        ((), False, "too many rows", ()),
        (found, None, None, ()),
        (found, None, None, ("t/0/2",)),
        (found, None, "one cannot be read", ()),
        ((*found, task("x", "odd")), None, None, ()),
        ((task("x", "success"),), None, None, ()),
    ):
        yield Looked(
            attempt=attempt, candidates=candidates, happened=happened, evidence=("looked",), incomplete=incomplete,
            rivals=rivals,
        )  # fmt: skip


def _unread() -> list[Input]:
    return [HoldSeen(GONE), *[ReferenceUnanswered("parameters.id", "time-out")] * 3]


def _looks_at_hold(attempt: int) -> Iterator[Input]:
    over = [
        Hold(held=False, task=task("held", status), told=f"is {status}") for status in ("running", "aborted", "error")
    ]
    for hold in (*[Hold(held=True, task=None, told="held")] * 8, *over, GONE):
        happened = False if hold.held else None
        yield Looked(attempt=attempt, candidates=(), happened=happened, evidence=("looked",), hold=hold)


def _readings(task_id: str) -> Iterator[Input]:
    for status, progress, flagged in (
        ("queued", None, False), ("preRunning", None, False), ("running", None, False), ("running", 5, False),
        ("running", 50, False), ("running", 50, True), ("postRunning", 90, False), ("odd", None, False),
        ("Odder", None, True), ("success", 100, False), ("canceled", None, True),
    ):  # fmt: skip
        yield Observed(task(task_id, status, progress, flagged))
    yield from [Vanished(403, "gone")] * 3
    yield from (CancelAnswered(_urn(task_id), answer) for answer in CancelAnswer)
    yield CancelAnswered(_urn("other"), CancelAnswer.REQUESTED)


def _late_task(task_id: str) -> list[Input]:
    return [
        Observed(task(task_id, "success")),
        Vanished(404, "gone"),
        CancelAnswered(_urn(task_id), CancelAnswer.REQUESTED),
    ]


def task(name: str, status: str | None = "running", progress: int | None = None, cancel: bool = False) -> Task:
    """A reading of a Task, by its URN or the end of it."""
    document = empty_document()
    document["id"] = _urn(name)
    document["status"] = status
    document["progress"] = progress
    document["cancelRequested"] = cancel
    return Task(document)


def _urn(name: str) -> str:
    return name if name.startswith("urn:") else f"urn:vcloud:task:{name}"
