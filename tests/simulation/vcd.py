"""A simulated Cloud Director: entities, Tasks in virtual time, sessions, cells of different speed, and a ledger.

Everything here happens in the world's context: what has reached VCD is carried out, whatever becomes of who sent it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from math import ceil, inf
from random import Random

from bridge.core.answers import (
    Accepted,
    BlockingAbsent,
    BlockingPage,
    BlockingRead,
    BlockingReading,
    Busy,
    CallAnswer,
    CancelAnswer,
    Done,
    EntityAbsent,
    EntityRead,
    EntityReading,
    HttpCall,
    Limited,
    OutcomeUnknown,
    ReadRefused,
    Refused,
    SessionExpired,
    TaskPage,
    TaskQuery,
    TaskRead,
    TaskReading,
    TaskRecord,
    TaskVanished,
)
from tests.simulation.bus import SimBus
from tests.simulation.external import ExternalTasks, ledger_call
from tests.simulation.holds import PREFIX as HOLDS
from tests.simulation.inventory import Inventory, Refusal, Work
from tests.simulation.loop import EPOCH
from tests.simulation.organizations import Organization
from tests.simulation.process import in_world
from tests.simulation.references import References
from tests.simulation.tasks import LONGEST_ROW_LATENESS_SECONDS, ODD_STATUSES, QUEUED_SECONDS, USER, SimTask
from tests.support.checker.evidence import LedgerCall, VcdTask

LONGEST_CELL_LATENESS_SECONDS = 1.0
"""How far a cell may be behind the others."""
WITHOUT_EFFECT = ("unauthorized", "limited", "operation_limits", "forbidden", "http_500", "http_503", "http_504")
"""Faults of a call that VCD does nothing about, and says so, or fails before it does anything."""
STATUS_AFTER = {"failed_after": 500, "bad_gateway": 502}
"""Faults after the effect, and what is answered."""
_NEVER = datetime.max.replace(tzinfo=UTC)
_BLOCKING_PAGE = 3
"""Blocking tasks on one page of their list."""
EXTERNAL = frozenset({"createExternalTask", "updateTask"})


@dataclass(slots=True)
class SimVcd:
    """One Cloud Director, shared by all processes."""

    random: Random
    cells: int = 1
    long_tasks: float = 0.04
    tasks: list[SimTask] = field(default_factory=list)
    ledger: list[LedgerCall] = field(default_factory=list)
    external: ExternalTasks = field(default_factory=ExternalTasks)
    heard: list[tuple[float, str, str, str]] = field(default_factory=list)
    """What the senders of calls made of the answers: when, who, call id, what. For the story."""
    references: References = field(default_factory=References)
    inventory: Inventory = field(default_factory=Inventory)
    sessions: set[int] = field(default_factory=set)
    down_until: float = 0.0
    slow_until: float = 0.0
    silent_until: float = 0.0
    """Until then everything but logins is answered 429, with ``Retry-After``."""
    refusals: list[tuple[float, float]] = field(default_factory=list)
    """From when until when reads were refused with a word that sounds final, one in two."""
    look_alikes: int = 0
    """Calls to come that somebody else repeats under the bridges' login, while their answer is lost."""
    blocked: dict[str, tuple[Organization, float]] = field(default_factory=dict)
    """By path: the blocking tasks that its list shows, whose they are and since when."""
    unset_last: bool = False
    """Where rows without a time stand in a list that is sorted by it."""
    bus: SimBus | None = None
    calm: bool = False
    """Faults have stopped: from here on everything must end."""
    _behind: list[float] = field(default_factory=list)
    _logins: int = 0
    _refused_tasks: set[str] = field(default_factory=set)
    _delayed: bool = False
    """What is carried out now took long on its way."""
    _by_id: dict[str, SimTask] = field(default_factory=dict)
    _of_entity: dict[str, list[SimTask]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._behind = [0.0, *(self.random.uniform(0, LONGEST_CELL_LATENESS_SECONDS) for _ in range(1, self.cells))]

    def now(self) -> float:
        return asyncio.get_event_loop().time()

    @property
    def is_down(self) -> bool:
        return self.now() < self.down_until

    @property
    def is_slow(self) -> bool:
        return self.now() < self.slow_until

    @property
    def refuses_reads(self) -> bool:
        window = self.refusals[-1] if self.refusals and not self.calm else (0.0, 0.0)
        return self.now() < window[1] and self.random.random() < 0.5

    @property
    def silence(self) -> timedelta:
        """As ``Retry-After`` tells it, in whole seconds."""
        return timedelta(seconds=ceil(max(0.0, self.silent_until - self.now())))

    def log_in(self) -> int:
        self._logins += 1
        self.sessions.add(self._logins)
        return self._logins

    def serve(
        self, call: HttpCall, process: str, fault: str | None, session: int | None, *, delayed: bool
    ) -> CallAnswer:
        """A call has arrived."""
        self._delayed = delayed
        if self.silence:
            fault = "limited"
        elif session not in self.sessions:
            fault = "unauthorized"
        if fault in WITHOUT_EFFECT:
            return self._refuse_now(call, fault, process)
        answer = self._carry_out(call, process, STATUS_AFTER.get(fault or ""))
        if fault in STATUS_AFTER and not isinstance(answer, Busy | Refused):
            status = STATUS_AFTER[fault]
            return OutcomeUnknown(code=f"HTTP_{status}", message="failed", http_status=status)
        return answer

    # --- calls --------------------------------------------------------------------------------------------------------

    def _refuse_now(self, call: HttpCall, fault: str, process: str) -> CallAnswer:
        match fault:
            case "unauthorized":
                self._note(call, process, 401)
                return SessionExpired(message="token expired")
            case "limited":
                self._note(call, process, 429)
                asked = self.silence or timedelta(seconds=self.random.choice([0, 0, 2]))
                return Limited(code="HTTP_429", message="slow down", http_status=429, retry_after=asked or None)
            case "operation_limits":
                self._note(call, process, 400)
                return Limited(code="OPERATION_LIMITS_EXCEEDED", message="too many at a time", http_status=400)
            case "forbidden":
                self._note(call, process, 403)
                return Refused(code="ACCESS_TO_RESOURCE_IS_FORBIDDEN", message="no right", http_status=403)
            case _:
                status = int(fault.removeprefix("http_"))
                self._note(call, process, status)
                return OutcomeUnknown(code=f"HTTP_{status}", message="failed", http_status=status)

    def _carry_out(self, call: HttpCall, process: str, answered: int | None) -> CallAnswer:
        """Do it. ``answered``: the status that VCD gives it for all that; None: the one that is due."""
        if call.operation in EXTERNAL:
            return self._carry_out_external(call, process, answered)
        asked = self.inventory.asked(call)
        if isinstance(asked, Refusal):
            self._note(call, process, asked.http_status)
            return Refused(code=asked.code, message=asked.message, http_status=asked.http_status)
        if asked.at_once:
            asked.begin()
            self._note(call, process, answered or 204, effect=True)
            return Done(http_status=204, vcd_request_id=f"{call.call_id}-r")
        blocker = self._running_on(asked.path)
        if blocker is not None:
            self._note(call, process, 400)
            return Busy(message="is busy", http_status=400, task_id=blocker.id)
        task = self._start(asked)
        self._note(call, process, answered or 202, task, effect=True)
        return Accepted(task=task.read(self.now()), http_status=202, vcd_request_id=f"{call.call_id}-r")

    def is_busy(self, entity: str) -> bool:
        return self._running_on(entity) is not None

    def _running_on(self, entity: str) -> SimTask | None:
        now = self.now()
        return next((task for task in self._of_entity.get(entity, ()) if task.runs(now)), None)

    def _start(self, work: Work) -> SimTask:
        random = self.random
        status = random.choices(["success", "error", "aborted", "canceled"], [16, 2, 1, 1])[0]
        seconds = random.uniform(60, 400) if random.random() < self.long_tasks else random.uniform(0.0, 20.0)
        task = self.begin(work.path, seconds, status, name=work.name, operation=work.operation_name)
        task.operation_key = work.operation_key if random.random() < 0.8 else None
        if random.random() < 0.1:
            since = task.began + random.uniform(0, seconds)
            task.odd = (random.choice(ODD_STATUSES), since, since + random.uniform(0, seconds))
        work.begin()
        self._end_later(task, work)
        return task

    def _end_later(self, task: SimTask, work: Work) -> None:
        def ended() -> None:
            if task.ends <= self.now():
                (work.succeed if task.end_status == "success" else work.fail)()
            else:
                in_world(ended, after=task.ends - self.now())

        in_world(ended, after=task.ends - self.now())

    def begin(
        self, entity: str, seconds: float, end_status: str, *, name: str | None = None,
        operation: str = "unlikeAnything", user: str = USER,
    ) -> SimTask:  # fmt: skip
        """A Task, whoever it is that has begun it."""
        now = self.now()
        task = SimTask(
            len(self.tasks) + 1, entity, name or f"the {entity}", operation, None, user, now, now + seconds, end_status
        )
        if self.random.random() < 0.3:
            task.rows_late = self.random.uniform(0, LONGEST_ROW_LATENESS_SECONDS)
        self.tasks.append(task)
        self._by_id[task.id] = task
        self._of_entity.setdefault(entity, []).append(task)
        if self.bus is not None:
            self._say(task, self.bus)
        return task

    def _say(self, task: SimTask, bus: SimBus) -> None:
        """That it is there, has started, and has ended; of an end before its time only when that would have come."""
        bus.say(task.id)
        in_world(bus.say, task.id, after=QUEUED_SECONDS)
        in_world(partial(bus.say, task.id, ends=True), after=task.ends - task.began)

    def _carry_out_external(self, call: HttpCall, process: str, answered: int | None) -> CallAnswer:
        now, status, effect = self.now(), 200, True
        if call.method == "POST":
            kept = self.external.make(dict(call.body or {}), now)
        else:
            found = self.external.by_id(f"urn:vcloud:task:{call.path.rpartition('/')[2]}")
            if found is None:
                return self._refuse_now(call, "forbidden", process)
            kept = found
            if kept.ended is not None:
                status, effect = 400, False
            else:
                self.external.change(kept, now, **dict(call.body or {}))
        at = EPOCH.timestamp() + now
        told = answered or status if effect else status
        self.ledger.append(
            ledger_call(
                len(self.ledger) + 1, at, call, told, kept, effect=effect, process=process, delayed=self._delayed
            )
        )
        if not effect:
            return Refused(code="BAD_REQUEST", message="the task has ended", http_status=400)
        return Accepted(task=kept.read(), http_status=200, vcd_request_id=f"{call.call_id}-r")

    def cancel(self, task_id: str, call_id: str, process: str, *, delayed: bool) -> CancelAnswer:
        task, now = self._by_id.get(task_id), self.now()
        if task is None or not task.is_shown(now):
            return CancelAnswer.REFUSED
        takes = task.runs(now)
        self.ledger.append(
            LedgerCall(
                number=len(self.ledger) + 1, at=EPOCH.timestamp() + now, call_id=call_id, operation="cancelTask",
                status=204 if takes else 400, effect=takes, task_id=task.id, process=process, delayed=delayed,
            )
        )  # fmt: skip
        if not takes:
            return CancelAnswer.REFUSED
        task.cancel_requested_at = task.cancel_requested_at or now
        if self.random.random() < 0.5:
            task.end(now + 1.0, self.random.choice(["aborted", "canceled"]))
        return CancelAnswer.REQUESTED

    def _note(
        self, call: HttpCall, process: str, status: int | None, task: SimTask | None = None, *, effect: bool = False
    ) -> None:
        self.ledger.append(
            LedgerCall(
                number=len(self.ledger) + 1, at=EPOCH.timestamp() + self.now(), call_id=call.call_id,
                operation=call.operation, status=status, effect=effect, task_id=task.id if task else None,
                delayed=self._delayed,
                process=process, path=call.path, body=json.dumps(call.body) if call.body is not None else None,
            )
        )  # fmt: skip

    # --- reads, by the cell that happens to answer --------------------------------------------------------------------

    def _cell_time(self) -> float:
        return self.now() - (0.0 if self.calm else self.random.choice(self._behind))

    def task(self, task_id: str) -> TaskReading:
        if task_id not in self._refused_tasks and self.refuses_reads:
            # Only a second 403 says that it has gone.
            self._refused_tasks.add(task_id)
            return TaskVanished(403, "no right at the moment")
        kept = self.external.by_id(task_id)
        if kept is not None:
            return TaskRead(kept.read())
        task, then = self._by_id.get(task_id), self._cell_time()
        hold = self.inventory.holds.held_by(task_id)
        if hold is not None:
            return TaskRead(hold.task(then))
        shown = task is not None and task.is_shown(then)
        return TaskRead(task.read(then)) if task is not None and shown else TaskVanished(403, "no access")

    def blocking_task(self, urn: str) -> BlockingReading:
        if self.refuses_reads:
            return BlockingAbsent(403, "no right at the moment")
        hold = self.inventory.holds.at(f"{HOLDS}{urn.rpartition(':')[2]}")
        return BlockingRead(hold.document()) if hold.is_held(self._cell_time()) else BlockingAbsent(403, "no access")

    def query(self, query: TaskQuery) -> TaskPage | ReadRefused:
        if self.refuses_reads:
            return ReadRefused(400, "no such filter")
        rows = [row for row in self._rows(query) if _matches(row, query)]
        if query.sort_ascending in {"startDate", "endDate"}:
            of_end = query.sort_ascending == "endDate"
            unset = _NEVER if self.unset_last else EPOCH
            rows.sort(key=lambda row: (row.end_date if of_end else row.start_date) or unset)
        first = (query.page - 1) * query.page_size
        return TaskPage(tuple(rows[first : first + query.page_size]), query.page, len(rows), None)

    def _rows(self, query: TaskQuery) -> Iterator[TaskRecord]:
        now, asked, since = self.now(), query.organizations, query.ended_at_or_after or query.or_ended_at_or_after
        long_ago = (since - EPOCH).total_seconds() - LONGEST_ROW_LATENESS_SECONDS if since is not None else -1.0
        for task in self.tasks:
            # Most have ended long ago: they are not made into rows only to be left out.
            if task.ends >= long_ago and (not asked or task.organization.uuid in asked):
                row = task.row(now)
                if row is not None:
                    yield row
        yield from self.external.rows()

    def blocking_page(self, number: int) -> BlockingPage | ReadRefused:
        """Of those that are on the list."""
        if self.refuses_reads:
            return ReadRefused(400, "no such filter")
        then, held = self._cell_time(), self.inventory.holds.by_path
        rows = [
            replace(held[path].document(), organization=organization.reference())
            for path, (organization, since) in self.blocked.items()
            if since <= then and held[path].is_held(then)
        ]
        first = (number - 1) * _BLOCKING_PAGE
        return BlockingPage(tuple(rows[first : first + _BLOCKING_PAGE]), len(rows), None)

    def entity(self, path: str) -> EntityReading:
        if self.refuses_reads:
            for_good = self.random.random() < 0.5
            return ReadRefused(405, "not here") if for_good else EntityAbsent(403, "no right at the moment")
        document = self.inventory.document(path)
        if document is None:
            return EntityAbsent(403, "no access")
        now = self.now()
        # Recently completed Tasks may have left the list already: absence proves nothing.
        shown = [
            task
            for task in self._of_entity.get(path, ())
            if task.is_shown(now) and (task.runs(now) or (now - task.began < 3600 and self.random.random() < 0.7))
        ]
        return EntityRead(document, tuple(task.read(now) for task in shown))

    # --- what befalls it ----------------------------------------------------------------------------------------------

    def repeat_for_another(self, call: HttpCall) -> None:
        """Somebody under the bridges' own login asks for the same, if VCD lets him."""
        asked = self.inventory.asked(call)
        if isinstance(asked, Refusal) or asked.at_once or self.is_busy(asked.path):
            return
        seconds = self.random.uniform(0.5, 15.0)
        task = self.begin(asked.path, seconds, "success", name=asked.name, operation=asked.operation_name)
        task.look_alike = True

    def restart(self) -> None:
        """All sessions are lost."""
        self.sessions.clear()

    def running(self) -> list[SimTask]:
        now = self.now()
        return [task for task in self.tasks if task.runs(now) and task.is_shown(now)]

    def truth(self) -> dict[str, VcdTask]:
        now = self.now()
        return {task.id: task.truth(now) for task in self.tasks} | self.external.truth()


def end_by_others(vcd: SimVcd, task: SimTask) -> None:
    """An administrator ends a Task."""
    task.end(vcd.now(), vcd.random.choice(["aborted", "canceled"]))


def hide(vcd: SimVcd, task: SimTask) -> None:
    """VCD shows the Task to nobody any more; it goes on."""
    task.gone = (vcd.now(), inf)


def _matches(row: TaskRecord, query: TaskQuery) -> bool:
    if query.ids and row.id not in query.ids:
        return False
    if query.own_only and row.owner_name != USER:
        return False
    wanted = query.service_namespace
    if wanted is not None and (row.service_namespace or "").casefold() != wanted.casefold():
        return False
    if query.organizations and row.organization not in query.organizations:
        return False
    lately = query.or_ended_at_or_after
    has_ended_lately = lately is not None and row.end_date is not None and row.end_date >= lately
    if query.statuses and row.status not in query.statuses and not has_ended_lately:
        return False
    if query.started_at_or_after is not None and (row.start_date is None or row.start_date < query.started_at_or_after):
        return False
    if query.ended_at_or_after is not None:
        return row.end_date is not None and row.end_date >= query.ended_at_or_after
    return True
