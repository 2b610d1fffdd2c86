"""One VCD behind several addresses: real cells go down and come back under load, over both transports."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import pytest

from bridge.core.answers import Accepted, CallAnswer, EntityRead, HttpCall, OutcomeUnknown, Unavailable
from bridge.simulator.server import serve_in_thread
from bridge.vcd.config import VcdConfig
from bridge.vcd.gateway import HttpGateway
from bridge.vcd.transport import addresses
from tests.support.simulator import ACME_VAPP, Simulator
from tests.vcd.test_against_simulator import RealClock

CALLS = iter(range(1, 100_000))
PATH = f"/vApp/{ACME_VAPP}"


@dataclass(slots=True)
class Site:
    """A simulator of three cells and a gateway that knows all of them."""

    cloud: Simulator
    urls: list[str]
    gateway: HttpGateway

    async def admin(self, method: str, path: str, body: Any = None) -> Any:
        return await asyncio.to_thread(self.cloud.admin, method, path, body)

    async def down(self, number: int, **how: Any) -> None:
        await self.admin("POST", "faults", {"do": "refuse", "cell": f"cell-{number}", **how})

    async def call(self) -> tuple[str, CallAnswer, float]:
        """A deploy of an entity of its own: its call id, the answer and the seconds that it took."""
        number = next(CALLS)
        call = HttpCall(
            operation="powerOnVApp", method="POST", query={}, body=None, media_type=None, call_id=f"vb-{number:032x}-1",
            path=f"/vApp/vm-00000000-0000-4000-8000-{number:012d}/power/action/powerOn", organization=None,
        )  # fmt: skip
        began = time.monotonic()
        answer = await self.gateway.call(call, leave_by=began + 5.0, may_leave=lambda: True)
        return call.call_id, answer, time.monotonic() - began

    async def read(self) -> float:
        """Seconds that a read took which succeeded."""
        began = time.monotonic()
        reading = await self.gateway.read_entity(PATH, None)
        assert isinstance(reading, EntityRead), reading
        return time.monotonic() - began

    async def effects(self) -> Counter[str]:
        """How often each call took effect, by its id."""
        found = await self.admin("GET", "ledger?changes=true")
        return Counter(entry["client_request_id"] for entry in found["entries"] if entry["effect"])

    async def last_cell(self) -> str:
        return str((await self.admin("GET", "ledger"))["entries"][-1]["cell"])


@pytest.fixture(scope="module")
def cloud() -> Iterator[Simulator]:
    with serve_in_thread(cells=4) as (url, _director):
        simulator = Simulator(url)
        simulator.settings(lenient_entities=True, strict_states=False, task_seconds=0)
        yield simulator


@pytest.fixture(params=["fast", "httpx"])
async def site(request: pytest.FixtureRequest, cloud: Simulator) -> AsyncIterator[Site]:
    """The tests ask ``cloud``'s first cell to take the other three, which the gateway knows, down."""
    urls = [cell["url"] for cell in cloud.admin("GET", "cells")][1:]
    gateway = HttpGateway(config(urls, request.param), RealClock())
    await gateway.open()
    made = Site(cloud, urls, gateway)
    yield made
    await made.gateway.close()
    cloud.clear_faults()


def config(urls: list[str], transport: Literal["fast", "httpx"], seconds: float = 0.4) -> VcdConfig:
    return VcdConfig(
        url=urls[0], further_urls=tuple(urls[1:]), username="administrator", password="secret",  # the simulator's
        transport=transport, answer_timeout=seconds, connect_timeout=0.75 * seconds,
    )  # fmt: skip


async def test_a_dead_cell_costs_neither_a_call_nor_a_read(site: Site, request: pytest.FixtureRequest) -> None:
    """No time-out of the two, which are longer here than any machine is busy."""
    await site.gateway.close()
    site.gateway = HttpGateway(config(site.urls, request.node.callspec.params["site"], 8.0), RealClock())
    await site.gateway.open()
    await site.down(2)
    call_id, answer, seconds = await site.call()
    assert isinstance(answer, Accepted), answer
    assert await site.last_cell() == "cell-3"
    assert (await site.effects())[call_id] == 1
    assert max(seconds, await site.read()) < 6.0


