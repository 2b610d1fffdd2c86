"""Callers that are canceled in the middle of an exchange: stock pools lose a connection's slot that way, for good."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from itertools import count

import pytest

from bridge.core.answers import Accepted, CallAnswer, EntityRead, HttpCall
from bridge.vcd.gateway import HttpGateway
from tests.support.simulator import Simulator, acme_vm, running_simulator
from tests.vcd.test_against_simulator import RealClock, config

CONNECTIONS = 6
"""Of each kind: far fewer than are canceled, so that none may be lost."""
ROUNDS_OF_READS = 20
ROUNDS_OF_CALLS = 2
PATH = f"/vApp/{acme_vm(1)}"
NUMBERS = count(1)


@pytest.fixture(scope="module")
def cloud() -> Iterator[Simulator]:
    settings = {"strict_states": False}  # what is on may be powered on again
    machines = 4 * CONNECTIONS * ROUNDS_OF_CALLS
    with running_simulator(task_seconds=0.1, virtual_machines=machines, settings=settings) as running:
        yield running


@pytest.fixture(params=["fast", "httpx"])
async def gateway(request: pytest.FixtureRequest, cloud: Simulator) -> AsyncIterator[HttpGateway]:
    given = replace(config(cloud, request.param), answer_timeout=10.0)
    given = replace(given, max_concurrent_calls=CONNECTIONS, max_concurrent_reads=CONNECTIONS)
    made = HttpGateway(given, RealClock())
    await made.open()
    assert isinstance(await made.read_entity(PATH, "acme"), EntityRead)  # from here on it knows the organization
    yield made
    await made.close()


async def test_reads_that_are_canceled_take_no_connection_with_them(gateway: HttpGateway) -> None:
    chance = random.Random(1)  # a seed, not a secret

    async def given_up() -> bool:
        reading = asyncio.ensure_future(gateway.read_entity(PATH, "acme"))
        await asyncio.wait([reading], timeout=chance.choice((0.0, 0.001, 0.003, 0.006)))
        return reading.cancel()

    canceled = 0
    for _ in range(ROUNDS_OF_READS):
        canceled += sum(await asyncio.gather(*(given_up() for _ in range(CONNECTIONS))))
    assert canceled > ROUNDS_OF_READS
    found = await asyncio.gather(*(gateway.read_entity(PATH, "acme") for _ in range(40)))
    assert all(isinstance(one, EntityRead) for one in found), found


async def test_calls_that_are_canceled_arrive_once_and_take_no_connection_with_them(
    gateway: HttpGateway, cloud: Simulator
) -> None:
    def power_on() -> HttpCall:
        number = next(NUMBERS)
        return HttpCall(
            operation="powerOn", method="POST", path=f"/vApp/{acme_vm(number)}/power/action/powerOn", query={},
            body=None, media_type=None, call_id=f"vb-{number:032x}-1", organization="acme",
        )  # fmt: skip

    def make(call: HttpCall, leaves: asyncio.Event) -> asyncio.Task[CallAnswer]:
        def may_leave() -> bool:
            leaves.set()
            return True

        return asyncio.ensure_future(gateway.call(call, leave_by=time.monotonic() + 10.0, may_leave=may_leave))

    async def given_up() -> str:
        call, leaves = power_on(), asyncio.Event()
        calling = make(call, leaves)
        await leaves.wait()
        assert calling.cancel()
        return call.call_id

    async def arrived(ids: set[str]) -> Counter[str]:
        async with asyncio.timeout(10.0):
            while True:
                rows = await asyncio.to_thread(cloud.ledger, changes=True)
                found = Counter(row["client_request_id"] for row in rows)
                if ids <= set(found):
                    return found
                await asyncio.sleep(0.01)  # the ledger is polled: there is nothing to be woken by

    ids: set[str] = set()
    for _ in range(ROUNDS_OF_CALLS):
        ids |= set(await asyncio.gather(*(given_up() for _ in range(CONNECTIONS))))
        await arrived(ids)
    for _ in range(ROUNDS_OF_CALLS):
        answers = await asyncio.gather(*(make(power_on(), asyncio.Event()) for _ in range(CONNECTIONS)))
        assert all(isinstance(one, Accepted) for one in answers), answers
    found = await arrived(ids)
    assert {found[call_id] for call_id in ids} == {1}
