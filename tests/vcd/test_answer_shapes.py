"""Every shape of answer, from every class of operation, over sockets: one Task, and the one that VCD made."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from itertools import count

import pytest

from bridge.catalogue.load import load
from bridge.catalogue.operation import AnswerShape
from bridge.core.answers import Accepted, Done, HttpCall, TaskRead
from bridge.core.requests import JsonValue
from bridge.core.task import Task
from bridge.vcd.gateway import HttpGateway
from tests.support.simulator import ACME_VDC, Simulator, acme_vapp, acme_vm, running_simulator
from tests.vcd.test_against_simulator import RealClock, config

CATALOGUE = load()
NUMBERS, CALLS = count(1), count(1)


@pytest.fixture(scope="module")
def cloud() -> Iterator[Simulator]:
    settings = {"strict_states": False}  # what is on may be powered on again
    with running_simulator(task_seconds=0.05, virtual_machines=80, settings=settings) as running:
        yield running


@pytest.fixture(params=["fast", "httpx"])
async def gateway(request: pytest.FixtureRequest, cloud: Simulator) -> AsyncIterator[HttpGateway]:
    made = HttpGateway(config(cloud, request.param), RealClock())
    await made.open()
    yield made
    await made.close()


def calls() -> Iterator[HttpCall]:
    """One call of each class: an action, a create, a change of an entity and of a part of one, a deletion; each on an
    entity of its own."""
    number = next(NUMBERS)
    yield _call("powerOnVApp", acme_vm(number))
    yield _call("composeVApp", ACME_VDC, {"name": f"made-{number}"})
    yield _call("updateVApp", acme_vapp(20 + number), {"name": f"renamed-{number}"})
    yield _call("updateVmCapabilities", acme_vm(40 + number), {"cpuHotAddEnabled": True})
    yield _call("deleteVApp", acme_vapp(60 + number))


def _call(name: str, entity: str, body: dict[str, JsonValue] | None = None) -> HttpCall:
    operation = CATALOGUE[name]
    return HttpCall(
        operation=name, method=operation.method, path=operation.path.replace("{id}", entity), query={}, body=body,
        media_type=operation.media_type, call_id=f"vb-{next(CALLS):032x}-1", organization="acme",
    )  # fmt: skip


async def ended(gateway: HttpGateway, task: Task) -> Task:
    async with asyncio.timeout(10.0):
        while True:
            reading = await gateway.read_task(task.id, task.href)
            assert isinstance(reading, TaskRead), reading
            if reading.task.is_final:
                return reading.task
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("shape", list(AnswerShape))
async def test_every_class_of_operation_may_answer_in_every_shape(
    gateway: HttpGateway, cloud: Simulator, shape: AnswerShape
) -> None:
    for call in calls():
        cloud.script({"preset": "success", "answer": shape}, operation=call.operation)
        answer = await gateway.call(call, leave_by=time.monotonic() + 5.0, may_leave=lambda: True)
        made = next(one["task"] for one in cloud.ledger(changes=True) if one["client_request_id"] == call.call_id)
        if shape is AnswerShape.SYNCHRONOUS:
            assert isinstance(answer, Done), (call.operation, answer)
            assert made is None
            continue
        assert isinstance(answer, Accepted), (call.operation, answer)
        assert answer.task.id == f"urn:vcloud:task:{made}"
        told = shape in (AnswerShape.TASK, AnswerShape.ENTITY)
        assert (answer.task.status is not None) is told, "an address alone says nothing of its state"
        if not told:
            assert (await ended(gateway, answer.task)).status == "success"