async def test_the_first_is_taken_again_when_it_is_back(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(addresses, "FIRST_REST_SECONDS", 0.3)
    await site.down(2, **{"for": 0.2})
    await site.read()
    assert await site.last_cell() == "cell-3"
    async with asyncio.timeout(10):
        while await site.last_cell() != "cell-2":
            await asyncio.sleep(0.1)
            await site.read()
    _, answer, _ = await site.call()
    assert isinstance(answer, Accepted), answer
    assert await site.last_cell() == "cell-2"


async def test_a_login_finds_a_cell_that_is_up(site: Site, cloud: Simulator) -> None:
    await site.down(2)
    await site.down(3)
    again = HttpGateway(config(site.urls, "fast"), RealClock())
    await again.open()
    assert await site.last_cell() == "cell-4"
    await again.close()


async def test_one_session_is_good_in_all(site: Site) -> None:
    before = (await site.admin("GET", "state"))["sessions"]["logins"]
    for number in (2, 3):
        await site.down(number)
        await site.read()
    assert await site.last_cell() == "cell-4"
    assert (await site.admin("GET", "state"))["sessions"]["logins"] == before


@pytest.mark.parametrize(
    "fault",
    [
        {"do": "hang"},
        {"do": "reset"},
        {"do": "status", "status": 500},
        {"preset": "starting"},
        {"preset": "maintenance"},
    ],
)
async def test_a_cell_that_is_up_and_useless_costs_one_read_a_wait(site: Site, fault: dict[str, Any]) -> None:
    await site.admin("POST", "faults", {**fault, "cell": "cell-2", "times": None})
    assert await site.read() < 2.0
    assert [await site.read() < 0.4 for _ in range(3)] == [True] * 3
    call_id, answer, seconds = await site.call()
    assert isinstance(answer, Accepted), answer
    assert seconds < 0.4
    assert (await site.effects())[call_id] == 1


async def test_an_unknown_outcome_is_never_tried_elsewhere(site: Site) -> None:
    await site.admin("POST", "faults", {"preset": "lost-answer", "cell": "cell-2", "operation": "powerOnVApp"})
    call_id, answer, _ = await site.call()
    assert isinstance(answer, OutcomeUnknown), answer
    assert (await site.effects())[call_id] == 1
    found = await site.admin("GET", "ledger?changes=true")
    assert sum(entry["client_request_id"] == call_id for entry in found["entries"]) == 1


async def test_cells_die_and_return_under_load(site: Site) -> None:
    """Nothing is lost, nothing is made twice, nobody waits for the dead."""
    answers: list[tuple[str, CallAnswer, float]] = []
    waits: list[float] = []
    over = asyncio.Event()

    async def caller() -> None:
        while not over.is_set():
            answers.append(await site.call())

    async def reader() -> None:
        while not over.is_set():
            waits.append(await site.read())

    load = [asyncio.create_task(one()) for one in (*[caller] * 6, *[reader] * 2)]
    for number in (2, 3, 4, 2):
        await asyncio.sleep(0.1)
        await site.down(number, **{"for": 0.35})
        await asyncio.sleep(0.1)
    over.set()
    await asyncio.gather(*load)

    effects = await site.effects()
    for call_id, answer, _ in answers:
        assert isinstance(answer, Accepted | OutcomeUnknown), answer
        assert effects[call_id] == 1 if isinstance(answer, Accepted) else effects[call_id] <= 1
    assert sum(isinstance(answer, OutcomeUnknown) for _, answer, _ in answers) <= 6 * 4, (
        "what was on its way at a death"
    )
    assert len(answers) > 6 * 4, "not all of them may be unknown"
    # Two silent cells cost at most two time-outs of 0.7 s; the rest is room for a busy machine.
    assert max(waits + [seconds for _, _, seconds in answers]) < 4.0
    used = {entry["cell"] for entry in (await site.admin("GET", "ledger?changes=true"))["entries"]}
    assert used >= {"cell-2", "cell-3"}


async def test_with_all_down_it_is_told_and_over_when_one_is_back(site: Site) -> None:
    for number in (2, 3, 4):
        await site.down(number)
    assert isinstance(await site.gateway.read_entity(PATH, None), Unavailable)
    await site.admin("DELETE", "faults")
    async with asyncio.timeout(10):
        while isinstance(await site.gateway.read_entity(PATH, None), Unavailable):
            await asyncio.sleep(0.05)


async def test_one_read_waits_for_two_that_hang_and_no_more(site: Site) -> None:
    for number in (2, 3, 4):
        await site.admin("POST", "faults", {"do": "hang", "cell": f"cell-{number}", "times": None, "method": "GET"})
    began = time.monotonic()
    assert isinstance(await site.gateway.read_entity(PATH, None), Unavailable)
    took = time.monotonic() - began
    asked = [entry["cell"] for entry in (await site.admin("GET", "ledger"))["entries"] if entry["fault"] == "hang"][-2:]
    assert asked == ["cell-2", "cell-3"]
    assert took < 2.0
