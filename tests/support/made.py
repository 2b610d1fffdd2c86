"""A clean run made by hand, of every kind of story, for tests of the checker: each breaks one thing in it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from math import inf
from typing import Any

from tests.support.checker.evidence import (
    Absence,
    CursorWrite,
    DeadLetter,
    EndedRecord,
    Evidence,
    ExternalRecord,
    ExternalTask,
    InputRecord,
    LedgerCall,
    OperationFacts,
    Place,
    RequestWrite,
    StateWrite,
    Tenure,
    VcdTask,
    Write,
    place_of,
    story_id,
)

TOPIC = "in"
EXTERNAL = "ext"
"""The topic of commands about external tasks."""
OBSERVATIONS = "obs"
"""The topic of records about observations."""
GROUP = "bridge"
OPERATIONS = {
    "deploy": OperationFacts("probe", "/vApp/{id}"),
    "snapshot": OperationFacts("never_retry", "/vApp/{id}"),
    "merge": OperationFacts("idempotent", "/vApp/{id}"),
    "createDisk": OperationFacts("keyed", None),
    **dict.fromkeys(
        ("resumeBlockingTask", "abortBlockingTask", "failBlockingTask"),
        OperationFacts("decision", "/admin/extension/blockingTask/{id}"),
    ),
    "read": OperationFacts("idempotent", "/vApp/{id}", reads=True),
}
LOOKED = ["task query: 1 rows"]
WRITER, NEXT_WRITER = "group-one", "group-two"


class Made:
    """One partition and a clock; each word adds what an outsider would see of one step, half a second apart."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.inputs: list[InputRecord] = []
        self.ledger: list[LedgerCall] = []
        self.events: list[dict[str, Any]] = []
        self.writes: list[Write] = []
        self.ended: list[EndedRecord] = []
        self.dead: list[DeadLetter] = []
        self.tasks: dict[str, VcdTask] = {}
        self.external_tasks: list[ExternalTask] = []
        self.absences: list[Absence] = []
        self.settings: dict[str, Any] = {}
        self.writer = WRITER
        self.transaction = 0
        self.event_transactions: dict[str, int] = {}

    def evidence(self) -> Evidence:
        cursors = {write.place: write.next_offset for write in self.writes if isinstance(write, CursorWrite)}
        whole: dict[str, Any] = {
            "ticket_updates": [event["event_id"] for event in self.events if event["final"] and _is_asked_for(event)],
            "event_transactions": self.event_transactions, "tenures": self._tenures(),
            "offset_transactions": self._offset_transactions(),
            "offsets": cursors, "operations": OPERATIONS, "lease_seconds": 2.0, "parked_lane_release_seconds": 60.0,
            **self.settings,
        }  # fmt: skip
        return Evidence(
            inputs=self.inputs,
            ledger=sorted(self.ledger, key=lambda call: call.at),
            events=self.events,
            dead_letters=self.dead,
            writes=self.writes,
            ended=self.ended,
            tasks=self.tasks,
            group=GROUP,
            external_tasks=self.external_tasks,
            absences=self.absences,
            **whole,
        )

    def _offset_transactions(self) -> dict[Place, set[int]]:
        """Each transaction moves the offsets of all that it writes for."""
        found: dict[Place, set[int]] = defaultdict(set)
        for write in self.writes:
            if write.transaction is not None:
                found[write.place].add(write.transaction)
        return found

    def _tenures(self) -> list[Tenure]:
        """The first writer had the partition until the next one wrote."""
        moved = min((write.at for write in self.writes if write.writer == NEXT_WRITER), default=inf)
        place: dict[str, Any] = {"topic": TOPIC, "partition": 0}
        first = Tenure(process=WRITER, **place, since=0.0, until=moved)
        return [first, Tenure(process=NEXT_WRITER, **place, since=moved, until=inf)]

    # --- intake -------------------------------------------------------------------------------------------------------

    def send(self, document: Mapping[str, Any] | None) -> str:
        """A record and its being taken; its birth."""
        return self.take(InputRecord(TOPIC, 0, self.end(TOPIC), document))

    def take(self, record: InputRecord) -> str:
        """The record, and the cursor that passes it."""
        self.inputs.append(record)
        self.tick()
        self.write(CursorWrite, record.birth, next_offset=record.offset + 1)
        return record.birth

    def say(self, document: Mapping[str, Any], birth: str, phase: str, **changes: Any) -> None:
        """A record about another lifecycle, and what it makes of that in the very step that passes it."""
        record = InputRecord(TOPIC, 0, self.end(TOPIC), document)
        self.inputs.append(record)
        self.tick()
        self.state(birth, phase, **changes)
        self.write(CursorWrite, record.birth, next_offset=record.offset + 1)

    def end(self, topic: str) -> int:
        """The offset of a topic's next record."""
        return sum(record.topic == topic for record in self.inputs)

    def ask(self, request_id: str, operation: str, entity: str, **more: Any) -> str:
        """A request."""
        document = {"request_id": request_id, "operation": operation, "parameters": {"id": entity}, **more}
        return self.send(document)

    def open(self, request_id: str, operation: str, entity: str, **more: Any) -> str:
        """A request that opens a lifecycle."""
        birth = self.ask(request_id, operation, entity, **more)
        self.state(birth, "received")
        self.write(RequestWrite, birth, birth=birth, size_bytes=100)
        return birth

    # --- a story ------------------------------------------------------------------------------------------------------

    def call(self, birth: str, status: int | None, task: str | None = None, *, effect: bool | None = None) -> None:
        """An intent, and its call."""
        attempt = self.last(birth).attempt + 1
        self.state(birth, "intent", attempt=attempt, intent_at=self.now)
        self.tick(0.1)
        done = task is not None if effect is None else effect
        record = self.record(birth)
        path = f"/vApp/{((record.document or {}).get('parameters') or {}).get('id')}/action/{record.operation}"
        self.called(f"{story_id(birth)}-{attempt}", record.operation or "", status, done, task, path=path)
        if task is not None:
            self.tasks[task] = VcdTask(status="running")

    def called(
        self, call_id: str, operation: str, status: int | None, effect: bool, task: str | None, **more: Any
    ) -> None:
        number = len(self.ledger) + 1
        self.ledger.append(
            LedgerCall(
                number=number, at=self.now, call_id=call_id, operation=operation, status=status, effect=effect,
                task_id=task, process=self.writer, **more,
            )
        )  # fmt: skip

    def accepted(self, birth: str, task: str, *, evidence: list[str] | None = None) -> None:
        self.tell(birth, "accepted", task=task, status="running", evidence=evidence or [])
        self.write(RequestWrite, birth, birth=birth, size_bytes=None)
        self.state(birth, "following", task_id=task)

    def finished(self, birth: str, task: str, status: str = "success") -> None:
        self.tasks[task] = VcdTask(status=status, statuses=("running", status))
        self.tell(birth, "finished", outcome=status, task=task, status=status)
        self.end_it(birth, status)

    def over(self, birth: str, outcome: str, code: str | None, *, evidence: list[str] | None = None) -> None:
        """Ended without a Task."""
        change = "rejected" if outcome == "rejected" else "finished"
        self.tell(birth, change, outcome=outcome, code=code, evidence=evidence or [])
        self.end_it(birth, outcome)

    def park(self, birth: str, code: str, *, evidence: list[str] | None = None) -> None:
        self.tell(birth, "parked", code=code, evidence=evidence or [])
        self.state(birth, "parked")

    def answer(self, birth: str, change: str, outcome: str | None, code: str) -> None:
        """A story of one event, without a lifecycle."""
        self.tell(birth, change, outcome=outcome, code=code)

    def tell(
        self, birth: str, change: str, *, outcome: str | None = None, code: str | None = None, task: str | None = None,
        status: str | None = None, evidence: list[str] | None = None,
    ) -> None:  # fmt: skip
        self.tick()
        record, story = self.records().get(birth), self.story(birth)
        self.transaction += 1
        self.event_transactions[f"{birth}#{len(story) + 1}"] = self.transaction
        before = [event["task"]["status"] for event in story if event["task"]]
        self.events.append(
            {
                "event_id": f"{birth}#{len(story) + 1}", "sequence": len(story) + 1, "birth": birth,
                "request_id": record.request_id if record else None,
                "correlation_id": ((record and record.document) or {}).get("correlation_id"),
                "requested_by": None, "catalogue_operation": record.operation if record else None, "change": change,
                "final": outcome is not None, "outcome": outcome, "reason": {"code": code} if code else None,
                "evidence": evidence or [], "observed_at": int(self.now * 1000), "vcd_request_id": None,
                "previous_status": before[-1] if before else None,
                "task": {"id": task, "status": status} if task else None, "http_status": None,
                "lifecycle": "external_task" if isinstance(record, ExternalRecord) else "action_request",
                "external_key": record.name if isinstance(record, ExternalRecord) else None,
            }
        )  # fmt: skip

    def state(self, birth: str, phase: str | None, **changes: Any) -> None:
        """The next state of a lifecycle, with the sequence that has been told."""
        last = self.last(birth)
        sequence = len(self.story(birth))
        kept = {"kind": last.kind, "opened_at": last.opened_at or self.now, "attempt": last.attempt,
                "intent_at": last.intent_at, "task_id": last.task_id, "cancel_wanted": last.cancel_wanted,
                "heard_at": last.heard_at, "external_key": last.external_key}  # fmt: skip
        self.write(StateWrite, birth, birth=birth, phase=phase, sequence=sequence, **{**kept, **changes})

    # --- looking, for those who break something -----------------------------------------------------------------------

    def record(self, birth: str) -> InputRecord:
        return self.records()[birth]

    def records(self) -> dict[str, InputRecord]:
        return {record.birth: record for record in self.inputs}

    def story(self, birth: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["birth"] == birth]

    def calls(self, birth: str) -> list[LedgerCall]:
        return [call for call in self.ledger if call.story == story_id(birth)]

    def states(self, birth: str) -> list[StateWrite]:
        return [write for write in self.writes if isinstance(write, StateWrite) and write.birth == birth]

    def change(self, what: Any, **changes: Any) -> None:
        """Replace a call, a store record or an input record by one that differs."""
        for held in self._lists():
            for index, one in enumerate(held):
                if one is what:
                    held[index] = replace(what, **changes)

    def remove(self, *what: Any) -> None:
        for held in self._lists():
            held[:] = [one for one in held if not any(one is gone for gone in what)]

    def _lists(self) -> tuple[list[Any], ...]:
        return self.ledger, self.writes, self.inputs, self.ended, self.events, self.external_tasks

    def last(self, birth: str) -> StateWrite:
        nothing = StateWrite(topic="", partition=0, offset=-1, at=0.0, writer="", birth=birth, phase=None)
        return next((write for write in reversed(self.states(birth)) if write.phase is not None), nothing)

    def end_it(self, birth: str, outcome: str) -> None:
        if self.states(birth):
            self.state(birth, None)
            self.write(RequestWrite, birth, birth=birth, size_bytes=None)
        story = self.story(birth)
        tasks = [event["task"]["id"] for event in story if event["task"]]
        last = tasks[-1] if tasks else None
        self.ended.append(
            EndedRecord(birth=birth, outcome=outcome, sequence=len(story), task_id=last, transaction=self.transaction)
        )

    def write(self, kind: type[Write], where: str, /, **fields: Any) -> None:
        """A store record of the partition of a birth."""
        topic, partition = place_of(where)
        place: dict[str, Any] = {
            "topic": topic,
            "partition": partition,
            "offset": len(self.writes),
            "transaction": self.transaction,
        }
        self.writes.append(kind(**place, at=self.now, writer=self.writer, **fields))

    def tick(self, seconds: float = 0.5) -> None:
        self.now += seconds


