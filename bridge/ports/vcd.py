"""Cloud Director, as the engine asks it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Protocol

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


class VcdGateway(Protocol):
    """Everything the engine asks of VCD. No method raises for what VCD or the network does; answers say it."""

    async def open(self) -> None:
        """Negotiate the version and log in. Raises ConfigurationError or TemporaryError."""
        ...

    @property
    def session_ready(self) -> bool:
        """A token that is believed valid is at hand."""
        ...

    @property
    def silence_seconds(self) -> float:
        """What is left of the time for which VCD has asked to be left alone; 0: it has not."""
        ...

    @property
    def api_version(self) -> str: ...

    @property
    def user_name(self) -> str:
        """The bridge's own user, as task records name it in ``ownerName``."""
        ...

    @property
    def clock_ahead(self) -> timedelta | None:
        """How far VCD's clock is ahead of ours, by when it last told the time; None before it has."""
        ...

    async def call(self, call: HttpCall, *, leave_by: float, may_leave: Callable[[], bool]) -> CallAnswer:
        """Make one call that changes VCD. It leaves before ``leave_by`` (monotonic seconds, pool, connect and TLS
        included) or answers NeverSent(code="lease_expired"). ``may_leave`` is asked as late as can be, only the clock
        after it; when it says no, the answer is NeverSent(code="held_back"). While VCD has asked to be left alone,
        nothing leaves and the answer is Limited with what is left of that time. Once begun it is awaited behind a
        shield."""
        ...

    async def read_task(self, task_id: str, href: str | None) -> TaskReading: ...

    async def cancel_task(
        self, task_id: str, call_id: str, *, leave_by: float, may_leave: Callable[[], bool]
    ) -> CancelAnswer:
        """Ask for a Task's end. It leaves before ``leave_by`` (monotonic seconds) and when ``may_leave``, asked as late
        as can be, does not say no; or not at all: UNAVAILABLE."""
        ...

    async def query_tasks(self, query: TaskQuery) -> TaskPage | ReadRefused | Unavailable: ...

    async def query_blocking_tasks(self, page: int) -> BlockingPage | ReadRefused | Unavailable:
        """Page ``page`` of all blocking tasks that wait for a decision, oldest first; for a login of the provider."""
        ...

    async def read_blocking_task(self, blocking_task_id: str) -> BlockingReading:
        """A blocking task by its URN or uuid; for a login of the provider."""
        ...

    async def read_entity(self, path: str, organization: str | None) -> EntityReading:
        """GET ``path`` (relative to ``/api``)."""
        ...

    @property
    def is_provider(self) -> bool:
        """The login is one of the provider (System): nobody else may make external tasks."""
        ...

    async def read_reference(self, kind: ReferenceKind, text: str | None) -> ReferenceReading:
        """Read what an external task shall name, so that VCD finds no reason to refuse it."""
        ...

    async def close(self) -> None: ...
