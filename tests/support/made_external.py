"""External tasks in the clean run made by hand: every kind of story that one may have."""

from __future__ import annotations

import json
from typing import Any

from tests.support.checker.evidence import (
    CursorWrite,
    DeadLetter,
    ExternalRecord,
    ExternalTask,
    RequestWrite,
    VcdTask,
    story_id,
)
from tests.support.checker.joined import quote
from tests.support.made import EXTERNAL, GROUP, LOOKED, NEXT_WRITER, Made, clean

_STATUS = {"create": "running", "finish": "success"}


class Ticket:
    """One external key of partition 0, and what is wanted for it."""

    def __init__(self, made: Made, key: str) -> None:
        self.made = made
        self.key = key
        self.task = f"task:{key}"
        self.wanted: dict[str, Any] = {"operation": self.mark}
        self.birth = ""

    @property
    def mark(self) -> str:
        return f"[{GROUP}/{EXTERNAL}-0/{quote(self.key, '%[]')}]"

    # --- what its owner sends -----------------------------------------------------------------------------------------

    def send(self, command: str, **fields: Any) -> ExternalRecord:
        """A record that nothing becomes of yet."""
        document = {"command": command, **fields}
        record = ExternalRecord(EXTERNAL, 0, self.made.end(EXTERNAL), document, self.key)
        self.made.inputs.append(record)
        self.made.tick()
        return record

    def passed(self, record: ExternalRecord) -> str:
        self.made.write(CursorWrite, record.birth, next_offset=record.offset + 1)
        return record.birth

    def answered(self, code: str, command: str, **fields: Any) -> str:
        """A record that is refused."""
        birth = self.passed(self.send(command, **fields))
        self.made.answer(birth, "rejected", "rejected", code)
        return birth

    def create(self, **fields: Any) -> Ticket:
        record = self.send("create", **fields)
        self.birth = record.birth
        self._want("create", fields)
        self.made.state(self.birth, "resolving", kind="external_task", external_key=self.key, heard_at=self.made.now)
        self.made.write(RequestWrite, self.birth, birth=self.birth, size_bytes=100)
        self.passed(record)
        self.made.tick()
        self.made.state(self.birth, "received")
        return self

    def tell(self, command: str, **fields: Any) -> str:
        """An update or finish that is taken."""
        record = self.send(command, **fields)
        self._want(command, fields)
        self.made.state(self.birth, self.made.last(self.birth).phase, heard_at=self.made.now)
        return self.passed(record)

    def wait(self, command: str, **fields: Any) -> str:
        """An update or finish that comes before its create."""
        record = self.send(command, **fields)
        self.made.state(record.birth, "pending", kind="control", external_key=self.key)
        self.made.write(RequestWrite, record.birth, birth=record.birth, size_bytes=50)
        return self.passed(record)

    def came(self, waiting: str, command: str, **fields: Any) -> None:
        """What waited takes effect."""
        self._want(command, fields)
        self.forget(waiting)

    def came_at_once(self, ahead: ExternalRecord) -> None:
        """What was taken in the same step as its create, though it came before."""
        self._want(ahead.kind, dict(ahead.document or {}))

    def forget(self, birth: str) -> None:
        self.made.state(birth, None)
        self.made.write(RequestWrite, birth, birth=birth, size_bytes=None)

    def _want(self, command: str, fields: dict[str, Any]) -> None:
        shown = {name: value for name, value in fields.items() if name in {"details", "progress"}}
        status = fields.get("status") or _STATUS.get(command, self.wanted.get("status"))
        self.wanted = {**self.wanted, **shown, "status": status}
        if "operation" in fields:
            self.wanted["operation"] = f"{fields['operation']} {self.mark}"

    # --- what the bridge does -----------------------------------------------------------------------------------------

    def call(
        self, status: int | None = 200, *, effect: bool | None = None, instead: dict[str, Any] | None = None
    ) -> None:
        """An intent, and its call with all that is wanted, or with other fields ``instead``."""
        made, last = self.made, self.made.last(self.birth)
        attempt, shown = last.attempt + 1, {**self.wanted, **(instead or {})}
        made.state(self.birth, "intent", attempt=attempt, intent_at=made.now)
        made.tick(0.1)
        done = status == 200 if effect is None else effect
        made.called(
            f"{story_id(self.birth)}-{attempt}", "createExternalTask" if last.task_id is None else "updateTask",
            status, done, self.task if done or last.task_id else None, task_status=shown["status"],
            task_operation=shown["operation"], body=json.dumps(shown),
        )  # fmt: skip
        if done:
            self.shows(shown)

    def shows(self, document: dict[str, Any]) -> None:
        """VCD has the Task like this."""
        status = str(document["status"])
        made = self.made
        made.tasks[self.task] = VcdTask(status=status)
        made.external_tasks = [task for task in made.external_tasks if task.task_id != self.task]
        operation = str(document["operation"])
        made.external_tasks.append(ExternalTask(task_id=self.task, status=status, operation=operation, shown=document))

    def accepted(self, *, evidence: list[str] | None = None) -> Ticket:
        self.made.tell(self.birth, "accepted", task=self.task, status=self.wanted["status"], evidence=evidence)
        self.made.state(self.birth, "following", task_id=self.task)
        return self

    def shown(self) -> None:
        """VCD has taken an update."""
        self.made.tick()
        self.made.state(self.birth, "following")

    def ended(self, outcome: str, code: str | None = None, *, evidence: list[str] | None = None) -> None:
        made = self.made
        made.tell(self.birth, "finished", outcome=outcome, code=code, task=self.task, status=outcome, evidence=evidence)
        made.end_it(self.birth, outcome)

    def open(self, **fields: Any) -> Ticket:
        """Created, posted, shown."""
        self.create(**fields)
        self.call()
        return self.accepted()