def _is_asked_for(event: Mapping[str, Any]) -> bool:
    """It is not of what an observation has seen."""
    return not event["birth"].startswith(f"{OBSERVATIONS}/0/-")


def clean() -> Made:
    """Every kind of story that may come about, each ended as it should."""
    made = Made()
    first = made.open("plain", "deploy", "vapp-1", correlation_id="T1")
    made.call(first, 202, "task:plain")
    made.accepted(first, "task:plain")
    _recovered(made)
    made.finished(first, "task:plain")
    _recognised(made)
    _operated(made)
    _without_task(made)
    return made


def _recovered(made: Made) -> None:
    adopted = made.open("adopted", "snapshot", "vapp-2")
    made.call(adopted, None, "task:adopted")
    made.state(adopted, "unsure")
    made.writer = NEXT_WRITER
    made.accepted(adopted, "task:adopted", evidence=LOOKED)
    repeated = made.open("repeated", "merge", "vapp-3")
    made.call(repeated, 503)
    made.state(repeated, "unsure")
    made.call(repeated, 202, "task:repeated")
    made.accepted(repeated, "task:repeated", evidence=LOOKED)
    made.finished(adopted, "task:adopted", "error")
    made.finished(repeated, "task:repeated")
    unknown = made.open("unknown", "snapshot", "vapp-4")
    made.call(unknown, None)
    made.state(unknown, "unsure")
    made.park(unknown, "outcome_unknown", evidence=LOOKED)
    gone = made.open("gone", "merge", "vapp-5")
    made.call(gone, 202, "task:gone")
    made.accepted(gone, "task:gone")
    made.tasks["task:gone"] = VcdTask(status="gone", visible=False)
    made.park(gone, "task_vanished")


