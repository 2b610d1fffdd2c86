"""The line to several cells: which is asked what, and whether an answer tells of the cell or of VCD."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import httpx
import pytest

from bridge.vcd.login.credentials import PasswordCredential
from bridge.vcd.login.sessions import Sessions
from bridge.vcd.transport.addresses import Addresses, may_be_cells_own
from bridge.vcd.transport.classifier import Verdict
from bridge.vcd.transport.line import Line
from bridge.vcd.transport.pace import Held
from bridge.vcd.transport.reach import Reach
from bridge.vcd.transport.transports import Departure, Reply, TransportFault
from tests.vcd.scripted import LOST, REFUSED, Log, ManualClock, Outcome, ScriptedTransport, ScriptedVcd, fault, reply

A, B, C = "https://a.example", "https://b.example", "https://c.example"
GOOD = reply(200, {"name": "n"})
BROKEN = reply(500, {"minorErrorCode": "INTERNAL_SERVER_ERROR"})
MOVED = reply(302, location="https://elsewhere.example/login")
NO_ANSWER = Verdict(never_sent=False, code="no_answer", message="ReadTimeout")
PAGE = reply(200, b"<!DOCTYPE html>\n<HTML><body>Sign in</body></HTML>", content_type="text/html; charset=utf-8")


class Cells:
    """Three cells that answer as they are told, and the line to them."""

    def __init__(self) -> None:
        self.log = Log()
        self.clock = ManualClock()
        self.says: dict[str, Outcome] = {"a.example": GOOD, "b.example": GOOD, "c.example": GOOD}
        self.transport = ScriptedTransport(self._answer)
        addresses = Addresses((A, B, C), self.clock, self.log)
        reach = Reach(self.clock, self.log)
        self.line = Line(A, self.transport, self.transport, self.clock, reach=reach, addresses=addresses)

    def _answer(self, request: httpx.Request) -> Outcome:
        self.clock.time += 0.001
        return self.says[request.url.host]

    async def read(self) -> tuple[int, str]:
        """The status, and the cells that were asked."""
        self.transport.requests.clear()
        answer = await self.line.read("read", self.line.request("GET", "/api/task/1", {}))
        return answer.status, self.asked

    async def call(self, may_leave: Callable[[], bool] = lambda: True) -> tuple[int, str]:
        self.transport.requests.clear()
        departure = Departure(by=10.0, may_leave=may_leave)
        answer = await self.line.call(self.line.request("POST", "/api/vApp/1/action/deploy", {}), departure)
        return answer.status, self.asked

    async def back(self, name: str) -> None:
        """It answers once, so that it is asked first again; afterwards as before."""
        before, self.says[f"{name}.example"] = self.says[f"{name}.example"], GOOD
        self.clock.time += 60.0
        assert await self.read() == (200, name)
        self.says[f"{name}.example"] = before

    @property
    def asked(self) -> str:
        return "".join(request.url.host[0] for request in self.transport.requests)


@pytest.fixture
def cells() -> Cells:
    return Cells()


@pytest.mark.parametrize("trouble", [BROKEN, PAGE, reply(503), reply(501), reply(401), MOVED])
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


@pytest.mark.parametrize("trouble", [BROKEN, reply(401)])
async def test_what_no_cell_can_read_is_vcds_own_trouble(cells: Cells, trouble: Reply) -> None:
    """One entity that VCD stumbles over, or the end of a session, does not move everything from cell to cell."""
    cells.says = dict.fromkeys(cells.says, trouble)
    assert await cells.read() == (trouble.status, "abc")
    cells.says = dict.fromkeys(cells.says, GOOD)
    assert await cells.call() == (200, "a")
    assert cells.log.events == []


@pytest.mark.parametrize("status", [400, 403, 404, 406, 429])
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


async def test_each_cell_is_asked_by_its_own_name(cells: Cells) -> None:
    """Several names may end at one server or balancer, which tells them apart by it."""
    cells.says["a.example"] = fault(REFUSED)
    request = cells.line.request("POST", "/oauth/tenant/acme/token?x=%2C", {"X-Own": "kept"}, b"secret")
    assert (await cells.line.session("logIn", request)).status == 200
    _, asked = cells.transport.requests
    assert str(asked.url) == "https://b.example/oauth/tenant/acme/token?x=%2C"
    assert asked.headers.get_list("host") == ["b.example"]
    assert (asked.headers["x-own"], asked.content) == ("kept", b"secret")


@pytest.mark.parametrize("lost", [LOST, NO_ANSWER])
async def test_what_may_have_been_sent_is_asked_elsewhere_only_if_it_reads(cells: Cells, lost: Verdict) -> None:
    """A login may have used up a token that rotates; a cancel is one entry in VCD's audit trail."""
    cells.says["a.example"] = fault(lost)
    for send in (cells.line.session, cells.line.read):
        cells.transport.requests.clear()
        with pytest.raises(TransportFault):
            await send("post", cells.line.request("POST", "/api/task/1/action/cancel", {}))
        assert cells.asked == "a"
        await cells.back("a")
    with pytest.raises(TransportFault):
        await cells.call()
    assert cells.asked == "a"
    await cells.back("a")
    assert await cells.read() == (200, "ab")


