"""Listens on the bus: MQTT 3.1.1 over WebSocket, the session's own token on the upgrade request.

Source: VCD admin guide 10.4 (MQTT over wss, Authorization: Bearer), object extensibility SDK message-broker.md
(clean sessions only, QoS 1 may still lose, subscribe again after every connect, connect again with a new token).
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol
from urllib.parse import urlsplit

import aiomqtt

from bridge.core.rules import Backoff
from bridge.notifications.masking import MaskingClient
from bridge.notifications.messages import read_message
from bridge.ports import Clock, Hint, SessionAccess

PATH = "/messaging/mqtt"
KEEP_ALIVE_SECONDS = 30
ANSWER_SECONDS = 10.0
"""For each answer of the broker's. A connection and its handshake have 5 s for each step (paho's own limit)."""
LEAVING_SECONDS = 5.0
"""So long a connection is waited for that is to end; then it is left to itself."""
STEADY_SECONDS = 30.0
"""A connection that held for so long was a good one: the next delay is the first again."""
TOKEN_CHECK_SECONDS = 5.0
"""How soon a new token is noticed: the old one may be of no use any more, and nobody says so."""
_BACKOFF = Backoff(base=timedelta(seconds=1), cap=timedelta(seconds=60))
_MOST_QUEUED = 10_000
_REFUSED = 0x80
"""Return code of a subscription that is refused (MQTT 3.1.1, 3.9.3), and everything above it."""

_LOG = logging.getLogger("bridge.notifications.mqtt")
# What paho says of a connection may hold its headers.
_LOG.addHandler(logging.NullHandler())
_LOG.propagate = False


class BusObserver(Protocol):
    """Counts and logs. Never raises."""

    def bus_connected(self, url: str, topic: str) -> None: ...

    def bus_left(self) -> None:
        """What was connected is not any more, for whatever reason."""
        ...

    def bus_lost(self, url: str, why: str, next_try_seconds: float) -> None:
        """A connection failed, before or after it was one."""
        ...

    def bus_message(self, kind: str, tasks: int) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class BusConfig:
    """``urls``: ``http(s)://host[:port]`` of each cell; the next is tried where one fails. ``topic`` None: what the
    login may hear. ``tls`` None: plain, for what is not ``https``."""

    urls: tuple[str, ...]
    topic: str | None = None
    tls: ssl.SSLContext | None = None


class MqttBus:
    """Implements ``bridge.ports.Notifications``. ``access`` gives the present session, None while there is none."""

    def __init__(
        self, config: BusConfig, clock: Clock, access: Callable[[], SessionAccess | None], observer: BusObserver
    ) -> None:
        self._config = config
        self._clock = clock
        self._access = access
        self._observer = observer
        # A client that comes with the id of another throws it out: one of our own for every process.
        self._identifier = f"vcd-bridge-{secrets.token_hex(8)}"

    async def run(self, hint: Hint) -> None:
        failures = turn = 0
        while True:
            access = await self._access_at_hand()
            url = self._config.urls[turn % len(self._config.urls)]
            began = self._clock.monotonic()
            why = await _to_its_end(self._listen(url, access, hint))
            if why is None:
                failures = 0
                continue
            if self._clock.monotonic() - began > STEADY_SECONDS:
                failures = 0
            # Longer for each round of all addresses: one that has not failed is tried at once.
            delay = _BACKOFF.delay(failures // len(self._config.urls), self._clock.random()).total_seconds()
            failures, turn = failures + 1, turn + 1
            self._observer.bus_lost(url, why, round(delay, 2))
            await self._clock.sleep(delay)

    async def trouble_at(self, url: str) -> str | None:
        """Connect to one address, subscribe and leave: what went wrong, or None."""
        access = self._access()
        if access is None:
            return "no session with VCD"
        return await _to_its_end(self._try(url, access))

    async def _access_at_hand(self) -> SessionAccess:
        while (access := self._access()) is None:
            await self._clock.sleep(1.0)
        return access

    async def _listen(self, url: str, access: SessionAccess, hint: Hint) -> None:
        """Until the session has another token. Raises whatever ends the connection."""
        async with self._client(url, access.token) as client:
            topic = await self._subscribe(client, access)
            self._observer.bus_connected(url, topic)
            reading = asyncio.ensure_future(self._read(client, hint))
            renewed = asyncio.ensure_future(self._until_renewed(access.token))
            ends: set[asyncio.Future[None]] = {reading, renewed}
            try:
                await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            finally:
                self._observer.bus_left()
                for end in ends:
                    end.cancel()
            if reading.done() and not reading.cancelled():
                reading.result()

    async def _try(self, url: str, access: SessionAccess) -> None:
        async with self._client(url, access.token) as client:
            await self._subscribe(client, access)

    async def _subscribe(self, client: aiomqtt.Client, access: SessionAccess) -> str:
        """The topic. Raises ValueError where it is refused."""
        topic = self._config.topic or _topic_of(access)
        if topic is None:
            raise ValueError("the session does not tell its organization: set notifications.topic")
        granted = await client.subscribe(topic, qos=1)
        if any((one if isinstance(one, int) else one.value) >= _REFUSED for one in granted):
            raise ValueError(f"the bus refuses a subscription to {topic}")
        return topic

    async def _read(self, client: aiomqtt.Client, hint: Hint) -> None:
        async for message in client.messages:
            read = read_message(bytes(message.payload))
            self._observer.bus_message(read.type, len(read.tasks))
            for task_id in read.tasks:
                hint(task_id, ends=read.ends)

    async def _until_renewed(self, token: str) -> None:
        while True:
            await self._clock.sleep(TOKEN_CHECK_SECONDS)
            access = self._access()
            if access is not None and access.token != token:
                return

    def _client(self, url: str, token: str) -> aiomqtt.Client:
        parts = urlsplit(url)
        secure = parts.scheme == "https"

        def headers(usual: dict[str, str]) -> dict[str, str]:
            # paho writes the host of an IPv6 address without its brackets.
            return {**usual, "Host": parts.netloc, "Authorization": f"Bearer {token}"}

        return MaskingClient(
            parts.hostname or "",
            parts.port or (443 if secure else 80),
            identifier=self._identifier,
            protocol=aiomqtt.ProtocolVersion.V311,
            clean_session=True,
            transport="websockets",
            websocket_path=PATH,
            websocket_headers=headers,
            keepalive=KEEP_ALIVE_SECONDS,
            timeout=ANSWER_SECONDS,
            tls_context=self._config.tls if secure else None,
            logger=_LOG,
            max_queued_incoming_messages=_MOST_QUEUED,
        )


def _topic_of(access: SessionAccess) -> str | None:
    """What the login may hear: all of its organization, or of all; None: not known whose."""
    if access.is_provider:
        return "publish/#"
    return None if access.organization_uuid is None else f"publish/{access.organization_uuid}/+"


async def _to_its_end(connection: Any) -> str | None:
    """Why a connection failed; None: it ended as it should.

    It is a task of its own, so that canceling the caller always ends the caller: while it leaves, the client may raise
    errors in the place of the cancellation, or wait for a broker that does not answer. And whatever it raises is about
    the bus, which the bridge can do without (paho lets through what it makes of an odd handshake).
    """
    listening = asyncio.ensure_future(connection)
    try:
        await asyncio.wait({listening})
    finally:
        if not listening.done():
            listening.cancel()
            await asyncio.wait({listening}, timeout=LEAVING_SECONDS)
    if listening.cancelled():
        return "canceled"
    error = listening.exception()
    return None if error is None else str(error) or type(error).__name__
