"""Cells that answer and should not be listened to: told from trouble of the whole VCD by asking another cell."""

from __future__ import annotations

import httpx
import pytest

from bridge.vcd.addresses import Addresses, may_be_cells_own
from bridge.vcd.line import Line
from bridge.vcd.transports import Departure, Reply, TransportFault
from tests.vcd.scripted import LOST, Log, ManualClock, Outcome, ScriptedTransport, fault, reply

A, B, C = "https://a.example", "https://b.example", "https://c.example"
GOOD = reply(200, {"name": "n"})
BROKEN = reply(500, {"minorErrorCode": "INTERNAL_SERVER_ERROR"})
PAGE = reply(200, b"<!DOCTYPE html>\n<HTML><body>Sign in</body></HTML>", content_type="text/html; charset=utf-8")


class Cells:
    """Three cells that answer as they are told, and the line to them."""

    def __init__(self) -> None:
        self.log = Log()
        self.clock = ManualClock()
        self.says: dict[str, Outcome] = {"a.example": GOOD, "b.example": GOOD, "c.example": GOOD}
        self.transport = ScriptedTransport(self._answer)
        addresses = Addresses((A, B, C), self.clock, self.log)
        self.line = Line(A, self.transport, self.transport, self.clock, addresses=addresses)

    def _answer(self, request: httpx.Request) -> Outcome:
        self.clock.time += 0.001
        return self.says[request.url.host]

    async def read(self) -> tuple[int, str]:
        """The status, and the cells that were asked."""
        self.transport.requests.clear()
        answer = await self.line.read("read", self.line.request("GET", "/api/task/1", {}))
        return answer.status, self.asked

    async def call(self) -> tuple[int, str]:
        self.transport.requests.clear()
        departure = Departure(by=10.0, may_leave=lambda: True)
        answer = await self.line.call(self.line.request("POST", "/api/vApp/1/action/deploy", {}), departure)
        return answer.status, self.asked

    @property
    def asked(self) -> str:
        return "".join(request.url.host[0] for request in self.transport.requests)


@pytest.fixture
def cells() -> Cells:
    return Cells()


@pytest.mark.parametrize("trouble", [BROKEN, PAGE, reply(503), reply(501)])
async def test_what_another_cell_can_read_shows_which_one_is_sick(cells: Cells, trouble: Reply) -> None:
    cells.says["a.example"] = trouble
    assert await cells.read() == (200, "ab")
    assert await cells.read() == (200, "b"), "nobody asks the sick one again for a while"
    assert await cells.call() == (200, "b"), "calls neither"
    assert cells.log.events == ["vcd.address_failed"]


async def test_a_sick_cell_is_tried_and_told_once(cells: Cells) -> None:
    cells.says["a.example"] = BROKEN
    await cells.read()
    for _ in range(3):
        cells.clock.time += 20.0
        assert await cells.read() == (200, "ab")
    cells.says["a.example"] = GOOD
    cells.clock.time += 20.0
    assert await cells.read() == (200, "a")
    assert cells.log.events == ["vcd.address_failed", "vcd.address_answers"]


async def test_what_no_cell_can_read_is_vcds_own_trouble(cells: Cells) -> None:
    """One entity that VCD stumbles over does not move everything from cell to cell."""
    cells.says = dict.fromkeys(cells.says, BROKEN)
    assert await cells.read() == (500, "abc")
    cells.says = dict.fromkeys(cells.says, GOOD)
    assert await cells.call() == (200, "a")
    assert cells.log.events == []


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429])
async def test_a_refusal_is_vcds_answer(cells: Cells, status: int) -> None:
    cells.says["a.example"] = reply(status)
    assert await cells.read() == (status, "a")
    assert cells.log.events == []


@pytest.mark.parametrize("trouble", [BROKEN, PAGE, reply(503)])
async def test_a_call_is_never_asked_of_another_cell_for_its_answer(cells: Cells, trouble: Reply) -> None:
    cells.says["a.example"] = trouble
    assert await cells.call() == (trouble.status, "a")


async def test_a_fault_elsewhere_leaves_it_open_whose_trouble_it_was(cells: Cells) -> None:
    cells.says |= {"a.example": BROKEN, "b.example": fault(LOST), "c.example": fault(LOST)}
    with pytest.raises(TransportFault):
        await cells.read()
    assert cells.log.lines == [(event, facts) for event, facts in cells.log.lines if facts["address"] in (B, C)]


def test_documents_named_as_pages_are_documents() -> None:
    """Some balancers name everything text/html."""
    for body in (b'{"name": "n"}', b'<?xml version="1.0"?><Task/>'):
        assert not may_be_cells_own(reply(200, body, content_type="text/html"))
    assert may_be_cells_own(PAGE)
