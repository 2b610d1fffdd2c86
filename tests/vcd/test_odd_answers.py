"""Whatever an answer holds, no method of the gateway raises, and what it says can be written down."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from math import inf

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.core.answers import (
    Accepted,
    CancelAnswer,
    EntityRead,
    Limited,
    NeverSent,
    OutcomeUnknown,
    ReferenceKind,
    ReferenceRead,
    TaskPage,
    TaskQuery,
    TaskRead,
    Unavailable,
)
from bridge.core.requests import JsonValue
from bridge.core.task import empty_document
from bridge.errors import ConfigurationError, TemporaryError
from bridge.vcd.config import VcdConfig
from bridge.vcd.gateway import HttpGateway
from bridge.vcd.reading import readings
from bridge.vcd.transport.line import Line
from bridge.vcd.transport.pace import LONGEST_HOLD_SECONDS
from bridge.vcd.transport.transports import Head, Reply
from tests.vcd.gateway_setup import Setup, make_setup
from tests.vcd.scripted import LOST, ManualClock, Outcome, ScriptedTransport, fault, reply, settle
from tests.vcd.test_wire import JSON, NULL_FILLED, UUID, XML_TASK

TASK = f"urn:vcloud:task:{UUID}"

# --- anything -----------------------------------------------------------------------------------------------------

DATES = [
    "Tue, 24 Nov 99999999999999999999 12:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 -0100", "Mon, 01 Jan 0001 00:00:00 GMT",
    "Tue, 24 Nov 2026 12:00:00 +9999", "Tue, 24 Nov 2026 12:00:00 GMT", "0", "99999999999999999999", "-1",
]  # fmt: skip
NAMES = [
    "date", "retry-after", "location", "content-type", "x-vmware-vcloud-request-id", "x-vmware-vcloud-task-location",
    "x-vmware-vcloud-access-token",
]  # fmt: skip
KINDS = ["application/json", "text/xml", "text/html", "application/vnd.vmware.vcloud.task+json", ""]
VALUES = st.sampled_from([*DATES, *KINDS, f"/api/task/{UUID}", "https://[broken/api/task/x"]) | st.text(max_size=20)
HEADERS = st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=4)
REFERENCES = [
    (ReferenceKind.ORGANIZATION, "acme"), (ReferenceKind.ORGANIZATION, UUID), (ReferenceKind.OWNER, TASK),
    (ReferenceKind.OWNER, f"https://vcd.example/api/task/{UUID}"), (ReferenceKind.USER, f"urn:vcloud:user:{UUID}"),
    (ReferenceKind.USER, None),
]  # fmt: skip
KEYS = st.sampled_from([*empty_document(), "record", "total", "page", "access_token", "expires_in", "minorErrorCode"])
SCALARS = st.sampled_from(
    ["\ud800", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59-0100", 10**30, 1e308, TASK, "running"]
)
OBJECTS = st.dictionaries(KEYS, SCALARS | JSON, max_size=6)
BODIES = OBJECTS.map(lambda one: json.dumps({"id": TASK, "status": "running", **one}).encode()) | st.binary(max_size=60)
STATUSES = st.sampled_from([200, 201, 202, 204, 302, 400, 401, 403, 404, 408, 409, 429, 500, 503, 999])
REPLIES = st.builds(Reply, STATUSES, HEADERS, BODIES | st.sampled_from([b"", XML_TASK]))
OUTCOMES = REPLIES | REPLIES.map(lambda one: fault(LOST, Head(one.status, one.headers)))


# Each example opens a gateway: on a busy machine that is no sign of anything.
THOROUGH = settings(
    max_examples=200, derandomize=True, database=None, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


@THOROUGH
@given(OUTCOMES)
def test_no_answer_makes_anything_raise(outcome: Outcome) -> None:
    async def ask() -> None:
        setup = await make_setup()
        setup.answer(outcome)
        gateway = setup.gateway
        for answer in (
            await setup.call(), await setup.call(organization="acme"), await gateway.read_task(TASK, None),
            await gateway.query_tasks(TaskQuery(own_only=True)), await gateway.read_entity("/vApp/vapp-1", None),
            await gateway.read_entity("/vApp/vapp-1", "acme"),
            await gateway.cancel_task(TASK, "c", leave_by=inf, may_leave=lambda: True),
            *[await gateway.read_reference(kind, text) for kind, text in REFERENCES],
            await setup.call(method="PUT", path=f"/task/{UUID}", body={"name": "task"}),
        ):  # fmt: skip
            if isinstance(answer, ReferenceRead):
                json.dumps(answer.reference, ensure_ascii=False).encode()
            if isinstance(answer, Accepted | TaskRead):
                json.dumps(answer.task.document, ensure_ascii=False).encode()
            setup.clock.time += LONGEST_HOLD_SECONDS
        assert abs(gateway.clock_ahead or timedelta()) <= timedelta(days=1)
        assert "vcd.unreadable_answer" not in setup.log.events, "foreseen, not only caught"
        await gateway.close()

    asyncio.run(ask())


@THOROUGH
@given(REPLIES)
def test_no_answer_makes_opening_raise_what_it_should_not(answer: Reply) -> None:
    async def opened() -> None:
        clock, config = ManualClock(), VcdConfig(url="https://vcd.example", api_token="token")
        transport = ScriptedTransport(lambda _: answer)
        gateway = HttpGateway(config, clock, line=Line(config.url, transport, transport, clock))
        try:
            await gateway.open()
        except (ConfigurationError, TemporaryError) as error:
            error.message.encode()
        await gateway.close()

    asyncio.run(opened())


# --- what was found before ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("date", DATES)
async def test_odd_dates(setup: Setup, date: str) -> None:
    setup.answer(reply(200, NULL_FILLED, date=date))
    assert isinstance(await setup.gateway.read_task(TASK, None), TaskRead)
    assert isinstance(await setup.call(), Accepted)
    assert setup.gateway.clock_ahead in {None, timedelta()}
    setup.answer(reply(429, retry_after=date, date=date))
    assert isinstance(await setup.call(), Limited)
    setup.clock.time += LONGEST_HOLD_SECONDS
    assert isinstance(await setup.gateway.read_task(TASK, None), Unavailable)


@pytest.mark.parametrize("depth", [900, 985, 990, 995, 1000, 20_000])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
async def test_deep_nesting(setup: Setup, opening: str, closing: str, depth: int) -> None:
    deep = opening * depth + "1" + closing * depth
    setup.answer(reply(200, f'{{"id":"{TASK}","status":"running","params":{deep}}}'.encode()))
    assert isinstance(await setup.gateway.read_task(TASK, None), TaskRead | Unavailable)
    assert isinstance(await setup.call(), Accepted | OutcomeUnknown)


async def test_half_a_surrogate_pair_does_not_get_in(setup: Setup) -> None:
    document: dict[str, JsonValue] = {
        **NULL_FILLED,
        "status": "\ud800",
        "details": "a\udfffb \U0001f600",
        "new\ud800": 1,
    }
    for body in (
        json.dumps(document).encode(),
        json.dumps(document, ensure_ascii=False).encode("utf-8", "surrogatepass"),
    ):
        setup.answer(reply(200, body))
        found = await setup.gateway.read_task(TASK, None)
        assert isinstance(found, TaskRead)
        told = found.task.document
        json.dumps(told, ensure_ascii=False).encode()
        assert (told["details"] or "").endswith("b \U0001f600"), "a whole pair stays"


# --- what nobody foresaw --------------------------------------------------------------------------------------------


async def test_a_bug_in_reading_a_calls_answer_is_an_unknown_outcome(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    setup.answer(reply(202, NULL_FILLED))
    monkeypatch.setattr("bridge.vcd.calls.read_call_answer", _broken)
    found = await setup.call()
    assert isinstance(found, OutcomeUnknown)
    assert (found.code, found.http_status) == ("unreadable_answer", 202)
    assert "vcd.unreadable_answer" in setup.log.events


async def test_a_bug_on_the_line_is_an_unknown_outcome_too(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    setup.answer(reply(202, NULL_FILLED))
    monkeypatch.setattr("bridge.vcd.transport.line.read_http_date", _broken)
    found = await setup.call()
    assert isinstance(found, OutcomeUnknown)
    assert (found.code, found.http_status) == ("unreadable_answer", None)


async def test_a_bug_in_a_reading_says_nothing_about_what_was_read(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    setup.answer(reply(200, {**NULL_FILLED, "record": []}))
    gateway = setup.gateway
    assert isinstance(await gateway.query_tasks(TaskQuery()), TaskPage)
    assert isinstance(await gateway.read_entity("/vApp/vapp-1", None), EntityRead)
    for name in ("read_task", "read_task_page", "read_tasks_in_progress"):
        monkeypatch.setattr(readings, name, _broken)
    monkeypatch.setattr("bridge.vcd.reading.references.members", _broken)
    for found in (
        await gateway.read_task(TASK, None),
        await gateway.query_tasks(TaskQuery()),
        await gateway.read_entity("/vApp/vapp-1", None),
        await gateway.read_reference(ReferenceKind.OWNER, TASK),
    ):
        assert isinstance(found, Unavailable)
        assert "nobody foresaw" in found.message
    assert setup.log.events.count("vcd.unreadable_answer") == 4
    assert "test_odd_answers.py" in str(setup.log.lines[-1][1]["origin"])


async def test_a_bug_before_a_call_leaves_is_no_unknown_outcome(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    setup.answer(reply(200, {"record": []}))
    monkeypatch.setattr("bridge.vcd.reading.organizations.records_of", _broken)
    found = await setup.call(organization="acme")
    assert isinstance(found, NeverSent)
    assert found.code == "organization_unavailable"
    assert setup.calls.requests == []


async def test_a_bug_around_a_cancel_means_ask_again(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.vcd.calls.task_uuid", _broken)
    assert (
        await setup.gateway.cancel_task(TASK, "vb-1-1-cancel", leave_by=inf, may_leave=lambda: True)
        is CancelAnswer.UNAVAILABLE
    )


async def test_a_reader_that_is_canceled_stays_canceled(setup: Setup) -> None:
    async def never(_request: object) -> Outcome:
        await asyncio.Event().wait()
        raise AssertionError

    setup.answer(never)
    reading = asyncio.ensure_future(setup.gateway.read_task(TASK, None))
    await settle()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading


def _broken(*_: object, **__: object) -> None:
    raise LookupError("nobody foresaw this")
