"""A gateway over scripted transports."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import httpx

from bridge.core.answers import (
    HttpCall,
)
from bridge.core.requests import JsonValue
from bridge.vcd.config import VcdConfig
from bridge.vcd.gateway import HttpGateway
from bridge.vcd.transport.line import Line
from bridge.vcd.transport.pace import Pace
from bridge.vcd.transport.reach import Reach
from tests.vcd.scripted import (
    Handler,
    Log,
    ManualClock,
    Outcome,
    ScriptedTransport,
    ScriptedVcd,
)

ORG = "99999999-0000-4000-8000-000000000001"
CALL = HttpCall(
    operation="deployVApp", method="POST", path="/vApp/vapp-1/action/deploy", query={}, body=None, media_type=None,
    call_id="vb-0123456789abcdef0123456789abcdef-1", organization=None,
)  # fmt: skip
FORBIDDEN: JsonValue = {
    "message": "[ x ] No access to entity com.vmware.vcloud.entity.task:1", "majorErrorCode": 403,
    "minorErrorCode": "ACCESS_TO_RESOURCE_IS_FORBIDDEN",
}  # fmt: skip


@dataclass(slots=True)
class Observed:
    calls: list[tuple[str, int | None]]

    def observe_call(self, operation: str, status: int | None, seconds: float) -> None:
        assert seconds >= 0
        self.calls.append((operation, status))


@dataclass(slots=True)
class Setup:
    """A gateway over two scripted transports, one for calls and one for reads."""

    vcd: ScriptedVcd
    clock: ManualClock
    log: Log
    observed: Observed
    calls: ScriptedTransport
    reads: ScriptedTransport
    gateway: HttpGateway

    def answer(self, handler: Handler | Outcome) -> None:
        """What VCD says to everything but logins, as long as the token is valid."""
        self.vcd.rest = handler if callable(handler) else lambda _: handler

    async def call(self, may_leave: Callable[[], bool] = lambda: True, **changes: object) -> object:
        call = replace(CALL, **changes)  # type: ignore[arg-type]  # fields of the call
        return await self.gateway.call(call, leave_by=self.clock.time + 5, may_leave=may_leave)

    @property
    def last(self) -> httpx.Request:
        return self.calls.requests[-1]


async def make_setup(organization: str = "System", dates: Mapping[str, str] | None = None) -> Setup:
    """``dates``: Date headers of logins' answers by the last step of their path."""
    vcd = ScriptedVcd(organization=organization, dates=dates or {})
    clock, log, observed = ManualClock(), Log(), Observed([])
    calls, reads = ScriptedTransport(vcd), ScriptedTransport(vcd)
    config = VcdConfig(url="https://vcd.example", organization=organization, username="bridge", password="secret")
    line = Line(config.url, calls, reads, clock, observed, Pace(clock, log=log), Reach(clock, log), cancels=reads)
    gateway = HttpGateway(config, clock, log=log, line=line)
    await gateway.open()
    return Setup(vcd, clock, log, observed, calls, reads, gateway)
