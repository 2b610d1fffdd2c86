"""Sessions that end while work is under way, tokens that are revoked, versions that come and go: on real sockets."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from bridge.core.answers import Accepted, CallAnswer, HttpCall, NeverSent, SessionExpired, TaskRead
from bridge.errors import ConfigurationError
from bridge.simulator.state.founding.inventory import PASSWORD
from bridge.vcd.config import VcdConfig
from bridge.vcd.gateway import HttpGateway
from tests.support.simulator import Simulator, acme_vapp, running_simulator
from tests.vcd.scripted import Log
from tests.vcd.test_against_simulator import RealClock

ALL = ["36.0", "37.3", "38.1", "39.0", "39.1"]


@pytest.fixture(scope="module")
def shared() -> Iterator[Simulator]:
    with running_simulator(task_seconds=0.0, lenient_entities=True) as running:
        yield running


@pytest.fixture
def cloud(shared: Simulator) -> Iterator[Simulator]:
    yield shared
    shared.settings(versions=ALL, deprecated_versions=["36.0"], alpha_versions=[], session_absolute_seconds=86400)
    shared.clear_faults()


@asynccontextmanager
async def opened(cloud: Simulator, log: Log | None = None, **changes: Any) -> AsyncIterator[HttpGateway]:
    who = {"username": "administrator", "password": PASSWORD, **changes}
    gateway = HttpGateway(VcdConfig(url=cloud.url, answer_timeout=5.0, **who), RealClock(), log=log)
    await gateway.open()
    try:
        yield gateway
    finally:
        await gateway.close()


async def until(condition: Any) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)  # a property of the gateway is polled: there is nothing to be woken by


def deploy(number: int, attempt: int) -> HttpCall:
    return HttpCall(
        operation="deployVApp", method="POST", path=f"/vApp/{acme_vapp(number)}/action/deploy", query={}, body={},
        media_type=None, call_id=f"vb-{number:032x}-{attempt}", organization="acme",
    )  # fmt: skip


async def carried_out(gateway: HttpGateway, number: int) -> tuple[CallAnswer, int]:
    """The call as a lifecycle makes it: a 401 is a new attempt, with the session that comes then."""
    for attempt in range(1, 5):
        await until(lambda: gateway.session_ready)
        call = deploy(number, attempt)
        answer = await gateway.call(call, leave_by=time.monotonic() + 5, may_leave=lambda: True)
        if not isinstance(answer, SessionExpired):
            return answer, attempt
    raise AssertionError("the session expires again and again")


CREDENTIALS = [
    {"username": "administrator", "password": PASSWORD},
    {"username": None, "password": None, "api_token": "api-token-administrator-system"},
]


@pytest.mark.parametrize("credentials", CREDENTIALS, ids=["password", "api-token"])
async def test_one_login_replaces_a_session_that_ends_under_load(cloud: Simulator, credentials: dict[str, Any]) -> None:
    """40 calls and 40 reads at a time; the session ends in the middle of them, and a second time."""
    numbers = range(1, 121)
    async with opened(cloud, **credentials) as gateway:
        first = await carried_out(gateway, 1000)
        assert isinstance(first[0], Accepted)
        task = first[0].task
        last = cloud.ledger()[-1]["sequence"]
        room = asyncio.Semaphore(40)

        def logins() -> list[int | None]:
            found = (entry for entry in cloud.ledger(last) if entry["operation"] in ("providerLogin", "oauthToken"))
            return [entry["status"] for entry in found]

        async def call(number: int) -> tuple[CallAnswer, int]:
            async with room:
                if number == 80:  # the second end is one of its own only when the first is over
                    await until(lambda: bool(logins()))
                if number in (40, 80):
                    await asyncio.to_thread(cloud.expire_sessions)
                return await carried_out(gateway, number)

        reads = asyncio.gather(*(gateway.read_task(task.id, task.href) for _ in range(40)))
        answers = await asyncio.gather(*(call(number) for number in numbers))
        assert {type(answer) for answer, _ in answers} == {Accepted}
        assert {type(reading) for reading in await reads} == {TaskRead}
        assert max(attempt for _, attempt in answers) > 1, "some calls met the end of a session"
    entries = cloud.ledger(last)
    assert logins() == [200, 200], "one login for each end"
    effects = Counter(entry["entity"] for entry in entries if entry["operation"] == "deployVApp" and entry["effect"])
    assert effects == Counter(acme_vapp(number) for number in numbers), "every call was carried out once"


async def test_a_session_is_renewed_before_its_token_ends(cloud: Simulator) -> None:
    """``exp`` and ``iat`` of the JWT tell how long it lives."""
    cloud.settings(session_absolute_seconds=3600)
    async with opened(cloud) as gateway:
        session = gateway._sessions.current  # what it made of the token
        assert session is not None
        assert session.expires_at is not None
        assert session.renew_at is not None
        assert session.expires_at - session.renew_at == pytest.approx(0.2 * 3600, abs=1)


async def test_a_revoked_api_token_is_a_clear_stop(cloud: Simulator) -> None:
    log = Log()
    token = "api-token-operator-system"
    async with opened(cloud, log, username=None, password=None, api_token=token) as gateway:
        administrator = cloud.log_in("administrator@System")
        accept = "application/json;version=39.0"
        listed = administrator.get("/cloudapi/1.0.0/tokens?filter=owner.name==operator", Accept=accept).json()
        path = f"/cloudapi/1.0.0/tokens/{listed['values'][0]['id']}"
        assert administrator.call("DELETE", path, Accept=accept).status == 204
        cloud.expire_sessions("operator@System")
        answer = await gateway.call(deploy(2000, 1), leave_by=time.monotonic() + 5, may_leave=lambda: True)
        assert isinstance(answer, SessionExpired | NeverSent)
        await until(lambda: "vcd.login_refused" in log.events)
        assert not gateway.session_ready
        (said,) = [facts["detail"] for event, facts in log.lines if event == "vcd.login_refused"]
        assert "make a new one in VCD and set vcd.api_token" in said
        assert token not in said


@pytest.mark.parametrize(
    ("versions", "deprecated", "chosen"),
    [
        (["36.0", "37.0"], [], "37.0"),
        (["38.1", "39.1", "40.0"], ["38.1", "39.1"], "39.1"),
        (["38.1", "39.1", "40.0"], ["39.1"], "38.1"),
    ],
)
async def test_servers_that_offer_other_versions(
    cloud: Simulator, versions: list[str], deprecated: list[str], chosen: str
) -> None:
    cloud.settings(versions=versions, deprecated_versions=deprecated, alpha_versions=["41.0.0-alpha"])
    log = Log()
    async with opened(cloud, log) as gateway:
        assert gateway.api_version == chosen
        answer, _ = await carried_out(gateway, 3000)
        assert isinstance(answer, Accepted)
    assert ("vcd.api_version_deprecated" in log.events) is (chosen in deprecated)


@pytest.mark.parametrize(
    ("versions", "alpha", "listed"),
    [
        (["31.0", "32.0"], [], "31.0, 32.0"),
        (["40.0"], [], "40.0"),
        ([], ["39.0.0-alpha", "40.0.0-alpha-1577836800"], r"39\.0\.0-alpha \(alpha\), 40"),
        ([], [], "none"),
    ],
)
async def test_servers_that_offer_nothing_for_us(
    cloud: Simulator, versions: list[str], alpha: list[str], listed: str
) -> None:
    cloud.settings(versions=versions, deprecated_versions=[], alpha_versions=alpha)
    with pytest.raises(ConfigurationError, match=f"no released API version .* serves {listed}"):
        async with opened(cloud):
            pass


@pytest.mark.parametrize("sessions_end", [True, False])
async def test_an_upgrade_takes_the_version_away(cloud: Simulator, *, sessions_end: bool) -> None:
    """Sessions end with an upgrade; where they do not, a 406 tells that the version is gone."""
    cloud.settings(versions=["37.3", "38.1"])
    async with opened(cloud) as gateway:
        assert gateway.api_version == "38.1"
        cloud.settings(versions=["39.0", "39.1"])
        if sessions_end:
            cloud.expire_sessions()
        last = cloud.ledger()[-1]["sequence"]
        answers = await asyncio.gather(*(carried_out(gateway, number) for number in range(4001, 4011)))
        assert {type(answer) for answer, _ in answers} == {Accepted}
        assert gateway.api_version == "39.1"
        task = next(answer.task for answer, _ in answers if isinstance(answer, Accepted))
        cloud.settings(versions=["39.0"])
        assert isinstance(await gateway.read_task(task.id, task.href), TaskRead), "a read too"
        assert gateway.api_version == "39.0"
    logins = [entry["status"] for entry in cloud.ledger(last) if entry["operation"] == "providerLogin"]
    assert logins == [200, 200]
