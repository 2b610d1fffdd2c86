"""The pure Python transport: stock httpx in shards."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable
from typing import Any

import httpx

from bridge.vcd.transport.classifier import Verdict, classify_httpx
from bridge.vcd.transport.transports import (
    KEEP_ALIVE_SECONDS,
    LEASE_EXPIRED,
    Departure,
    Reply,
    TlsFiles,
    TransportFault,
    TransportLimits,
    exchange,
    unusable_certificates,
)

SHARD_CONNECTIONS = 6
"""Connections per shard: httpcore's pool costs O(n²) in them (encode/httpcore #1035)."""

_SEND_STARTED = ".send_request_headers.started"

# At DEBUG httpcore writes answer headers, and a login's answer carries the token.
logging.getLogger("httpcore").setLevel(logging.WARNING)


class HttpxTransport:
    """Shards of ``httpx.AsyncHTTPTransport`` behind one bound on requests in flight.

    A request must not be canceled while it is inside: httpcore loses the connection's slot for good (encode/httpcore
    #1093). The caller gives each one a task of its own and shields it.
    """

    def __init__(self, limits: TransportLimits, tls: TlsFiles, monotonic: Callable[[], float]) -> None:
        self._limits = limits
        self._monotonic = monotonic
        self._free = asyncio.Semaphore(limits.connections)
        context = _context(tls)
        sizes = [SHARD_CONNECTIONS] * (limits.connections // SHARD_CONNECTIONS)
        if rest := limits.connections % SHARD_CONNECTIONS:
            sizes.append(rest)
        self._shards = [_Shard(context, size) for size in sizes]

    async def send(self, request: httpx.Request, departure: Departure | None = None) -> Reply:
        started = False

        async def trace(name: str, _info: Any) -> None:
            nonlocal started
            if name.endswith(_SEND_STARTED):
                # The last moment before the bytes: connecting may have taken long, or this process may have slept.
                if departure is not None:
                    departure.check(self._monotonic)
                started = True

        def classify(error: BaseException) -> Verdict:
            return classify_httpx(error, send_started=started)

        leave_by = departure.by if departure is not None else None
        await self._acquire(leave_by)
        shard = min(self._shards, key=lambda one: one.busy / one.size)
        shard.busy += 1
        request.extensions = {"trace": trace, "timeout": self._timeouts(leave_by)}
        deadline = self._monotonic() + self._limits.connect + 2 * self._limits.answer
        try:
            return await exchange(shard.transport, request, classify, lambda: self._monotonic() > deadline)
        finally:
            shard.busy -= 1
            self._free.release()

    async def close(self) -> None:
        await asyncio.gather(*(shard.transport.aclose() for shard in self._shards))

    async def _acquire(self, leave_by: float | None) -> None:
        wait = self._limits.pool if leave_by is None else min(self._limits.pool, self._left(leave_by))
        try:
            async with asyncio.timeout(wait):
                await self._free.acquire()
        except TimeoutError:
            busy = Verdict(never_sent=True, code="pool_timeout", message=f"no connection was free for {wait:g} s")
            raise TransportFault(busy) from None

    def _timeouts(self, leave_by: float | None) -> dict[str, float]:
        limits = self._limits
        connect = limits.connect if leave_by is None else min(limits.connect, max(0.001, self._left(leave_by)))
        return {"connect": connect, "pool": limits.pool, "write": limits.answer, "read": limits.answer}

    def _left(self, leave_by: float) -> float:
        left = leave_by - self._monotonic()
        if left <= 0:
            raise TransportFault(LEASE_EXPIRED)
        return left


class _Shard:
    def __init__(self, context: ssl.SSLContext, size: int) -> None:
        self.size = size
        self.busy = 0
        limits = httpx.Limits(max_connections=size, max_keepalive_connections=size, keepalive_expiry=KEEP_ALIVE_SECONDS)
        self.transport = httpx.AsyncHTTPTransport(verify=context, limits=limits, trust_env=False, http2=False)


def _context(tls: TlsFiles) -> ssl.SSLContext:
    context = ssl.create_default_context()  # the system's authorities; httpx would bring a list of its own
    authorities, _ = tls.read()
    try:
        if authorities is not None:
            context.load_verify_locations(cadata=authorities.decode("ascii"))
        if tls.client is not None:
            context.load_cert_chain(tls.client)
    except (ssl.SSLError, UnicodeDecodeError, OSError) as error:
        raise unusable_certificates(error) from None
    return context