@pytest.mark.parametrize("code", ["pool_timeout", "lease_expired", "held_back"])
async def test_what_stops_on_our_side_says_nothing_of_a_cell(cells: Cells, code: str) -> None:
    cells.says["a.example"] = fault(Verdict(never_sent=True, code=code, message="ours"))
    with pytest.raises(TransportFault):
        await cells.call()
    assert cells.asked == "a"
    cells.says["a.example"] = GOOD
    assert await cells.call() == (200, "a")
    assert cells.log.events == []


async def test_a_call_that_may_not_leave_any_more_does_not_leave_for_another_cell(cells: Cells) -> None:
    """Its partition was lost while the first cell refused it."""
    cells.says["a.example"] = fault(REFUSED)
    with pytest.raises(TransportFault, match="held back"):
        await cells.call(lambda: cells.asked == "")
    assert cells.asked == "a"


async def test_one_cells_maintenance_holds_nothing_up_but_a_limit_does(cells: Cells) -> None:
    cells.says["a.example"] = reply(503, retry_after="60")
    assert await cells.call() == (503, "a")
    assert await cells.call() == (200, "b")
    cells.says["b.example"] = reply(429, retry_after="60")
    assert await cells.call() == (429, "b")
    with pytest.raises(Held):
        await cells.call()


async def test_the_last_cells_maintenance_holds_everything_up(cells: Cells) -> None:
    cells.says = dict.fromkeys(cells.says, reply(503, retry_after="60"))
    assert await cells.read() == (503, "abc")
    with pytest.raises(Held):
        await cells.call()


async def test_vcd_is_out_of_reach_when_no_cell_answers_and_not_before(cells: Cells) -> None:
    cells.says["a.example"] = fault(NO_ANSWER)
    with pytest.raises(TransportFault):
        await cells.call()
    assert cells.log.events == ["vcd.address_failed"], "the others may be well"
    cells.says = dict.fromkeys(cells.says, fault(REFUSED))
    with pytest.raises(TransportFault):
        await cells.read()
    assert cells.log.events == ["vcd.address_failed"] * 3 + ["vcd.unreachable"]
    cells.says["b.example"] = GOOD
    cells.clock.time += 60.0
    await cells.read()
    assert cells.log.events[-2:] == ["vcd.address_answers", "vcd.reachable"]


async def test_a_cell_that_takes_no_session_not_even_its_own_is_left_alone() -> None:
    """Its clock is wrong, or it is cut off: logins would follow one another for ever."""
    vcd, clock, log = ScriptedVcd(), ManualClock(), Log()

    def answer(request: httpx.Request) -> Outcome | Awaitable[Outcome]:
        clock.time += 0.001
        knows_it = request.url.host == "b.example" or "authorization" not in request.headers
        return vcd(request) if knows_it or request.method == "POST" else reply(401)

    transport = ScriptedTransport(answer)
    line = Line(A, transport, transport, clock, addresses=Addresses((A, B), clock, log))
    sessions = Sessions(line, PasswordCredential("bridge", "secret", "System"), clock, versions=("33.0", "39.1"))
    await sessions.open()
    assert (len(vcd.logins), log.events) == (1, ["vcd.address_failed"])
    await sessions.close()
