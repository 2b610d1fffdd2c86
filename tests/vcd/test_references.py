"""References of objects: every way to name one, and every way in which there is none."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx
import pytest

from bridge.core.answers import ReadRefused, ReferenceAbsent, ReferenceKind, ReferenceRead, Unavailable
from bridge.core.requests import JsonValue
from bridge.vcd.reading.lookups import MOST_REMEMBERED, REMEMBERED_SECONDS, Lookups
from tests.vcd.gateway_setup import FORBIDDEN, ORG, Setup, make_setup
from tests.vcd.scripted import REFUSED, ManualClock, Outcome, fault, reply
from tests.vcd.test_gateway_reads import NOT_FOR_GOOD

USER = "99999999-0000-4000-8000-000000000002"
OWN = "99999999-0000-4000-8000-000000000003"
VM = "99999999-0000-4000-8000-000000000004"
NOBODY = "00000000-1111-4222-8333-444444444444"
PUBLIC = "https://public.example"
ORGANIZATION, OWNER, AS_USER = ReferenceKind.ORGANIZATION, ReferenceKind.OWNER, ReferenceKind.USER

ACME = {
    "href": f"{PUBLIC}/api/org/{ORG}", "id": f"urn:vcloud:org:{ORG}", "type": "application/vnd.vmware.vcloud.org+json",
    "name": "acme",
}  # fmt: skip
JANE = {
    "href": f"{PUBLIC}/api/admin/user/{USER}", "id": f"urn:vcloud:user:{USER}",
    "type": "application/vnd.vmware.admin.user+xml", "name": "jane",
}  # fmt: skip
WEB = {
    "href": f"{PUBLIC}/api/vApp/vm-{VM}", "id": f"urn:vcloud:vm:{VM}", "type": "application/vnd.vmware.vcloud.vm+json",
    "name": "web",
}  # fmt: skip


def link(path: str, media_type: str | None = None, rel: str = "alternate") -> JsonValue:
    return {"rel": rel, "href": f"https://elsewhere.example/api{path}", "type": media_type, "name": None}


@dataclass(slots=True)
class Cloud:
    """Objects by path; resolves the VM's URN as VCD does: named after the URN, with a link for each view."""

    documents: dict[str, dict[str, JsonValue]] = field(
        default_factory=lambda: {
            f"/org/{ORG}": {**ACME, "fullName": "Acme Inc."},
            f"/admin/user/{USER}": {**JANE, "isEnabled": True},
            f"/vApp/vm-{VM}": {**WEB, "status": 4},
            f"/entity/urn:vcloud:vm:{VM}": {
                "id": f"urn:vcloud:vm:{VM}", "name": f"urn:vcloud:vm:{VM}",
                "type": "application/vnd.vmware.vcloud.entity+json",
                "link": [link(f"/admin/extension/vm/vm-{VM}"), link(f"/vApp/vm-{VM}")],
            },
        }
    )  # fmt: skip

    def __call__(self, request: httpx.Request) -> Outcome:
        path = request.url.path.removeprefix("/api")
        if path == "/query":
            rows: JsonValue = [{"name": "ACME", "id": f"urn:vcloud:org:{ORG}"}]
            return reply(200, {"record": rows, "total": 1})
        document = self.documents.get(path)
        return reply(403, FORBIDDEN) if document is None else reply(200, document)


@pytest.fixture
def cloud(setup: Setup) -> Cloud:
    made = Cloud()
    setup.answer(made)
    return made


def asked(setup: Setup, since: int) -> list[str]:
    """What was asked of VCD, by path below its address."""
    return [request.url.path for request in setup.reads.requests[since:]]


async def read(setup: Setup, kind: ReferenceKind, text: str | None) -> ReferenceRead:
    found = await setup.gateway.read_reference(kind, text)
    assert isinstance(found, ReferenceRead), found
    return found


# --- found ------------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("cloud")
@pytest.mark.parametrize(
    "text",
    ["acme", "Acme", " acme ", ORG, ORG.upper(), f"urn:vcloud:org:{ORG}", f"https://vcd.example/api/org/{ORG}",
     f"https://vcd.example:443/api/admin/org/{ORG}", f"{PUBLIC}/api/tasksList/{ORG}"],
)  # fmt: skip
async def test_an_organization_in_every_spelling(setup: Setup, text: str) -> None:
    assert await read(setup, ORGANIZATION, text) == ReferenceRead(ACME, ORG)  # type: ignore[arg-type]  # four texts


