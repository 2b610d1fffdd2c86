"""The words of a transcript as inputs of the core."""

from __future__ import annotations

from datetime import timedelta

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
from bridge.core.control import ControlInput, TargetCame
from bridge.core.events import Reason
from bridge.core.inputs import (
    Answered,
    CancelAnswered,
    CancelWanted,
    Granted,
    Input,
    Looked,
    Observed,
    ResolveWanted,
    Restored,
    RetryWanted,
    Unreadable,
    Vanished,
    Woke,
)
from bridge.core.requests import Resolution
from bridge.core.task import Task, empty_document

Arguments = dict[str, str]


def input_of(verb: str, plain: list[str], arguments: Arguments, attempt: int) -> Input:
    """``attempt``: the present one, of which an answer or a look is unless it says otherwise."""
    attempt = int(arguments.get("attempt", attempt))
    match verb:
        case "granted":
            return Granted()
        case "answer":
            return Answered(attempt, _answer(plain[0], arguments), 0.0)
        case "looked":
            return _looked(plain, arguments, attempt)
        case "task":
            return Observed(_task(plain[0], plain[1], arguments))
        case "vanished":
            return Vanished(403, "no access")
        case "woke":
            return Woke()
        case "cancel":
            return CancelWanted("operator")
        case "cancel_answer":
            return CancelAnswered(CancelAnswer(plain[0]))
        case "retry":
            return RetryWanted("operator")
        case "resolve":
            outcome, href = arguments.get("outcome"), arguments.get("href")
            return ResolveWanted(Resolution(outcome=outcome, task_href=href, reason="seen"), None)
        case "restored":
            return Restored()
        case "unreadable":
            return Unreadable("bad bytes")
        case _:
            raise AssertionError(f"unknown input {verb}")


def control_input_of(verb: str, arguments: Arguments) -> ControlInput:
    """Of a record that waits for its target."""
    assert verb == "target_came", f"unknown input {verb}"
    refusal = arguments.get("refusal")
    return TargetCame(Reason("not_possible", refusal) if refusal is not None else None)


def _looked(names: list[str], arguments: Arguments, attempt: int) -> Looked:
    rival = arguments.get("rival")
    return Looked(
        attempt=attempt,
        candidates=tuple(_task(name, "running", {}) for name in names),
        happened={"yes": True, "no": False}.get(arguments.get("happened", "")),
        evidence=("looked",),
        incomplete=arguments.get("incomplete"),
        rivals=(rival,) if rival is not None else (),
    )


def _answer(kind: str, arguments: Arguments) -> CallAnswer:
    match kind:
        case "accepted":
            status = arguments.get("status", "running")
            return Accepted(task=_task(arguments.get("task", "t1"), status, {}), http_status=202)
        case "done":
            return Done(http_status=204)
        case "refused":
            code = arguments.get("code", "BAD_REQUEST")
            return Refused(code=code, message="no", http_status=int(arguments.get("status", 400)))
        case "busy":
            return Busy(message="busy", http_status=400, task_id=arguments.get("by"))
        case "limited":
            after = arguments.get("after")
            retry_after = None if after is None else timedelta(seconds=float(after))
            return Limited(code="HTTP_429", message="slow down", http_status=429, retry_after=retry_after)
        case "unauthorized":
            return SessionExpired(message="token expired")
        case "never_sent":
            return NeverSent(code=arguments.get("code", "connect_failed"), message="refused")
        case "unknown":
            return OutcomeUnknown(code="no_answer", message="time-out")
        case _:
            raise AssertionError(f"unknown answer {kind}")


def _task(name: str, status: str, arguments: Arguments) -> Task:
    document = empty_document()
    document["id"] = f"urn:vcloud:task:{name}"
    document["status"] = status
    if "progress" in arguments:
        document["progress"] = int(arguments["progress"])
    document["cancelRequested"] = arguments.get("cancelRequested") == "true"
    return Task(document)
