"""The transports behind httpx's request and response types, and what each one's failures prove.

A call that failed may be repeated only where it is proven that nothing of it was sent. What proves that differs by
transport and is not in the exception's class; ``tests/vcd/test_fault_matrix.py`` keeps these judgements true on raw
sockets. Whatever is not proven is "maybe sent".
"""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

import httpx
from pyreqwest.client import ClientBuilder
from pyreqwest.compatibility.httpx import HttpxTransport
from pyreqwest.exceptions import BuilderError, ConnectError, ConnectTimeoutError, PoolTimeoutError, PyreqwestError

from bridge.errors import ConfigurationError
from bridge.vcd.config import VcdConfig

_UNCONNECTED = "client error (Connect)"
"""hyper-util's text for a failure before a connection was handed to the request (hyper-util 0.1 client/legacy)."""
_SHARD_CONNECTIONS = 6
"""Connections per stock httpx pool: its pool scans all connections at every assignment (encode/httpx #3215)."""


@dataclass(frozen=True, slots=True)
class Failed(Exception):
    """A request without a complete answer. ``never_sent`` only where that is proven."""

    never_sent: bool
    code: str
    message: str


class Transport(Protocol):
    """Sends one complete request and returns the answer with its body read."""

    async def send(self, request: httpx.Request) -> httpx.Response:
        """Raises Failed."""
        ...

    async def close(self) -> None: ...


def make_transport(config: VcdConfig) -> Transport:
    """The transport that the configuration names. Raises ConfigurationError for unusable certificates."""
    try:
        return FastTransport(config) if config.transport == "fast" else HttpxShards(config)
    except (OSError, ValueError, PyreqwestError, ssl.SSLError) as error:
        raise ConfigurationError(
            f"vcd: the certificates cannot be used: {error}", hint="check vcd.ca_file and vcd.client_certificate_file"
        ) from error


class FastTransport:
    """The tuned Rust transport, handed ``httpx.Request`` directly."""

    def __init__(self, config: VcdConfig) -> None:
        builder = (
            ClientBuilder()
            .follow_redirects(False)
            .referer(False)
            .no_proxy()
            .gzip(False)
            .brotli(False)
            .zstd(False)
            .deflate(False)
            .http1_only()
            .max_connections(config.max_connections)
            .pool_max_idle_per_host(config.max_connections)
            .connect_timeout(timedelta(seconds=config.leave_margin))
            .pool_timeout(timedelta(seconds=config.leave_margin))
            .read_timeout(timedelta(seconds=config.answer_timeout))
        )
        if config.ca_file is not None:
            builder = builder.add_root_certificate_pem(config.ca_file.read_bytes())
        if config.client_certificate_file is not None:
            builder = builder.identity_pem(config.client_certificate_file.read_bytes())
        self._transport = HttpxTransport(builder.build())

    async def send(self, request: httpx.Request) -> httpx.Response:
        try:
            response = await self._transport.handle_async_request(request)
            response.request = request
            await response.aread()
            return response
        except Exception as error:  # noqa: BLE001  # bare ValueError and PyreqwestError leak; all become Failed
            raise judge_fast(error) from error

    async def close(self) -> None:
        await self._transport.aclose()


def judge_fast(error: BaseException) -> Failed:
    """What a failure of the Rust transport proves: only a failed connection, a full pool or an unbuildable request."""
    cause = error.__cause__ if isinstance(error.__cause__, PyreqwestError) else error
    never = isinstance(cause, PoolTimeoutError | BuilderError)
    if isinstance(cause, ConnectError | ConnectTimeoutError):
        causes = cause.details.get("causes") or []
        never = any(one.get("message") == _UNCONNECTED for one in causes)
    return Failed(never, _code(error, never=never), _message(error))


class HttpxShards:
    """Stock httpx, pure Python: several small pools, each request in a task of its own behind a shield.

    A canceled request leaks its connection in httpcore (encode/httpcore #1093), so requests are never canceled; their
    own time-outs end them.
    """

    def __init__(self, config: VcdConfig) -> None:
        verify = ssl.create_default_context(cafile=str(config.ca_file) if config.ca_file is not None else None)
        if config.client_certificate_file is not None:
            verify.load_cert_chain(str(config.client_certificate_file))
        limits = httpx.Limits(max_connections=_SHARD_CONNECTIONS, max_keepalive_connections=_SHARD_CONNECTIONS)
        count = max(1, -(-config.max_connections // _SHARD_CONNECTIONS))
        self._shards = [httpx.AsyncHTTPTransport(verify=verify, limits=limits, trust_env=False) for _ in range(count)]
        self._out = [0] * count
        self._timeout = {
            "connect": config.leave_margin,
            "pool": config.leave_margin,
            "read": config.answer_timeout,
            "write": config.answer_timeout,
        }

    async def send(self, request: httpx.Request) -> httpx.Response:
        return await asyncio.shield(asyncio.ensure_future(self._send(request)))

    async def _send(self, request: httpx.Request) -> httpx.Response:
        shard = min(range(len(self._shards)), key=self._out.__getitem__)
        started = False

        async def trace(event: str, _info: object) -> None:
            nonlocal started
            started = started or event.endswith("send_request_headers.started")

        request.extensions = {**request.extensions, "timeout": self._timeout, "trace": trace}
        self._out[shard] += 1
        try:
            response = await self._shards[shard].handle_async_request(request)
            response.request = request
            await response.aread()
            return response
        except Exception as error:  # noqa: BLE001  # bare ssl and h11 errors leak; all become Failed
            raise judge_httpx(error, send_started=started) from error
        finally:
            self._out[shard] -= 1

    async def close(self) -> None:
        for shard in self._shards:
            await shard.aclose()


def judge_httpx(error: BaseException, *, send_started: bool) -> Failed:
    """What a failure of stock httpx proves: nothing was sent before the head was begun."""
    unsent = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)
    never = not send_started and isinstance(error, unsent)
    return Failed(never, _code(error, never=never), _message(error))


def _code(error: BaseException, *, never: bool) -> str:
    if isinstance(error, httpx.PoolTimeout):
        return "pool_timeout"
    if never:
        return "connect_failed"
    return "no_answer"


def _message(error: BaseException) -> str:
    cause = error.__cause__
    details = getattr(cause, "details", None) or {}
    reasons = [str(one.get("message")) for one in details.get("causes") or []]
    return ": ".join([f"{type(error).__name__} {error}".strip(), *reasons])[:500]