@pytest.mark.usefixtures("cloud")
@pytest.mark.parametrize("text", [f"urn:vcloud:user:{USER}", f"{PUBLIC}/api/admin/user/{USER}"])
async def test_a_user_by_urn_or_href(setup: Setup, text: str) -> None:
    assert await read(setup, AS_USER, text) == ReferenceRead(JANE, USER)  # type: ignore[arg-type]  # four texts


@pytest.mark.usefixtures("cloud")
@pytest.mark.parametrize(
    ("text", "paths"),
    [
        (f"urn:vcloud:vm:{VM}", [f"/api/entity/urn:vcloud:vm:{VM}", f"/api/vApp/vm-{VM}"]),
        (f"https://vcd.example/api/vApp/vm-{VM}/", [f"/api/vApp/vm-{VM}"]),
        (f"https://VCD.example/api/vApp/vm-{VM}?force=true#x", [f"/api/vApp/vm-{VM}"]),
    ],
)
async def test_an_owner_by_urn_or_href(setup: Setup, text: str, paths: list[str]) -> None:
    before = len(setup.reads.requests)
    assert await read(setup, OWNER, text) == ReferenceRead(WEB, VM)  # type: ignore[arg-type]  # four texts
    assert asked(setup, before) == paths
    assert {request.url.host for request in setup.reads.requests} == {"vcd.example"}
    assert not setup.calls.requests, "connections for calls are for calls"
    assert all("x-vmware-vcloud-tenant-context" not in request.headers for request in setup.reads.requests)


@pytest.mark.usefixtures("cloud")
@pytest.mark.parametrize(
    ("text", "path"),
    [(f"urn:vcloud:org:{ORG}", f"/api/org/{ORG}"), (f"urn:vcloud:user:{USER}", f"/api/admin/user/{USER}"),
     (f"https://vcd.example/api/admin/org/{ORG}", f"/api/org/{ORG}")],
)  # fmt: skip
async def test_organizations_and_users_may_be_owners_and_are_remembered_as_such(
    setup: Setup, text: str, path: str
) -> None:
    before = len(setup.reads.requests)
    for _ in range(3):
        await read(setup, OWNER, text)
    assert asked(setup, before) == [path]


async def test_the_bridges_own_user(setup: Setup, cloud: Cloud) -> None:
    setup.vcd.user_urn = f"urn:vcloud:user:{OWN}"
    await log_in_again(setup)
    cloud.documents[f"/admin/user/{OWN}"] = {**JANE, "id": f"urn:vcloud:user:{OWN}", "name": "bridge"}
    found = await read(setup, AS_USER, None)
    assert (found.uuid, found.reference["name"], found.reference["type"]) == (OWN, "bridge", JANE["type"])


@pytest.mark.usefixtures("cloud")
async def test_a_login_that_may_not_look_at_users_still_knows_its_own(setup: Setup) -> None:
    setup.vcd.user_urn = f"urn:vcloud:user:{OWN}"
    await log_in_again(setup)
    before = len(setup.reads.requests)
    for _ in range(2):
        assert (await read(setup, AS_USER, None)).reference == {
            "href": f"https://vcd.example/api/admin/user/{OWN}", "id": f"urn:vcloud:user:{OWN}",
            "type": "application/vnd.vmware.admin.user+xml", "name": "bridge",
        }  # fmt: skip
    assert asked(setup, before) == [f"/api/admin/user/{OWN}"]


async def test_an_own_user_without_an_id(setup: Setup) -> None:
    found = await setup.gateway.read_reference(AS_USER, None)
    assert found == ReferenceAbsent("user: VCD does not tell the id of the bridge's own user: name a user")


async def test_what_a_document_leaves_out(setup: Setup, cloud: Cloud) -> None:
    """The type comes from where it was found, the href from our own address; nothing else is made up."""
    cloud.documents[f"/org/{ORG}"] = {"id": f"urn:vcloud:org:{ORG}"}
    cloud.documents[f"/vApp/vm-{VM}"] = {"id": f"urn:vcloud:vm:{VM}", "type": None, "name": ""}
    resolved = cloud.documents[f"/entity/urn:vcloud:vm:{VM}"]
    resolved["link"] = [link(f"/vApp/vm-{VM}", "application/vnd.vmware.vcloud.vm+xml"), link("/x", rel="up")]
    assert (await read(setup, ORGANIZATION, ORG)).reference == {
        "href": f"https://vcd.example/api/org/{ORG}", "id": f"urn:vcloud:org:{ORG}",
        "type": "application/vnd.vmware.vcloud.org+xml", "name": None,
    }  # fmt: skip
    assert (await read(setup, OWNER, f"urn:vcloud:vm:{VM}")).reference == {
        "href": f"https://vcd.example/api/vApp/vm-{VM}", "id": f"urn:vcloud:vm:{VM}",
        "type": "application/vnd.vmware.vcloud.vm+xml", "name": None,
    }  # fmt: skip


