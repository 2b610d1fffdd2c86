"""``/live``, ``/ready`` and ``/metrics`` on the management port, served inside the bridge's own event loop."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import socket
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping
from typing import Any, Protocol

import uvicorn
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4

from bridge.errors import ConfigurationError, TemporaryError

Details = Mapping[str, object]
_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]

_JSON = "application/json"


class Health(Protocol):
    """What the probes report. Both answer at once: they look at state, they test nothing."""

    def live(self) -> tuple[bool, Details]:
        """Whether the loops make progress; False asks a supervisor to restart the process."""
        ...

    def ready(self) -> tuple[bool, Details]:
        """Whether partitions are assigned and restored and the VCD session is up."""
        ...


class ManagementServer:
    """The management port. ``metrics`` renders the Prometheus text format."""

    def __init__(self, address: tuple[str, int], health: Health, metrics: Callable[[], bytes]) -> None:
        self._wanted = address
        self._health = health
        self._metrics = metrics
        self._socket: socket.socket | None = None
        self._server: _Server | None = None
        self._serving: asyncio.Task[None] | None = None

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens; with port 0 asked for, the port that was given."""
        if self._socket is None:
            return self._wanted
        host, port = self._socket.getsockname()[:2]
        return str(host), int(port)

    async def start(self) -> None:
        """Listen and serve. Raises ConfigurationError when the address cannot be taken."""
        self._socket = _listen(self._wanted)
        config = uvicorn.Config(
            self._app, interface="asgi3", proxy_headers=False, log_config=None, access_log=False, lifespan="off",
            ws="none", server_header=False, timeout_keep_alive=15, timeout_graceful_shutdown=1,
        )  # fmt: skip
        self._server = _Server(config)
        self._serving = asyncio.create_task(self._server.serve(sockets=[self._socket]), name="management")
        while not self._server.started:
            if self._serving.done():
                self._serving.result()
                raise TemporaryError("the management port did not start")
            await asyncio.sleep(0.005)

    async def stop(self) -> None:
        """Stop serving; open connections get a second."""
        if self._server is not None and self._serving is not None:
            self._server.should_exit = True
            await self._serving
        if self._socket is not None:
            self._socket.close()
        self._server = self._serving = None

    async def _app(self, scope: _Message, _receive: _Receive, send: _Send) -> None:
        if scope["type"] != "http":
            return
        status, content_type, body = self._answer(scope["method"], scope["path"])
        headers = [(b"content-type", content_type.encode()), (b"content-length", str(len(body)).encode()),
                   (b"cache-control", b"no-store")]  # fmt: skip
        if status == 405:
            headers.append((b"allow", b"GET, HEAD"))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    def _answer(self, method: str, path: str) -> tuple[int, str, bytes]:
        if path not in {"/live", "/ready", "/metrics"}:
            return 404, _JSON, _json({"error": "not found", "paths": ["/live", "/ready", "/metrics"]})
        if method not in {"GET", "HEAD"}:
            return 405, _JSON, _json({"error": "only GET and HEAD"})
        if path == "/metrics":
            return 200, CONTENT_TYPE_PLAIN_0_0_4, self._metrics()
        good, details = self._health.live() if path == "/live" else self._health.ready()
        return (200 if good else 503), _JSON, _json({path[1:]: good, **details})


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals belong to the bridge's own loop, not to its management port."""
        yield


def _listen(address: tuple[str, int]) -> socket.socket:
    host, port = address
    hint = "set management.listen to a free host:port (VCD_BRIDGE__MANAGEMENT__LISTEN)"
    try:
        family, kind, protocol, _, target = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise ConfigurationError(f"management.listen: {host!r}: {error.strerror}", hint=hint) from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(target)
        listener.listen(128)
        listener.setblocking(False)  # noqa: FBT003  # the socket's own signature
    except OSError as error:
        listener.close()
        reason = "the port is already in use" if error.errno == errno.EADDRINUSE else error.strerror
        raise ConfigurationError(f"management.listen: cannot listen on {host}:{port}: {reason}", hint=hint) from None
    return listener


def _json(document: Details) -> bytes:
    return json.dumps(document, default=str).encode() + b"\n"
