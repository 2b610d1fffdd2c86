"""Serves the simulator: ``run`` in a process of its own, ``serve_in_thread`` inside another one."""

from __future__ import annotations

import asyncio
import gc
import re
import signal
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from bridge.simulator.application import Application
from bridge.simulator.behavior import Behavior
from bridge.simulator.director import Director
from bridge.simulator.faultplan import FaultError, read_fault_file
from bridge.simulator.serving.cells import BACKLOG, Cell, Cells, listening_socket
from bridge.simulator.serving.wire import CELL, TRANSPORT

if TYPE_CHECKING:
    from bridge.simulator.messaging.bus import MessageBus

BUS_EXTRA = "simulator-mqtt"
KEEP_ALIVE_SECONDS = 75
PING_SECONDS = 20.0
"""Between pings on a WebSocket."""
DEFAULT_LISTEN = "127.0.0.1:8090"


@dataclass(frozen=True, slots=True)
class Served:
    """What is served: the cells' URLs, and who can log in (``name@organization``) with which password."""

    urls: list[str]
    users: dict[str, str]


class _Protocol(HttpToolsProtocol):
    """Knows its cell, and tells the application the transport, so that scripted faults can cut the connection."""

    def __init__(self, cell: Cell, config: uvicorn.Config, server_state: Any) -> None:
        super().__init__(config=config, server_state=server_state, app_state={})
        self._cell = cell

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # base has a union
        self.app_state = {TRANSPORT: transport, CELL: self._cell.name}
        self._cell.connections.add(transport)
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._cell.connections.discard(self.transport)
        super().connection_lost(exc)


class _Server(uvicorn.Server):
    """Serves all cells; calls ``ready`` when they accept connections."""

    def __init__(self, director: Director, cells: Cells, bus: MessageBus | None, ready: Callable[[], None]) -> None:
        self._application = Application(director, cells, bus)
        self._bus = bus
        super().__init__(
            uvicorn.Config(
                self._application,
                loop="uvloop",
                lifespan="off",
                access_log=False,
                log_level="warning",
                proxy_headers=False,
                server_header=False,
                date_header=False,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=1,
                backlog=BACKLOG,
                ws="none" if bus is None else "websockets-sansio",
                ws_ping_interval=PING_SECONDS,
            )
        )
        self._cells = cells
        self._ready = ready

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """A signal ends the server; it is not raised again afterwards, so that a stop is exit code 0."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self._bus is not None:
            await self._bus.start()
        await self._cells.start(partial(_Protocol, config=self.config, server_state=self.server_state))
        self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._cells.close()
        self._application.stopping.set()
        if self._bus is not None:
            await self._bus.stop()
        await super().shutdown(sockets)


_PUBLIC_URL = re.compile(r"https?://[^/?#\s]+(/[^?#\s]*)?")


def _open_bus(director: Director) -> MessageBus:
    from bridge.simulator.messaging.bus import MessageBus  # what it needs is an extra

    return MessageBus(director.cloud)


class _Service:
    """A director and its cells, ready to be run."""

    def __init__(
        self,
        listen: Sequence[str],
        *,
        tls: ssl.SSLContext | None,
        public_url: str | None,
        faults_file: Path | None,
        bus: bool = False,
        **options: Any,
    ) -> None:
        """Raises ValueError or OSError for what cannot be served."""
        if bus and find_spec("amqtt") is None:
            raise ValueError(
                f"the message bus needs the extra {BUS_EXTRA}: pip install 'vcd-kafka-bridge[{BUS_EXTRA}]'"
            )
        if public_url is not None and _PUBLIC_URL.fullmatch(public_url) is None:
            raise ValueError(f"--public-url takes http://HOST[:PORT] or https://HOST[:PORT], not '{public_url}'")
        listeners = [listening_socket(one) for one in listen]
        try:
            faults = [] if faults_file is None else read_fault_file(faults_file)
            first = Cell("", listeners[0], tls).url
            self.director = Director(public_url=public_url or first, **options)
            self.cells = Cells(listeners, self.director.faults, tls)
            self.bus = _open_bus(self.director) if bus else None
            try:
                self.director.faults.add_all(faults)
            except FaultError as error:
                raise ValueError(f"{faults_file}: {error}") from None
        except BaseException:
            for one in listeners:
                one.close()
            raise

    def server(self, ready: Callable[[], None]) -> _Server:
        return _Server(self.director, self.cells, self.bus, ready)

    def served(self) -> Served:
        users = self.director.cloud.store.users.values()
        known = {f"{one.name}@{one.org.name}": one.password for one in users if one.password and one.is_enabled}
        return Served(self.cells.urls, known)

    def close(self) -> None:
        self.cells.close()
        self.director.ledger.close()


def run(
    listen: Sequence[str] = (DEFAULT_LISTEN,),
    *,
    task_seconds: float = 2.0,
    lenient_entities: bool = False,
    public_url: str | None = None,
    tls: ssl.SSLContext | None = None,
    faults_file: Path | None = None,
    bus: bool = False,
    settings: dict[str, Any] | None = None,
    ready: Callable[[Served], None],
    **options: Any,
) -> None:
    """Serves until SIGTERM or SIGINT. Raises ValueError or OSError for what cannot be served.

    Args:
        listen: ``host:port`` of each cell; port 0 takes a free one.
        task_seconds: How long a Task lasts unless a script says otherwise; 0: final at first sight.
        lenient_entities: Unknown ids become entities when they are addressed.
        public_url: What hrefs start with; None: the first address served.
        tls: Serves HTTPS with it; None: HTTP.
        faults_file: Faults from the start, see :func:`read_fault_file`.
        bus: Whether there is a message bus behind ``/messaging/mqtt``.
        settings: Further settings by name, see :class:`Behavior`.
        ready: Told what is served when connections are accepted.
        options: Further ones of :class:`Director`.
    """
    service = _Service(
        listen,
        tls=tls,
        public_url=public_url,
        faults_file=faults_file,
        bus=bus,
        behavior=Behavior(task_seconds=task_seconds, lenient_entities=lenient_entities),
        **options,
    )
    try:
        service.director.change_settings(settings or {})
        # Long-lived objects are many and their circles are broken by hand: full collections mostly cost pauses.
        gc.collect()
        gc.freeze()
        gc.set_threshold(20_000, 10, 20)
        service.server(lambda: ready(service.served())).run(sockets=[])
    finally:
        service.close()


@contextmanager
def serve_in_thread(
    *,
    cells: int = 1,
    tls: ssl.SSLContext | None = None,
    public_url: str | None = None,
    faults_file: Path | None = None,
    bus: bool = False,
    **options: Any,
) -> Iterator[tuple[str, Director]]:
    """A simulator on free loopback ports in a thread of this process; ``options`` as :class:`Director`'s.

    Yields:
        Its first cell's URL and its director, which is the thread's: only look at it between calls.
    """
    listen = ["127.0.0.1:0"] * cells
    service = _Service(listen, tls=tls, public_url=public_url, faults_file=faults_file, bus=bus, **options)
    started = threading.Event()
    runner = service.server(started.set)
    thread = threading.Thread(target=runner.run, kwargs={"sockets": []}, name="simulator", daemon=True)
    thread.start()
    try:
        if not started.wait(10):
            raise TimeoutError("the simulator did not start within 10 s")
        yield service.cells.urls[0], service.director
    finally:
        runner.should_exit = True
        thread.join(10)
        service.close()
