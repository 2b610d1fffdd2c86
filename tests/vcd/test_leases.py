"""A call leaves within its lease and while it may, or not at all: asked when its connection stands."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from math import inf

import httpx
import pytest

from bridge.vcd.transport.httpx_transport import HttpxTransport
from bridge.vcd.transport.transports import Departure, TlsFiles, TransportFault
from tests.vcd.certificates import Authority
from tests.vcd.peer import Exchange, listening, ok
from tests.vcd.sending import LIMITS, leaving, post


@pytest.fixture
async def calls() -> AsyncIterator[HttpxTransport]:
    transport = HttpxTransport(LIMITS, TlsFiles(), time.monotonic)
    yield transport
    await transport.close()


async def test_nothing_leaves_after_its_lease(calls: HttpxTransport) -> None:
    async with listening(ok) as peer:
        with pytest.raises(TransportFault) as caught:
            await calls.send(post(peer.url), leaving(time.monotonic() - 0.001))
        assert caught.value.verdict.code == "lease_expired"
        assert caught.value.verdict.never_sent
        assert peer.connections == 0


async def test_a_lease_with_room_lets_it_leave(calls: HttpxTransport) -> None:
    async with listening(ok) as peer:
        assert (await calls.send(post(peer.url), leaving(time.monotonic() + 1.0))).status == 200


async def test_nothing_leaves_that_is_held_back(calls: HttpxTransport) -> None:
    async with listening(ok) as peer:
        with pytest.raises(TransportFault) as caught:
            await calls.send(post(peer.url), leaving(time.monotonic() + 1.0, allowed=False))
        assert caught.value.verdict.code == "held_back"
        assert caught.value.verdict.never_sent
        assert peer.bytes_read == 0


async def test_whether_a_call_may_leave_is_asked_at_the_first_byte(calls: HttpxTransport) -> None:
    """The partition is lost while the call waits for a connection."""
    accepted, lost = asyncio.Event(), False

    async def late(exchange: Exchange) -> None:
        accepted.set()
        await exchange.read_request()

    async with listening(late) as peer:
        inner = calls._shards[0]
        carry_on = inner.handle_async_request

        async def lose_first(request: httpx.Request) -> httpx.Response:
            nonlocal lost
            lost = True
            return await carry_on(request)

        inner.handle_async_request = lose_first  # type: ignore[method-assign]
        with pytest.raises(TransportFault) as caught:
            await calls.send(post(peer.url), Departure(time.monotonic() + 1.0, lambda: not lost))
        assert caught.value.verdict.code == "held_back"
        await asyncio.wait_for(accepted.wait(), 1.0)
        assert peer.bytes_read == 0


async def test_the_lease_is_asked_at_the_first_byte(authority: Authority) -> None:
    """The process slept between connecting and sending: the connection stands, the request does not leave."""
    async with listening(ok, authority.server_context(authority.issue("server"))) as peer:
        files = TlsFiles(authorities=authority.file)
        now = [0.0]
        transport = HttpxTransport(LIMITS, files, lambda: now[0])
        inner = transport._shards[0]
        carry_on = inner.handle_async_request

        async def sleep_first(request: httpx.Request) -> httpx.Response:
            now[0] = 60.0
            return await carry_on(request)

        inner.handle_async_request = sleep_first  # type: ignore[method-assign]
        with pytest.raises(TransportFault) as caught:
            await transport.send(post(peer.url), leaving(5.0))
        assert caught.value.verdict.code == "lease_expired"
        assert caught.value.verdict.never_sent
        assert peer.connections == 1
        assert peer.bytes_read == 0
        assert (await transport.send(post(peer.url))).status == 200
    await transport.close()


async def test_a_lease_that_ends_between_two_looks_costs_no_connection() -> None:
    clock = iter([0.0, 2.0])
    transport = HttpxTransport(replace(LIMITS, connections=1), TlsFiles(), lambda: next(clock, 2.0))
    async with listening(ok) as peer:
        with pytest.raises(TransportFault) as caught:
            await transport.send(post(peer.url), leaving(1.0))
        assert caught.value.verdict.code == "lease_expired"
        assert (await transport.send(post(peer.url))).status == 200
    await transport.close()


async def test_a_body_that_may_not_follow_its_head_does_not(calls: HttpxTransport) -> None:
    """What becomes of the request is told as unknown; without its body nobody can act on it."""
    asked = iter([True, False])
    async with listening(ok) as peer:
        with pytest.raises(TransportFault) as caught:
            await calls.send(post(peer.url), Departure(inf, lambda: next(asked)))
        assert (caught.value.verdict.code, caught.value.verdict.never_sent) == ("held_back", False)
        assert peer.requests == []


async def test_a_request_without_a_body_is_asked_for_once(calls: HttpxTransport) -> None:
    asked = iter([True])
    async with listening(ok) as peer:
        assert (await calls.send(post(peer.url, b""), Departure(inf, lambda: next(asked)))).status == 200
