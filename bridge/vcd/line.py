"""The line to one VCD: requests out, answers in, over connections for calls and connections for reads."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import httpx

from bridge.ports import Clock
from bridge.vcd.config import CallObserver, VcdConfig
from bridge.vcd.fast_transport import FastTransport
from bridge.vcd.httpx_transport import HttpxTransport
from bridge.vcd.transports import Reply, TlsFiles, Transport, TransportFault, TransportLimits

_T = TypeVar("_T")

USER_AGENT = "vcd-kafka-bridge"


def open_transports(config: VcdConfig, clock: Clock) -> tuple[Transport, Transport]:
    """The transports for calls and for reads. Raises ConfigurationError."""
    kind = FastTransport if config.transport == "fast" else HttpxTransport
    tls = TlsFiles(authorities=config.ca_file, client=config.client_certificate_file)
    calls = TransportLimits(
        connections=config.max_concurrent_calls,
        connect=config.call_connect_timeout,
        pool=config.call_pool_timeout,
        answer=config.answer_timeout,
    )
    reads = TransportLimits(
        connections=config.max_concurrent_reads,
        connect=config.connect_timeout,
        pool=config.answer_timeout,
        answer=config.answer_timeout,
    )
    return kind(calls, tls, clock.monotonic), kind(reads, tls, clock.monotonic)


class Line:
    """Sends requests so that nothing but the transport's own time-outs ends them once they have begun."""

    def __init__(
        self, base_url: str, calls: Transport, reads: Transport, clock: Clock, observer: CallObserver | None = None
    ) -> None:
        self.base_url = base_url
        self._calls = calls
        self._reads = reads
        self._clock = clock
        self._observer = observer
        self._out: set[asyncio.Task[Any]] = set()

    def request(self, method: str, target: str, headers: dict[str, str], content: bytes | None = None) -> httpx.Request:
        """A request to our own host; ``target`` is path and query, written as it goes out."""
        everything = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity", **headers}
        return httpx.Request(method, self.base_url + target, headers=everything, content=content)

    async def call(self, request: httpx.Request, leave_by: float) -> Reply:
        """A call that changes VCD. Canceling the caller does not cancel it. Raises TransportFault."""
        return await self._shielded(self._calls.send(request, leave_by))

    async def read(self, operation: str, request: httpx.Request) -> Reply:
        """Anything that may be repeated. Raises TransportFault."""
        return await self._observed(operation, self._reads, request)

    async def command(self, operation: str, request: httpx.Request) -> Reply:
        """A change that may be repeated (a cancel request), over the connections for calls. Raises TransportFault."""
        return await self._observed(operation, self._calls, request)

    async def close(self) -> None:
        """Leave a second to what is out, then close the connections."""
        if self._out:
            _, late = await asyncio.wait(self._out, timeout=1.0)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        await self._calls.close()
        await self._reads.close()

    async def _observed(self, operation: str, transport: Transport, request: httpx.Request) -> Reply:
        began = self._clock.monotonic()
        status: int | None = None
        try:
            reply = await self._shielded(transport.send(request))
            status = reply.status
            return reply
        except TransportFault as fault:
            status = fault.head.status if fault.head is not None else None
            raise
        finally:
            if self._observer is not None:
                self._observer.observe_call(operation, status, self._clock.monotonic() - began)

    async def _shielded(self, work: Coroutine[Any, Any, _T]) -> _T:
        task = asyncio.ensure_future(work)
        self._out.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._out.discard(task)
        if not task.cancelled():
            task.exception()  # a caller that went away does not ask for it
