"""The gateway: what it sends, what it makes of answers and faults, and what it never does."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import httpx
import pytest

from bridge.core.answers import (
    Accepted,
    Busy,
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
from bridge.core.requests import JsonValue
from bridge.vcd.classifier import Verdict
from bridge.vcd.config import VcdConfig
from bridge.vcd.gateway import HttpGateway
from bridge.vcd.line import Line
from bridge.vcd.transports import Head
from tests.vcd.scripted import (
    LOST,
    REFUSED,
    Handler,
    Log,
    ManualClock,
    Outcome,
    ScriptedTransport,
    ScriptedVcd,
    fault,
    reply,
    settle,
)
from tests.vcd.test_wire import NULL_FILLED, UUID

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

    async def call(self, **changes: object) -> object:
        call = replace(CALL, **changes)  # type: ignore[arg-type]  # fields of the call
        return await self.gateway.call(call, leave_by=self.clock.time + 5)

    @property
    def last(self) -> httpx.Request:
        return self.calls.requests[-1]


async def make_setup(organization: str = "System") -> Setup:
    vcd = ScriptedVcd(organization=organization)
    clock, log, observed = ManualClock(), Log(), Observed([])
    calls, reads = ScriptedTransport(vcd), ScriptedTransport(vcd)
    config = VcdConfig(url="https://vcd.example", organization=organization, username="bridge", password="secret")
    line = Line(config.url, calls, reads, clock, observed)
    gateway = HttpGateway(config, clock, log=log, line=line)
    await gateway.open()
    return Setup(vcd, clock, log, observed, calls, reads, gateway)


@pytest.fixture
async def setup() -> AsyncIterator[Setup]:
    made = await make_setup()
    yield made
    await made.gateway.close()
    assert made.calls.closed
    assert made.reads.closed


@pytest.fixture
async def tenant() -> AsyncIterator[Setup]:
    made = await make_setup("acme")
    yield made
    await made.gateway.close()


# --- calls ------------------------------------------------------------------------------------------------------------


async def test_what_a_call_looks_like_on_the_wire(setup: Setup) -> None:
    setup.answer(reply(202, NULL_FILLED, x_vmware_vcloud_request_id="vb-1-abc"))
    body: dict[str, JsonValue] = {"powerOn": True, "name": "Zürich"}
    media = "application/vnd.vmware.vcloud.deployVAppParams+json"
    found = await setup.call(body=body, media_type=media, query={"force": "true", "x": "a&b c"})
    assert isinstance(found, Accepted)
    assert (found.task.id, found.vcd_request_id) == (f"urn:vcloud:task:{UUID}", "vb-1-abc")
    request = setup.last
    assert str(request.url) == "https://vcd.example/api/vApp/vapp-1/action/deploy?force=true&x=a%26b+c"
    headers = request.headers
    assert headers["accept"] == "application/*+json;version=38.1"
    assert headers["authorization"] == "Bearer token-1"
    assert headers["x-vmware-vcloud-client-request-id"] == CALL.call_id
    assert headers["content-type"] == media
    assert "x-vmware-vcloud-tenant-context" not in headers
    assert json.loads(request.content) == body


@pytest.mark.parametrize(
    "path",
    ["/vApp/../admin/org/1", "/vApp/%2e%2e/admin/org/1", "/vApp/vm-1?force=true", "/vApp/vm-1#x", "vApp/vm-1",
     "/vApp\\..\\admin", "/vApp/./vm-1"],
)  # fmt: skip
async def test_a_path_that_means_something_else_does_not_leave(setup: Setup, path: str) -> None:
    found = await setup.call(path=path)
    assert isinstance(found, Refused)
    assert (found.code, found.http_status) == ("unsendable_request", None)
    assert setup.calls.requests == []


async def test_a_header_that_cannot_be_written_does_not_leave(setup: Setup) -> None:
    assert isinstance(await setup.call(call_id="vb-\u00fc\u20ac-1"), Refused)
    assert setup.calls.requests == []


async def test_a_call_without_a_body_has_no_content_type(setup: Setup) -> None:
    setup.answer(reply(204))
    assert await setup.call() == Done(http_status=204)
    assert "content-type" not in setup.last.headers
    assert setup.last.headers["content-length"] == "0"


@pytest.mark.parametrize(
    ("outcome", "kind"),
    [
        (reply(400, {"minorErrorCode": "BUSY_ENTITY", "message": "busy"}), Busy),
        (reply(400, {"minorErrorCode": "BAD_REQUEST", "message": "bad"}), Refused),
        (reply(429, retry_after="3"), Limited),
        (reply(500), OutcomeUnknown),
        (reply(302, location="https://elsewhere.example/"), OutcomeUnknown),
        (fault(LOST), OutcomeUnknown),
        (fault(REFUSED), NeverSent),
        (fault(Verdict(never_sent=True, code="lease_expired", message="late")), NeverSent),
    ],
)
async def test_answers_and_faults_of_a_call(setup: Setup, outcome: Outcome, kind: type[object]) -> None:
    setup.answer(outcome)
    assert isinstance(await setup.call(), kind)
    assert len(setup.calls.requests) == 1, "no call is made twice"


async def test_an_answer_cut_after_its_head_still_tells_its_task(setup: Setup) -> None:
    setup.answer(fault(LOST, Head(202, {"location": f"https://public.example/api/task/{UUID}"})))
    found = await setup.call()
    assert isinstance(found, Accepted)
    assert found.task.id == f"urn:vcloud:task:{UUID}"


@pytest.mark.parametrize(("status", "kind"), [(200, OutcomeUnknown), (201, OutcomeUnknown), (204, OutcomeUnknown),
                         (400, OutcomeUnknown), (409, OutcomeUnknown), (404, Refused), (429, Limited),
                         (500, OutcomeUnknown)])  # fmt: skip
async def test_a_head_alone_proves_only_what_needs_no_body(setup: Setup, status: int, kind: type[object]) -> None:
    setup.answer(fault(LOST, Head(status, {})))
    assert isinstance(await setup.call(), kind)


async def test_401_makes_the_session_doubtful_and_the_core_decides(setup: Setup) -> None:
    setup.vcd.valid.clear()
    assert setup.gateway.session_ready
    assert isinstance(await setup.call(), SessionExpired)
    assert len(setup.calls.requests) == 1, "no replay: a replay is a new attempt"
    await settle()
    assert setup.gateway.session_ready
    assert len(setup.vcd.logins) == 2


async def test_no_session_no_call(setup: Setup) -> None:
    setup.vcd.valid.clear()
    setup.vcd.login = lambda _: reply(401)
    await setup.call()
    await settle()
    assert not setup.gateway.session_ready
    assert isinstance(await setup.call(), SessionExpired)
    assert len(setup.calls.requests) == 1
    assert setup.gateway.user_name == "bridge"
    assert setup.gateway.api_version == "38.1"


async def test_canceling_the_caller_does_not_cancel_the_call(setup: Setup) -> None:
    arrived, release, done = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def slow(_request: httpx.Request) -> Outcome:
        arrived.set()
        await release.wait()
        done.set()
        return reply(204)

    setup.answer(slow)
    calling = asyncio.create_task(setup.call())
    await arrived.wait()
    calling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calling
    release.set()
    await asyncio.wait_for(done.wait(), 1.0)


# --- organizations ----------------------------------------------------------------------------------------------------


def organizations(request: httpx.Request) -> Outcome:
    """acme exists, by name in any case and by uuid; so does acme2."""
    path, query = request.url.path, request.url.params
    if path == "/api/query" and query.get("type") == "organization":
        # A filter's asterisk is a wildcard: more may come than was asked for.
        rows: JsonValue = [
            {"name": "acme2", "id": f"urn:vcloud:org:{UUID}"}, {"name": "ACME", "id": f"urn:vcloud:org:{ORG}"},
        ]  # fmt: skip
        return reply(200, {"record": rows, "total": 2})
    if path == f"/api/org/{ORG}":
        return reply(200, {"name": "acme", "id": f"urn:vcloud:org:{ORG}"})
    return reply(403, FORBIDDEN) if request.method == "GET" else reply(204)


@pytest.mark.parametrize(
    "given", ["acme", "Acme", ORG, ORG.upper(), f"urn:vcloud:org:{ORG}", f"https://public.example/api/org/{ORG}"]
)
async def test_an_organization_becomes_a_bare_uuid(setup: Setup, given: str) -> None:
    setup.answer(organizations)
    assert await setup.call(organization=given) == Done(http_status=204)
    assert setup.last.headers["x-vmware-vcloud-tenant-context"] == ORG


async def test_an_organization_is_looked_up_once(setup: Setup) -> None:
    setup.answer(organizations)
    before = len(setup.reads.requests)
    await asyncio.gather(*(setup.call(organization="acme") for _ in range(10)))
    await setup.gateway.read_entity("/vApp/vapp-1", "acme")
    asked = [request.url.path for request in setup.reads.requests[before:]]
    assert asked == ["/api/query", "/api/vApp/vapp-1"]
    setup.clock.time += 601
    await setup.call(organization="acme")
    assert setup.reads.requests[-1].url.path == "/api/query"


@pytest.mark.parametrize("given", ["nobody", "acm*", "00000000-1111-4222-8333-444444444444"])
async def test_an_unknown_organization_is_refused_before_anything_is_sent(setup: Setup, given: str) -> None:
    setup.answer(organizations)
    found = await setup.call(organization=given)
    assert isinstance(found, Refused)
    assert (found.code, found.http_status) == ("unknown_organization", None)
    assert setup.calls.requests == []
    assert isinstance(await setup.gateway.read_entity("/vApp/vapp-1", given), EntityAbsent)


async def test_the_providers_own_organization_needs_no_context(setup: Setup) -> None:
    setup.answer(reply(204))
    for given in ("System", "system", None, f"urn:vcloud:org:{setup.vcd.organization_uuid}"):
        assert await setup.call(organization=given) == Done(http_status=204)
        assert "x-vmware-vcloud-tenant-context" not in setup.last.headers


async def test_a_tenants_login_acts_in_its_own_organization_only(tenant: Setup) -> None:
    tenant.answer(reply(204))
    assert await tenant.call(organization="ACME") == Done(http_status=204)
    assert "x-vmware-vcloud-tenant-context" not in tenant.last.headers
    found = await tenant.call(organization="beta")
    assert isinstance(found, Refused)
    assert found.code == "unknown_organization"
    assert "logged in to acme" in found.message
    assert len(tenant.calls.requests) == 1


async def test_an_organization_that_cannot_be_looked_up_now_sends_nothing(setup: Setup) -> None:
    setup.answer(fault(REFUSED))
    found = await setup.call(organization="acme")
    assert isinstance(found, NeverSent)
    assert found.code == "organization_unavailable"
    assert setup.calls.requests == []


async def test_a_slow_lookup_ends_with_the_lease(setup: Setup) -> None:
    async def never(_request: httpx.Request) -> Outcome:
        await asyncio.Event().wait()
        raise AssertionError

    setup.answer(never)
    found = await setup.gateway.call(replace(CALL, organization="acme"), leave_by=setup.clock.time + 0.05)
    assert isinstance(found, NeverSent)
    assert found.code == "lease_expired"


# --- Tasks --------------------------------------------------------------------------------------------------------


async def test_a_task_is_read_by_its_uuid_on_our_own_host(setup: Setup) -> None:
    setup.answer(reply(200, NULL_FILLED))
    found = await setup.gateway.read_task(f"urn:vcloud:task:{UUID}", "https://public.example/api/task/other")
    assert isinstance(found, TaskRead)
    assert str(setup.reads.requests[-1].url) == f"https://vcd.example/api/task/{UUID}"
    assert setup.gateway.own_hosts == {"vcd.example", "public.example"}


async def test_an_href_stands_in_for_an_id(setup: Setup) -> None:
    setup.answer(reply(200, NULL_FILLED))
    found = await setup.gateway.read_task("", f"https://evil.example/api/task/{UUID}")
    assert isinstance(found, TaskRead)
    assert setup.reads.requests[-1].url.host == "vcd.example"
    assert isinstance(await setup.gateway.read_task("", None), Unavailable)


@pytest.mark.parametrize("status", [403, 404])
async def test_a_task_that_vcd_does_not_show_has_vanished(setup: Setup, status: int) -> None:
    setup.answer(reply(status, FORBIDDEN))
    found = await setup.gateway.read_task(f"urn:vcloud:task:{UUID}", None)
    assert isinstance(found, TaskVanished)
    assert found.http_status == status


@pytest.mark.parametrize(
    "outcome",
    [
        reply(403, b"<html>RBAC</html>"), reply(404), reply(500, FORBIDDEN), reply(503), reply(302), reply(200),
        reply(200, b"<html/>"), reply(200, {"id": "urn:vcloud:vm:1", "type": "x"}), reply(400, FORBIDDEN),
        fault(REFUSED), fault(Verdict(never_sent=False, code="no_answer", message="m")),
    ],
)  # fmt: skip
async def test_nothing_else_says_that_a_task_is_gone(setup: Setup, outcome: Outcome) -> None:
    """A gateway's own 403 or 404, with a page or nothing in it, is not VCD's word on the Task."""
    setup.answer(outcome)
    assert isinstance(await setup.gateway.read_task(f"urn:vcloud:task:{UUID}", None), Unavailable)


async def test_a_throttled_read_says_when_to_come_back(setup: Setup) -> None:
    setup.answer(reply(429, retry_after="9"))
    found = await setup.gateway.read_task(f"urn:vcloud:task:{UUID}", None)
    assert isinstance(found, Unavailable)
    assert found.retry_after is not None
    assert found.retry_after.total_seconds() == 9


async def test_a_read_is_replayed_once_after_a_new_login(setup: Setup) -> None:
    setup.answer(reply(200, NULL_FILLED))
    setup.vcd.valid.clear()
    assert isinstance(await setup.gateway.read_task(f"urn:vcloud:task:{UUID}", None), TaskRead)
    assert len(setup.vcd.logins) == 2
    tokens = [
        request.headers["authorization"] for request in setup.reads.requests if request.url.path.startswith("/api/task")
    ]
    assert tokens == ["Bearer token-1", "Bearer token-2"]


async def test_a_read_that_is_answered_401_for_ever_ends(setup: Setup) -> None:
    setup.answer(reply(401))
    assert isinstance(await setup.gateway.read_task(f"urn:vcloud:task:{UUID}", None), Unavailable)
    assert len(setup.vcd.logins) == 1, "the session itself was confirmed each time"


async def test_a_read_over_a_connection_just_closed_is_repeated_once(setup: Setup) -> None:
    outcomes: Iterator[Outcome] = iter(
        [fault(LOST), reply(200, NULL_FILLED), fault(LOST), fault(LOST), reply(200, NULL_FILLED)]
    )
    setup.answer(lambda _: next(outcomes))
    assert isinstance(await setup.gateway.read_task(f"urn:vcloud:task:{UUID}", None), TaskRead)
    assert isinstance(await setup.gateway.read_task(f"urn:vcloud:task:{UUID}", None), Unavailable)


# --- cancel -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (reply(204), CancelAnswer.REQUESTED), (reply(202), CancelAnswer.REQUESTED),
        (reply(400, FORBIDDEN), CancelAnswer.REFUSED), (reply(403, FORBIDDEN), CancelAnswer.REFUSED),
        (reply(404), CancelAnswer.REFUSED), (reply(405), CancelAnswer.REFUSED), (reply(409), CancelAnswer.REFUSED),
        (reply(401), CancelAnswer.UNAVAILABLE), (reply(429), CancelAnswer.UNAVAILABLE),
        (reply(500), CancelAnswer.UNAVAILABLE), (reply(503), CancelAnswer.UNAVAILABLE),
        (reply(302), CancelAnswer.UNAVAILABLE), (fault(LOST), CancelAnswer.UNAVAILABLE),
        (fault(REFUSED), CancelAnswer.UNAVAILABLE),
    ],
)  # fmt: skip
async def test_a_cancel_is_a_request(setup: Setup, outcome: Outcome, expected: CancelAnswer) -> None:
    setup.answer(outcome)
    assert await setup.gateway.cancel_task(f"urn:vcloud:task:{UUID}", "vb-1-1-cancel") is expected
    request = setup.last
    assert (request.method, request.url.path) == ("POST", f"/api/task/{UUID}/action/cancel")
    assert request.headers["x-vmware-vcloud-client-request-id"] == "vb-1-1-cancel"
    assert len(setup.calls.requests) == 1


async def test_a_cancel_of_nothing_is_refused(setup: Setup) -> None:
    assert await setup.gateway.cancel_task("", "vb-1-1-cancel") is CancelAnswer.REFUSED


# --- queries ----------------------------------------------------------------------------------------------------------


async def test_a_task_query(setup: Setup) -> None:
    row: JsonValue = {"id": f"urn:vcloud:task:{UUID}", "status": "running", "ownerName": "bridge"}
    setup.answer(reply(200, {"record": [row], "total": 1, "page": 1}, date="Tue, 24 Nov 2026 11:59:00 GMT"))
    found = await setup.gateway.query_tasks(TaskQuery(own_only=True))
    assert isinstance(found, TaskPage)
    assert found.records[0].owner_name == "bridge"
    assert found.server_time == datetime(2026, 11, 24, 11, 59, tzinfo=UTC)
    query = setup.reads.requests[-1].url.query.decode()
    assert query == "type=adminTask&format=idrecords&page=1&pageSize=128&filter=(ownerName==bridge)"


async def test_a_tenant_queries_its_own_tasks(tenant: Setup) -> None:
    tenant.answer(reply(200, {"record": [], "total": 0}))
    assert isinstance(await tenant.gateway.query_tasks(TaskQuery()), TaskPage)
    assert b"type=task&" in tenant.reads.requests[-1].url.query


async def test_statuses_that_a_vcd_refuses_are_left_out_from_then_on(setup: Setup) -> None:
    def strict(request: httpx.Request) -> Outcome:
        if "canceled" in request.url.params["filter"]:
            return reply(400, {"minorErrorCode": "BAD_REQUEST", "message": "unknown status canceled"})
        return reply(200, {"record": [], "total": 0})

    setup.answer(strict)
    query = TaskQuery(statuses=("aborted", "canceled", "error", "success"))
    before = len(setup.reads.requests)
    for _ in range(2):
        assert isinstance(await setup.gateway.query_tasks(query), TaskPage)
    filters = [request.url.params["filter"] for request in setup.reads.requests[before:]]
    kept = "(status==aborted,status==error,status==success)"
    assert filters == ["(status==aborted,status==canceled,status==error,status==success)", kept, kept]
    assert "vcd.statuses_not_queryable" in setup.log.events


async def test_a_refused_query_is_unavailable(setup: Setup) -> None:
    setup.answer(reply(400, {"minorErrorCode": "BAD_REQUEST", "message": "bad filter"}))
    found = await setup.gateway.query_tasks(TaskQuery(statuses=("running",)))
    assert isinstance(found, Unavailable)
    assert "bad filter" in found.message


# --- entities ---------------------------------------------------------------------------------------------------------


async def test_an_entity_and_its_tasks(setup: Setup) -> None:
    setup.answer(reply(200, {"id": "urn:vcloud:vapp:1", "tasks": {"task": [NULL_FILLED]}, "deployed": True},
                       date="Tue, 24 Nov 2026 11:59:00 GMT"))  # fmt: skip
    found = await setup.gateway.read_entity("/vApp/vapp-1", None)
    assert isinstance(found, EntityRead)
    assert found.document["deployed"] is True
    assert [task.status for task in found.tasks] == ["running"]
    assert found.server_time is not None


@pytest.mark.parametrize(
    ("outcome", "kind"),
    [
        (reply(403, FORBIDDEN), EntityAbsent), (reply(404, FORBIDDEN), EntityAbsent), (reply(404), Unavailable),
        (reply(500), Unavailable), (reply(200), Unavailable), (reply(400, FORBIDDEN), Unavailable),
        (fault(REFUSED), Unavailable),
    ],
)  # fmt: skip
async def test_an_entity_that_cannot_be_read(setup: Setup, outcome: Outcome, kind: type[object]) -> None:
    setup.answer(outcome)
    assert isinstance(await setup.gateway.read_entity("/vApp/vapp-1", None), kind)


# --- observation ------------------------------------------------------------------------------------------------------


async def test_everything_but_calls_is_observed(setup: Setup) -> None:
    """Calls of requests are counted where their answers are handled: twice would be wrong."""
    setup.answer(reply(204))
    await setup.call()
    await setup.gateway.cancel_task(f"urn:vcloud:task:{UUID}", "c")
    setup.answer(fault(REFUSED))
    await setup.gateway.read_task(f"urn:vcloud:task:{UUID}", None)
    assert setup.observed.calls == [
        ("versions", 200), ("logIn", 200), ("currentSession", 200), ("cancelTask", 204), ("readTask", None),
    ]  # fmt: skip
