"""The gateway against a Cloud Director in another process, over both transports, with faults on the wire."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import inf
from typing import Literal

import pytest

from bridge.catalogue.load import load as catalogue
from bridge.core.answers import (
    Accepted,
    BlockingAbsent,
    BlockingPage,
    BlockingRead,
    Busy,
    CallAnswer,
    CancelAnswer,
    Done,
    EntityAbsent,
    EntityRead,
    HttpCall,
    Limited,
    NeverSent,
    OutcomeUnknown,
    Refused,
    SessionExpired,
    TaskPage,
    TaskQuery,
    TaskRead,
    TaskVanished,
    Unavailable,
)
from bridge.core.proof import probe_says
from bridge.core.task import Task
from bridge.errors import ConfigurationError, TemporaryError
from bridge.simulator.state.founding.inventory import PASSWORD
from bridge.vcd.config import VcdConfig
from bridge.vcd.gateway import HttpGateway
from tests.support.simulator import ACME_ORG, ACME_VAPP, ACME_VDC, BETA_ORG, Simulator, acme_vm, running_simulator

PUBLIC = "https://cloud.example:8443"


class RealClock:
    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def random(self) -> float:
        return random.random()


@pytest.fixture(scope="module")
def cloud() -> Iterator[Simulator]:
    """Its hrefs name another host than the one dialled."""
    settings = {"strict_states": False}  # what is on may be powered on again
    with running_simulator(task_seconds=0.3, virtual_machines=80, public_url=PUBLIC, settings=settings) as running:
        yield running


def config(cloud: Simulator, transport: Literal["fast", "httpx"] = "fast") -> VcdConfig:
    return VcdConfig(
        url=cloud.url, username="administrator", password=PASSWORD, transport=transport, answer_timeout=0.8,
        connect_timeout=0.5,
    )  # fmt: skip


@pytest.fixture(params=["fast", "httpx"])
async def gateway(request: pytest.FixtureRequest, cloud: Simulator) -> AsyncIterator[HttpGateway]:
    cloud.clear_faults()
    made = HttpGateway(config(cloud, request.param), RealClock())
    await made.open()
    yield made
    await made.close()


VMS = iter(range(1, 81))
CALLS = iter(range(1, 10_000))


def power_on(vm: str | None = None) -> HttpCall:
    """A call on a VM of its own."""
    return HttpCall(
        operation="powerOn", method="POST", path=f"/vApp/{vm or acme_vm(next(VMS))}/power/action/powerOn", query={},
        body=None, media_type=None, call_id=f"vb-{next(CALLS):032x}-1", organization="acme",
    )  # fmt: skip


async def make(gateway: HttpGateway, call: HttpCall) -> CallAnswer:
    return await gateway.call(call, leave_by=time.monotonic() + 5.0, may_leave=lambda: True)


async def accepted(gateway: HttpGateway, call: HttpCall) -> Task:
    answer = await make(gateway, call)
    assert isinstance(answer, Accepted), answer
    return answer.task


async def ended(gateway: HttpGateway, task: Task) -> Task:
    async with asyncio.timeout(10.0):
        while True:
            reading = await gateway.read_task(task.id, task.href)
            assert isinstance(reading, TaskRead), reading
            if reading.task.is_final:
                return reading.task
            await asyncio.sleep(0.05)


def seen(cloud: Simulator, call: HttpCall) -> int:
    """How often the ledger has the call."""
    return sum(call.call_id in str(entry) for entry in cloud.ledger(changes=True))


async def test_a_call_and_its_task_to_the_end(gateway: HttpGateway, cloud: Simulator) -> None:
    call = power_on()
    answer = await make(gateway, call)
    assert isinstance(answer, Accepted)
    assert answer.vcd_request_id is not None
    assert answer.vcd_request_id.startswith(call.call_id)
    last = await ended(gateway, answer.task)
    assert last.status == "success"
    assert last.href is not None
    assert last.href.startswith(PUBLIC)
    assert "cloud.example:8443" in gateway.own_hosts
    assert seen(cloud, call) == 1


async def test_a_create_with_its_task_inside(gateway: HttpGateway, cloud: Simulator) -> None:
    """201 with the new entity, and the Task in its list."""
    number = next(CALLS)
    call = HttpCall(
        operation="composeVApp", method="POST", path=f"/vdc/{ACME_VDC}/action/composeVApp", query={},
        body={"name": f"shop-{number}"}, media_type="application/vnd.vmware.vcloud.composeVAppParams+json",
        call_id=f"vb-{number:032x}-1", organization="acme",
    )  # fmt: skip
    answer = await make(gateway, call)
    assert isinstance(answer, Accepted)
    assert answer.http_status == 201
    assert (await ended(gateway, answer.task)).status == "success"
    created = next(entry for entry in cloud.ledger(changes=True) if call.call_id == entry["client_request_id"])
    assert answer.task.id == f"urn:vcloud:task:{created['task']}"
    owner = answer.task.document["owner"]
    assert owner is not None
    reading = await gateway.read_entity(f"/vApp/vapp-{(owner['id'] or '')[-36:]}", "acme")
    assert isinstance(reading, EntityRead)
    assert reading.document["name"] == f"shop-{number}"
    assert [task.id for task in reading.tasks] == [answer.task.id]


async def test_a_reading_tells_the_servers_time(gateway: HttpGateway) -> None:
    reading = await gateway.read_entity(f"/vApp/{ACME_VAPP}", "acme")
    assert isinstance(reading, EntityRead)
    assert reading.server_time is not None
    assert abs(reading.server_time - datetime.now(UTC)) < timedelta(minutes=1)


async def test_a_busy_entity_names_its_task(gateway: HttpGateway, cloud: Simulator) -> None:
    vm = acme_vm(next(VMS))
    first = await accepted(gateway, power_on(vm))
    second = await make(gateway, power_on(vm))
    assert isinstance(second, Busy)
    assert second.task_id == first.id
    cloud.settings(old_busy_text=True)
    third = await make(gateway, power_on(vm))
    cloud.settings(old_busy_text=False)
    assert isinstance(third, Busy)


async def test_queries_by_id_by_window_and_by_status(gateway: HttpGateway) -> None:
    began = datetime.now(UTC) - timedelta(seconds=5)
    tasks = [await accepted(gateway, power_on()) for _ in range(3)]
    for task in tasks:
        await ended(gateway, task)
    ids = tuple(task.id for task in tasks)
    by_id = await gateway.query_tasks(TaskQuery(ids=ids))
    assert isinstance(by_id, TaskPage)
    assert {record.id for record in by_id.records} == set(ids)
    assert {record.owner_name for record in by_id.records} == {gateway.user_name}
    window = TaskQuery(
        own_only=True, statuses=("success", "canceled"), ended_at_or_after=began, sort_ascending="endDate", page_size=2
    )
    found: list[str] = []
    for number in range(1, 20):
        page = await gateway.query_tasks(replace(window, page=number))
        assert isinstance(page, TaskPage)
        assert page.server_time is not None
        found += [record.id for record in page.records]
        if len(found) >= page.total:
            break
    assert set(ids) <= set(found)
    running = await gateway.query_tasks(TaskQuery(ids=ids, statuses=("running",)))
    assert isinstance(running, TaskPage)
    assert running.records == ()


async def test_cancel(gateway: HttpGateway) -> None:
    task = await accepted(gateway, power_on())
    assert (
        await gateway.cancel_task(task.id, "vb-0-1-cancel", leave_by=inf, may_leave=lambda: True)
        is CancelAnswer.REQUESTED
    )
    last = await ended(gateway, task)
    assert last.cancel_requested
    unknown = f"urn:vcloud:task:{ACME_ORG}"
    assert (
        await gateway.cancel_task(unknown, "vb-0-1-cancel", leave_by=inf, may_leave=lambda: True)
        is CancelAnswer.REFUSED
    )


@pytest.mark.parametrize("transport", ["fast", "httpx"])
async def test_a_cancel_leaves_within_its_lease_however_long_reads_may_wait(
    cloud: Simulator, transport: Literal["fast", "httpx"]
) -> None:
    cloud.clear_faults()
    given = replace(config(cloud, transport), answer_timeout=30.0, connect_timeout=5.0)
    gateway = HttpGateway(given, RealClock())
    await gateway.open()
    task = await accepted(gateway, power_on())
    asked = await gateway.cancel_task(
        task.id, "vb-0-1-cancel", leave_by=time.monotonic() + given.lease, may_leave=lambda: True
    )
    assert asked is CancelAnswer.REQUESTED
    await gateway.close()


async def test_a_cancel_whose_lease_is_over_does_not_leave(gateway: HttpGateway, cloud: Simulator) -> None:
    task = await accepted(gateway, power_on())
    late = await gateway.cancel_task(task.id, "vb-0-1-late", leave_by=time.monotonic() - 0.001, may_leave=lambda: True)
    assert late is CancelAnswer.UNAVAILABLE
    assert [one for one in cloud.ledger() if one["client_request_id"] == "vb-0-1-late"] == []


async def test_a_cancel_that_may_not_leave_any_more_does_not(gateway: HttpGateway, cloud: Simulator) -> None:
    task = await accepted(gateway, power_on())
    held = await gateway.cancel_task(task.id, "vb-0-1-held", leave_by=inf, may_leave=lambda: False)
    assert held is CancelAnswer.UNAVAILABLE
    assert [one for one in cloud.ledger() if one["client_request_id"] == "vb-0-1-held"] == []


async def test_a_task_that_vanished(gateway: HttpGateway, cloud: Simulator) -> None:
    task = await accepted(gateway, power_on())
    cloud.force_task(task.id.rsplit(":", 1)[1], vanish=True)
    assert isinstance(await gateway.read_task(task.id, None), TaskVanished)


async def test_an_entity_that_is_not_there(gateway: HttpGateway) -> None:
    absent = acme_vm(1)[:-1] + "f"
    assert isinstance(await gateway.read_entity(f"/vApp/{absent}", "acme"), EntityAbsent)
    assert isinstance(await make(gateway, power_on(absent)), Refused)


async def test_an_unknown_organization_leaves_the_session_alone(gateway: HttpGateway) -> None:
    found = await make(gateway, replace(power_on(), organization="nobody"))
    assert isinstance(found, Refused)
    assert gateway.session_ready


@pytest.mark.parametrize("organization", [ACME_ORG, f"urn:vcloud:org:{ACME_ORG}", "ACME"])
async def test_an_organization_in_every_spelling(gateway: HttpGateway, cloud: Simulator, organization: str) -> None:
    call = replace(power_on(), organization=organization)
    await accepted(gateway, call)
    (entry,) = [one for one in cloud.ledger(changes=True) if one["client_request_id"] == call.call_id]
    assert entry["tenant_context"] == ACME_ORG


async def test_sessions_that_end_are_replaced(gateway: HttpGateway, cloud: Simulator) -> None:
    await accepted(gateway, power_on())  # from here on the organization is known and needs no look
    cloud.expire_sessions()
    call = power_on()
    assert isinstance(await make(gateway, call), SessionExpired)
    async with asyncio.timeout(5.0):
        while not gateway.session_ready:
            await asyncio.sleep(0.01)
    task = await accepted(gateway, replace(call, call_id=call.call_id[:-1] + "2"))
    cloud.expire_sessions()
    readings = await asyncio.gather(*(gateway.read_task(task.id, None) for _ in range(20)))
    assert all(isinstance(reading, TaskRead) for reading in readings)


@pytest.mark.parametrize("effect", [True, False])
@pytest.mark.parametrize("do", ["drop", "reset", "hang"])
async def test_lost_answers_are_unknown_whether_or_not_the_call_took_effect(
    gateway: HttpGateway, cloud: Simulator, do: str, effect: bool
) -> None:
    call = power_on()
    cloud.fault(do=do, effect=effect, path="power/action/powerOn")
    found = await make(gateway, call)
    assert isinstance(found, OutcomeUnknown), found
    assert seen(cloud, call) == 1


async def test_half_an_answer_is_unknown(gateway: HttpGateway, cloud: Simulator) -> None:
    cloud.fault(do="truncate", path="power/action/powerOn")
    assert isinstance(await make(gateway, power_on()), Accepted | OutcomeUnknown)


async def test_statuses_on_the_way(gateway: HttpGateway, cloud: Simulator) -> None:
    expected: dict[int, type[object]] = {429: Limited, 500: OutcomeUnknown, 502: OutcomeUnknown, 503: OutcomeUnknown}
    for status, kind in expected.items():
        cloud.fault(do="status", status=status, path="power/action/powerOn")
        assert isinstance(await make(gateway, power_on(acme_vm(1))), kind)


async def test_a_limit_with_an_end_holds_everything_until_then(gateway: HttpGateway, cloud: Simulator) -> None:
    task = await accepted(gateway, power_on())
    cloud.fault(do="status", status=429, retry_after=30, path="power/action/powerOn")
    found = await make(gateway, power_on())
    assert isinstance(found, Limited)
    assert found.retry_after == timedelta(seconds=30)
    before = len(cloud.ledger())
    held = await make(gateway, power_on())
    assert isinstance(held, Limited)
    assert held.retry_after is not None
    assert timedelta(seconds=25) < held.retry_after < timedelta(seconds=30)
    readings = await asyncio.gather(*(gateway.read_task(task.id, None) for _ in range(100)))
    assert all(isinstance(reading, Unavailable) and reading.retry_after is not None for reading in readings)
    assert len(cloud.ledger()) == before


async def test_cancels_that_vcd_does_not_answer_take_nothing_from_calls(cloud: Simulator) -> None:
    cloud.clear_faults()
    gateway = HttpGateway(replace(config(cloud), max_concurrent_calls=2, answer_timeout=1.0), RealClock())
    await gateway.open()
    tasks = [await accepted(gateway, power_on()) for _ in range(2)]
    before = len(cloud.ledger())
    cloud.fault(do="hang", path="action/cancel", times=None)
    cancels = [
        asyncio.ensure_future(gateway.cancel_task(task.id, "vb-0-1-cancel", leave_by=inf, may_leave=lambda: True))
        for task in tasks
    ]
    async with asyncio.timeout(5.0):
        while len(cloud.ledger()) < before + 2:
            await asyncio.sleep(0.01)
    assert isinstance(await make(gateway, power_on()), Accepted)
    cloud.clear_faults()
    await asyncio.gather(*cancels)
    await gateway.close()


async def test_the_configured_rate_is_what_vcd_sees(cloud: Simulator) -> None:
    cloud.clear_faults()
    gateway = HttpGateway(replace(config(cloud), max_per_second=100.0), RealClock())
    await gateway.open()
    task = await accepted(gateway, power_on())
    before, began = len(cloud.ledger()), time.monotonic()
    readings = await asyncio.gather(*(gateway.read_task(task.id, None) for _ in range(100)))
    assert all(isinstance(reading, TaskRead) for reading in readings)
    assert len(cloud.ledger()) == before + 100
    assert time.monotonic() - began > 0.7, "a quarter of a second's worth at once, the rest at the rate"
    await gateway.close()


async def test_the_clock_of_vcd_is_known_from_the_login_on(gateway: HttpGateway) -> None:
    assert gateway.clock_ahead is not None
    assert abs(gateway.clock_ahead) < timedelta(seconds=5)


async def test_reads_survive_a_dropped_connection(gateway: HttpGateway, cloud: Simulator) -> None:
    task = await accepted(gateway, power_on())
    cloud.fault(do="drop", path=f"task/{task.id.rsplit(':', 1)[1]}")
    assert isinstance(await gateway.read_task(task.id, None), TaskRead)
    cloud.fault(do="hang", path=f"task/{task.id.rsplit(':', 1)[1]}")
    assert isinstance(await gateway.read_task(task.id, None), Unavailable)


@pytest.mark.parametrize("transport", ["fast", "httpx"])
async def test_many_reads_and_calls_at_once(transport: Literal["fast", "httpx"], cloud: Simulator) -> None:
    cloud.clear_faults()
    gateway = HttpGateway(replace(config(cloud, transport), answer_timeout=30.0), RealClock())
    await gateway.open()
    try:
        task = await accepted(gateway, power_on())
        before = len(cloud.ledger())
        readings = await asyncio.gather(*(gateway.read_task(task.id, None) for _ in range(100)))
        assert all(isinstance(reading, TaskRead) for reading in readings)
        assert len(cloud.ledger()) == before + 100
    finally:
        await gateway.close()


async def test_a_late_call_does_not_leave(gateway: HttpGateway, cloud: Simulator) -> None:
    call = power_on()
    found = await gateway.call(call, leave_by=time.monotonic(), may_leave=lambda: True)
    assert isinstance(found, NeverSent)
    assert found.code == "lease_expired"
    assert seen(cloud, call) == 0


async def test_what_the_state_of_a_vapp_says_about_a_lost_deploy() -> None:
    """Deployed without power, it is not said not to have happened; one VM of two deployed, it is not said to have."""
    probe = catalogue()["deployVApp"].probe
    assert probe is not None

    with running_simulator(task_seconds=0.1, virtual_machines=2) as cloud:
        gateway = HttpGateway(config(cloud), RealClock())
        await gateway.open()

        async def says(entity: str) -> bool | None:
            reading = await gateway.read_entity(f"/vApp/{entity}", "acme")
            assert isinstance(reading, EntityRead)
            return probe_says(probe, reading.document, {}, {"id": entity})

        assert [await says(one) for one in (acme_vm(1), acme_vm(2), ACME_VAPP)] == [False, False, False]
        path, kind = f"/vApp/{acme_vm(1)}/action/deploy", "application/vnd.vmware.vcloud.deployVAppParams+json"
        call = replace(power_on(acme_vm(1)), path=path, body={"powerOn": False}, media_type=kind)
        assert (await ended(gateway, await accepted(gateway, call))).status == "success"
        assert [await says(one) for one in (acme_vm(1), acme_vm(2), ACME_VAPP)] == [None, False, None]
        await gateway.close()


# --- opening ----------------------------------------------------------------------------------------------------------


async def opened(settings: VcdConfig) -> HttpGateway:
    gateway = HttpGateway(settings, RealClock())
    try:
        await gateway.open()
    finally:
        await gateway.close()
    return gateway


async def test_wrong_credentials(cloud: Simulator) -> None:
    with pytest.raises(ConfigurationError, match=r"administrator@System"):
        await opened(replace(config(cloud), password="wrong"))
    with pytest.raises(ConfigurationError, match="API token"):
        await opened(replace(config(cloud), username=None, password=None, api_token="wrong"))


@pytest.mark.parametrize(("organization", "user"), [("System", "administrator"), ("acme", "admin")])
async def test_an_api_token(cloud: Simulator, organization: str, user: str) -> None:
    token = f"api-token-{user}-{organization.lower()}"
    settings = VcdConfig(url=cloud.url, organization=organization, api_token=token)
    gateway = HttpGateway(settings, RealClock())
    await gateway.open()
    assert gateway.user_name == user
    assert isinstance(await gateway.query_tasks(TaskQuery(own_only=True)), TaskPage)
    await gateway.close()


async def test_nobody_there() -> None:
    settings = VcdConfig(url="http://127.0.0.1:9", username="u", password="p")
    with pytest.raises(TemporaryError, match="cannot be reached"):
        await opened(settings)


async def test_the_version_is_capped(cloud: Simulator) -> None:
    gateway = HttpGateway(replace(config(cloud), api_version_max="37.5"), RealClock())
    await gateway.open()
    assert gateway.api_version == "37.3"
    await gateway.close()
    with pytest.raises(ConfigurationError, match=r"39\.1"):
        await opened(replace(config(cloud), api_version_max="34.0"))


async def test_a_tenant(cloud: Simulator) -> None:
    gateway = HttpGateway(replace(config(cloud), organization="acme", username="admin"), RealClock())
    await gateway.open()
    assert gateway.user_name == "admin"
    task = await accepted(gateway, power_on())
    page = await gateway.query_tasks(TaskQuery(own_only=True, ids=(task.id,)))
    assert isinstance(page, TaskPage)
    assert [record.id for record in page.records] == [task.id]
    await gateway.close()


async def test_a_blocking_task_is_listed_read_and_gone(gateway: HttpGateway, cloud: Simulator) -> None:
    cloud.settings(blocking_operations=["powerOnVApp"])
    try:
        held = await accepted(gateway, power_on())
    finally:
        cloud.settings(blocking_operations=[])
    page = await gateway.query_blocking_tasks(1)
    assert isinstance(page, BlockingPage)
    (row,) = page.records
    reading = await gateway.read_blocking_task(row.id)
    assert isinstance(reading, BlockingRead)
    whole = reading.blocking
    for one in (row, whole):
        assert one.task is not None
        assert one.task.id == held.id
        assert one.operation == held.document["operationName"]
        assert one.organization is not None
        assert (one.organization["name"], one.timeout_action) == ("acme", "resume")
    assert (whole.created, whole.timeout) == (row.created, row.timeout)
    assert whole.owner is not None
    assert held.document["owner"] is not None
    assert whole.owner["name"] == held.document["owner"]["name"], "only it tells what the held Task works on"
    answer = await make(
        gateway,
        HttpCall(
            operation="resumeBlockingTask", method="POST", query={}, body={"message": "m"},
            call_id=f"vb-{next(CALLS):032x}-1",
            path=f"/admin/extension/blockingTask/{row.id.rpartition(':')[2]}/action/resume", organization=None,
            media_type="application/vnd.vmware.admin.blockingTaskOperationParams+json",
        ),
    )  # fmt: skip
    assert isinstance(answer, Done)
    assert isinstance(await gateway.read_blocking_task(row.id), BlockingAbsent)
    page = await gateway.query_blocking_tasks(1)
    assert isinstance(page, BlockingPage)
    assert page.total == 0


async def test_the_tasks_of_some_organizations(gateway: HttpGateway, cloud: Simulator) -> None:
    task = await accepted(gateway, power_on())
    for organizations, shown in (((ACME_ORG,), True), ((BETA_ORG, ACME_ORG), True), ((BETA_ORG,), False)):
        page = await gateway.query_tasks(TaskQuery(ids=(task.id,), organizations=organizations))
        assert isinstance(page, TaskPage)
        assert [(row.id, row.organization) for row in page.records] == ([(task.id, ACME_ORG)] if shown else [])
