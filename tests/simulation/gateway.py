"""The gateway of one simulated process, and what becomes of its requests between it and Cloud Director."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

from bridge.core.answers import (
    Accepted,
    BlockingPage,
    BlockingReading,
    CallAnswer,
    CancelAnswer,
    EntityReading,
    HttpCall,
    Limited,
    NeverSent,
    OutcomeUnknown,
    ReadRefused,
    ReferenceKind,
    ReferenceReading,
    SessionExpired,
    TaskPage,
    TaskQuery,
    TaskReading,
    Unavailable,
)
from tests.simulation.loop import EPOCH, VirtualClock
from tests.simulation.process import Journey, NoAnswer, carried_out, in_world
from tests.simulation.tasks import USER
from tests.simulation.vcd import STATUS_AFTER, WITHOUT_EFFECT, SimVcd

Answer = TypeVar("Answer")

ANSWER_SECONDS = 10.0
"""The clients' time-out. What leaves is carried out within it, or never: a look relies on that."""
LONGEST_WAY_SECONDS = 5.0
"""From a process to where VCD carries a call out; with the lateness of VCD's lists it stays within the time-out."""
TRAVEL_SECONDS = 0.05

UNSENT = ("connect_failed", "late")
UNHEARD = ("lost", "lost_answer", "gave_up")
FAULTS = (*UNSENT, *WITHOUT_EFFECT, *UNHEARD, *UNHEARD, *STATUS_AFTER)


class _Unauthorized(Exception):
    """VCD does not know the session."""


class _NotReached(Exception):
    """VCD is down."""


class _Silenced(Exception):
    """VCD has asked to be left alone, for ``retry_after``."""

    def __init__(self, retry_after: timedelta) -> None:
        super().__init__(retry_after)
        self.retry_after = retry_after


