"""The line to one VCD: requests out, answers in, over connections for calls and connections for everything else."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from statistics import median_low
from typing import Any

import httpx

from bridge.ports import Clock
from bridge.vcd.config import USER_AGENT, CallObserver, VcdConfig
from bridge.vcd.documents.errors import read_http_date
from bridge.vcd.transport.addresses import Addresses, may_be_cells_own
from bridge.vcd.transport.fast_transport import FastTransport
from bridge.vcd.transport.httpx_transport import HttpxTransport
from bridge.vcd.transport.pace import Pace
from bridge.vcd.transport.reach import Reach
from bridge.vcd.transport.transports import (
    CallTransport,
    Departure,
    Head,
    Reply,
    TlsFiles,
    Transport,
    TransportFault,
    TransportLimits,
)

Send = Callable[[httpx.Request], Awaitable[Reply]]

_OUR_OWN = frozenset({"pool_timeout", "lease_expired", "held_back"})
"""Faults on our side of the wire: another address would not help."""
_MOST_SILENT = 2
"""So many addresses that do not answer in time are waited for by one read, however many there are."""

READINGS = 5
"""Of so many answers the middle clock counts: two of a cell or proxy that is wrong change nothing. One that is ahead
would make the Task of a call that is decided right then seem to have begun before it; one that is behind would take
older Tasks into the look for it. Of two in the middle it is the earlier, which misses nothing."""
BELIEVABLE_SKEW = timedelta(days=1)
"""A clock further off than this is a mistake in an answer: logins and certificates would not work with it."""


def open_transports(config: VcdConfig, clock: Clock) -> tuple[CallTransport, Transport, CallTransport]:
    """The transports for calls, for reads and for cancels. Raises ConfigurationError.

    What has a lease goes by the one that asks at the first byte, though it is slower: calls are few, reads are many.
    """
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
    # Connections of their own, as many as reads have; but who waits for one as long as reads may is past any lease.
    cancels = replace(calls, connections=config.max_concurrent_reads)
    return (
        HttpxTransport(calls, tls, clock.monotonic),
        FastTransport(reads, tls) if config.transport == "fast" else HttpxTransport(reads, tls, clock.monotonic),
        HttpxTransport(cancels, tls, clock.monotonic),
    )


class Line:
    """Sends requests so that nothing but the transport's own time-outs ends them once they have begun."""

    def __init__(
        self,
        base_url: str,
        calls: CallTransport,
        reads: Transport,
        clock: Clock,
        observer: CallObserver | None = None,
        pace: Pace | None = None,
        reach: Reach | None = None,
        addresses: Addresses | None = None,
        *,
        cancels: CallTransport | None = None,
    ) -> None:
        """``base_url``: the address that stands for VCD; ``addresses``: all of its cells, it alone if left out.
        ``cancels``: what cancels leave by, as calls do if left out."""
        self.base_url = base_url
        self._addresses = addresses or Addresses((base_url,), clock)
        self._calls = calls
        self._reads = reads
        self._cancels = cancels or calls
        self._clock = clock
        self._observer = observer
        self._pace = pace or Pace(clock)
        self._reach = reach or Reach(clock)
        self._out: set[asyncio.Task[Any]] = set()
        self._told: deque[tuple[datetime, float]] = deque(maxlen=READINGS)
        """What time it was in VCD's last answers, and when they came (monotonic)."""

    @property
    def clock_ahead(self) -> timedelta | None:
        """How far VCD's clock is ahead of ours, None before it has told the time: too little by what the answer took,
        and by up to a second, as it tells whole ones. Where our clock has been set since, by as much as it was."""
        if not self._told:
            return None
        now = self._clock.monotonic()
        return median_low(told + timedelta(seconds=now - heard) for told, heard in self._told) - self._clock.now()

    @property
    def silence_seconds(self) -> float:
        """What is left of the time for which VCD has asked to be left alone."""
        return self._pace.silence_seconds

    def request(self, method: str, target: str, headers: dict[str, str], content: bytes | None = None) -> httpx.Request:
        """A request to our own host; ``target`` is path and query, written as it goes out."""
        everything = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity", **headers}
        return httpx.Request(method, self.base_url + target, headers=everything, content=content)

    async def call(self, request: httpx.Request, departure: Departure) -> Reply:
        """A call that changes VCD. Canceling the caller does not cancel it. Raises TransportFault, among them Held.

        Of several addresses the next is tried only where it is proven that nothing was sent.
        """
        self._pace.call()
        return await self._answer(self._leased(self._calls, request, departure), paced=True)

    async def read(self, operation: str, request: httpx.Request) -> Reply:
        """Anything that may be repeated; waits for its turn. Raises TransportFault."""
        await self._pace.turn()
        return await self._observed(operation, self._sent(self._reads.send, request), paced=True)

    async def cancel(self, request: httpx.Request, departure: Departure) -> Reply:
        """A cancel request: it waits for its turn as reads do, and leaves within its lease. Raises TransportFault."""
        await self._pace.turn()
        return await self._observed("cancelTask", self._leased(self._cancels, request, departure), paced=True)

    async def session(self, operation: str, request: httpx.Request) -> Reply:
        """What makes and keeps the session: waits for nobody. Raises TransportFault."""
        return await self._observed(operation, self._sent(self._reads.send, request), paced=False)

    async def ask(self, base: str, request: httpx.Request) -> Reply:
        """The answer of this address alone, on the way of calls, so that what only they would meet is told before one
        leaves; waits for nobody. Raises TransportFault."""
        return await self._answer(self._calls.send(self._at(base, request)), paced=False)

    async def close(self) -> None:
        """Leave a second to what is out, then close the connections."""
        if self._out:
            _, late = await asyncio.wait(self._out, timeout=1.0)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        for transport in (self._calls, self._reads, self._cancels):
            await transport.close()

    async def _observed(self, operation: str, sending: Coroutine[Any, Any, Reply], *, paced: bool) -> Reply:
        began = self._clock.monotonic()
        status: int | None = None
        try:
            reply = await self._answer(sending, paced=paced)
            status = reply.status
            return reply
        except TransportFault as fault:
            status = fault.head.status if fault.head is not None else None
            raise
        finally:
            if self._observer is not None:
                self._observer.observe_call(operation, status, self._clock.monotonic() - began)

    def _leased(
        self, transport: CallTransport, request: httpx.Request, departure: Departure
    ) -> Coroutine[Any, Any, Reply]:
        return self._sent(partial(transport.send, departure=departure), request, has_lease=True)

    async def _sent(self, send: Send, request: httpx.Request, *, has_lease: bool = False) -> Reply:
        """The answer of the first address that gives one: a cell that is down costs a try, not the request.

        Only what reads is asked elsewhere after it may have been sent: a login may have used up what it was made with.
        """
        repeatable = request.method == "GET" and not has_lease
        *others, last = self._addresses.order(probing=repeatable)
        silent = 0
        with self._addresses.compared() as compared:
            for base in others:
                began = self._clock.monotonic()
                try:
                    reply = await self._sent_to(base, send, request)
                except TransportFault as fault:
                    verdict = fault.verdict
                    silent += verdict.code == "no_answer"
                    if verdict.code in _OUR_OWN or not (repeatable or verdict.never_sent) or silent == _MOST_SILENT:
                        raise
                    continue
                compared.answered(base, began, reply.status, doubtful=repeatable and may_be_cells_own(reply))
                if not compared.doubtful:
                    return reply
            began = self._clock.monotonic()
            reply = await self._sent_to(last, send, request)
            compared.answered(last, began, reply.status, doubtful=may_be_cells_own(reply))
            return reply

    async def _sent_to(self, base: str, send: Send, request: httpx.Request) -> Reply:
        began = self._clock.monotonic()
        try:
            return await send(self._at(base, request))
        except TransportFault as fault:
            if fault.verdict.code not in _OUR_OWN:
                self._addresses.failed(base, began, fault.verdict)
            raise

    def _at(self, base: str, request: httpx.Request) -> httpx.Request:
        """The same request to another address."""
        if base == self.base_url:
            return request
        headers = [(name, value) for name, value in request.headers.raw if name.lower() != b"host"]
        target = request.url.raw_path.decode("ascii")
        return httpx.Request(request.method, base + target, headers=headers, content=request.content)

    async def _answer(self, sending: Coroutine[Any, Any, Reply], *, paced: bool) -> Reply:
        task = asyncio.ensure_future(self._heard(sending, paced=paced))
        self._out.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    async def _heard(self, sending: Coroutine[Any, Any, Reply], *, paced: bool) -> Reply:
        """The answer; what its head tells about VCD as a whole is kept, also when nobody waits for it any more."""
        began = self._clock.monotonic()
        try:
            reply = await sending
        except TransportFault as fault:
            if fault.head is not None:
                self._hear(fault.head, paced=paced)
            elif not self._addresses.any_well:
                self._reach.unanswered(began, fault.verdict)
            raise
        self._hear(reply, paced=paced)
        return reply

    def _hear(self, head: Head, *, paced: bool) -> None:
        self._reach.answered()
        told = read_http_date(head.headers.get("date"))
        if told is not None and abs(told - self._clock.now()) <= BELIEVABLE_SKEW:
            self._told.append((told, self._clock.monotonic()))
        # One cell's maintenance holds nothing up as long as there is another.
        if paced and not (head.status == 503 and self._addresses.any_well):
            self._pace.heard(head)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._out.discard(task)
        if not task.cancelled():
            task.exception()  # a caller that went away does not ask for it
