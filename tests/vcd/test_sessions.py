"""Sessions: one login in flight, renewed ahead, doubted, confirmed, refused, never told to anybody."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from itertools import accumulate

import httpx
import pytest

from bridge.errors import ConfigurationError, TemporaryError
from bridge.vcd.config import VcdConfig
from bridge.vcd.login.credentials import (
    ApiTokenCredential,
    Credential,
    LoginUnavailable,
    PasswordCredential,
)
from bridge.vcd.login.identity import credential_of
from bridge.vcd.login.sessions import REFUSED_DELAYS, Sessions
from bridge.vcd.transport.line import Line
from bridge.vcd.transport.transports import Reply
from tests.vcd.scripted import (
    LOST,
    REFUSED,
    Log,
    ManualClock,
    Outcome,
    ScriptedTransport,
    ScriptedVcd,
    fault,
    reply,
    settle,
)

PASSWORD = "correct horse: battery@staple"
TOKEN = "refresh-0123456789"
Make = Callable[..., Sessions]


@pytest.fixture
def vcd() -> ScriptedVcd:
    return ScriptedVcd()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
async def make(vcd: ScriptedVcd, clock: ManualClock, log: Log) -> AsyncIterator[Make]:
    made: list[Sessions] = []

    def build(credential: Credential | None = None) -> Sessions:
        transport = ScriptedTransport(vcd)
        line = Line("https://vcd.example", transport, transport, clock)
        who = credential or PasswordCredential("bridge", PASSWORD, "System")
        made.append(Sessions(line, who, clock, versions=("33.0", "39.1"), log=log))
        return made[-1]

    yield build
    for sessions in made:
        await sessions.close()


def is_ready(sessions: Sessions) -> bool:
    return sessions.current is not None


async def test_a_provider_logs_in_with_a_password(make: Make, vcd: ScriptedVcd, log: Log) -> None:
    sessions = make()
    await sessions.open()
    request = vcd.logins[0]
    assert request.url.path == "/cloudapi/1.0.0/sessions/provider"
    assert request.headers["accept"] == "application/json;version=38.1"
    kind, _, encoded = request.headers["authorization"].partition(" ")
    assert (kind, base64.b64decode(encoded).decode()) == ("Basic", f"bridge@System:{PASSWORD}")
    session = sessions.current
    assert session is not None
    assert (session.user_name, session.organization, session.api_version) == ("bridge", "System", "38.1")
    assert sessions.public_hosts == {"public.example"}
    assert log.events == ["vcd.logged_in"]


async def test_a_tenant_logs_in_elsewhere(make: Make, vcd: ScriptedVcd) -> None:
    await make(PasswordCredential("bob", PASSWORD, "acme")).open()
    assert vcd.logins[0].url.path == "/cloudapi/1.0.0/sessions"


@pytest.mark.parametrize(
    ("organization", "path"),
    [("System", "/oauth/provider/token"), ("system", "/oauth/provider/token"), ("a/b", "/oauth/tenant/a%2Fb/token")],
)
async def test_an_api_token(make: Make, vcd: ScriptedVcd, organization: str, path: str) -> None:
    vcd.lifetime = 3600
    sessions = make(ApiTokenCredential(TOKEN, organization))
    await sessions.open()
    request = vcd.logins[0]
    assert request.url.raw_path.decode() == path
    assert request.content.decode() == f"grant_type=refresh_token&refresh_token={TOKEN}"
    session = sessions.current
    assert session is not None
    assert (session.renew_at, session.expires_at) == (1000.0 + 2880.0, 1000.0 + 3600.0)


def jwt(**claims: int) -> str:
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"e30.{body}.sig"


@pytest.mark.parametrize(
    ("token", "date", "lifetime"),
    [
        (jwt(iat=1_000_000, exp=1_086_400), None, 86_400.0),
        (jwt(exp=1_795_521_660), "Tue, 24 Nov 2026 12:00:00 GMT", 60.0),
        (jwt(exp=5), None, None), (jwt(iat=9, exp=5), None, None), ("opaque", None, None), ("a.!.c", None, None),
    ],
)  # fmt: skip
async def test_a_password_sessions_life_is_read_from_its_token(
    token: str, date: str | None, lifetime: float | None
) -> None:
    async def send(_target: str, _headers: dict[str, str], _body: bytes) -> Outcome:
        headers = {"x_vmware_vcloud_access_token": token} | ({"date": date} if date is not None else {})
        return reply(200, **headers)

    grant = await PasswordCredential("bridge", PASSWORD, "System").log_in(send, "38.1")  # type: ignore[arg-type]
    assert grant.lifetime == lifetime


async def test_an_expired_session_is_replaced_once_for_many_who_notice(make: Make, vcd: ScriptedVcd) -> None:
    sessions = make()
    await sessions.open()
    session = sessions.current
    assert session is not None
    vcd.valid.clear()
    waiting = [asyncio.create_task(sessions.usable(5.0)) for _ in range(20)]
    for _ in range(20):
        sessions.suspect(session)
    assert sessions.current is None
    waiting += [asyncio.create_task(sessions.usable(5.0)) for _ in range(20)]
    found = await asyncio.gather(*waiting[20:])
    assert {one.token for one in found if one is not None} == {"token-2"}
    assert None not in found
    assert len(vcd.logins) == 2
    sessions.suspect(session)
    assert sessions.current is not None, "a late 401 to the old token says nothing about the new one"


async def test_a_401_about_a_request_does_not_end_the_session(make: Make, vcd: ScriptedVcd, log: Log) -> None:
    sessions = make()
    await sessions.open()
    session = sessions.current
    assert session is not None
    for _ in range(3):
        sessions.suspect(session)
        assert sessions.current is None
        assert await sessions.usable(5.0) is session
    assert len(vcd.logins) == 1
    assert log.events.count("vcd.session_confirmed") == 3


async def test_refused_logins_do_not_hammer_the_account(
    make: Make, vcd: ScriptedVcd, clock: ManualClock, log: Log
) -> None:
    vcd.login = lambda number: reply(200) if number in {1, 7} else reply(401)
    sessions = make()
    await sessions.open()
    session = sessions.current
    assert session is not None
    vcd.valid.clear()
    sessions.suspect(session)
    await settle()
    assert len(vcd.logins) == 2
    assert await sessions.usable(60.0) is None, "nobody waits for a person to change a password"
    for expected in (*REFUSED_DELAYS, REFUSED_DELAYS[-1]):
        await clock.advance(expected - 1)
        count = len(vcd.logins)
        await clock.advance(1)
        assert len(vcd.logins) == count + 1
    assert not is_ready(sessions)
    await clock.advance(REFUSED_DELAYS[-1])
    assert is_ready(sessions)
    assert log.events.count("vcd.login_refused") == 5
    # VCD's default policy locks after five refusals in ten minutes.
    times = list(accumulate(clock.sleeps, initial=0.0))
    assert max(sum(start <= time < start + 600 for time in times) for start in times) < 5


async def test_logins_that_fail_are_tried_again_soon(make: Make, vcd: ScriptedVcd, clock: ManualClock) -> None:
    outcomes: list[Outcome] = [
        reply(200), fault(REFUSED), fault(LOST), reply(503), reply(429), reply(500), reply(200),
    ]  # fmt: skip
    vcd.login = lambda number: outcomes[number - 1]
    sessions = make()
    await sessions.open()
    session = sessions.current
    assert session is not None
    vcd.valid.clear()
    sessions.suspect(session)
    await settle()
    for _ in range(5):
        await clock.advance(60.0)
    assert sessions.current is not None
    assert clock.sleeps == [0.5, 1.0, 2.0, 4.0, 8.0]


async def test_a_session_is_renewed_before_it_ends(make: Make, vcd: ScriptedVcd, clock: ManualClock) -> None:
    vcd.lifetime = 100
    sessions = make(ApiTokenCredential(TOKEN, "System"))
    await sessions.open()
    first = sessions.current
    await settle()
    await clock.advance(79.0)
    assert sessions.current is first
    await clock.advance(1.0)
    second = sessions.current
    assert second is not None
    assert second is not first
    assert len(vcd.logins) == 2


@pytest.mark.parametrize("lifetime", [0, -5, 1, 2**62])
async def test_no_life_that_vcd_names_makes_a_storm_of_logins(
    make: Make, vcd: ScriptedVcd, clock: ManualClock, lifetime: int
) -> None:
    vcd.lifetime = lifetime
    sessions = make(ApiTokenCredential(TOKEN, "System"))
    await sessions.open()
    await settle()
    for _ in range(300):
        await clock.advance(1.0)
        assert is_ready(sessions)
    assert len(vcd.logins) <= 1 + 300 / (0.8 * 60)


async def test_an_expired_session_is_not_used(make: Make, vcd: ScriptedVcd, clock: ManualClock) -> None:
    vcd.lifetime = 100
    sessions = make(ApiTokenCredential(TOKEN, "System"))
    await sessions.open()
    clock.time += 100.0
    assert sessions.current is None
    assert sessions.latest is not None, "who we are is still known"


@pytest.mark.parametrize("status", [400, 401, 403, 404])
async def test_refused_credentials_at_the_start_are_a_configuration_error(
    make: Make, vcd: ScriptedVcd, status: int
) -> None:
    message = f"no, {PASSWORD} is wrong"
    vcd.login = lambda _: reply(status, {"message": message, "minorErrorCode": "UNAUTHORIZED"})
    with pytest.raises(ConfigurationError) as caught:
        await make().open()
    assert "bridge@System" in caught.value.message
    assert PASSWORD not in caught.value.message + caught.value.hint


@pytest.mark.parametrize("outcome", [reply(503), reply(429), reply(302), fault(REFUSED), fault(LOST)])
async def test_a_vcd_that_is_not_there_is_temporary(make: Make, vcd: ScriptedVcd, outcome: Outcome) -> None:
    vcd.login = lambda _: outcome
    with pytest.raises(TemporaryError):
        await make().open()


async def test_something_else_at_the_address_is_a_configuration_error(clock: ManualClock) -> None:
    for outcome in (reply(200, b"<html/>"), reply(404), reply(200, {})):
        transport = ScriptedTransport(lambda _, outcome=outcome: outcome)  # type: ignore[misc]
        line = Line("https://elsewhere.example", transport, transport, clock)
        sessions = Sessions(line, PasswordCredential("b", "p", "System"), clock, versions=("33.0", "39.1"))
        with pytest.raises(ConfigurationError, match=r"elsewhere\.example/api/versions"):
            await sessions.open()


PAGES = [
    reply(200, b"<html>maintenance</html>", content_type="text/html"), reply(200),
    reply(404, b"no route", content_type="text/plain"), reply(403, b"<html>blocked</html>", content_type="text/html"),
]  # fmt: skip


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("where", ["/api/versions", "/cloudapi/1.0.0/sessions/provider"])
async def test_a_balancers_page_keeps_a_vcd_that_was_met_away_for_seconds_only(
    vcd: ScriptedVcd, clock: ManualClock, log: Log, page: Reply, where: str
) -> None:
    """Maintenance of ten minutes: the session is back half a minute after it, not a quarter of an hour."""
    down = False
    transport = ScriptedTransport(lambda request: page if down and request.url.path == where else vcd(request))
    line = Line("https://vcd.example", transport, transport, clock)
    credential = PasswordCredential("bridge", PASSWORD, "System")
    sessions = Sessions(line, credential, clock, versions=("33.0", "39.1"), log=log)
    await sessions.open()
    session = sessions.current
    assert session is not None
    down = True
    vcd.valid.clear()
    sessions.suspect(session)
    await settle()
    for _ in range(600):
        await clock.advance(1.0)
    assert not is_ready(sessions)
    down = False
    await clock.advance(30.0)
    assert is_ready(sessions)
    assert "vcd.login_refused" not in log.events
    await sessions.close()


@pytest.mark.parametrize("page", PAGES)
async def test_a_page_does_not_confirm_a_dead_token(
    vcd: ScriptedVcd, clock: ManualClock, log: Log, page: Reply
) -> None:
    paged = True

    def before(request: httpx.Request) -> Outcome:
        current = request.url.path.endswith("/current") and request.headers["authorization"] == "Bearer token-1"
        return page if current and paged and not vcd.valid & {"token-1"} else vcd(request)  # type: ignore[return-value]

    transport = ScriptedTransport(before)
    line = Line("https://vcd.example", transport, transport, clock)
    credential = PasswordCredential("bridge", PASSWORD, "System")
    sessions = Sessions(line, credential, clock, versions=("33.0", "39.1"), log=log)
    await sessions.open()
    session = sessions.current
    assert session is not None
    vcd.valid.clear()
    sessions.suspect(session)
    await settle()
    assert "vcd.session_confirmed" not in log.events
    assert sessions.current is not None
    assert sessions.current.token == "token-2"
    await sessions.close()


@pytest.mark.parametrize("token", ["", "tökén", "a\nb", "\u2603"])
async def test_a_token_that_cannot_be_sent_is_no_login(token: str) -> None:
    async def send(_target: str, _headers: dict[str, str], _body: bytes) -> Outcome:
        return reply(200, {"access_token": token}, x_vmware_vcloud_access_token=token)

    for credential in (ApiTokenCredential(TOKEN, "System"), PasswordCredential("bridge", PASSWORD, "System")):
        with pytest.raises(LoginUnavailable):
            await credential.log_in(send, "38.1")  # type: ignore[arg-type]


async def test_a_keeper_that_stumbles_goes_on(vcd: ScriptedVcd, clock: ManualClock) -> None:
    """A logger that raises must not end the only one who logs in."""

    class Broken(Log):
        def warning(self, event: str, **facts: object) -> None:
            super().warning(event, **facts)
            if self.events.count(event) == 1 and event == "vcd.session_confirmed":
                raise TypeError("two values for one argument")

    transport = ScriptedTransport(vcd)
    line = Line("https://vcd.example", transport, transport, clock)
    log = Broken()
    sessions = Sessions(line, PasswordCredential("b", "p", "System"), clock, versions=("33.0", "39.1"), log=log)
    await sessions.open()
    session = sessions.current
    assert session is not None
    sessions.suspect(session)
    await settle()
    assert "vcd.session_keeper_failed" in log.events
    await clock.advance(5.0)
    assert sessions.current is session
    await sessions.close()


async def test_logout_on_close(vcd: ScriptedVcd) -> None:
    transport = ScriptedTransport(vcd)
    line = Line("https://vcd.example", transport, transport, ManualClock())
    sessions = Sessions(line, PasswordCredential("b", "p", "System"), ManualClock(), versions=("33.0", "39.1"))
    await sessions.open()
    await sessions.close()
    last = transport.requests[-1]
    assert (last.method, last.url.path) == ("DELETE", "/cloudapi/1.0.0/sessions/current")
    await sessions.close()
    assert transport.requests[-1] is last, "closed once"


async def test_no_secret_is_shown_anywhere(make: Make, vcd: ScriptedVcd, log: Log) -> None:
    config = VcdConfig(url="https://vcd.example", username="bridge", password=PASSWORD)
    token_config = VcdConfig(url="https://vcd.example", api_token=TOKEN)
    shown = [repr(config), repr(token_config), repr(credential_of(config)), repr(credential_of(token_config))]
    sessions = make()
    await sessions.open()
    shown += [repr(sessions.current), repr(vcd.logins[0]), repr(log.lines), credential_of(token_config).label]
    for secret in (PASSWORD, TOKEN, "token-1"):
        assert not any(secret in text for text in shown)


def test_credentials_are_needed() -> None:
    with pytest.raises(ConfigurationError, match="no credentials"):
        VcdConfig(url="https://vcd.example", username="bridge")
    with pytest.raises(ConfigurationError, match="https://"):
        VcdConfig(url="vcd.example", api_token="x")


HERE, ELSEWHERE = "00000000-0000-4000-8000-00000000000a", "00000000-0000-4000-8000-00000000000b"


@pytest.mark.parametrize(
    ("first", "then", "accepted"),
    [
        ((HERE, HERE), (HERE, ELSEWHERE), True),  # the user was made anew
        ((HERE, HERE), (ELSEWHERE, HERE), False),
        ((None, HERE), (None, ELSEWHERE), False),
        ((None, HERE), (HERE, HERE), True),  # an upgrade: the site was not told before
        ((None, HERE), (None, None), True),
    ],
)
async def test_another_vcd_where_the_credentials_work_too_is_not_worked_with(
    make: Make,
    vcd: ScriptedVcd,
    log: Log,
    first: tuple[str | None, str | None],
    then: tuple[str | None, str | None],
    accepted: bool,
) -> None:
    """Calls whose answer was lost would be looked for there, not be found, and be made a second time."""

    def stand_for(site: str | None, user: str | None) -> None:
        vcd.site_urn = site and f"urn:vcloud:site:{site}"
        vcd.user_urn = f"urn:vcloud:user:{user}"

    stand_for(*first)
    sessions = make()
    await sessions.open()
    session = sessions.current
    assert session is not None
    vcd.valid.clear()
    stand_for(*then)
    sessions.suspect(session)
    await settle()
    assert is_ready(sessions) is accepted
    assert ("vcd.login_failed" in log.events) is not accepted
    if not accepted:
        assert "another VCD" in log.lines[-1][1]["detail"]


async def test_an_address_is_tried_with_the_session(make: Make, vcd: ScriptedVcd) -> None:
    vcd.site_urn = f"urn:vcloud:site:{HERE}"
    sessions = make()
    await sessions.open()
    assert await sessions.trouble_at("https://b.example") is None
    vcd.site_urn = f"urn:vcloud:site:{ELSEWHERE}"
    assert await sessions.trouble_at("https://b.example") == "is another VCD's"
    vcd.valid.clear()
    trouble = await sessions.trouble_at("https://b.example")
    assert trouble is not None
    assert "HTTP 401" in trouble
    assert is_ready(sessions), "the session is not doubted for it"
