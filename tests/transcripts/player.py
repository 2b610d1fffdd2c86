"""Reads a transcript, feeds its inputs to the core and writes down what came out, in the same form.

A transcript is a list of steps. ``> input`` is what happens; the indented lines below it are what the core decides:
``phase`` after it, each ``event`` with its sequence, each ``command``, ``note``s and a ``refusal``. ``@ +30s`` moves
time. ``> request`` opens an action request, ``> control cancel`` a record that waits for its target; ``> again`` is
another record with the id of the last one, ``known`` says what it is and ``answer`` what another ticket is told.

``> request hold=resume`` decides upon a blocking task: ``> hold held`` or ``> hold gone`` is what was read of it, with
the ``status`` of the Task behind it, ``> looked hold=...`` what a look has shown.

``> external`` opens an external task, ``> update`` and ``> finish`` are further records about it, judged first; of a
call the method, the status and the progress are told. ``told 9 ...`` is the one-event story of record 9. Damage to the
store: ``> lost request``, ``> lost state`` (its headers tell the key), ``> lost headers``. Observations, and what they
have seen, have words of their own (``observing``). What stands after ``#`` is for the reader.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from bridge.catalogue.operation import HoldAction, Recovery
from bridge.core.action_request import decide
from bridge.core.commands import Decision, Look, MakeCall
from bridge.core.control import ControlInput, decide_control
from bridge.core.coordinates import Birth
from bridge.core.deciding import decide as decide_any
from bridge.core.events import Reason, StatusEvent
from bridge.core.external import documents
from bridge.core.external.judging import Repeat, fingerprint, judge_change
from bridge.core.external.lifecycle import decide_external
from bridge.core.external.opening import open_external
from bridge.core.external_commands import ExternalCommand
from bridge.core.external_rules import ExternalRules
from bridge.core.inputs import Commanded, ExternalInput, Input, Woke
from bridge.core.lifecycle import Kind, Lifecycle, Phase, StoredRequest
from bridge.core.observation_parts import OrderPart
from bridge.core.opening import Asker, Opening, answer_repeat, conflict, open_control, open_request
from bridge.core.repeats import Known, recognise
from bridge.core.requests import ActionRequest, RequestKind
from bridge.core.rules import OperationFacts, Rules
from bridge.engine.partition.round import remembered
from tests.transcripts.observing import OPENED, ObservationInput, observation_input_of, opened, verdict
from tests.transcripts.reading import COMMANDS, command_of, control_input_of, external_input_of, input_of

START = datetime(2026, 1, 1, tzinfo=UTC)
BIRTH = Birth("requests", 0, 7)
CONTENT = "1:00"
NAMESPACE = "com.example.tickets"

AnyInput = Input | ExternalInput | ControlInput | ObservationInput
Move = tuple[Kind, Phase, type[AnyInput], Phase]
"""What drives it, the phase before, the input, the phase after."""


def play(text: str) -> str:
    """The transcript as the core really plays it."""
    return "\n".join(_played(text)[0])


def moves_of(text: str) -> set[Move]:
    """Rows of the tables that a transcript passes through."""
    return set(_played(text)[1])


def _played(text: str) -> tuple[list[str], list[Move]]:
    player = _Player()
    out: list[str] = []
    for line in text.strip().splitlines():
        if line.startswith(("#", ">", "@")) or not line.strip():
            out.append(line)
            if line.startswith((">", "@")):
                out += [f"    {told}" for told in player.step(line)]
        # An indented line is an expectation: it is written anew from what really happened.
    return out, player.moves


class _Player:
    def __init__(self) -> None:
        self.now = START
        self.lifecycle: Lifecycle | None = None
        self.facts = OperationFacts(Recovery.IDEMPOTENT)
        self.rules = Rules()
        self.moves: list[Move] = []
        self.request: StoredRequest | None = None
        self.records = BIRTH.offset

    def step(self, line: str) -> list[str]:
        words = shlex.split(line[1:].partition("#")[0])
        if line.startswith("@"):
            self.now += timedelta(seconds=float(words[0].strip("+s")))
            return []
        verb, arguments = words[0], dict(word.split("=", 1) for word in words[1:] if "=" in word)
        plain = [word for word in words[1:] if "=" not in word]
        if verb == "request":
            return self._open(arguments)
        if verb == "control":
            record = ActionRequest(kind=RequestKind(plain[0]), target_request_id=arguments["target"])
            return self._tell(Decision(open_control(self.now, _who(), record, self.rules)))
        if verb == "external":
            return self._open_external(arguments)
        if verb in OPENED:
            return self._tell(opened(self.now, replace(_who(), request_id=None), verb, arguments))
        assert self.lifecycle is not None, "a transcript begins with what it is about"
        if verb == "lost":
            return self._lose(self.lifecycle, plain[0])
        if verb == "again":
            return self._again(self.lifecycle, arguments)
        return self._decide(self.lifecycle, verb, plain, arguments)

    def _decide(self, before: Lifecycle, verb: str, plain: list[str], arguments: dict[str, str]) -> list[str]:
        event: Input | ExternalInput | ControlInput | ObservationInput
        if before.observation is not None:
            if verb == "start" and (said := verdict(self.now, before, arguments)) is not None:
                return [said if isinstance(said, str) else f"refused ({said.code})"]
            event = observation_input_of(self.now, before, verb, plain, arguments)
            decision = decide_any(self.now, before, event, None, self.facts, self.rules)
        elif before.kind is Kind.CONTROL:
            event = Woke() if verb == "woke" else control_input_of(verb, arguments)
            decision = decide_control(self.now, before, event)
        elif before.kind is Kind.EXTERNAL_TASK:
            if verb in COMMANDS:
                return self._command(before, command_of(verb, arguments))
            event = external_input_of(verb, plain, arguments, before.attempt)
            decision = decide_external(self.now, before, event, self.request, self.rules)
        else:
            event = input_of(verb, plain, arguments, before.attempt, before.task_id)
            decision = decide(self.now, before, event, self.facts, self.rules)
        self.moves.append((before.kind, before.phase, type(event), decision.lifecycle.phase))
        return self._tell(decision)

    def _open(self, arguments: dict[str, str]) -> list[str]:
        recovery = Recovery(arguments.get("recovery", "idempotent"))
        action = HoldAction(arguments["hold"]) if "hold" in arguments else None
        self.facts = OperationFacts(recovery, makes_task=arguments.get("makes_task") != "no", hold_action=action)
        self.rules = replace(self.rules, max_tries=int(arguments.get("max_tries", 10)))
        opening = Opening(
            organization=None, content_hash=CONTENT, entity="/vApp/vapp-1", lane="/vApp/vapp-1", created_name=None,
            start_by=self._at(arguments.get("start_by")), watch_until=self._at(arguments.get("watch_until")),
            of_hold=action is not None,
        )  # fmt: skip
        return self._tell(open_request(self.now, _who(arguments.get("operation", "deployVApp")), opening))

    # --- external tasks -------------------------------------------------------------------------------------------

    def _open_external(self, arguments: dict[str, str]) -> list[str]:
        external = ExternalRules(
            group_id="bridge", default_namespace=NAMESPACE, namespaces={NAMESPACE: timedelta(days=7)},
            expired_status=arguments.pop("expired_status", "aborted"),
        )  # fmt: skip
        self.rules = Rules(max_tries=int(arguments.pop("max_tries", 10)), external=external)
        command = command_of("create", {"organization": "acme", **arguments})
        who = replace(_who(), request_id=None, external_key=command.external_key, lifecycle=Kind.EXTERNAL_TASK)
        return self._tell(open_external(self.now, who, command, NAMESPACE, external))

    def _command(self, before: Lifecycle, command: ExternalCommand) -> list[str]:
        self.records += 1
        verdict = judge_change(command, before if before.is_open else remembered(before), self.request)
        match verdict:
            case Reason(code=code):
                return [f"told {self.records} rejected -> rejected ({code})"]
            case Repeat():
                return ["known repeat"]
            case None:
                pass
        event = Commanded(command, replace(BIRTH, offset=self.records), fingerprint(command))
        decision = decide_external(self.now, before, event, self.request, self.rules)
        self.moves.append((before.kind, before.phase, Commanded, decision.lifecycle.phase))
        return self._tell(decision)

    def _lose(self, before: Lifecycle, part: str) -> list[str]:
        """As a restore finds it: a request that cannot be read is none, a state is what its headers tell."""
        if part == "request":
            self.request = None
        else:
            self.lifecycle = Lifecycle(
                birth=before.birth, kind=before.kind, external_key=before.external_key if part == "state" else None,
                phase=Phase.PARKED, sequence=before.sequence, request_id=None, key=None, received_at=self.now,
                parked_reason="state_unreadable", parked_at=self.now,
            )  # fmt: skip
        return []

    # --- repeats --------------------------------------------------------------------------------------------------

    def _again(self, known: Lifecycle, arguments: dict[str, str]) -> list[str]:
        """Another record with the same id; told is what a ticket with another correlation id would be told."""
        original = known if known.is_open else remembered(known)
        content = {"other": "1:ff", "unreadable": None, "newer_bridge": "2:00"}.get(
            arguments.get("content", ""), CONTENT
        )
        match recognised := recognise(original, content):
            case Known.REPEAT:
                answer = [f"answer {_event(answer_repeat(self.now, _who(), original))}"]
            case Known.CONFLICT:
                answer = [f"answer {_event(conflict(self.now, _who(), original))}"]
            case _:
                answer = []
        return [f"known {recognised.name.lower()}", *answer]

    def _at(self, text: str | None) -> datetime | None:
        return None if text is None else START + timedelta(seconds=float(text.strip("+s")))

    def _tell(self, decision: Decision) -> list[str]:
        self.lifecycle = decision.lifecycle
        self.request = decision.request or self.request
        if decision.refusal is not None:
            return [f"refusal: {decision.refusal}"]
        told = [f"phase {decision.lifecycle.phase}{_wait(decision.lifecycle, self.now)}"]
        for event in decision.events:
            own = event.birth == decision.lifecycle.birth
            numbered = f"event {event.sequence}" if own else f"told {event.birth.offset}"
            told.append(f"{numbered} {_event(event)}")
        for command in decision.commands:
            name = re.sub(r"(?<!^)(?=[A-Z])", "_", type(command).__name__).lower()
            settled = " settle" if isinstance(command, Look) and command.settle else ""
            called = _call(self.request) if isinstance(command, MakeCall) else ""
            told.append(f"command {name}{settled}{called}")
        told += [f"note {note}" for note in decision.notes]
        return told


def _who(operation: str | None = None) -> Asker:
    return Asker(BIRTH, b"key", "R1", "T1", "ticketing", operation, None)


def _event(event: StatusEvent) -> str:
    status = f" {event.task.status}" if event.task is not None and event.task.status else ""
    progress = f" {event.task.progress}%" if event.task is not None and event.task.progress is not None else ""
    outcome = f" -> {event.outcome}" if event.outcome else ""
    reason = f" ({event.reason.code})" if event.reason else ""
    held = f" {event.held.state}" if event.held else ""
    return f"{event.change}{status}{progress}{held}{outcome}{reason}"


def _call(request: StoredRequest | None) -> str:
    """Of an external task: how it will be shown."""
    if request is None:
        return ""
    document = documents.read(request.body)
    progress = f" {document['progress']}%" if "progress" in document else ""
    return f" {request.method} {document['status']}{progress}"


def _wait(lifecycle: Lifecycle, now: datetime) -> str:
    if isinstance(lifecycle.observation, OrderPart) and lifecycle.observation.position is not None:
        return f" told up to {(lifecycle.observation.position - START).total_seconds():+g}s"
    if lifecycle.wake_at is None:
        return ""
    return f" for {(lifecycle.wake_at - now).total_seconds():g}s"
