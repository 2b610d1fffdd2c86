"""Listens on the bus: MQTT 3.1.1 over WebSocket, the session's own token on the upgrade request.

Source: VCD admin guide 10.4 (MQTT over wss, Authorization: Bearer), object extensibility SDK message-broker.md
(clean sessions only, QoS 1 may still lose, subscribe again after every connect, connect again with a new token).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import urlsplit

import aiomqtt

from bridge.notifications.messages import read_message
from bridge.ports import Clock

PATH = "/messaging/mqtt"
KEEP_ALIVE_SECONDS = 30
CONNECT_SECONDS = 10.0
FIRST_DELAY, LONGEST_DELAY = 1.0, 60.0
"""Seconds between connections that fail: exponential with full jitter."""
STEADY_SECONDS = 30.0
"""A connection that held for so long was a good one: the next delay is the first again."""
_REFUSED = 0x80
"""Return code of a subscription that is refused (MQTT 3.1.1, 3.9.3), and everything above it."""
TOKEN_CHECK_SECONDS = 5.0
"""How soon a new token is noticed: the old one may be of no use any more, and nobody says so."""

_LOG = logging.getLogger("bridge.notifications.mqtt")
# What paho says of a connection may hold its headers.
_LOG.addHandler(logging.NullHandler())
_LOG.propagate = False


@dataclass(frozen=True, slots=True)
class Access:
    """The session on whose behalf is listened. ``organization_uuid`` None: not known."""

    token: str = field(repr=False)
    organization_uuid: str | None
    is_provider: bool

    @property
    def topic(self) -> str | None:
        """What this login may hear: all of its organization, or of all; None: not known whose."""
        if self.is_provider:
            return "publish/#"
        return None if self.organization_uuid is None else f"publish/{self.organization_uuid}/+"


class BusObserver(Protocol):
    """Counts and logs. Never raises."""

    def bus_connected(self, url: str, topic: str) -> None: ...

    def bus_lost(self, url: str, why: str, next_try_seconds: float) -> None: ...

    def bus_message(self, kind: str, tasks: int) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class BusConfig:
    """``urls``: ``http(s)://host[:port]`` of each cell; the next is tried where one fails. ``topic`` None: what the
    login may hear. ``tls`` None: plain, for what is not ``https``."""

    urls: tuple[str, ...]
    topic: str | None = None
    tls: ssl.SSLContext | None = None


async def _next(client: aiomqtt.Client) -> aiomqtt.Message:
    return await anext(client.messages)


class _NewToken(Exception):
    """The session has another token: the connection is made anew with it."""


class MqttBus:
    """Implements ``bridge.ports.Notifications``. ``access`` gives the present session, None while there is none."""

    def __init__(
        self, config: BusConfig, clock: Clock, access: Callable[[], Access | None], observer: BusObserver
    ) -> None:
        self._config = config
        self._clock = clock
        self._access = access
        self._observer = observer
        # A client that comes with the id of another throws it out: one of our own for every process.
        self._identifier = f"vcd-bridge-{secrets.token_hex(8)}"

    async def run(self, hint: Callable[[str], None]) -> None:
        failures = connections = 0
        while True:
            access = await self._access_at_hand()
            url = self._config.urls[connections % len(self._config.urls)]
            connections += 1
            began = self._clock.monotonic()
            try:
                await self._listen(url, access, hint)
            except _NewToken:
                connections -= 1
                failures = 0
                continue
            except (aiomqtt.MqttError, OSError, ValueError) as error:
                failures = 0 if self._clock.monotonic() - began > STEADY_SECONDS else failures + 1
                delay = min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** min(failures, 10)) * (1.0 - self._clock.random())
                self._observer.bus_lost(url, str(error) or type(error).__name__, round(delay, 2))
                await self._clock.sleep(delay)

    async def _access_at_hand(self) -> Access:
        while (access := self._access()) is None:
            await self._clock.sleep(1.0)
        return access

    async def _listen(self, url: str, access: Access, hint: Callable[[str], None]) -> None:
        topic = self._config.topic or access.topic
        if topic is None:
            raise ValueError("the session does not tell its organization: set notifications.topic")
        async with self._client(url, access.token) as client:
            granted = await client.subscribe(topic, qos=1)
            if any((one if isinstance(one, int) else one.value) >= _REFUSED for one in granted):
                raise ValueError(f"the bus refuses a subscription to {topic}")
            self._observer.bus_connected(url, topic)
            changed = asyncio.ensure_future(self._until_changed(access.token))
            try:
                await self._read(client, changed, hint)
            finally:
                changed.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await changed

    async def _read(self, client: aiomqtt.Client, changed: asyncio.Future[None], hint: Callable[[str], None]) -> None:
        while True:
            message = asyncio.ensure_future(_next(client))
            try:
                waited: set[asyncio.Future[Any]] = {message, changed}
                await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
            finally:
                if not message.done():
                    message.cancel()
            if message.done():
                self._take(message.result(), hint)
            if changed.done():
                raise _NewToken

    def _take(self, message: aiomqtt.Message, hint: Callable[[str], None]) -> None:
        read = read_message(bytes(message.payload))
        self._observer.bus_message(read.type, len(read.tasks))
        for task_id in read.tasks:
            hint(task_id)

    async def _until_changed(self, token: str) -> None:
        while True:
            await self._clock.sleep(TOKEN_CHECK_SECONDS)
            access = self._access()
            if access is not None and access.token != token:
                return

    def _client(self, url: str, token: str) -> aiomqtt.Client:
        parts = urlsplit(url)
        secure = parts.scheme == "https"
        return aiomqtt.Client(
            parts.hostname or "",
            parts.port or (443 if secure else 80),
            identifier=self._identifier,
            protocol=aiomqtt.ProtocolVersion.V311,
            clean_session=True,
            transport="websockets",
            websocket_path=PATH,
            websocket_headers={"Authorization": f"Bearer {token}"},
            keepalive=KEEP_ALIVE_SECONDS,
            timeout=CONNECT_SECONDS,
            tls_context=self._config.tls if secure else None,
            logger=_LOG,
            max_queued_incoming_messages=10_000,
        )
