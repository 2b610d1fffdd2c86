"""Reads, queries and cancels through the gateway."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from math import inf

import httpx
import pytest

from bridge.core.answers import (
    CancelAnswer,
    EntityAbsent,
    EntityRead,
    ReadRefused,
    TaskPage,
    TaskQuery,
    TaskRead,
    TaskVanished,
    Unavailable,
)
from bridge.core.requests import JsonValue
from bridge.vcd.transport.classifier import Verdict
from bridge.vcd.transport.transports import Head
from tests.vcd.gateway_setup import FORBIDDEN, Setup, make_setup
from tests.vcd.scripted import (
    LOST,
    REFUSED,
    Outcome,
    fault,
    reply,
)
from tests.vcd.test_wire import NULL_FILLED, UUID

NOT_FOR_GOOD = [
    reply(400, {"minorErrorCode": "BUSY_ENTITY", "message": "m"}),
    reply(400, {"minorErrorCode": "OPERATION_LIMITS_EXCEEDED", "message": "m"}),
    reply(400, {"minorErrorCode": "BAD_REQUEST", "message": "The entity web is busy completing an operation."}),
    reply(400, {"message": "Bad Request"}), reply(400), reply(400, b"<html>"), reply(405, b"<html>"),
    reply(409, {"minorErrorCode": "CONFLICT", "message": "m"}), reply(429), reply(503, {"minorErrorCode": "x"}),
]  # fmt: skip
"""Answers that say nothing about the question itself: VCD says "not now", or something before VCD has answered."""

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
        reply(403, b"<html>RBAC</html>"), reply(403, {"message": "Forbidden"}), reply(404),
        reply(404, {"message": "no Route matched"}), reply(404, {"error": "Not Found", "status": 404}),
        reply(500, FORBIDDEN), reply(503), reply(302), reply(200),
        reply(200, b"<html/>"), reply(200, {"id": "urn:vcloud:vm:1", "type": "x"}), reply(400, FORBIDDEN),
        fault(REFUSED), fault(Verdict(never_sent=False, code="no_answer", message="m")),
    ],
)  # fmt: skip
async def test_nothing_else_says_that_a_task_is_gone(setup: Setup, outcome: Outcome) -> None:
    """A gateway's own 403 or 404, with a page, an error of its kind or nothing in it, is not VCD's word on the Task."""
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


async def test_organizations_are_named_as_vcd_names_them_itself(setup: Setup) -> None:
    """In a filter, by the host of its login addresses, whatever host is dialled."""
    setup.answer(reply(200, {"record": [], "total": 0}))
    assert isinstance(await setup.gateway.query_tasks(TaskQuery(organizations=(UUID,))), TaskPage)
    url = setup.reads.requests[-1].url
    assert url.host == "vcd.example"
    assert url.params["filter"] == f"(org==https://public.example/api/org/{UUID})"


@pytest.mark.parametrize("organization", ["System", "acme"])
async def test_a_tenants_rows_are_of_its_own_organization(organization: str) -> None:
    setup = await make_setup(organization)
    row: JsonValue = {"id": f"urn:vcloud:task:{UUID}", "status": "running"}
    setup.answer(reply(200, {"record": [row], "total": 1}))
    page = await setup.gateway.query_tasks(TaskQuery())
    assert isinstance(page, TaskPage)
    own = setup.gateway.access
    assert own is not None
    assert own.organization_uuid is not None
    assert page.records[0].organization == (None if organization == "System" else own.organization_uuid)
    await setup.gateway.close()


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
    assert (
        await setup.gateway.cancel_task(
            f"urn:vcloud:task:{UUID}", "vb-1-1-cancel", leave_by=inf, may_leave=lambda: True
        )
        is expected
    )
    request = next(one for one in setup.reads.requests if one.url.path.startswith("/api/task"))
    assert (request.method, request.url.path) == ("POST", f"/api/task/{UUID}/action/cancel")
    assert request.headers["x-vmware-vcloud-client-request-id"] == "vb-1-1-cancel"
    assert setup.calls.requests == [], "connections for calls are for calls"


async def test_a_cancel_of_nothing_is_refused(setup: Setup) -> None:
    assert (
        await setup.gateway.cancel_task("", "vb-1-1-cancel", leave_by=inf, may_leave=lambda: True)
        is CancelAnswer.REFUSED
    )


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


@pytest.mark.parametrize("status", [400, 403, 404, 405, 406])
async def test_a_query_that_vcd_refuses_is_refused_for_good(setup: Setup, status: int) -> None:
    setup.answer(reply(status, {"minorErrorCode": "BAD_REQUEST", "message": "bad filter"}))
    found = await setup.gateway.query_tasks(TaskQuery(statuses=("running",)))
    assert found == ReadRefused(status, "task query: bad filter")


@pytest.mark.parametrize("outcome", NOT_FOR_GOOD)
async def test_a_query_that_may_be_answered_later_is_unavailable(setup: Setup, outcome: Outcome) -> None:
    setup.answer(outcome)
    assert isinstance(await setup.gateway.query_tasks(TaskQuery(statuses=("running",))), Unavailable)


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
        (reply(404, {"message": "no Route matched with those values"}), Unavailable),
        (reply(500), Unavailable), (reply(200), Unavailable), (reply(400, FORBIDDEN), ReadRefused),
        (reply(405, FORBIDDEN), ReadRefused), (reply(406, FORBIDDEN), ReadRefused), (fault(REFUSED), Unavailable),
        *((outcome, Unavailable) for outcome in NOT_FOR_GOOD),
    ],
)  # fmt: skip
async def test_an_entity_that_cannot_be_read(setup: Setup, outcome: Outcome, kind: type[object]) -> None:
    setup.answer(outcome)
    assert isinstance(await setup.gateway.read_entity("/vApp/vapp-1", None), kind)


# --- the clock --------------------------------------------------------------------------------------------------------


def at(minute: int) -> str:
    """A Date header; the setup's own clock stands at 12:00."""
    return f"Tue, 24 Nov 2026 12:{minute:02}:00 GMT"


