"""Every fault that a peer can make, on raw sockets, over every transport in use.

The rule: "never sent" is never said when the peer has read any byte of the request. The clear cases are to be told as
never sent, or every refused connection would end in a search for a call that cannot exist.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import socket
import time
from collections.abc import Callable
from dataclasses import replace

import pytest
from httpcore._backends.anyio import AnyIOStream

from bridge.vcd.transport.httpx_transport import HttpxTransport
from bridge.vcd.transport.transports import Reply, TlsFiles, TransportLimits
from tests.vcd.certificates import Authority
from tests.vcd.peer import CHUNKED, HEAD, WHOLE, Exchange, Script, after_reading, listening, ok, sending
from tests.vcd.sending import LIMITS, Make, fault_of, outcome_of, post

# --- the request was read ---------------------------------------------------------------------------------------


ZIPPED = gzip.compress(b"{}" * 5000)

READ_FAULTS: dict[str, Script] = {
    "fin": after_reading(lambda exchange: exchange.close()),
    "reset": after_reading(lambda exchange: exchange.reset()),
    "silence": sending(b"", then="stall"),
    "part of the head, fin": sending(b"HTTP/1.1 202 Acc"),
    "part of the head, reset": sending(b"HTTP/1.1 202 Acc", then="reset"),
    "part of the head, silence": sending(HEAD, then="stall"),
    "half a body, fin": sending(WHOLE + b"x" * 50),
    "half a body, reset": sending(WHOLE + b"x" * 50, then="reset"),
    "half a body, silence": sending(WHOLE + b"x" * 50, then="stall"),
    "chunk cut, fin": sending(CHUNKED + b"20\r\nabc"),
    "chunk cut, reset": sending(CHUNKED + b"20\r\nabc", then="reset"),
    "chunk size garbage": sending(CHUNKED + b"zz\r\nabc\r\n"),
    "megabyte of two, fin": sending(HEAD + b"Content-Length: 2000000\r\n\r\n" + b"x" * 1_000_000),
    "megabyte of two, reset": sending(HEAD + b"Content-Length: 2000000\r\n\r\n" + b"x" * 1_000_000, then="reset"),
    "megabyte of two, silence": sending(HEAD + b"Content-Length: 2000000\r\n\r\n" + b"x" * 1_000_000, then="stall"),
    "bad status line": sending(b"HTTP/1.1 abc Bad\r\nContent-Length: 0\r\n\r\n"),
    "no status line": sending(b"SSH-2.0-OpenSSH_9.6\r\n"),
    "binary garbage": sending(bytes(range(256)) * 8),
    "two lengths": sending(HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}x"),
    "header of 600 kB": sending(HEAD + b"X-Large: " + b"a" * 600_000 + b"\r\nContent-Length: 0\r\n\r\n"),
    "interim answer only": sending(b"HTTP/1.1 103 Early Hints\r\n\r\n"),
    "body cut without a length, reset": sending(HEAD + b"\r\nhalf", then="reset"),
}


@pytest.mark.parametrize("fault", READ_FAULTS)
async def test_a_request_that_was_read_is_never_called_unsent(make: Make, fault: str) -> None:
    async with listening(READ_FAULTS[fault]) as peer:
        failed = await fault_of(make(), post(peer.url))
        assert peer.requests, "the peer was to read the request"
        assert not failed.verdict.never_sent
        assert len(peer.requests) == 1, "sent twice"


# Answers that a parser may take or refuse. Whichever it does, it must not claim that nothing was sent.
ODD_ANSWERS: dict[str, bytes] = {
    "150 headers": HEAD + b"".join(b"X-%d: 1\r\n" % n for n in range(150)) + b"Content-Length: 2\r\n\r\n{}",
    "header that is not ASCII": HEAD + b"X-Name: M\xfcller\r\nContent-Length: 2\r\n\r\n{}",
    "204 with a body": b"HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\n{}",
    "line feeds only": b"HTTP/1.1 200 OK\nContent-Length: 2\n\n{}",
    "HTTP/1.0": b"HTTP/1.0 200 OK\r\n\r\n{}",
    "length and chunks": CHUNKED.replace(b"\r\n\r\n", b"\r\nContent-Length: 2\r\n\r\n") + b"2\r\n{}\r\n0\r\n\r\n",
    "gzip unasked, cut": HEAD + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % (len(ZIPPED) // 2)
    + ZIPPED[: len(ZIPPED) // 2],
    "status 999": b"HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n",
    "100 before the answer": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    "two answers at once": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}" * 2,
}  # fmt: skip


@pytest.mark.parametrize("oddity", ODD_ANSWERS)
async def test_an_odd_answer_is_an_answer_or_an_unknown_outcome(make: Make, oddity: str) -> None:
    async with listening(sending(ODD_ANSWERS[oddity])) as peer:
        outcome = await outcome_of(make(), post(peer.url))
        assert isinstance(outcome, Reply) or not outcome.verdict.never_sent
        assert len(peer.requests) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_an_answer_and_is_not_followed(make: Make, status: int) -> None:
    async with listening(ok) as elsewhere:

        async def redirect(exchange: Exchange) -> None:
            while await exchange.read_request():
                await exchange.answer(status, Location=f"{elsewhere.url}/api/other")

        async with listening(redirect) as peer:
            reply = await make().send(post(peer.url))
        assert reply.status == status
        assert elsewhere.connections == 0


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
async def test_no_method_is_sent_twice_over_a_connection_that_breaks(make: Make, method: str) -> None:
    """On a fresh connection, and on one that has served before where the transport keeps it."""

    async def second_fails(exchange: Exchange) -> None:
        while await exchange.read_request():
            if len(exchange.peer.requests) > 1:
                exchange.reset()
            else:
                await exchange.answer(200, b"{}")

    async with listening(second_fails) as peer:
        transport = make()
        await transport.send(post(peer.url, method=method))
        failed = await fault_of(transport, post(peer.url, method=method))
        assert not failed.verdict.never_sent
        assert len(peer.requests) == 2


def _numbered(exchange: Exchange) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n%04d" % len(exchange.peer.requests)


async def _twice(exchange: Exchange) -> None:
    """Answers every request of the connection twice, at once."""
    while await exchange.read_request():
        await exchange.send(_numbered(exchange) * 2)


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
async def test_the_second_answer_to_a_request_is_not_the_next_ones(
    make: Make, method: str, authority: Authority
) -> None:
    for context in (None, authority.server_context(authority.issue("server"))):
        async with listening(_twice, context) as peer:
            transport = make(tls=TlsFiles(authorities=authority.file))
            answers = [(await transport.send(post(peer.url, method=method))).body for _ in range(5)]
            assert answers == [b"0001", b"0002", b"0003", b"0004", b"0005"]
            assert len(peer.requests) == 5, "sent twice"


async def test_httpx_gives_every_call_a_connection_of_its_own_and_reads_a_common_one() -> None:
    """However late a second answer comes: there is no request after the first for which it could be taken."""
    transport = HttpxTransport(LIMITS, TlsFiles(), time.monotonic)
    async with listening(ok) as peer:
        for connections, method in enumerate(("POST", "PUT", "DELETE"), start=1):
            await transport.send(post(peer.url, method=method))
            assert peer.connections == connections
            assert b"\r\nConnection: close\r\n" in peer.requests[-1]
        for _ in range(3):
            await transport.send(post(peer.url, method="GET"))
        assert peer.connections == 4
    await transport.close()


async def test_httpx_takes_no_answer_that_came_before_its_question() -> None:
    """A second answer to a read that comes when the connection waits for the next one."""
    more, sent = asyncio.Event(), asyncio.Event()

    async def again(exchange: Exchange) -> None:
        while await exchange.read_request():
            await exchange.send(_numbered(exchange))
            await more.wait()
            await exchange.send(_numbered(exchange))
            sent.set()

    transport = HttpxTransport(LIMITS, TlsFiles(), time.monotonic)
    async with listening(again) as peer:
        first = await transport.send(post(peer.url, method="GET"))
        more.set()
        await asyncio.wait_for(sent.wait(), 1.0)
        second = await transport.send(post(peer.url, method="GET"))
        assert (first.body, second.body, peer.connections) == (b"0001", b"0002", 2)
    await transport.close()


async def test_httpx_has_its_connection_back_when_closing_one_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    closing = AnyIOStream.aclose

    async def fail(stream: AnyIOStream) -> None:
        await closing(stream)
        raise OSError("closed by force")

    transport = HttpxTransport(replace(LIMITS, connections=1), TlsFiles(), time.monotonic)
    async with listening(_twice) as peer:
        with monkeypatch.context() as patch:
            patch.setattr(AnyIOStream, "aclose", fail)
            await fault_of(transport, post(peer.url, method="GET"))
        assert (await transport.send(post(peer.url, method="GET"))).body == b"0002"
    await transport.close()


async def test_a_refusal_before_the_body_was_read(make: Make) -> None:
    """413 at once, and the connection reset: an answer or an unknown outcome."""

    async def refuse(exchange: Exchange) -> None:
        exchange.peer.bytes_read += len(await exchange.reader.read(1000))
        await exchange.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        exchange.reset()

    async with listening(refuse) as peer:
        outcome = await outcome_of(make(), post(peer.url, b"x" * 5_000_000))
        assert outcome.status == 413 if isinstance(outcome, Reply) else not outcome.verdict.never_sent


async def test_a_peer_that_stops_reading(make: Make) -> None:
    async def stop(exchange: Exchange) -> None:
        exchange.peer.bytes_read += len(await exchange.reader.read(10))
        exchange.writer.transport.pause_reading()  # type: ignore[attr-defined]  # a socket transport has it
        await asyncio.Event().wait()

    async with listening(stop) as peer:
        failed = await fault_of(make(), post(peer.url, b"x" * 20_000_000))
        assert peer.bytes_read
        assert not failed.verdict.never_sent


# --- nothing can have been sent -----------------------------------------------------------------------------------


async def test_refused_is_never_sent(make: Make) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        failed = await fault_of(make(), post(f"http://127.0.0.1:{closed.getsockname()[1]}"))
    assert failed.verdict.never_sent
    assert failed.verdict.code == "connect_failed"


async def test_an_unknown_host_is_never_sent(make: Make) -> None:
    limits = TransportLimits(connections=1, connect=10.0, pool=0.3, answer=15.0)
    failed = await fault_of(make(limits), post("http://no-such-host.invalid"))
    assert failed.verdict.never_sent


async def test_a_connect_time_out_is_never_sent(make: Make) -> None:
    with contextlib.ExitStack() as stack:
        full = stack.enter_context(socket.socket())
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        failed = await fault_of(make(), post(f"http://127.0.0.1:{full.getsockname()[1]}"))
    assert failed.verdict.never_sent
    assert failed.verdict.code == "connect_timeout"


async def test_an_exhausted_pool_is_never_sent(make: Make) -> None:
    limits = TransportLimits(connections=2, connect=0.5, pool=0.2, answer=5.0)
    release = asyncio.Event()

    async def hold(exchange: Exchange) -> None:
        while await exchange.read_request():
            await release.wait()
            await exchange.answer(200, b"{}")

    async with listening(hold) as peer:
        transport = make(limits)
        holding = [asyncio.create_task(transport.send(post(peer.url))) for _ in range(2)]
        while len(peer.requests) < 2:
            await asyncio.sleep(0.005)
        failed = await fault_of(transport, post(peer.url))
        assert failed.verdict.never_sent
        assert failed.verdict.code == "pool_timeout"
        release.set()
        assert [reply.status for reply in await asyncio.gather(*holding)] == [200, 200]
        assert len(peer.requests) == 2


async def test_an_unread_connection_is_told_on_the_safe_side(make: Make) -> None:
    """A peer that accepts and closes or resets: whatever is said, nothing was read."""
    for act in (Exchange.close, Exchange.reset):

        async def at_once(exchange: Exchange, act: Callable[[Exchange], None] = act) -> None:
            act(exchange)

        async with listening(at_once) as peer:
            await fault_of(make(), post(peer.url))
            assert peer.bytes_read == 0


# --- TLS ------------------------------------------------------------------------------------------------------------


async def test_an_unknown_authority_is_never_sent_and_says_certificate(make: Make, authority: Authority) -> None:
    async with listening(ok, authority.server_context(authority.issue("server"))) as peer:
        failed = await fault_of(make(), post(peer.url))
        assert failed.verdict.never_sent
        assert "certificate" in failed.verdict.message.casefold()
        assert peer.bytes_read == 0


async def test_a_certificate_for_another_host_is_never_sent(make: Make, authority: Authority) -> None:
    context = authority.server_context(authority.issue("elsewhere.example", address=None))
    async with listening(ok, context) as peer:
        failed = await fault_of(make(tls=TlsFiles(authorities=authority.file)), post(peer.url))
        assert failed.verdict.never_sent
        assert peer.bytes_read == 0


async def test_a_missing_client_certificate_is_an_unknown_outcome_at_worst(make: Make, authority: Authority) -> None:
    """Under TLS 1.3 the alert comes after the request may have left."""
    server = authority.server_context(authority.issue("server"), ask_client=True)
    async with listening(ok, server) as peer:
        await fault_of(make(tls=TlsFiles(authorities=authority.file)), post(peer.url))
        assert peer.bytes_read == 0


HANDSHAKE_FAULTS: dict[str, Script] = {}


def _handshake(name: str) -> Callable[[Script], Script]:
    def register(script: Script) -> Script:
        HANDSHAKE_FAULTS[name] = script
        return script

    return register


@_handshake("plain HTTP")
async def _plain(exchange: Exchange) -> None:
    await exchange.reader.read(1000)
    await exchange.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
    exchange.close()


@_handshake("fin in the handshake")
async def _fin(exchange: Exchange) -> None:
    await exchange.reader.read(1000)
    exchange.close()


@_handshake("reset in the handshake")
async def _reset(exchange: Exchange) -> None:
    await exchange.reader.read(1000)
    exchange.reset()


@_handshake("silence in the handshake")
async def _silence(exchange: Exchange) -> None:
    await exchange.reader.read(1000)
    await asyncio.Event().wait()


@pytest.mark.parametrize("fault", HANDSHAKE_FAULTS)
async def test_a_failed_handshake_is_never_sent(make: Make, fault: str) -> None:
    async with listening(HANDSHAKE_FAULTS[fault]) as peer:
        failed = await fault_of(make(), post(peer.url.replace("http:", "https:")))
        assert failed.verdict.never_sent


async def test_garbage_instead_of_tls_after_the_request(make: Make, authority: Authority) -> None:
    """The peer reads the request through TLS, then writes plain bytes below it."""

    async def garble(exchange: Exchange) -> None:
        if await exchange.read_request():
            connection: socket.socket = exchange.writer.get_extra_info("socket")
            with socket.socket(fileno=socket.dup(connection.fileno())) as raw:
                raw.send(b"\x00garbage below TLS" * 8)
            await asyncio.Event().wait()

    context = authority.server_context(authority.issue("server"))
    async with listening(garble, context) as peer:
        failed = await fault_of(make(tls=TlsFiles(authorities=authority.file)), post(peer.url))
        assert peer.requests
        assert not failed.verdict.never_sent


async def test_tls_cut_in_the_body(make: Make, authority: Authority) -> None:
    script = sending(WHOLE + b"x" * 50, then="reset")
    async with listening(script, authority.server_context(authority.issue("server"))) as peer:
        failed = await fault_of(make(tls=TlsFiles(authorities=authority.file)), post(peer.url))
        assert peer.requests
        assert not failed.verdict.never_sent


async def test_the_head_of_a_cut_answer_is_kept(make: Make) -> None:
    """A small answer's head comes with its body from the fast transport, so only a large one shows it there."""
    cut = HEAD + b"Location: /api/task/1\r\nContent-Length: 2000000\r\n\r\n" + b"x" * 1_000_000
    async with listening(sending(cut, then="stall")) as peer:
        failed = await fault_of(make(), post(peer.url))
    assert failed.head is not None
    assert (failed.head.status, failed.head.headers["location"]) == (202, "/api/task/1")
