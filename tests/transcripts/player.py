"""Reads a transcript, feeds its inputs to the core and writes down what came out, in the same form.

A transcript is a list of steps. ``> input`` is what happens; the indented lines below it are what the core decides:
``phase`` after it, each ``event`` with its sequence, each ``command``, ``note``s and a ``refusal``. ``@ +30s`` moves
time. Everything after ``#`` is for the reader.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from bridge.catalogue.operation import Recovery
from bridge.core.action_request import decide
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
from bridge.core.commands import Decision, Look
from bridge.core.coordinates import Birth
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
from bridge.core.lifecycle import Lifecycle
from bridge.core.opening import Asker, Opening, open_request
from bridge.core.requests import Resolution
from bridge.core.rules import OperationFacts, Rules
from bridge.core.task import Task, empty_document

START = datetime(2026, 1, 1, tzinfo=UTC)
BIRTH = Birth("requests", 0, 7)


def play(text: str) -> str:
    """The transcript as the core really plays it."""
    player = _Player()
    out: list[str] = []
    for line in text.strip().splitlines():
        if line.startswith(("#", ">", "@")) or not line.strip():
            out.append(line)
            if line.startswith((">", "@")):
                out += [f"    {told}" for told in player.step(line)]
        # An indented line is an expectation: it is written anew from what really happened.
    return "\n".join(out)


class _Player:
    def __init__(self) -> None:
        self.now = START
        self.lifecycle: Lifecycle | None = None
        self.facts = OperationFacts(Recovery.IDEMPOTENT)
        self.rules = Rules()

    def step(self, line: str) -> list[str]:
        words = shlex.split(line[1:].partition("#")[0])
        if line.startswith("@"):
            self.now += timedelta(seconds=float(words[0].strip("+s")))
            return []
        verb, arguments = words[0], dict(word.split("=", 1) for word in words[1:] if "=" in word)
        plain = [word for word in words[1:] if "=" not in word]
        if verb == "request":
            return self._open(arguments)
        assert self.lifecycle is not None, "a transcript begins with > request"
        decision = decide(self.now, self.lifecycle, self._input(verb, plain, arguments), self.facts, self.rules)
        return self._tell(decision)

    def _open(self, arguments: dict[str, str]) -> list[str]:
        self.facts = OperationFacts(Recovery(arguments.get("recovery", "idempotent")))
        self.rules = replace(self.rules, max_tries=int(arguments.get("max_tries", 10)))
        who = Asker(BIRTH, b"key", "R1", "T1", "ticketing", arguments.get("operation", "deployVApp"), None)
        opening = Opening(
            organization=None, content_hash="1:00", entity="/vApp/vapp-1", lane="/vApp/vapp-1", created_name=None,
            start_by=self._at(arguments.get("start_by")), watch_until=self._at(arguments.get("watch_until")),
        )  # fmt: skip
        return self._tell(open_request(self.now, who, opening))

    def _at(self, text: str | None) -> datetime | None:
        return None if text is None else START + timedelta(seconds=float(text.strip("+s")))

    def _input(self, verb: str, plain: list[str], arguments: dict[str, str]) -> Input:
        match verb:
            case "granted":
                return Granted()
            case "answer":
                return Answered(self._attempt(arguments), self._answer(plain[0], arguments), 0.0)
            case "looked":
                happened = {"yes": True, "no": False}.get(arguments.get("happened", ""))
                return Looked(
                    attempt=self._attempt(arguments),
                    candidates=tuple(_task(name, "running") for name in plain),
                    happened=happened,
                    evidence=("looked",),
                )
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
                return ResolveWanted(
                    Resolution(outcome=arguments.get("outcome"), task_href=arguments.get("href"), reason="seen"), None
                )
            case "restored":
                return Restored()
            case "unreadable":
                return Unreadable("bad bytes")
            case _:
                raise AssertionError(f"unknown input {verb}")

    def _attempt(self, arguments: dict[str, str]) -> int:
        assert self.lifecycle is not None
        return int(arguments.get("attempt", self.lifecycle.attempt))

    def _answer(self, kind: str, arguments: dict[str, str]) -> CallAnswer:
        match kind:
            case "accepted":
                return Accepted(
                    task=_task(arguments.get("task", "t1"), arguments.get("status", "running")), http_status=202
                )
            case "done":
                return Done(http_status=204)
            case "refused":
                return Refused(
                    code=arguments.get("code", "BAD_REQUEST"),
                    message="no",
                    http_status=int(arguments.get("status", 400)),
                )
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

    def _tell(self, decision: Decision) -> list[str]:
        self.lifecycle = decision.lifecycle
        if decision.refusal is not None:
            return [f"refusal: {decision.refusal}"]
        told = [f"phase {decision.lifecycle.phase}{_wait(decision.lifecycle, self.now)}"]
        for event in decision.events:
            status = f" {event.task.status}" if event.task is not None and event.task.status else ""
            progress = f" {event.task.progress}%" if event.task is not None and event.task.progress is not None else ""
            outcome = f" -> {event.outcome}" if event.outcome else ""
            reason = f" ({event.reason.code})" if event.reason else ""
            told.append(f"event {event.sequence} {event.change}{status}{progress}{outcome}{reason}")
        for command in decision.commands:
            settled = " settle" if isinstance(command, Look) and command.settle else ""
            told.append("command " + re.sub(r"(?<!^)(?=[A-Z])", "_", type(command).__name__).lower() + settled)
        told += [f"note {note}" for note in decision.notes]
        return told


def _wait(lifecycle: Lifecycle, now: datetime) -> str:
    if lifecycle.wake_at is None:
        return ""
    return f" for {(lifecycle.wake_at - now).total_seconds():g}s"


def _task(name: str, status: str, arguments: dict[str, str] | None = None) -> Task:
    document = empty_document()
    document["id"] = f"urn:vcloud:task:{name}"
    document["status"] = status
    arguments = arguments or {}
    if "progress" in arguments:
        document["progress"] = int(arguments["progress"])
    document["cancelRequested"] = arguments.get("cancelRequested") == "true"
    return Task(document)
