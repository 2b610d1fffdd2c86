"""The pure Python transport, for what changes VCD and has a lease: stock httpx in shards."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from typing import Any, cast

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

_READING = frozenset({"GET", "HEAD"})
_CONNECTED = ".connect_tcp.complete"
_HEAD_STARTS = ".send_request_headers.started"
_BODY_STARTS = ".send_request_body.started"

# At DEBUG httpcore writes answer headers, and a login's answer carries the token.
logging.getLogger("httpcore").setLevel(logging.WARNING)


class HttpxTransport:
    """Shards of ``httpx.AsyncHTTPTransport`` behind one bound on requests in flight.

    A request must not be canceled while it is inside: httpcore loses the connection's slot for good (encode/httpcore
    #1093). The caller gives each one a task of its own and shields it.

    What may change VCD is the last request of its connection, and where no reads go by the same transport, as with
    calls and cancels, the first one too: of a peer that answers one request twice httpcore takes the second answer for
    that of the next request. Reads keep their connections as long as nothing has come on them that was not asked for; a
    login or logout, which goes by the transport of reads, may be the last on one of these.
    """

    def __init__(self, limits: TransportLimits, tls: TlsFiles, monotonic: Callable[[], float]) -> None:
        self._limits = limits
        self._monotonic = monotonic
        self._free = asyncio.Semaphore(limits.connections)
        context = tls_context(tls)
        sizes = [SHARD_CONNECTIONS] * (limits.connections // SHARD_CONNECTIONS)
        if rest := limits.connections % SHARD_CONNECTIONS:
            sizes.append(rest)
        self._shards = [_Shard(context, size) for size in sizes]

    async def send(self, request: httpx.Request, departure: Departure | None = None) -> Reply:
        await self._acquire(departure.by if departure is not None else None)
        shard = min(self._shards, key=lambda one: one.busy / one.size)
        shard.busy += 1
        try:
            return await self._sent(shard, request, departure)
        finally:
            shard.busy -= 1
            self._free.release()

    async def _sent(self, shard: _Shard, request: httpx.Request, departure: Departure | None) -> Reply:
        watched = _Sending(request, departure, self._monotonic)
        if request.method not in _READING:
            request.headers["Connection"] = "close"
        request.extensions = {"trace": watched.trace, "timeout": self._timeouts(departure)}
        # Time-outs of httpcore are those of single reads: a head that drips would never end.
        patience = self._limits.connect + 2 * self._limits.answer
        deadline = self._monotonic() + patience
        giving_up = asyncio.get_running_loop().call_later(patience, watched.give_up)
        try:
            return await exchange(shard, request, watched.classify, lambda: self._monotonic() > deadline)
        finally:
            giving_up.cancel()

    async def close(self) -> None:
        await asyncio.gather(*(shard.aclose() for shard in self._shards))

    async def _acquire(self, leave_by: float | None) -> None:
        wait = self._limits.pool if leave_by is None else min(self._limits.pool, self._left(leave_by))
        try:
            async with asyncio.timeout(wait):
                await self._free.acquire()
        except TimeoutError:
            busy = Verdict(never_sent=True, code="pool_timeout", message=f"no connection was free for {wait:g} s")
            raise TransportFault(busy) from None

    def _timeouts(self, departure: Departure | None) -> dict[str, float]:
        limits = self._limits
        connect = limits.connect if departure is None else min(limits.connect, self._left(departure.by))
        return {"connect": connect, "pool": limits.pool, "write": limits.answer, "read": limits.answer}

    def _left(self, leave_by: float) -> float:
        left = leave_by - self._monotonic()
        if left <= 0:
            raise TransportFault(LEASE_EXPIRED)
        return left


class _Sending:
    """One request on its way, as httpcore's trace tells: asked for its departure, given up when it takes too long."""

    def __init__(self, request: httpx.Request, departure: Departure | None, monotonic: Callable[[], float]) -> None:
        self._has_body = int(request.headers.get("Content-Length", 0)) > 0
        self._departure = departure
        self._monotonic = monotonic
        self._started = False
        self._connection: Any = None
        self._closing: asyncio.Task[None] | None = None

    async def trace(self, name: str, info: Mapping[str, Any]) -> None:
        if name.endswith(_CONNECTED):
            self._connection = info["return_value"]
        elif name.endswith(_HEAD_STARTS):
            # The last moment before the bytes: connecting may have taken long, or this process may have slept.
            if self._departure is not None:
                self._departure.check(self._monotonic)
            self._started = True
        elif name.endswith(_BODY_STARTS) and self._has_body and self._departure is not None:
            self._check_halfway(self._departure)

    def classify(self, error: BaseException) -> Verdict:
        return classify_httpx(error, send_started=self._started)

    def give_up(self) -> None:
        """Close the connection, if it is known: it is this request's own. Canceling would lose its slot."""
        if self._connection is not None:
            self._closing = asyncio.ensure_future(self._connection.aclose())

    def _check_halfway(self, departure: Departure) -> None:
        """Without its body nobody can act on the request; but its head has left."""
        try:
            departure.check(self._monotonic)
        except TransportFault as fault:
            raise TransportFault(replace(fault.verdict, never_sent=False)) from None


class _Shard(httpx.AsyncBaseTransport):
    """A pool of its own. ``busy``: requests in it."""

    def __init__(self, context: ssl.SSLContext, size: int) -> None:
        self.size = size
        self.busy = 0
        limits = httpx.Limits(max_connections=size, max_keepalive_connections=size, keepalive_expiry=KEEP_ALIVE_SECONDS)
        self._pool = httpx.AsyncHTTPTransport(verify=context, limits=limits, trust_env=False, http2=False)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await self._pool.handle_async_request(request)
        response.stream = _Watched(response)
        return response

    async def aclose(self) -> None:
        await self._pool.aclose()


class _Watched(httpx.AsyncByteStream):
    """A body after which the connection is given up if more has come on it than the answer."""

    def __init__(self, response: httpx.Response) -> None:
        self._body = response.stream
        self._connection = response.extensions["network_stream"]

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in cast("httpx.AsyncByteStream", self._body):
            yield chunk

    async def aclose(self) -> None:
        try:
            if _left_over(self._body):
                await self._connection.aclose()
        finally:
            # It is this that gives the pool its slot back.
            await cast("httpx.AsyncByteStream", self._body).aclose()


def _left_over(body: object) -> bool:
    """Whether bytes after the answer have been read with it, in h11's public word; on the way to it there is no public
    one. Should these names be others some day, no connection is kept: slow, not wrong."""
    parser: Any = body
    for name in ("_httpcore_stream", "_stream", "_connection", "_h11_state"):
        parser = getattr(parser, name, None)
    return parser is None or bool(parser.trailing_data[0])


def tls_context(tls: TlsFiles) -> ssl.SSLContext:
    context = ssl.create_default_context()  # the system's authorities; httpx would bring a list of its own
    authorities, _ = tls.read()
    try:
        if authorities is not None:
            context.load_verify_locations(cadata=authorities.decode("ascii"))
        if tls.client is not None:
            context.load_cert_chain(tls.client, password=_no_password)
    except (ssl.SSLError, UnicodeDecodeError, OSError) as error:
        raise unusable_certificates(error) from None
    return context


def _no_password() -> str:
    """OpenSSL would ask the terminal for it."""
    raise ssl.SSLError("the key of the client certificate is encrypted")
