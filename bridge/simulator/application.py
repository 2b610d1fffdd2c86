"""The simulator as an ASGI application: bodies in, faults on the wire, answers out."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from bridge.simulator.administration import PREFIX, Administration
from bridge.simulator.calls.call import Call
from bridge.simulator.clock import http_date
from bridge.simulator.director import Director
from bridge.simulator.faultplan import Fault
from bridge.simulator.protocol.exchange import Answer, Refusal, Request
from bridge.simulator.serving.cells import Cells
from bridge.simulator.serving.wire import (
    CELL,
    TRANSPORT,
    Receive,
    Scope,
    Send,
    cut,
    dribble,
    hang,
    pause,
    read_request,
    respond,
    truncate,
)

if TYPE_CHECKING:
    from bridge.simulator.messaging.bus import MessageBus

_INSTEAD_OF_AN_ANSWER = ("drop", "reset", "hang", "status")


class Application:
    """One ASGI application around a :class:`Director`."""

    def __init__(self, director: Director, cells: Cells, bus: MessageBus | None = None) -> None:
        self.director = director
        self.administration = Administration(director, cells.documents, bus)
        self.bus = bus
        self.cells = cells
        self.stopping = asyncio.Event()
        """Ends what faults wait for."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket" and self.bus is not None:
            await self.bus.serve(scope, receive, send)
        if scope["type"] != "http":
            return
        try:
            request = await read_request(scope, receive)
        except ConnectionAbortedError:
            return
        request.cell = scope["state"][CELL]
        if request.path.startswith(PREFIX):
            await self._administer(request, scope, send)
            return
        director = self.director
        call = director.call(request)
        fault = director.fault_for(call)
        if fault is not None:
            await self._interfere(call, fault, scope, receive, send)
            return
        answer = director.finish(call, director.answer(call))
        director.record(call, answer.status, None)
        await respond(send, answer)

    async def _administer(self, request: Request, scope: Scope, send: Send) -> None:
        """What was asked for has happened when the answer comes, also where it takes the asked cell down."""
        answer = self.administration.handle(request)
        transport = scope["state"][TRANSPORT]
        if request.method != "GET":
            await self.cells.apply(spare=transport)
        await respond(send, answer)
        if self.cells.is_down(request.cell):
            transport.close()

    async def _interfere(self, call: Call, fault: Fault, scope: Scope, receive: Receive, send: Send) -> None:
        """The order of effect, ledger entry, waiting and answer is what a fault is about."""
        director = self.director
        if not fault.effect:
            await pause(fault.seconds, self.stopping)
        answer = director.answer(call) if fault.effect or fault.do not in _INSTEAD_OF_AN_ANSWER else None
        if fault.do in ("drop", "reset", "hang"):
            director.record(call, None, fault)
            await pause(fault.seconds, self.stopping)
            if fault.do == "hang":
                await hang(scope, receive, self.stopping)
            else:
                await cut(scope, receive, reset=fault.do == "reset")
            return
        if fault.do == "status":
            answer = self._scripted(call, fault)
        if answer is None:
            raise RuntimeError(f"fault {fault.id} leaves no answer")
        if fault.do == "content_type" and answer.content_type is not None:
            answer.content_type = fault.content_type
        director.record(call, answer.status, fault)
        if fault.effect:
            await pause(fault.seconds, self.stopping)
        director.finish(call, answer)
        if fault.do == "skew":
            answer.headers = [one for one in answer.headers if one[0] != "Date"]
            answer.headers.append(("Date", http_date(int(director.clock() + fault.skew_seconds))))
        if fault.do == "truncate":
            await truncate(scope, receive, send, answer)
        elif fault.do == "slow":
            await dribble(scope, receive, answer, fault.bytes_per_second, self.stopping)
        else:
            await respond(send, answer)

    def _scripted(self, call: Call, fault: Fault) -> Answer:
        if fault.body is not None:
            kind = fault.content_type if fault.body else None
            return Answer(fault.status, fault.body, kind, list(fault.headers))
        message = fault.message if fault.message is not None else f"Simulated fault {fault.status}"
        return self.director.refuse(call, Refusal(fault.status, fault.code, message, fault.headers))