async def test_a_reference_in_xml(setup: Setup) -> None:
    body = (
        f'<Org xmlns="http://www.vmware.com/vcloud/v1.5" name="acme" id="{ACME["id"]}" href="{ACME["href"]}" type="t"/>'
    )
    setup.answer(reply(200, body.encode(), content_type="application/vnd.vmware.vcloud.org+xml"))
    assert (await read(setup, ORGANIZATION, ORG)).reference == {**ACME, "type": "t"}


@pytest.mark.usefixtures("cloud")
async def test_a_host_that_vcd_names_is_its_own_from_then_on(setup: Setup, cloud: Cloud) -> None:
    cloud.documents[f"/org/{ORG}"]["href"] = f"https://third.example:8443/api/org/{ORG}"
    href = f"https://third.example:8443/api/vApp/vm-{VM}"
    assert isinstance(await setup.gateway.read_reference(OWNER, href), ReferenceAbsent)
    await read(setup, ORGANIZATION, "acme")
    assert "third.example:8443" in setup.gateway.own_hosts
    await read(setup, OWNER, href)
    assert {request.url.host for request in setup.reads.requests} == {"vcd.example"}


# --- not found --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "text", "said"),
    [
        (ORGANIZATION, None, "nothing is named"), (OWNER, None, "nothing is named"), (OWNER, "  ", "nothing is named"),
        (OWNER, "web", "neither a URN"), (OWNER, VM, "neither a URN"), (OWNER, f"vm-{VM}", "neither a URN"),
        (OWNER, f"/api/vApp/vm-{VM}", "neither a URN"), (OWNER, "urn:vcloud:vm:7", "neither a URN"),
        (OWNER, f"urn:vcloud:vm/../x:{VM}", "neither a URN"), (OWNER, f"urn:vcloud:vm?x:{VM}", "neither a URN"),
        (OWNER, f"https://evil.example/api/vApp/vm-{VM}", "not on this Cloud Director, which is public.example, vcd"),
        (OWNER, f"https://vcd.example@evil.example/api/vApp/vm-{VM}", "not on this Cloud Director"),
        (OWNER, f"https://vcd.example:8443/api/vApp/vm-{VM}", "not on this Cloud Director"),
        (OWNER, f"ftp://vcd.example/api/vApp/vm-{VM}", "not on this Cloud Director"),
        (OWNER, f"https://[vcd.example/api/vApp/vm-{VM}", "not on this Cloud Director"),
        (OWNER, f"https://vcd.example/cloudapi/1.0.0/vms/urn:vcloud:vm:{VM}", "not the address of an object"),
        (OWNER, f"https://vcd.example/api/../cloudapi/{VM}", "not the address of an object"),
        (OWNER, f"https://vcd.example/api/%2e%2e/org/{ORG}", "not the address of an object"),
        (OWNER, f"https://vcd.example/api/vApp/vm-{VM}/snapshotSection", "not the address of an object"),
        (OWNER, "https://vcd.example/api/query", "not the address of an object"),
        (OWNER, f"https://vcd.example/{VM}{'x' * 1024}", "longer than 1024"),
        (ORGANIZATION, "ac\ud800me", "cannot be printed"), (ORGANIZATION, "acme\nnobody", "cannot be printed"),
        (AS_USER, "", "nothing is named"), (AS_USER, "jane", "neither a URN"), (AS_USER, USER, "neither a URN"),
        (AS_USER, f"urn:vcloud:vm:{VM}", "the URN of a vm, not of a user"),
        (AS_USER, f"https://vcd.example/api/vApp/vm-{VM}", "something else than a user"),
        (ORGANIZATION, f"urn:vcloud:vm:{VM}", "the URN of a vm, not of an organization"),
        (ORGANIZATION, f"https://evil.example/api/org/{ORG}", "not on this Cloud Director"),
        (ORGANIZATION, f"https://vcd.example/api/admin/user/{USER}", "something else than an organization"),
    ],
)  # fmt: skip
async def test_what_cannot_be_a_reference_is_absent_and_nothing_is_asked(
    setup: Setup, kind: ReferenceKind, text: str | None, said: str
) -> None:
    before = len(setup.reads.requests)
    found = await setup.gateway.read_reference(kind, text)
    assert isinstance(found, ReferenceAbsent), found
    assert found.message.startswith(str(kind))
    assert said in found.message
    assert len(found.message.encode()) < 500
    assert asked(setup, before) == []


