"""The gateway: everything the engine asks of VCD, in the core's words."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from bridge.core.answers import (
    BlockingPage,
    BlockingReading,
    CallAnswer,
    CancelAnswer,
    EntityReading,
    HttpCall,
    ReadRefused,
    ReferenceKind,
    ReferenceReading,
    TaskPage,
    TaskQuery,
    TaskReading,
    Unavailable,
)
from bridge.ports import Clock, SessionAccess
from bridge.vcd.calls import Calls
from bridge.vcd.config import CallObserver, EventLog, VcdConfig
from bridge.vcd.guard import Guard
from bridge.vcd.login.credentials import Credential
from bridge.vcd.login.identity import credential_of
from bridge.vcd.login.sessions import Sessions
from bridge.vcd.reading.blocking import Blocking
from bridge.vcd.reading.hosts import Hosts
from bridge.vcd.reading.organizations import Organizations
from bridge.vcd.reading.reader import Reader
from bridge.vcd.reading.readings import Readings
from bridge.vcd.reading.references import References
from bridge.vcd.transport.addresses import Addresses
from bridge.vcd.transport.line import Line, open_transports
from bridge.vcd.transport.pace import Pace
from bridge.vcd.transport.reach import Reach
from bridge.vcd.transport.transports import Departure


class HttpGateway:
    """Implements ``bridge.ports.VcdGateway`` over HTTP."""

    def __init__(
        self,
        config: VcdConfig,
        clock: Clock,
        *,
        observer: CallObserver | None = None,
        log: EventLog | None = None,
        credential: Credential | None = None,
        line: Line | None = None,
    ) -> None:
        """Raises ConfigurationError for certificates that cannot be used."""
        self._config = config
        self._line = line or open_line(config, clock, observer, log)
        versions = (config.api_version_min, config.api_version_max)
        self._sessions = Sessions(self._line, credential or credential_of(config), clock, versions=versions, log=log)
        self._guard = Guard(log)
        reader = Reader(self._line, self._sessions, clock)
        organizations = Organizations(reader, self._sessions, clock)
        self._hosts = Hosts(config.urls, self._sessions)
        self._calls = Calls(self._line, self._sessions, organizations, clock, self._guard)
        self._readings = Readings(config, reader, organizations, self._sessions, self._hosts, log)
        self._blocking = Blocking(config, reader)
        self._references = References(config.url, reader, organizations, self._sessions, self._hosts, clock)

    # --- session --------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        await self._sessions.open()

    @property
    def session_ready(self) -> bool:
        return self._sessions.current is not None

    @property
    def silence_seconds(self) -> float:
        return self._line.silence_seconds

    @property
    def api_version(self) -> str:
        session = self._sessions.latest
        return session.api_version if session is not None else ""

    @property
    def user_name(self) -> str:
        session = self._sessions.latest
        return session.user_name if session is not None else ""

    @property
    def is_provider(self) -> bool:
        """As VCD says at the login; before the first, as the settings have it."""
        session = self._sessions.latest
        return session.is_provider if session is not None else self._config.is_provider

    @property
    def access(self) -> SessionAccess | None:
        """The session as long as nothing speaks against its token; None: there is none now."""
        session = self._sessions.current
        return None if session is None else SessionAccess(session.token, session.organization_uuid, session.is_provider)

    @property
    def clock_ahead(self) -> timedelta | None:
        return self._line.clock_ahead

    @property
    def own_hosts(self) -> frozenset[str]:
        """``host[:port]`` under which this VCD is known: as dialled, as its login addresses and its hrefs name it."""
        return self._hosts.own

    async def try_addresses(self) -> dict[str, str | None]:
        """Each address of the settings, and what is wrong with it: all of them are to take the same session."""
        urls = dict.fromkeys(self._config.urls)
        return {url: await self._sessions.trouble_at(url) for url in urls}

    async def close(self) -> None:
        await self._sessions.close()
        await self._line.close()

    # --- calls ----------------------------------------------------------------------------------------------------

    async def call(self, call: HttpCall, *, leave_by: float, may_leave: Callable[[], bool]) -> CallAnswer:
        return await self._calls.make(call, Departure(leave_by, may_leave))

    async def cancel_task(
        self, task_id: str, call_id: str, *, leave_by: float, may_leave: Callable[[], bool]
    ) -> CancelAnswer:
        answer = await self._guard.reading(self._calls.cancel(task_id, call_id, Departure(leave_by, may_leave)))
        return CancelAnswer.UNAVAILABLE if isinstance(answer, Unavailable) else answer

    # --- reads ----------------------------------------------------------------------------------------------------

    async def read_task(self, task_id: str, href: str | None) -> TaskReading:
        return await self._guard.reading(self._readings.task(task_id, href))

    async def query_tasks(self, query: TaskQuery) -> TaskPage | ReadRefused | Unavailable:
        return await self._guard.reading(self._readings.tasks(query))

    async def query_blocking_tasks(self, page: int) -> BlockingPage | ReadRefused | Unavailable:
        return await self._guard.reading(self._blocking.page(page))

    async def read_blocking_task(self, blocking_task_id: str) -> BlockingReading:
        return await self._guard.reading(self._blocking.one(blocking_task_id))

    async def read_entity(self, path: str, organization: str | None) -> EntityReading:
        return await self._guard.reading(self._readings.entity(path, organization))

    async def read_reference(self, kind: ReferenceKind, text: str | None) -> ReferenceReading:
        return await self._guard.reading(self._references.read(kind, text))


def open_line(config: VcdConfig, clock: Clock, observer: CallObserver | None, log: EventLog | None) -> Line:
    """Raises ConfigurationError."""
    pace = Pace(clock, config.max_per_second, log)
    addresses = Addresses(config.urls, clock, log)
    calls, reads, cancels = open_transports(config, clock)
    return Line(config.url, calls, reads, clock, observer, pace, Reach(clock, log), addresses, cancels=cancels)
