"""Cells: the addresses under which one simulated Cloud Director listens. One state, one set of sessions; each can go
down."""

from __future__ import annotations

import asyncio
import socket
import ssl
import sys
from collections.abc import Callable, Sequence
from typing import Any

from bridge.simulator.faults import Faults

BACKLOG = 2048
_LAST_PORT = 65535
_RETRY_SECONDS = 0.5
"""How soon a cell that cannot have its address back tries again."""


def listening_socket(listen: str) -> socket.socket:
    """A listening socket for ``host:port``; port 0 takes a free one. Raises ValueError or OSError."""
    host, _, port = listen.rpartition(":")
    if not host or not port.isdecimal() or int(port) > _LAST_PORT:
        raise ValueError(f"listen takes host:port, not '{listen}'")
    return _bind(socket.AF_INET6 if ":" in host else socket.AF_INET, (host.strip("[]"), int(port)))


def _bind(family: socket.AddressFamily, address: tuple[str, int]) -> socket.socket:
    server = socket.socket(family, socket.SOCK_STREAM)
    try:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(address)
        server.listen(BACKLOG)
        server.setblocking(False)  # noqa: FBT003  # the socket's own signature
    except OSError:
        server.close()
        raise
    return server


class Cell:
    """One address. ``connections`` are the transports of those that are open."""

    def __init__(self, name: str, listener: socket.socket, tls: ssl.SSLContext | None) -> None:
        self.name = name
        self.connections: set[asyncio.Transport] = set()
        self._listener: socket.socket | None = listener
        self._tls = tls
        self._family = listener.family
        self._address: tuple[str, int] = listener.getsockname()[:2]
        self._server: asyncio.Server | None = None
        host, port = self._address
        scheme = "http" if tls is None else "https"
        self.url = f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"

    @property
    def is_listening(self) -> bool:
        return self._server is not None

    async def open(self, protocol: Callable[[Cell], asyncio.Protocol]) -> None:
        """Raises OSError when somebody else has taken the address meanwhile."""
        if self._server is None:
            listener = self._listener or _bind(self._family, self._address)
            self._listener = None
            self._server = await asyncio.get_running_loop().create_server(
                lambda: protocol(self), sock=listener, ssl=self._tls, backlog=BACKLOG
            )

    def close(self) -> None:
        """Refuses connections from now on."""
        if self._server is not None:
            self._server.close()
            self._server = None
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    def cut(self, spare: asyncio.Transport | None) -> None:
        """Ends what is connected, as the death of a process does, but for ``spare``."""
        for connection in self.connections - {spare}:
            connection.abort()


class Cells:
    """All cells of one simulator; those that a fault has taken down refuse connections until it is over."""

    def __init__(self, listeners: Sequence[socket.socket], faults: Faults, tls: ssl.SSLContext | None = None) -> None:
        self._cells = [Cell(f"cell-{number}", one, tls) for number, one in enumerate(listeners, start=1)]
        self._faults = faults
        self._lock = asyncio.Lock()
        self._timer: asyncio.TimerHandle | None = None
        self._protocol: Callable[[Cell], asyncio.Protocol] | None = None
        self._applying: asyncio.Task[None] | None = None
        faults.cells = tuple(cell.name for cell in self._cells)

    @property
    def urls(self) -> list[str]:
        return [cell.url for cell in self._cells]

    async def start(self, protocol: Callable[[Cell], asyncio.Protocol]) -> None:
        """``protocol`` makes what serves one connection to a cell."""
        self._protocol = protocol
        await self.apply()

    async def apply(self, spare: asyncio.Transport | None = None) -> None:
        """Opens and closes cells as the faults have it now, and again when a fault's time begins or ends.

        Args:
            spare: A connection that is left alone: the one over which somebody asked for it.
        """
        protocol = self._protocol
        if protocol is None:
            return
        async with self._lock:
            down, edge = self._faults.refusing()
            for cell in self._cells:
                if cell.name in down:
                    cell.close()
                    cell.cut(spare)
                    continue
                try:
                    await cell.open(protocol)
                except OSError as error:
                    sys.stderr.write(f"{cell.name} cannot have {cell.url} back: {error}\n")
                    edge = min(edge or _RETRY_SECONDS, _RETRY_SECONDS)
            self._look_again(edge)

    def is_down(self, name: str) -> bool:
        return any(cell.name == name and not cell.is_listening for cell in self._cells)

    def close(self) -> None:
        """Refuses connections for good; what is connected is the server's to end."""
        self._protocol = None
        self._look_again(None)
        for cell in self._cells:
            cell.close()

    def documents(self) -> list[dict[str, Any]]:
        return [
            {"cell": one.name, "url": one.url, "listening": one.is_listening, "connections": len(one.connections)}
            for one in self._cells
        ]

    def _look_again(self, seconds: float | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        loop = None if seconds is None else asyncio.get_running_loop()
        self._timer = None if loop is None or seconds is None else loop.call_later(seconds, self._wake)

    def _wake(self) -> None:
        self._applying = asyncio.ensure_future(self.apply())