async def test_any_answer_tells_vcds_clock(setup: Setup) -> None:
    assert setup.gateway.clock_ahead is None
    for minutes, answer in (
        (9, reply(204, date=at(9))), (9, reply(429, date=at(9))), (9, reply(500, date=at(6))),
        (6, fault(LOST, Head(202, {"date": at(6)}))),
    ):  # fmt: skip
        setup.answer(answer)
        await setup.call()
        assert setup.gateway.clock_ahead == timedelta(minutes=minutes)
    for _ in range(3):
        setup.answer(reply(200, NULL_FILLED, date="Tue, 24 Nov 2026 11:57:00 GMT"))
        await setup.gateway.read_task(f"urn:vcloud:task:{UUID}", None)
    assert setup.gateway.clock_ahead == timedelta(minutes=-3)
    for odd in ("soon", "Tue, 24 Nov 2020 12:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 GMT") * 2:
        setup.answer(reply(204, date=odd))
        await setup.call()
        assert setup.gateway.clock_ahead == timedelta(minutes=-3), "no clock is that wrong"


async def test_a_date_that_is_ahead_and_one_that_is_behind_move_nothing(setup: Setup) -> None:
    for minute in (10, 10, 10, 50, 0, 10, 10, 10, 10, 50, 10, 10, 10, 10, 0, 10, 0, 10, 50):
        setup.answer(reply(204, date=at(minute)))
        await setup.call()
        assert setup.gateway.clock_ahead == timedelta(minutes=10)


@pytest.mark.parametrize("minute", [2, 50])
async def test_a_clock_that_is_set_is_believed_after_three_answers(setup: Setup, minute: int) -> None:
    for told, ahead in zip([10] * 5 + [minute] * 4, [10] * 7 + [minute] * 2, strict=True):
        setup.answer(reply(204, date=at(told)))
        await setup.call()
        assert setup.gateway.clock_ahead == timedelta(minutes=ahead)


async def test_of_two_answers_the_earlier_date_counts(setup: Setup) -> None:
    """Which of them is wrong cannot be told; a look that goes back too far finds what one that does not would miss."""
    for told, ahead in ((50, 50), (10, 10), (50, 50), (10, 10), (10, 10)):
        setup.answer(reply(204, date=at(told)))
        await setup.call()
        assert setup.gateway.clock_ahead == timedelta(minutes=ahead)


async def test_vcds_clock_goes_on_and_ours_may_be_set(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    setup.answer(reply(204, date=at(1)))
    await setup.call()
    await setup.clock.advance(30)
    assert setup.gateway.clock_ahead == timedelta(minutes=1, seconds=30), "our wall clock stood still meanwhile"
    ours = setup.clock.now()
    monkeypatch.setattr(type(setup.clock), "now", lambda clock: ours - timedelta(hours=1))
    assert setup.gateway.clock_ahead == timedelta(hours=1, minutes=1, seconds=30)


@pytest.mark.parametrize("where", ["versions", "provider", "current"])
async def test_any_answer_of_the_login_tells_the_time(where: str) -> None:
    setup = await make_setup(dates={where: at(5)})
    assert setup.gateway.clock_ahead == timedelta(minutes=5)
    await setup.gateway.close()


# --- observation ------------------------------------------------------------------------------------------------------


async def test_everything_but_calls_is_observed(setup: Setup) -> None:
    """Calls of requests are counted where their answers are handled: twice would be wrong."""
    setup.answer(reply(204))
    await setup.call()
    await setup.gateway.cancel_task(f"urn:vcloud:task:{UUID}", "c", leave_by=inf, may_leave=lambda: True)
    setup.answer(fault(REFUSED))
    await setup.gateway.read_task(f"urn:vcloud:task:{UUID}", None)
    assert setup.observed.calls == [
        ("versions", 200), ("logIn", 200), ("currentSession", 200), ("cancelTask", 204), ("readTask", None),
    ]  # fmt: skip
