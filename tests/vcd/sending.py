"""Words to try transports with."""

from __future__ import annotations

import time
from collections.abc import Callable

import httpx
import pytest

from bridge.vcd.transport.fast_transport import FastTransport
from bridge.vcd.transport.httpx_transport import HttpxTransport
from bridge.vcd.transport.transports import Departure, Reply, TlsFiles, Transport, TransportFault, TransportLimits

LIMITS = TransportLimits(connections=4, connect=0.5, pool=0.3, answer=0.4)
KINDS: dict[str, Callable[[TransportLimits, TlsFiles], Transport]] = {
    "fast": FastTransport,
    "httpx": lambda limits, tls: HttpxTransport(limits, tls, time.monotonic),
}
BODY = b'{"powerOn": true}'

Make = Callable[..., Transport]


def post(url: str, body: bytes = BODY, method: str = "POST") -> httpx.Request:
    return httpx.Request(method, f"{url}/api/vApp/vm-1/action/deploy", content=body, headers={"Accept": "*/*"})


def leaving(by: float, *, allowed: bool = True) -> Departure:
    return Departure(by, lambda: allowed)


async def outcome_of(transport: Transport, request: httpx.Request) -> Reply | TransportFault:
    try:
        return await transport.send(request)
    except TransportFault as fault:
        return fault


async def fault_of(transport: Transport, request: httpx.Request) -> TransportFault:
    with pytest.raises(TransportFault) as caught:
        await transport.send(request)
    return caught.value
