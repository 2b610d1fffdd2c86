"""What carries requests to VCD: two small interfaces, for what has a lease and for what reads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import httpx

from bridge.errors import ConfigurationError
from bridge.vcd.documents.documents import MAX_BODY_BYTES
from bridge.vcd.transport.classifier import Verdict

KEEP_ALIVE_SECONDS = 4.0
"""How long an idle connection is kept. Shorter than the 5 s of Apache httpd, the shortest default of servers and
proxies in the field: a request on a connection that the other side is just closing has an unknown outcome."""


@dataclass(frozen=True, slots=True)
class Head:
    """Status and headers of an answer. ``headers`` by lower-case name."""

    status: int
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Reply(Head):
    """A whole answer."""

    body: bytes


class TransportFault(Exception):
    """No whole answer came. ``head``: what came of the answer before it was cut."""

    def __init__(self, verdict: Verdict, head: Head | None = None) -> None:
        super().__init__(verdict.message)
        self.verdict = verdict
        self.head = head


LEASE_EXPIRED = Verdict(never_sent=True, code="lease_expired", message="the call could not leave within its lease")
HELD_BACK = Verdict(never_sent=True, code="held_back", message="held back right before it would have left")


@dataclass(frozen=True, slots=True)
class Departure:
    """The last word before a call leaves.

    ``by``: monotonic seconds after which it must not. Both are asked as late as a transport can, the clock last: a
    process that was stopped anywhere before finds its lease over.
    """

    by: float
    may_leave: Callable[[], bool]

    def check(self, monotonic: Callable[[], float]) -> None:
        """For a request whose first byte goes out now. Raises TransportFault."""
        if not self.may_leave():
            raise TransportFault(HELD_BACK)
        if monotonic() > self.by:
            raise TransportFault(LEASE_EXPIRED)


class Transport(Protocol):
    """Sends requests one at a time or many at once; never follows redirects, never repeats."""

    async def send(self, request: httpx.Request) -> Reply:
        """The answer, read to its end. Raises TransportFault."""
        ...

    async def close(self) -> None: ...


class CallTransport(Transport, Protocol):
    """One that asks a last time when the connection stands and nothing has left yet."""

    async def send(self, request: httpx.Request, departure: Departure | None = None) -> Reply:
        """The same; the request leaves as ``departure`` has it, or not at all."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportLimits:
    """Sizes and times (seconds) of one transport. ``pool``: longest wait for a free connection."""

    connections: int
    connect: float
    pool: float
    answer: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """PEM files; None: the system's authorities alone, no client certificate. Verification is always on."""

    authorities: Path | None = None
    client: Path | None = None

    def read(self) -> tuple[bytes | None, bytes | None]:
        """The contents. Raises ConfigurationError naming the setting."""
        return _contents("ca_file", self.authorities), _contents("client_certificate_file", self.client)


def _contents(setting: str, path: Path | None) -> bytes | None:
    if path is None:
        return None
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"vcd.{setting}: {path} cannot be read: {error.strerror}") from None


def unusable_certificates(error: Exception) -> ConfigurationError:
    return ConfigurationError(
        f"vcd: the certificates cannot be used: {error}", hint="check vcd.ca_file and vcd.client_certificate_file"
    )


# Ends of the process and of the event loop's task: no statement about the request, never turned into one.
_PASS = (asyncio.CancelledError, KeyboardInterrupt, SystemExit, GeneratorExit)

Classify = Callable[[BaseException], Verdict]


def never_overdue() -> bool:
    return False


async def exchange(
    transport: httpx.AsyncBaseTransport,
    request: httpx.Request,
    classify: Classify,
    overdue: Callable[[], bool] = never_overdue,
) -> Reply:
    """One request through an httpx transport, the answer read to its end; every fault classified.

    ``overdue`` is asked after each piece of the body.
    """
    head: Head | None = None
    try:
        response = await transport.handle_async_request(request)
        head = Head(response.status_code, {name.lower(): value for name, value in response.headers.items()})
        try:
            return Reply(head.status, head.headers, await _read(response, overdue))
        finally:
            await response.aclose()
    except _PASS:
        raise
    except BaseException as error:  # a panic of the Rust side is no Exception
        verdict = error.verdict if isinstance(error, TransportFault) else classify(error)
        raise TransportFault(verdict, head) from error


async def _read(response: httpx.Response, overdue: Callable[[], bool]) -> bytes:
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise httpx.DecodingError(f"an answer of more than {MAX_BODY_BYTES} bytes")
        if overdue():
            raise httpx.ReadTimeout("the answer took too long to end")
    return bytes(body)
