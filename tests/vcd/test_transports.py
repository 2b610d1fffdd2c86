"""What transports do besides failing: many requests, the wire, certificates."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import certifi
import httpx
import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from bridge.errors import ConfigurationError
from bridge.vcd.transport.transports import Reply, TlsFiles, TransportFault, TransportLimits
from tests.vcd.certificates import Authority
from tests.vcd.peer import CHUNKED, Exchange, listening, ok
from tests.vcd.sending import Make, fault_of, post

# --- storms -------------------------------------------------------------------------------------------------------


async def test_closing_connections_at_random_makes_no_request_arrive_twice(make: Make) -> None:
    """Each peer connection serves one to three requests and closes without warning."""

    async def brief(exchange: Exchange) -> None:
        for _ in range(1 + exchange.peer.connections % 3):
            if not await exchange.read_request():
                return
            await exchange.answer(200, b"{}")
        exchange.close()

    async with listening(brief) as peer:
        transport = make()
        unsent: set[int] = set()

        async def one(number: int) -> None:
            try:
                await transport.send(post(peer.url, b'{"number": %d}' % number))
            except TransportFault as failed:
                if failed.verdict.never_sent:
                    unsent.add(number)

        for start in range(0, 120, 4):
            await asyncio.gather(*(one(number) for number in range(start, start + 4)))
        seen = [request.rpartition(b": ")[2] for request in peer.requests]
        assert len(seen) == len(set(seen)), "a request arrived twice"
        assert not unsent & {int(number.rstrip(b"}")) for number in seen}


async def test_many_at_once(make: Make) -> None:
    async with listening(ok) as peer:
        transport = make(TransportLimits(connections=20, connect=2.0, pool=5.0, answer=5.0))
        replies = await asyncio.gather(*(transport.send(post(peer.url, method="GET")) for _ in range(200)))
    assert {reply.status for reply in replies} == {200}
    assert peer.connections <= 20


async def test_a_large_answer_is_whole_and_an_endless_one_ends(make: Make) -> None:
    async def drip(exchange: Exchange) -> None:
        if await exchange.read_request():
            await exchange.send(CHUNKED)
            while True:
                await exchange.send(b"1\r\nx\r\n")
                await asyncio.sleep(0.05)

    async def large(exchange: Exchange) -> None:
        if await exchange.read_request():
            await exchange.answer(200, bytes(range(256)) * 12_000)

    async with listening(large) as peer:
        reply: Reply = await make().send(post(peer.url))
        assert reply.body == bytes(range(256)) * 12_000
    async with listening(drip) as peer:
        began = time.monotonic()
        failed = await fault_of(make(), post(peer.url))
        assert not failed.verdict.never_sent
        assert time.monotonic() - began < 4.0


HEADERS, HINTS = b"X-Slow: 1\r\n", b"HTTP/1.1 103 Early Hints\r\n\r\n"


@pytest.mark.parametrize(("piece", "secure"), [(HEADERS, True), (HINTS, False)])
async def test_a_head_without_end_ends(make: Make, authority: Authority, piece: bytes, *, secure: bool) -> None:
    async def endless(exchange: Exchange) -> None:
        if await exchange.read_request():
            if piece is HEADERS:
                await exchange.send(b"HTTP/1.1 200 OK\r\n")
            while True:
                await exchange.send(piece)
                await asyncio.sleep(0.05)

    context = authority.server_context(authority.issue("server")) if secure else None
    async with listening(endless, context) as peer:
        began = time.monotonic()
        failed = await fault_of(make(tls=TlsFiles(authorities=authority.file)), post(peer.url))
        assert not failed.verdict.never_sent
        assert time.monotonic() - began < 4.0


# --- TLS ------------------------------------------------------------------------------------------------------


async def test_own_authority_and_client_certificate(make: Make, authority: Authority) -> None:
    server = authority.server_context(authority.issue("server"), ask_client=True)
    files = TlsFiles(authorities=authority.file, client=authority.issue("client", client=True))
    async with listening(ok, server) as peer:
        assert (await make(tls=files).send(post(peer.url))).status == 200


async def test_the_second_authority_of_a_bundle_counts(make: Make, authority: Authority, tmp_path: Path) -> None:
    other = Authority.create(tmp_path / "other", "another authority")
    bundle = tmp_path / "bundle.pem"
    bundle.write_bytes(other.file.read_bytes() + authority.file.read_bytes())
    async with listening(ok, authority.server_context(authority.issue("server"))) as peer:
        assert (await make(tls=TlsFiles(authorities=bundle)).send(post(peer.url))).status == 200


async def test_the_systems_authorities_are_trusted(
    make: Make, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OpenSSL's and the Rust side's word for where they are is the same."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    async with listening(ok, authority.server_context(authority.issue("server"))) as peer:
        assert (await make().send(post(peer.url))).status == 200


async def test_no_list_of_a_library_is_trusted(
    make: Make, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(certifi, "where", lambda: str(authority.file))
    async with listening(ok, authority.server_context(authority.issue("server"))) as peer:
        failed = await fault_of(make(), post(peer.url))
        assert failed.verdict.never_sent
        assert peer.requests == []


# --- what goes over the wire ---------------------------------------------------------------------------------------


async def test_the_request_target_arrives_as_it_was_written(make: Make) -> None:
    target = (
        "/api/query?type=task&filter=(status==queued,status==running);(name==a%2Cb%5C%28%25;startDate=ge="
        "2026-01-01T00%3A00%3A00.000Z)"
    )
    async with listening(ok) as peer:
        await make().send(httpx.Request("GET", peer.url + target))
    assert peer.requests[0].split(b" ")[1].decode() == target


async def test_nothing_of_the_environment_is_used(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    async with listening(ok) as peer:
        assert (await make().send(post(peer.url))).status == 200


async def test_cookies_are_not_kept(make: Make) -> None:
    async def cookie(exchange: Exchange) -> None:
        while await exchange.read_request():
            await exchange.answer(200, b"{}", Set_Cookie="vcloud_jwt=secret; path=/")

    async with listening(cookie) as peer:
        transport = make()
        for _ in range(2):
            await transport.send(post(peer.url))
    assert not any(b"secret" in request for request in peer.requests)


# --- settings ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content", [b"no PEM at all", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
async def test_certificates_that_cannot_be_used_are_named(make: Make, tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "bad.pem"
    file.write_bytes(content)
    for files in (TlsFiles(authorities=file), TlsFiles(client=file)):
        with pytest.raises(ConfigurationError, match="certificate"):
            make(tls=files)
    with pytest.raises(ConfigurationError, match=r"ca_file: .*missing\.pem cannot be read"):
        make(tls=TlsFiles(authorities=tmp_path / "missing.pem"))


async def test_a_key_that_is_encrypted_is_refused_and_nobody_is_asked(
    make: Make, authority: Authority, tmp_path: Path
) -> None:
    parts = [b"-----BEGIN " + part for part in authority.issue("c", client=True).read_bytes().split(b"-----BEGIN ")[1:]]
    key = load_pem_private_key(next(part for part in parts if b"PRIVATE KEY" in part), None)
    locked = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    file = tmp_path / "locked.pem"
    file.write_bytes(b"".join(part for part in parts if b"PRIVATE KEY" not in part) + locked)
    with pytest.raises(ConfigurationError, match="certificate"):
        make(tls=TlsFiles(client=file))
