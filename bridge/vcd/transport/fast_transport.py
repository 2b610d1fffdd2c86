"""The fast transport, for what reads: a tuned Rust client handed httpx requests directly."""

from __future__ import annotations

import re
from datetime import timedelta

import httpx
from pyreqwest.client import Client, ClientBuilder
from pyreqwest.compatibility.httpx import HttpxTransport
from pyreqwest.exceptions import PyreqwestError

from bridge.vcd.transport.classifier import classify_fast
from bridge.vcd.transport.transports import (
    KEEP_ALIVE_SECONDS,
    Reply,
    TlsFiles,
    TransportLimits,
    exchange,
    unusable_certificates,
)

_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


class FastTransport:
    """pyreqwest's httpx transport with everything off that would act on its own.

    Once handed over, a request runs in the client's own thread, and nobody is asked before it leaves: where the process
    is stopped before its connection stands, it leaves when the process goes on. So it is nothing for what has a lease.
    """

    def __init__(self, limits: TransportLimits, tls: TlsFiles) -> None:
        self._total = {"total": limits.pool + limits.connect + 2 * limits.answer}
        self._inner = HttpxTransport(_client(limits, tls))

    async def send(self, request: httpx.Request) -> Reply:
        # httpx's time-outs become one deadline here, against answers that drip for ever.
        request.extensions = {"timeout": self._total}
        return await exchange(self._inner, request, classify_fast)

    async def close(self) -> None:
        await self._inner.aclose()


def _client(limits: TransportLimits, tls: TlsFiles) -> Client:
    builder = (
        ClientBuilder()
        .http1_only()
        .follow_redirects(enable=False)
        .referer(enable=False)
        .no_proxy()
        .gzip(enable=False)
        .brotli(enable=False)
        .zstd(enable=False)
        .deflate(enable=False)
        .max_connections(limits.connections)
        .pool_max_idle_per_host(limits.connections)
        .pool_idle_timeout(timedelta(seconds=KEEP_ALIVE_SECONDS))
        .pool_timeout(timedelta(seconds=limits.pool))
        .connect_timeout(timedelta(seconds=limits.connect))
        # It runs from the beginning of a request: shorter than connecting, it would hide that nothing had left yet.
        .read_timeout(timedelta(seconds=limits.connect + limits.answer))
    )
    authorities, client = tls.read()
    try:
        if authorities is not None:
            # The builder takes one certificate at a time and would ignore the rest of a bundle.
            certificates = _CERTIFICATE.findall(authorities)
            if not certificates:
                raise ValueError(f"{tls.authorities} holds no PEM certificate")
            for certificate in certificates:
                builder = builder.add_root_certificate_pem(certificate)
        if client is not None:
            builder = builder.identity_pem(client)
        return builder.build()
    except (PyreqwestError, ValueError) as error:
        raise unusable_certificates(error) from None
