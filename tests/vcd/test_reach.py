"""An outage of VCD is told when it begins and when it is over, and nothing else is taken for one."""

from __future__ import annotations

import asyncio
from typing import Any, Literal

import pytest

from bridge.core.answers import TaskVanished, Unavailable
from bridge.vcd.gateway import HttpGateway
from bridge.vcd.transport.classifier import Verdict
from bridge.vcd.transport.reach import Reach
from tests.support.ports import free_ports
from tests.support.simulator import running_simulator
from tests.vcd.gateway_setup import Setup
from tests.vcd.scripted import LOST, REFUSED, Log, ManualClock, fault, reply
from tests.vcd.test_against_simulator import RealClock, config
from tests.vcd.test_wire import UUID

TASK = f"urn:vcloud:task:{UUID}"
NO_ANSWER = Verdict(never_sent=False, code="no_answer", message="ReadTimeout")


def told(log: Log) -> list[tuple[str, dict[str, Any]]]:
    return [line for line in log.lines if line[0] in {"vcd.unreachable", "vcd.reachable"}]


@pytest.mark.parametrize("transport", ["fast", "httpx"])
async def test_a_vcd_that_goes_and_comes_back(transport: Literal["fast", "httpx"]) -> None:
    (port,) = free_ports(1)
    log = Log()
    with running_simulator(listen=f"127.0.0.1:{port}") as cloud:
        gateway = HttpGateway(config(cloud, transport), RealClock(), log=log)
        await gateway.open()
        assert isinstance(await gateway.read_task(TASK, None), TaskVanished)
    for _ in range(3):
        assert isinstance(await gateway.read_task(TASK, None), Unavailable)
    assert [event for event, _ in told(log)] == ["vcd.unreachable"]
    assert told(log)[0][1]["code"] == "connect_failed"
    with running_simulator(listen=f"127.0.0.1:{port}"):
        await asyncio.gather(*(gateway.read_task(TASK, None) for _ in range(3)))
        assert [event for event, _ in told(log)] == ["vcd.unreachable", "vcd.reachable"]
        await gateway.close()


async def test_one_lost_connection_is_no_outage(setup: Setup) -> None:
    setup.answer(fault(LOST))
    await setup.gateway.read_task(TASK, None)
    assert not told(setup.log)
    setup.answer(fault(REFUSED))
    await setup.gateway.read_task(TASK, None)
    setup.answer(reply(503))
    await setup.gateway.read_task(TASK, None)
    assert [event for event, _ in told(setup.log)] == ["vcd.unreachable", "vcd.reachable"], "a refusal is an answer"


async def test_one_slow_call_among_answers_is_no_outage() -> None:
    clock, log = ManualClock(), Log()
    reach = Reach(clock, log)
    began = clock.monotonic()
    await clock.advance(10)
    reach.answered()
    await clock.advance(20)
    reach.unanswered(began, NO_ANSWER)
    assert not told(log)
    reach.unanswered(clock.monotonic() - 15, NO_ANSWER)
    await clock.advance(7)
    reach.answered()
    assert told(log) == [
        ("vcd.unreachable", {"code": "no_answer", "reason": "ReadTimeout"}),
        ("vcd.reachable", {"after_seconds": 7.0}),
    ]