def _recognised(made: Made) -> None:
    made.ask("plain", "deploy", "urn:vcloud:vapp:1", correlation_id="T1")
    made.inputs[-1] = replace(made.inputs[-1], document=made.inputs[0].document)
    conflict = made.ask("plain", "merge", "vapp-1")
    made.answer(conflict, "rejected", "rejected", "request_id_conflict")
    other = made.ask("plain", "deploy", "vapp-1", correlation_id="T2")
    made.answer(other, "finished", "success", "repeat")
    made.dead.append(DeadLetter(made.send(None)))
    refused = made.open("refused", "deploy", "vapp-6")
    made.call(refused, 400)
    made.over(refused, "rejected", "BAD_REQUEST")
    again = made.open("refused", "deploy", "vapp-6")
    made.call(again, 202, "task:again")
    made.accepted(again, "task:again")
    made.finished(again, "task:again")
    wrong = made.ask("wrong", "frobnicate", "vapp-6")
    made.answer(wrong, "rejected", "rejected", "unknown_operation")


def _operated(made: Made) -> None:
    stopped = made.open("stopped", "merge", "vapp-1")
    made.call(stopped, 202, "task:stopped")
    made.accepted(stopped, "task:stopped")
    made.say({"kind": "cancel", "target_request_id": "stopped"}, stopped, "following", cancel_wanted=True)
    made.called(f"{story_id(stopped)}-1-cancel-0a0a0a", "cancelTask", 204, effect=True, task="task:stopped")
    made.finished(stopped, "task:stopped", "canceled")
    nobody = made.send({"kind": "cancel", "target_request_id": "nobody", "request_id": "c"})
    made.state(nobody, "pending", kind="control")
    made.answer(nobody, "rejected", "rejected", "unknown_request")
    made.state(nobody, None)
    retried = made.open("retried", "merge", "vapp-7")
    made.call(retried, None)
    made.park(retried, "outcome_unknown", evidence=LOOKED)
    made.say({"kind": "retry", "target_request_id": "retried"}, retried, "waiting")
    made.call(retried, 202, "task:retried")
    made.accepted(retried, "task:retried")
    made.finished(retried, "task:retried")
    resolved = made.open("resolved", "snapshot", "vapp-8")
    made.call(resolved, None)
    made.park(resolved, "outcome_unknown", evidence=LOOKED)
    made.send({"kind": "resolve", "target_request_id": "resolved"})
    made.over(resolved, "success", "resolved")


def _without_task(made: Made) -> None:
    synchronous = made.open("synchronous", "merge", "vapp-9")
    made.call(synchronous, 204, effect=True)
    made.over(synchronous, "success", None)
    proven = made.open("proven", "deploy", "vapp-10")
    made.call(proven, None)
    made.over(proven, "success", "proven_by_state", evidence=LOOKED)
    expired = made.open("expired", "deploy", "vapp-11", start_by="1970-01-01T00:00:00+00:00")
    made.over(expired, "expired", "start_by_passed")
    early = made.open("early", "deploy", "vapp-12")
    made.send({"kind": "cancel", "target_request_id": "early"})
    made.over(early, "canceled", "canceled_before_start")
    late = made.open("late", "createDisk", "vdc-1", watch_until="1970-01-01T00:20:00+00:00")
    made.call(late, 202, "task:late")
    made.accepted(late, "task:late")
    made.now = 1_201.0
    made.tell(late, "overdue", code="watch_until_passed")
    made.state(late, "following")
    made.now += 100
    made.finished(late, "task:late")