@pytest.mark.usefixtures("cloud")
@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (ORGANIZATION, "nobody"), (ORGANIZATION, "acm*"), (ORGANIZATION, NOBODY),
        (ORGANIZATION, f"urn:vcloud:org:{NOBODY}"), (OWNER, f"urn:vcloud:vm:{NOBODY}"),
        (OWNER, f"https://vcd.example/api/vApp/vm-{NOBODY}"), (AS_USER, f"urn:vcloud:user:{NOBODY}"),
    ],
)  # fmt: skip
async def test_what_vcd_does_not_show_is_absent(setup: Setup, kind: ReferenceKind, text: str) -> None:
    found = await setup.gateway.read_reference(kind, text)
    assert isinstance(found, ReferenceAbsent)
    assert found.message.startswith(f"{kind} {text}: VCD ")


@pytest.mark.parametrize("status", [400, 403, 404])
async def test_absence_says_what_vcd_said(setup: Setup, status: int) -> None:
    setup.answer(reply(status, FORBIDDEN))
    found = await setup.gateway.read_reference(OWNER, f"urn:vcloud:vm:{VM}")
    assert found == ReferenceAbsent(
        f"owner urn:vcloud:vm:{VM}: VCD answered HTTP {status}: "
        "[ x ] No access to entity com.vmware.vcloud.entity.task:1"
    )


@pytest.mark.parametrize(
    "document",
    [
        {}, {"id": None}, {**WEB, "id": f"urn:vcloud:vm:{NOBODY}"}, {**WEB, "id": 7}, {**WEB, "id": {"x": []}},
        {"link": "x"}, {"link": [None, {"href": 1}, {"href": "https://[x"}]},
        {"link": [link(f"/vApp/vm-{VM}", rel="up"), link(f"/vApp/vm-{NOBODY}"), link("/vApp")]},
    ],
)  # fmt: skip
async def test_documents_that_are_of_something_else(setup: Setup, document: JsonValue) -> None:
    setup.answer(reply(200, document))
    for text in (f"urn:vcloud:vm:{VM}", f"https://vcd.example/api/vApp/vm-{VM}"):
        assert isinstance(await setup.gateway.read_reference(OWNER, text), ReferenceAbsent)


async def test_only_links_to_the_object_itself_are_followed(setup: Setup, cloud: Cloud) -> None:
    resolved = cloud.documents[f"/entity/urn:vcloud:vm:{VM}"]
    resolved["link"] = [link(f"/vApp/vm-{VM}", rel="up"), link(f"/org/{ORG}"), link(f"/vApp/vm-{VM}/screen")]
    before = len(setup.reads.requests)
    found = await setup.gateway.read_reference(OWNER, f"urn:vcloud:vm:{VM}")
    assert isinstance(found, ReferenceAbsent)
    assert "tells no address" in found.message
    assert asked(setup, before) == [f"/api/entity/urn:vcloud:vm:{VM}"]


async def test_a_tenants_login_knows_its_own_organization(tenant: Setup) -> None:
    tenant.vcd.organization_uuid = ORG
    await log_in_again(tenant)
    tenant.answer(Cloud())
    before = len(tenant.reads.requests)
    assert (await read(tenant, ORGANIZATION, "ACME")).uuid == ORG
    assert asked(tenant, before) == [f"/api/org/{ORG}"], "its session tells the uuid"
    found = await tenant.gateway.read_reference(ORGANIZATION, "beta")
    assert isinstance(found, ReferenceAbsent)
    assert "logged in to acme" in found.message


# --- not now ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("outcome", [*NOT_FOR_GOOD, reply(302), reply(200), reply(404), reply(500), fault(REFUSED)])
@pytest.mark.parametrize(
    ("kind", "text"), [(ORGANIZATION, "beta"), (ORGANIZATION, ORG), (OWNER, WEB["id"]), (OWNER, WEB["href"])]
)
async def test_nothing_else_says_that_it_is_absent(
    setup: Setup, kind: ReferenceKind, text: str, outcome: Outcome
) -> None:
    setup.answer(outcome)
    assert isinstance(await setup.gateway.read_reference(kind, text), Unavailable)