class SimGateway:
    """``fault_rate``: how often a request meets a fault; ``late_rate``: how often else a call waits for its turn to
    leave."""

    user_name = USER
    api_version = "39.1"
    is_provider = True

    def __init__(self, name: str, vcd: SimVcd, clock: VirtualClock, fault_rate: float, late_rate: float = 0.0) -> None:
        self.vcd = vcd
        self._name = name
        self._clock = clock
        self._fault_rate = fault_rate
        self._late_rate = late_rate
        self._session: int | None = None
        self._logging_in: asyncio.Task[None] | None = None
        self._told: tuple[datetime, float] | None = None
        """What time it was in VCD's last answer, and when that came (monotonic)."""
        self._held_until = 0.0

    async def open(self) -> None:
        await self._log_in()

    async def close(self) -> None:
        if self._logging_in is not None:
            self._logging_in.cancel()

    @property
    def session_ready(self) -> bool:
        return self._session is not None

    @property
    def silence_seconds(self) -> float:
        return max(0.0, self._held_until - self._clock.monotonic())

    @property
    def clock_ahead(self) -> timedelta | None:
        """By the last answer, which tells whole seconds; from there on counted, however our clock is set."""
        if self._told is None:
            return None
        told, heard = self._told
        return told + timedelta(seconds=self._clock.monotonic() - heard) - self._clock.now()

    # --- calls --------------------------------------------------------------------------------------------------------

    async def call(self, call: HttpCall, *, leave_by: float, may_leave: Callable[[], bool]) -> CallAnswer:
        answer = await self._call(call, leave_by, may_leave)
        self.vcd.heard.append((self.vcd.now(), self._name, call.call_id, _shown(answer)))
        return answer

    async def _call(self, call: HttpCall, leave_by: float, may_leave: Callable[[], bool]) -> CallAnswer:
        random, vcd = self.vcd.random, self.vcd
        fault = random.choice(FAULTS) if self._meets_fault() else None
        if vcd.look_alikes and call.path.startswith("/vApp/"):
            vcd.look_alikes -= 1
            fault = random.choice(["lost", "lost_answer"])
            in_world(vcd.repeat_for_another, call, after=random.uniform(0, 3))
        if fault is None and self._late_rate and not vcd.calm and random.random() < self._late_rate:
            fault = "late"
        # A pool that is full, a connection that has to be made.
        await self._clock.sleep(random.uniform(0.5, 8.0) if fault == "late" else random.uniform(0, 0.02))
        if fault == "connect_failed" or vcd.is_down:
            return NeverSent(code="connect_failed", message="refused")
        if self._session is None:
            return NeverSent(code="no_session", message="there is no session")
        if self.silence_seconds:
            held = timedelta(seconds=self.silence_seconds)
            return Limited(code="HTTP_429", message="not sent", http_status=429, retry_after=held)
        if not may_leave():
            return NeverSent(code="held_back", message="held back")
        if self._clock.monotonic() >= leave_by:
            return NeverSent(code="lease_expired", message="too late to leave")
        return await self._send(call, fault)

    async def _send(self, call: HttpCall, fault: str | None) -> CallAnswer:
        random, vcd, session = self.vcd.random, self.vcd, self._session
        slow = vcd.is_slow or fault == "gave_up"
        out = random.uniform(0, LONGEST_WAY_SECONDS) if slow else random.uniform(0, TRAVEL_SECONDS)
        back = random.uniform(0, 2 * ANSWER_SECONDS) if slow else random.uniform(0, TRAVEL_SECONDS)
        # A connection that breaks is noticed at once, which says nothing of where the request is by then.
        patience = random.uniform(0, ANSWER_SECONDS) if fault in {"lost", "lost_answer"} else ANSWER_SECONDS
        lost = {"lost": "out", "lost_answer": "back"}.get(fault or "")
        journey = Journey(out=out, back=back, lost=lost, patience=patience)
        arrive = partial(self._arrive, call, fault, session, delayed=out > TRAVEL_SECONDS)
        try:
            answer: CallAnswer = await carried_out(journey, arrive)
        except NoAnswer:
            return OutcomeUnknown(code="no_answer", message="no answer")
        except _NotReached:
            return OutcomeUnknown(code="no_answer", message="connection reset")
        self._heard()
        if isinstance(answer, SessionExpired):
            self._lose_session(session)
        if isinstance(answer, Limited) and answer.retry_after is not None:
            self._hold(answer.retry_after)
        return answer

    def _hold(self, seconds: timedelta) -> None:
        self._held_until = max(self._held_until, self._clock.monotonic() + seconds.total_seconds())

    def _arrive(self, call: HttpCall, fault: str | None, session: int | None, *, delayed: bool) -> CallAnswer:
        if self.vcd.is_down:
            raise _NotReached
        return self.vcd.serve(call, self._name, fault, session, delayed=delayed)

    async def cancel_task(
        self, task_id: str, call_id: str, *, leave_by: float, may_leave: Callable[[], bool]
    ) -> CancelAnswer:
        await self._clock.sleep(self.vcd.random.uniform(0, 0.02))
        if self._clock.monotonic() >= leave_by or not may_leave():
            return CancelAnswer.UNAVAILABLE
        vcd, left = self.vcd, self.vcd.now()
        answer = await self._ask(
            lambda: vcd.cancel(task_id, call_id, self._name, delayed=vcd.now() > left + TRAVEL_SECONDS)
        )
        return CancelAnswer.UNAVAILABLE if isinstance(answer, Unavailable) else answer

    # --- reads --------------------------------------------------------------------------------------------------------

    async def read_task(self, task_id: str, href: str | None) -> TaskReading:
        return await self._ask(lambda: self.vcd.task(task_id))

    async def query_tasks(self, query: TaskQuery) -> TaskPage | ReadRefused | Unavailable:
        return await self._ask(lambda: self.vcd.query(query))

    async def query_blocking_tasks(self, page: int) -> BlockingPage | ReadRefused | Unavailable:
        return await self._ask(lambda: self.vcd.blocking_page(page))

    async def read_blocking_task(self, blocking_task_id: str) -> BlockingReading:
        return await self._ask(lambda: self.vcd.blocking_task(blocking_task_id))

    async def read_entity(self, path: str, organization: str | None) -> EntityReading:
        return await self._ask(lambda: self.vcd.entity(path))

    async def read_reference(self, kind: ReferenceKind, text: str | None) -> ReferenceReading:
        return await self._ask(lambda: self.vcd.references.read(kind, text))

    async def _ask(self, act: Callable[[], Answer]) -> Answer | Unavailable:
        random, vcd, session = self.vcd.random, self.vcd, self._session
        if session is None:
            await self._clock.sleep(random.uniform(0, TRAVEL_SECONDS))
            return Unavailable("there is no session")
        if self.silence_seconds:
            return Unavailable("not sent", timedelta(seconds=self.silence_seconds))
        slowest = 0.3 if vcd.is_slow else TRAVEL_SECONDS
        fault = self._meets_fault(0.5)
        journey = Journey(
            out=random.uniform(0, slowest),
            back=random.uniform(0, slowest),
            lost=random.choice(["out", "back"]) if fault else None,
            patience=random.uniform(0, 2.0) if fault else ANSWER_SECONDS,
        )

        def arrive() -> Answer:
            if vcd.is_down:
                raise _NotReached
            if vcd.silence:
                raise _Silenced(vcd.silence)
            if session not in vcd.sessions:
                raise _Unauthorized
            return act()

        try:
            answer = await carried_out(journey, arrive)
        except _Unauthorized:
            self._lose_session(session)
            return Unavailable("the session is over")
        except _Silenced as silenced:
            self._hold(silenced.retry_after)
            return Unavailable("HTTP 429", silenced.retry_after)
        except (NoAnswer, _NotReached):
            return Unavailable("no answer")
        self._heard()
        return answer

    def _meets_fault(self, share: float = 1.0) -> bool:
        return not self.vcd.calm and self.vcd.random.random() < self._fault_rate * share

    def _heard(self) -> None:
        self._told = EPOCH + timedelta(seconds=int(self.vcd.now())), self._clock.monotonic()

    # --- the session --------------------------------------------------------------------------------------------------

    def _lose_session(self, session: int | None) -> None:
        if self._session == session and session is not None:
            self._session = None
            self._logging_in = asyncio.ensure_future(self._log_in())

    async def _log_in(self) -> None:
        while True:
            try:
                self._session = await carried_out(Journey(out=0.05, back=0.05, patience=5.0), self._logged_in)
            except (NoAnswer, _NotReached):
                await self._clock.sleep(1.0)
            else:
                self._heard()
                return

    def _logged_in(self) -> int:
        if self.vcd.is_down:
            raise _NotReached
        return self.vcd.log_in()


def _shown(answer: CallAnswer) -> str:
    code = getattr(answer, "code", "")
    task = answer.task.id if isinstance(answer, Accepted) else ""
    return " ".join(part for part in (type(answer).__name__, code, task) if part)
