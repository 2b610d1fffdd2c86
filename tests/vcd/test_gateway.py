"""Calls through the gateway: what it sends, what it makes of answers and faults, and what it never does."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import httpx
import pytest

from bridge.core.answers import (
    Accepted,
    Busy,
    Done,
    Limited,
    NeverSent,
    OutcomeUnknown,
    ReadRefused,
    Refused,
    SessionExpired,
)
from bridge.core.requests import JsonValue
from bridge.vcd.transport.classifier import Verdict
from bridge.vcd.transport.transports import Head
from tests.vcd.gateway_setup import CALL, FORBIDDEN, ORG, Setup
from tests.vcd.scripted import (
    LOST,
    REFUSED,
    Outcome,
    fault,
    reply,
    settle,
)
from tests.vcd.test_wire import NULL_FILLED, UUID

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


async def test_a_call_that_may_not_leave_any_more_is_held_back(setup: Setup) -> None:
    found = await setup.call(may_leave=lambda: False)
    assert isinstance(found, NeverSent)
    assert found.code == "held_back"
    assert setup.calls.requests == []


async def test_whether_it_may_leave_is_asked_after_everything_else(setup: Setup) -> None:
    setup.answer(organizations)
    asked: list[list[str]] = []

    def may_leave() -> bool:
        asked.append([request.url.path for request in setup.reads.requests])
        return True

    assert await setup.call(may_leave, organization="acme") == Done(http_status=204)
    assert len(asked) == 1
    assert asked[0][-1] == "/api/query", "the organization was looked up before"


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


@pytest.mark.parametrize("given", ["nobody", "00000000-1111-4222-8333-444444444444"])
async def test_an_unknown_organization_says_nothing_about_an_entity(setup: Setup, given: str) -> None:
    """Absence would prove a deletion; here nobody has asked for the entity."""
    setup.answer(organizations)
    found = await setup.gateway.read_entity("/vApp/vapp-1", given)
    assert found == ReadRefused(404, f"VCD shows no organization {given}")
    assert all(request.url.path != "/api/vApp/vapp-1" for request in setup.reads.requests)


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
    found = await setup.gateway.call(
        replace(CALL, organization="acme"), leave_by=setup.clock.time + 0.05, may_leave=lambda: True
    )
    assert isinstance(found, NeverSent)
    assert found.code == "lease_expired"
