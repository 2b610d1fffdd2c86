"""The calls of external tasks, POST /tasksList/{id} and PUT /task/{id}: what they send and what their answers mean."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from itertools import count

import pytest

from bridge.core.answers import (
    Accepted,
    Busy,
    CallAnswer,
    Done,
    HttpCall,
    Limited,
    NeverSent,
    OutcomeUnknown,
    ReferenceAbsent,
    ReferenceKind,
    ReferenceRead,
    Refused,
    SessionExpired,
    TaskPage,
    TaskQuery,
    TaskRead,
)
from bridge.core.requests import JsonValue
from bridge.core.task import ReferenceDocument, Task
from bridge.simulator.state.founding.inventory import well_known_uuid
from bridge.vcd.gateway import HttpGateway
from bridge.vcd.transport.classifier import Verdict
from bridge.vcd.transport.transports import Head, Reply, TransportFault
from tests.support.simulator import ACME_ORG, BETA_ORG, Simulator, acme_vm, running_simulator
from tests.vcd.gateway_setup import FORBIDDEN, Setup
from tests.vcd.peer import Exchange, Script, after_reading, listening, sending
from tests.vcd.scripted import LOST, REFUSED, Outcome, fault, reply
from tests.vcd.sending import Make, fault_of, post
from tests.vcd.test_against_simulator import RealClock, config, make
from tests.vcd.test_wire import NULL_FILLED, UUID

MEDIA = "application/vnd.vmware.vcloud.task+json"
NAMESPACE = "com.example.change"
ACME_USER = well_known_uuid("user", "acme")
ADMINISTRATOR = well_known_uuid("user", "System")
WHOLE: dict[str, JsonValue] = {
    **NULL_FILLED, "serviceNamespace": NAMESPACE, "status": "error", "progress": 40, "details": "step 2 of 5",
    "error": {"message": "no", "majorErrorCode": 500, "minorErrorCode": "X", "tenantError": {"message": "sorry"}},
    "result": {"resultContent": {"a": 1}, "resultReference": {"href": "https://h/api/vApp/1"}},
}  # fmt: skip
CALLS = {"POST": f"/tasksList/{ACME_ORG}", "PUT": f"/task/{UUID}"}
NUMBERS = count(1)

methods = pytest.mark.parametrize("method", CALLS)


async def call(setup: Setup, method: str, outcome: Outcome) -> object:
    setup.answer(outcome)
    made = await setup.call(method=method, path=CALLS[method], body={"name": "task"}, media_type=MEDIA)
    assert len(setup.calls.requests) == 1, "no call is made twice"
    return made


# --- answers ----------------------------------------------------------------------------------------------------------


@methods
async def test_200_with_the_task_is_the_whole_task(setup: Setup, method: str) -> None:
    found = await call(setup, method, reply(200, WHOLE, content_type=f"{MEDIA};version=38.1"))
    assert isinstance(found, Accepted)
    document = found.task.document
    assert (found.task.id, found.task.status, found.http_status) == (f"urn:vcloud:task:{UUID}", "error", 200)
    assert (document["serviceNamespace"], document["progress"], document["details"]) == (NAMESPACE, 40, "step 2 of 5")
    assert document["error"] is not None
    assert document["error"]["tenantError"] is not None
    assert document["result"] is not None
    request = setup.last
    assert (request.method, request.url.path) == (method, f"/api{CALLS[method]}")
    assert request.headers["content-type"] == MEDIA
    assert request.headers["accept"] == "application/*+json;version=38.1"
    assert "x-vmware-vcloud-tenant-context" not in request.headers, "a provider acts as itself unless told otherwise"
    assert json.loads(request.content) == {"name": "task"}


@methods
@pytest.mark.parametrize("outcome", [reply(200), reply(204), reply(200, b"null"), reply(201)])
async def test_success_without_a_body_is_done(setup: Setup, method: str, outcome: Reply) -> None:
    """It was taken; nothing about it is unknown. What became of it, a look at the Task tells."""
    assert await call(setup, method, outcome) == Done(http_status=outcome.status)


def error(code: str, message: str = "m") -> JsonValue:
    return {"minorErrorCode": code, "message": message, "majorErrorCode": 400}


@methods
@pytest.mark.parametrize(
    ("outcome", "kind"),
    [
        (reply(400, error("INVALID_STATE", "The task has ended.")), Refused),
        (reply(400, error("BAD_REQUEST", "serviceNamespace must not start with com.vmware.vcloud")), Refused),
        (reply(400, error("INVALID_REFERENCE")), Refused), (reply(403, FORBIDDEN), Refused),
        (reply(404, error("RESOURCE_NOT_FOUND")), Refused), (reply(405), Refused), (reply(415), Refused),
        (reply(409, error("CONFLICT")), Refused), (reply(413), Refused), (reply(401), SessionExpired),
        (reply(400, error("BUSY_ENTITY")), Busy), (reply(400, error("OPERATION_LIMITS_EXCEEDED")), Limited),
        (reply(429, retry_after="3"), Limited), (reply(500), OutcomeUnknown), (reply(503), OutcomeUnknown),
        (reply(302, location="https://elsewhere.example/"), OutcomeUnknown), (reply(200, b"<html>"), OutcomeUnknown),
        (fault(LOST), OutcomeUnknown), (fault(LOST, Head(200, {})), OutcomeUnknown),
        (fault(LOST, Head(403, {})), Refused), (fault(REFUSED), NeverSent),
        (fault(Verdict(never_sent=False, code="no_answer", message="m")), OutcomeUnknown),
    ],
)  # fmt: skip
async def test_everything_else_that_an_answer_may_be(
    setup: Setup, method: str, outcome: Outcome, kind: type[object]
) -> None:
    assert isinstance(await call(setup, method, outcome), kind)


# --- faults on the wire -----------------------------------------------------------------------------------------------


def reset_after_one() -> Script:
    async def script(exchange: Exchange) -> None:
        if await exchange.read_request():
            exchange.reset()

    return script


READ_FAULTS: dict[str, Script] = {
    "fin": after_reading(lambda exchange: exchange.close()),
    "reset": reset_after_one(),
    "silence": sending(b"", then="stall"),
    "half a Task, reset": sending(b'HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{"id":', then="reset"),
}


@methods
@pytest.mark.parametrize("what", READ_FAULTS)
async def test_a_task_document_that_was_read_is_never_called_unsent(make: Make, method: str, what: str) -> None:
    async with listening(READ_FAULTS[what]) as peer:
        failed = await fault_of(make(), post(peer.url, json.dumps(WHOLE).encode(), method))
        assert isinstance(failed, TransportFault)
        assert not failed.verdict.never_sent
        assert len(peer.requests) == 1, "sent twice"


# --- against a Cloud Director -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cloud() -> Iterator[Simulator]:
    with running_simulator(task_seconds=0.3, public_url="https://cloud.example:8443") as running:
        yield running


@pytest.fixture(params=["fast", "httpx"])
async def gateway(request: pytest.FixtureRequest, cloud: Simulator) -> AsyncIterator[HttpGateway]:
    cloud.clear_faults()
    made = HttpGateway(config(cloud, request.param), RealClock())
    await made.open()
    yield made
    await made.close()


def a_call(method: str, path: str, body: dict[str, JsonValue]) -> HttpCall:
    return HttpCall(
        operation="externalTask", method=method, path=path, query={}, body=body, media_type=MEDIA,
        call_id=f"vb-{next(NUMBERS):032x}-1", organization=None,
    )  # fmt: skip


async def reference(gateway: HttpGateway, kind: ReferenceKind, text: str | None) -> ReferenceDocument:
    found = await gateway.read_reference(kind, text)
    assert isinstance(found, ReferenceRead), found
    return found.reference


def as_json(reference: ReferenceDocument) -> dict[str, JsonValue]:
    return {name: value for name, value in reference.items() if value is None or isinstance(value, str)}


async def wanted(gateway: HttpGateway, **changes: JsonValue) -> dict[str, JsonValue]:
    """A Task document about a VM of acme, with references as they were read."""
    owner = await reference(gateway, ReferenceKind.OWNER, f"urn:vcloud:vm:{acme_vm(1).removeprefix('vm-')}")
    user = await reference(gateway, ReferenceKind.USER, None)
    return {
        "name": "task", "type": MEDIA, "status": "running", "serviceNamespace": NAMESPACE, "operationName": "change",
        "operation": "Change CHG1 [g/t-0/CHG1]", "owner": as_json(owner), "user": as_json(user), "progress": 10,
        "details": "step 1", **changes,
    }  # fmt: skip


async def created(gateway: HttpGateway, **changes: JsonValue) -> Task:
    answer = await make_call(gateway, "POST", f"/tasksList/{ACME_ORG}", await wanted(gateway, **changes))
    assert isinstance(answer, Accepted), answer
    return answer.task


async def make_call(gateway: HttpGateway, method: str, path: str, body: dict[str, JsonValue]) -> CallAnswer:
    return await make(gateway, a_call(method, path, body))


async def test_an_external_task_from_its_references_to_its_end(gateway: HttpGateway) -> None:
    task = await created(gateway)
    document = task.document
    assert (task.status, document["serviceNamespace"], document["operationName"]) == ("running", NAMESPACE, "change")
    assert document["owner"] is not None
    assert document["owner"]["id"] == f"urn:vcloud:vm:{acme_vm(1).removeprefix('vm-')}"
    assert document["user"] is not None
    assert document["user"]["id"] == f"urn:vcloud:user:{ADMINISTRATOR}"
    path = f"/task/{task.id.rpartition(':')[2]}"
    ending = await make_call(gateway, "PUT", path, await wanted(gateway, status="success", progress=100))
    assert isinstance(ending, Accepted)
    assert (ending.http_status, ending.task.id, ending.task.status) == (200, task.id, "success")
    late = await make_call(gateway, "PUT", path, await wanted(gateway))
    assert isinstance(late, Refused)
    assert late.http_status == 400
    reading = await gateway.read_task(task.id, None)
    assert isinstance(reading, TaskRead)
    assert reading.task.status == "success"


async def test_a_provider_finds_the_tasks_of_its_namespace_in_all_organizations(gateway: HttpGateway) -> None:
    namespace = f"com.example;a,b (c) {next(NUMBERS)}"
    ours = await created(gateway, serviceNamespace=namespace)
    org = await reference(gateway, ReferenceKind.ORGANIZATION, "beta")
    body = await wanted(gateway, serviceNamespace=namespace, owner=as_json(org))
    other = await make_call(gateway, "POST", f"/tasksList/{BETA_ORG}", body)
    assert isinstance(other, Accepted)
    await created(gateway, serviceNamespace=NAMESPACE)
    page = await gateway.query_tasks(TaskQuery(service_namespace=namespace, statuses=("running",)))
    assert isinstance(page, TaskPage)
    assert {record.id for record in page.records} == {ours.id, other.task.id}
    assert {record.service_namespace for record in page.records} == {namespace}


@pytest.mark.parametrize("effect", [True, False])
@pytest.mark.parametrize("method", ["POST", "PUT"])
async def test_a_lost_answer_is_unknown_whether_or_not_it_took_effect(
    gateway: HttpGateway, cloud: Simulator, method: str, effect: bool
) -> None:
    task = await created(gateway)
    path = f"/tasksList/{ACME_ORG}" if method == "POST" else f"/task/{task.id.rpartition(':')[2]}"
    one = a_call(method, path, await wanted(gateway))
    cloud.fault(do="drop", effect=effect, path=path)
    assert isinstance(await make(gateway, one), OutcomeUnknown)
    assert sum(one.call_id in str(entry) for entry in cloud.ledger(changes=True)) == 1


async def test_references_in_every_spelling(gateway: HttpGateway) -> None:
    read = gateway.read_reference
    org = await reference(gateway, ReferenceKind.ORGANIZATION, "ACME")
    assert org == {
        "href": f"https://cloud.example:8443/api/org/{ACME_ORG}", "id": f"urn:vcloud:org:{ACME_ORG}",
        "type": "application/vnd.vmware.vcloud.org+json", "name": "acme",
    }  # fmt: skip
    for text in (ACME_ORG, org["id"], org["href"]):
        found = await read(ReferenceKind.ORGANIZATION, text)
        assert found == ReferenceRead(org, ACME_ORG)
    user = await reference(gateway, ReferenceKind.USER, f"urn:vcloud:user:{ACME_USER}")
    assert (user["name"], user["type"]) == ("admin", "application/vnd.vmware.admin.user+json")
    vm = await reference(gateway, ReferenceKind.OWNER, f"https://cloud.example:8443/api/vApp/{acme_vm(1)}")
    assert (vm["name"], vm["type"]) == ("vm-1", "application/vnd.vmware.vcloud.vm+json")
    assert await reference(gateway, ReferenceKind.OWNER, vm["id"]) == vm
    for kind, absent in (
        (ReferenceKind.ORGANIZATION, "nobody"), (ReferenceKind.OWNER, f"urn:vcloud:vm:{ACME_ORG}"),
        (ReferenceKind.USER, f"urn:vcloud:user:{ACME_ORG}"), (ReferenceKind.OWNER, "https://evil.example/api/org/1"),
    ):  # fmt: skip
        assert isinstance(await read(kind, absent), ReferenceAbsent)


async def test_only_a_provider_may(cloud: Simulator) -> None:
    gateway = HttpGateway(config(cloud, "fast"), RealClock())
    await gateway.open()
    assert gateway.is_provider
    body = await wanted(gateway)
    await gateway.close()
    settings = replace(config(cloud), organization="acme", username="admin")
    tenant = HttpGateway(settings, RealClock())
    await tenant.open()
    assert not tenant.is_provider
    answer = await make_call(tenant, "POST", f"/tasksList/{ACME_ORG}", body)
    assert isinstance(answer, Refused)
    assert answer.http_status == 403
    await tenant.close()


async def test_a_thousand_references_cost_three_reads(gateway: HttpGateway, cloud: Simulator) -> None:
    before = len(cloud.ledger())
    for _ in range(1000):
        await reference(gateway, ReferenceKind.ORGANIZATION, "acme")
        await reference(gateway, ReferenceKind.USER, None)
    assert len(cloud.ledger()) == before + 3, "a query for the name, the organization, the user"
