"""Serves the simulator: ``run`` in a process of its own, ``serve_in_thread`` inside another one."""

from __future__ import annotations

import asyncio
import gc
import json
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from bridge.simulator.application import TRANSPORT, Application
from bridge.simulator.behavior import Behavior
from bridge.simulator.director import Director

KEEP_ALIVE_SECONDS = 75
BACKLOG = 2048


class _Protocol(HttpToolsProtocol):
    """Tells the application its transport, so that scripted faults can cut the connection."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # base has a union
        self.app_state = {**self.app_state, TRANSPORT: transport}
        super().connection_made(transport)


def read_fault_file(path: Path) -> list[dict[str, Any]]:
    """The faults of a file: a JSON array, or one JSON object a line.

    Raises:
        ValueError: What is wrong, with the file's name.
    """
    text = path.read_text(encoding="utf-8")
    try:
        documents = (
            json.loads(text)
            if text.lstrip().startswith("[")
            else [json.loads(line) for line in text.splitlines() if line.strip()]
        )
    except ValueError as error:
        raise ValueError(f"{path}: no JSON: {error}") from None
    if not all(isinstance(one, dict) for one in documents):
        raise ValueError(f"{path}: each fault is a JSON object")
    return documents


def _listen(listen: str) -> socket.socket:
    """A listening socket for ``host:port``; port 0 takes a free one."""
    host, _, port = listen.rpartition(":")
    if not host or not port.isdecimal():
        raise ValueError(f"listen takes host:port, not '{listen}'")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    server = socket.socket(family, socket.SOCK_STREAM)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind((host.strip("[]"), int(port)))
    server.listen(BACKLOG)
    server.setblocking(False)  # noqa: FBT003  # the socket's own signature
    return server


def _url(server: socket.socket) -> str:
    host, port = server.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class _Server(uvicorn.Server):
    """Calls ``ready`` when it accepts connections."""

    def __init__(self, application: Application, ready: Callable[[], None]) -> None:
        super().__init__(
            uvicorn.Config(
                application,
                http=_Protocol,
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
                ws="none",
            )
        )
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
        self._ready()


def _director(url: str, public_url: str | None, faults_file: Path | None, **options: Any) -> Director:
    director = Director(public_url=public_url or url, **options)
    if faults_file is not None:
        for document in read_fault_file(faults_file):
            director.faults.add(document)
    return director


def run(
    listen: str = "127.0.0.1:8090",
    *,
    task_seconds: float = 2.0,
    virtual_machines: int = 4,
    lenient_entities: bool = False,
    public_url: str | None = None,
    faults_file: Path | None = None,
    ledger_file: Path | None = None,
    settings: dict[str, Any] | None = None,
    maximum_tasks: int = 100_000,
    seed: int | None = None,
    ready: Callable[[str], None],
) -> None:
    """Serves until SIGTERM or SIGINT. Raises ValueError or OSError for what cannot be served.

    Args:
        listen: ``host:port``; port 0 takes a free one.
        task_seconds: How long a Task lasts unless a script says otherwise; 0: final at first sight.
        virtual_machines: vApps with one VM each, in acme and in beta.
        lenient_entities: Unknown ids become entities when they are addressed.
        public_url: What hrefs start with; None: the address served.
        faults_file: Faults from the start, see :func:`read_fault_file`.
        ledger_file: Gets one JSON line per call.
        settings: Further settings by name, see :class:`Behavior`.
        maximum_tasks: Beyond it the oldest ended Tasks are forgotten.
        seed: Makes ids repeatable.
        ready: Told the URL when connections are accepted.
    """
    server = _listen(listen)
    url = _url(server)
    behavior = Behavior(task_seconds=task_seconds, lenient_entities=lenient_entities)
    director = _director(
        url,
        public_url,
        faults_file,
        behavior=behavior,
        virtual_machines=virtual_machines,
        maximum_tasks=maximum_tasks,
        ledger_file=ledger_file,
        seed=seed,
    )
    director.change_settings(settings or {})
    # Long-lived objects are many and their circles are broken by hand: full collections mostly cost pauses.
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 10, 20)
    try:
        _Server(Application(director), lambda: ready(url)).run(sockets=[server])
    finally:
        director.ledger.close()
        server.close()


@contextmanager
def serve_in_thread(**options: Any) -> Iterator[tuple[str, Director]]:
    """A simulator on a free loopback port in a thread of this process; options as :class:`Director`'s.

    Yields:
        Its URL and its director, which is the thread's: only look at it between calls.
    """
    server = _listen("127.0.0.1:0")
    url = _url(server)
    started = threading.Event()
    director = _director(url, options.pop("public_url", None), options.pop("faults_file", None), **options)
    runner = _Server(Application(director), started.set)
    thread = threading.Thread(target=runner.run, kwargs={"sockets": [server]}, name="simulator", daemon=True)
    thread.start()
    try:
        if not started.wait(10):
            raise TimeoutError("the simulator did not start within 10 s")
        yield url, director
    finally:
        runner.should_exit = True
        thread.join(10)
        director.ledger.close()
        server.close()
