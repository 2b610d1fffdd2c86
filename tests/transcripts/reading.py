"""The words of a transcript as inputs of the core."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

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
from bridge.core.external_commands import ExternalCommand, ExternalVerb
from bridge.core.hold import Hold
from bridge.core.inputs import (
    Answered,
    CancelAnswered,
    CancelWanted,
    ExternalInput,
    Granted,
    HoldSeen,
    Input,
    Looked,
    NotReferenced,
    Observed,
    Referenced,
    ReferenceUnanswered,
    ResolveWanted,
    Restored,
    RetryWanted,
    Unreadable,
    Vanished,
    Woke,
)
from bridge.core.requests import Resolution
from bridge.core.task import ReferenceDocument, Task, empty_document

Arguments = dict[str, str]


COMMANDS = frozenset({"update", "finish"})


def external_input_of(verb: str, plain: list[str], arguments: Arguments, attempt: int) -> ExternalInput:
    """Of an external task; what it has in common with an action request is said with the same words."""
    match verb:
        case "references":
            owner = _reference("urn:vcloud:vapp:11111111-1111-4111-8111-111111111111")
            user = _reference("urn:vcloud:user:22222222-2222-4222-8222-222222222222")
            return Referenced(organization_uuid="33333333-3333-4333-8333-333333333333", owner=owner, user=user)
        case "no_reference":
            return NotReferenced(plain[0], "does not exist")
        case _:
            event = input_of(verb, plain, arguments, attempt)
            assert not isinstance(event, CancelAnswered | CancelWanted | RetryWanted | ResolveWanted | HoldSeen)
            return event


def command_of(verb: str, arguments: Arguments) -> ExternalCommand:
    """A record about the external task ``CHG1``."""
    words: dict[str, Any] = dict(arguments)
    for number in {"progress", "revision"} & set(words):
        words[number] = int(words[number])
    if "expire_after" in words:
        words["expire_after"] = timedelta(seconds=float(words["expire_after"]))
    return ExternalCommand(verb=ExternalVerb(verb), external_key="CHG1", **words)


def _reference(urn: str) -> ReferenceDocument:
    return ReferenceDocument(href=None, id=urn, type=None, name=None)


def input_of(verb: str, plain: list[str], arguments: Arguments, attempt: int, task_id: str | None = None) -> Input:
    """``attempt`` and ``task_id``: the present ones, of which an answer or a look is unless it says otherwise."""
    attempt = int(arguments.get("attempt", attempt))
    match verb:
        case "granted":
            return Granted()
        case "hold":
            return HoldSeen(_hold(plain[0], arguments))
        case "reference_unanswered":
            return ReferenceUnanswered(plain[0], "HTTP 500")
        case "answer":
            return Answered(attempt, _answer(plain[0], arguments), 0.0)
        case "looked":
            return _looked(plain, arguments, attempt)
        case "task":
            return Observed(_task(plain[0], plain[1], arguments), asked="asked" in plain)
        case "vanished":
            return Vanished(403, "no access")
        case "woke":
            return Woke()
        case "cancel":
            return CancelWanted("operator")
        case "cancel_answer":
            return CancelAnswered(
                _urn(arguments["task"]) if "task" in arguments else task_id or "", CancelAnswer(plain[0])
            )
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


def _hold(word: str, arguments: Arguments) -> Hold:
    status = arguments.get("status")
    behind = _task("behind", status, arguments) if status is not None else None
    if word == "held":
        behind = _task("behind", "preRunning", {})
    return Hold(held=word == "held", task=behind, told=f"it is {word}, its Task {status}")


def _looked(names: list[str], arguments: Arguments, attempt: int) -> Looked:
    if "hold" in arguments:
        hold = _hold(arguments["hold"], arguments)
        return Looked(
            attempt=attempt, candidates=(), happened=False if hold.held else None, evidence=(hold.told,), hold=hold
        )
    rival = arguments.get("rival")
    return Looked(
        attempt=attempt,
        candidates=tuple(_task(name, arguments.get("status", "running"), {}) for name in names if name != "overtaken"),
        happened={"yes": True, "no": False}.get(arguments.get("happened", "")),
        evidence=("looked",),
        incomplete=arguments.get("incomplete"),
        rivals=(rival,) if rival is not None else (),
        overtaken="overtaken" in names,
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


def _urn(name: str) -> str:
    return f"urn:vcloud:task:{name}"


def _task(name: str, status: str, arguments: Arguments) -> Task:
    document = empty_document()
    document["id"] = _urn(name)
    document["status"] = status
    if "progress" in arguments:
        document["progress"] = int(arguments["progress"])
    document["cancelRequested"] = arguments.get("cancelRequested") == "true"
    return Task(document)