@pytest.mark.parametrize("status", [405, 406])
async def test_what_vcd_will_never_answer(setup: Setup, status: int) -> None:
    setup.answer(reply(status, FORBIDDEN))
    found = await setup.gateway.read_reference(OWNER, WEB["href"])
    assert isinstance(found, ReadRefused)
    assert found.http_status == status


async def test_vcd_asks_for_silence(setup: Setup) -> None:
    setup.answer(reply(429, retry_after="9"))
    for _ in range(2):
        found = await setup.gateway.read_reference(ORGANIZATION, ORG)
        assert isinstance(found, Unavailable)
        assert found.retry_after is not None
        assert found.retry_after.total_seconds() == 9
    assert len([one for one in setup.reads.requests if one.url.path.startswith("/api/org")]) == 1


@pytest.mark.usefixtures("cloud")
async def test_a_session_that_ended_is_renewed(setup: Setup) -> None:
    await log_in_again(setup)
    await read(setup, ORGANIZATION, "acme")
    assert len(setup.vcd.logins) == 2


async def log_in_again(setup: Setup) -> None:
    """What VCD says about the session is asked anew."""
    setup.vcd.valid.clear()
    rest, setup.vcd.rest = setup.vcd.rest, lambda _: reply(204)
    await setup.gateway.read_task(f"urn:vcloud:task:{VM}", None)
    setup.vcd.rest = rest


# --- remembered -------------------------------------------------------------------------------------------------------


async def test_a_thousand_creates_cost_one_look_at_their_organization_and_user(setup: Setup, cloud: Cloud) -> None:
    before = len(setup.reads.requests)

    async def create(_: int) -> None:
        await read(setup, ORGANIZATION, "acme")
        await read(setup, AS_USER, f"urn:vcloud:user:{USER}")

    await asyncio.gather(*(create(number) for number in range(1000)))
    assert asked(setup, before) == ["/api/query", f"/api/org/{ORG}", f"/api/admin/user/{USER}"]
    cloud.documents[f"/org/{ORG}"]["name"] = "renamed"
    setup.clock.time += REMEMBERED_SECONDS + 1
    assert (await read(setup, ORGANIZATION, ORG)).reference["name"] == "renamed"


async def test_an_organization_is_remembered_under_all_its_spellings(setup: Setup) -> None:
    uuid = "abcdef00-0000-4000-8000-00000000000a"
    setup.answer(reply(200, {**ACME, "id": f"urn:vcloud:org:{uuid}"}))
    before = len(setup.reads.requests)
    for text in (uuid, uuid.upper(), f"urn:vcloud:org:{uuid.upper()}", f"{PUBLIC}/api/org/{uuid}"):
        assert (await read(setup, ORGANIZATION, text)).uuid == uuid
    assert asked(setup, before) == [f"/api/org/{uuid}"]


async def test_absence_is_not_remembered(setup: Setup, cloud: Cloud) -> None:
    document = cloud.documents.pop(f"/org/{ORG}")
    assert isinstance(await setup.gateway.read_reference(ORGANIZATION, ORG), ReferenceAbsent)
    cloud.documents[f"/org/{ORG}"] = document
    await read(setup, ORGANIZATION, ORG)


async def test_memory_has_a_bound() -> None:
    looked: list[str] = []

    def looking(key: str) -> Callable[[], object]:
        async def look_up() -> str:
            looked.append(key)
            return key

        return look_up

    lookups: Lookups[str] = Lookups(ManualClock(), lambda found: True)
    keys = [str(number) for number in range(MOST_REMEMBERED + 1)]
    for key in [*keys, *keys[1:], keys[0]]:
        assert await lookups.find(key, looking(key)) == key  # type: ignore[arg-type]  # an async function
    assert looked == [*keys, keys[0]], "the one found longest ago was forgotten"


# --- who may ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("told", "provider"), [("System", True), ("system", True), ("acme", False)])
async def test_who_the_provider_is_is_what_vcd_says(told: str, provider: bool) -> None:
    setup = await make_setup()
    assert setup.gateway.is_provider
    setup.vcd.organization = told
    await log_in_again(setup)
    assert setup.gateway.is_provider is provider
    await setup.gateway.close()
    assert setup.gateway.is_provider, "without a session, what the settings say"