def clean_with_externals() -> Made:
    """The clean run, with external tasks beside the requests."""
    made = clean()
    _shown(made)
    _recovered(made)
    _recognised(made)
    _refused(made)
    _ended_otherwise(made)
    _of_others(made)
    return made


def _shown(made: Made) -> None:
    ticket = Ticket(made, "shown").open(operation="Change", details="waits", correlation_id="C1")
    ticket.tell("update", progress=40)
    ticket.call()
    ticket.shown()
    ticket.tell("update", details="nearly")
    ticket.call()
    ticket.shown()
    ticket.tell("finish", details="done")
    ticket.call()
    ticket.ended("success")


def _recovered(made: Made) -> None:
    doubted = Ticket(made, "doubted").create(details="waits")
    doubted.call(None, effect=True)
    made.state(doubted.birth, "unsure")
    doubted.accepted(evidence=LOOKED)
    doubted.tell("finish", status="aborted")
    doubted.call(None, effect=True)
    made.state(doubted.birth, "unsure")
    doubted.ended("aborted", evidence=LOOKED)
    repeated = Ticket(made, "asked-twice").create()
    repeated.call(503)
    made.state(repeated.birth, "unsure")
    made.writer = NEXT_WRITER
    made.state(repeated.birth, "waiting")
    repeated.call()
    repeated.accepted(evidence=LOOKED)
    repeated.tell("finish")
    repeated.call()
    repeated.ended("success")
    parked = Ticket(made, "parked").create()
    parked.call(None)
    made.state(parked.birth, "unsure")
    made.park(parked.birth, "outcome_unknown", evidence=LOOKED)


def _recognised(made: Made) -> None:
    early = Ticket(made, "early")
    waiting = early.wait("finish", details="soon over")
    early.create()
    early.came(waiting, "finish", details="soon over")
    early.call()
    early.ended("success")
    repeat = Ticket(made, "twice").open(details="once")
    repeat.passed(repeat.send("create", details="once"))
    repeat.answered("external_key_conflict", "create", details="otherwise")
    repeat.tell("update", command_id="c1", progress=10)
    repeat.call()
    repeat.shown()
    repeat.passed(repeat.send("update", command_id="c1", progress=10))
    repeat.tell("finish")
    repeat.call()
    repeat.ended("success")
    repeat.answered("already_finished", "update", progress=99)
    made.dead.append(DeadLetter(repeat.passed(_rubbish(made))))

    at_once = Ticket(made, "at [once], 100%")
    ahead = at_once.send("finish", details="very soon over")
    at_once.create()
    at_once.came_at_once(ahead)
    at_once.call()
    at_once.ended("success")


def _rubbish(made: Made) -> ExternalRecord:
    record = ExternalRecord(EXTERNAL, 0, made.end(EXTERNAL), None, "twice")
    made.inputs.append(record)
    return record


def _refused(made: Made) -> None:
    refused = Ticket(made, "refused").create(details="?")
    refused.call(400, effect=False)
    made.over(refused.birth, "rejected", "BAD_REQUEST")
    refused.open(details="!")
    change = refused.tell("update", details="too much")
    refused.call(400, effect=False)
    made.state(refused.birth, "unsure")
    made.answer(change, "rejected", "rejected", "BAD_REQUEST")
    made.story(change)[0].update(http_status=400, vcd_request_id=f"{story_id(refused.birth)}-2-of-vcd")
    made.state(refused.birth, "following")
    refused.wanted["details"] = "!"
    refused.tell("finish")
    refused.call()
    refused.ended("success")
    nobody = Ticket(made, "nobody")
    waiting = nobody.wait("finish")
    made.answer(waiting, "rejected", "rejected", "unknown_external_key")
    nobody.forget(waiting)


def _ended_otherwise(made: Made) -> None:
    silent = Ticket(made, "silent").open(details="waits")
    silent.call(instead={"status": "aborted", "details": "ended because its owner has not been heard of"})
    silent.ended("aborted", "owner_silent")
    taken = Ticket(made, "taken").open()
    taken.shows({**taken.wanted, "status": "error"})
    taken.ended("error", "ended_in_vcd")
    vanished = Ticket(made, "vanished").open()
    vanished.tell("finish")
    vanished.call(None, effect=False)
    made.state(vanished.birth, "unsure")
    made.external_tasks.pop()
    made.tasks[vanished.task] = VcdTask(status="gone", visible=False)
    made.over(vanished.birth, "success", "task_vanished")


def _of_others(made: Made) -> None:
    for number, operation in enumerate(("Theirs", "Theirs [another/ext-0/theirs]")):
        made.external_tasks.append(
            ExternalTask(task_id=f"task:theirs-{number}", status="running", operation=operation, seeded=True)
        )
    lost = Ticket(made, "lost")
    lost.birth = f"{EXTERNAL}/0/-77"
    lost.wanted["status"] = "running"
    lost.shows(lost.wanted)
    made.tell(lost.birth, "accepted", task=lost.task, status="running")
    made.story(lost.birth)[0]["task"]["operation"] = lost.mark
    made.state(lost.birth, "following", kind="external_task", external_key="lost", task_id=lost.task,
               heard_at=made.now)  # fmt: skip
    made.write(RequestWrite, lost.birth, birth=lost.birth, size_bytes=100)
    lost.tell("finish", status="error")
    lost.call()
    lost.ended("error")
