"""Login, tokens, expiry, tenant context, versions, headers of every answer."""

from __future__ import annotations

import base64
import json
import re
from typing import Any
from xml.etree import ElementTree

import httpx
import pytest

from bridge.simulator.server import serve_in_thread
from tests.simulator.driver import ACME, URL, VAPP, VERSION, Caller, Cloud, error_code

LOGIN = "/cloudapi/1.0.0/sessions"
ACCEPT = f"application/json;version={VERSION}"
UUID = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"


def test_versions_need_no_session_and_are_xml_unless_json_is_asked_for(cloud: Cloud) -> None:
    answer = cloud.raw("GET", "/api/versions")
    assert (answer.status, answer.content_type) == (200, "text/xml;charset=utf-8")
    names = {"v": "http://www.vmware.com/vcloud/versions"}
    root = ElementTree.fromstring(answer.body)  # our own document
    found = {
        info.findtext("v:Version", None, names): info.get("deprecated") for info in root.findall("v:VersionInfo", names)
    }
    assert found["39.1"] == "false"
    assert found["35.0"] == "true"
    assert root.findtext("v:VersionInfo/v:LoginUrl", None, names) == f"{URL}{LOGIN}"
    cloud.set("settings", {"alpha_versions": ["40.0.0-alpha"]})
    answer = cloud.raw("GET", "/api/versions", accept="application/*+json")
    assert (answer.status, answer.content_type) == (200, "application/json")
    document = json.loads(answer.body)
    assert {one["version"]: str(one["deprecated"]).lower() for one in document["versionInfo"]} == found
    assert document["versionInfo"][0]["providerLoginUrl"] == f"{URL}{LOGIN}/provider"
    assert [one["version"] for one in document["alphaVersion"]] == ["40.0.0-alpha"]


@pytest.mark.parametrize(
    ("login", "path"),
    [
        ("admin@acme:wrong", LOGIN),
        ("nobody@acme:secret", LOGIN),
        ("admin@gamma:secret", LOGIN),
        ("admin:secret", LOGIN),
        ("administrator@System:secret", LOGIN),
        ("admin@acme:secret", f"{LOGIN}/provider"),
    ],
)
def test_a_failed_login_is_401_with_an_empty_body(cloud: Cloud, login: str, path: str) -> None:
    basic = "Basic " + base64.b64encode(login.encode()).decode()
    answer = cloud.raw("POST", path, authorization=basic, accept=ACCEPT)
    assert (answer.status, answer.body, answer.content_type) == (401, b"", None)


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer x", "Basic !", "Basic YQ", "Negotiate x"])
def test_no_valid_token_is_401(cloud: Cloud, authorization: str) -> None:
    for path in ("/api/org", "/api/query?type=task", "/cloudapi/1.0.0/sessions/current"):
        answer = cloud.raw("GET", path, authorization=authorization, accept=ACCEPT)
        assert (answer.status, answer.body) == (401, b"")


def test_sessions_end_after_idling_and_at_their_absolute_end(cloud: Cloud) -> None:
    cloud.set("settings", {"session_idle_seconds": 100, "session_absolute_seconds": 250})
    admin = cloud.log_in()
    cloud.wait(99)
    assert admin.call("GET", "/org").status == 200
    cloud.wait(99)
    assert admin.call("GET", "/org").status == 200
    cloud.wait(52)
    assert admin.call("GET", "/org").status == 401
    idle = cloud.log_in()
    cloud.wait(100)
    assert idle.call("GET", "/org").status == 401


def test_the_current_session_and_logout(cloud: Cloud, admin: Caller) -> None:
    document = json.loads(admin.call("GET", f"{LOGIN}/current").body)
    assert (document["user"]["name"], document["org"]["name"]) == ("admin", "acme")
    assert document["sessionIdleTimeoutMinutes"] == 30
    other = cloud.log_in()
    assert admin.call("DELETE", f"{LOGIN}/{document['id']}").status == 204
    assert admin.call("GET", "/org").status == 401
    assert other.call("DELETE", f"{LOGIN}/current").status == 204
    assert other.call("GET", "/org").status == 401


def test_tokens_are_jwts(cloud: Cloud, admin: Caller) -> None:
    claims = json.loads(base64.urlsafe_b64decode(admin.token.split(".")[1] + "=="))
    assert (claims["sub"], claims["exp"] - claims["iat"]) == ("admin", 86400)
    assert admin.token.count(".") == 2
    assert cloud.log_in().token != admin.token


def test_sessions_are_listed_and_read(cloud: Cloud, admin: Caller, provider: Caller) -> None:
    cloud.log_in()
    listed = json.loads(admin.call("GET", LOGIN, accept=ACCEPT).body)
    assert listed["resultTotal"] == 2
    one = listed["values"][0]["id"]
    assert json.loads(admin.call("GET", f"{LOGIN}/{one}").body)["id"] == one
    assert provider.call("GET", f"{LOGIN}/{one}").status == 200
    for stranger in (cloud.log_in("admin@beta"), cloud.log_in("user@acme")):
        assert stranger.call("GET", f"{LOGIN}/{one}").status == stranger.call("DELETE", f"{LOGIN}/{one}").status == 403
    assert provider.call("DELETE", f"{LOGIN}/{one}").status == 204
    assert admin.call("GET", f"{LOGIN}/{one}").status in (401, 403)


def test_a_role_is_referred_to(admin: Caller) -> None:
    session = json.loads(admin.call("GET", f"{LOGIN}/current").body)
    assert session["roles"] == ["Organization Administrator"]
    assert session["roleRefs"][0]["id"].startswith("urn:vcloud:role:")


def legacy(version: str) -> str:
    return f"application/*+json;version={version}"


@pytest.mark.parametrize("user", ["admin@acme", "administrator@System"])
def test_the_legacy_login_of_versions_before_38(cloud: Cloud, user: str) -> None:
    basic = "Basic " + base64.b64encode(f"{user}:secret".encode()).decode()
    answer = cloud.raw("POST", "/api/sessions", authorization=basic, accept=legacy("37.3"))
    document, headers = json.loads(answer.body), dict(answer.headers)
    assert (answer.status, f"{document['user']}@{document['org']}") == (200, user)
    assert (answer.content_type or "").startswith("application/vnd.vmware.vcloud.session+json")
    for name in ("x-vcloud-authorization", "X-VMWARE-VCLOUD-ACCESS-TOKEN"):
        assert cloud.raw("GET", "/api/org", **{name: headers[name]}, accept=legacy("37.3")).status == 200
    token = {"x-vcloud-authorization": headers["x-vcloud-authorization"]}
    assert cloud.raw("GET", "/api/session", **token, accept=legacy("37.3")).status == 200
    assert cloud.raw("DELETE", "/api/session", **token, accept=legacy("37.3")).status == 204
    assert cloud.raw("GET", "/api/session", **token, accept=legacy("37.3")).status == 401
    wrong = cloud.raw("POST", "/api/sessions", authorization=basic[:-4], accept=legacy("37.3"))
    assert (wrong.status, wrong.body) == (401, b"")


def test_what_is_left_of_it_from_38_on(cloud: Cloud, admin: Caller) -> None:
    basic = "Basic " + base64.b64encode(b"admin@acme:secret").decode()
    assert cloud.raw("POST", "/api/sessions", authorization=basic, accept=legacy("38.0")).status == 404
    answer = admin.call("DELETE", "/session", accept=legacy("38.0"))
    assert (answer.status, dict(answer.headers)["Allow"]) == (405, "GET")
    assert admin.call("GET", "/session", accept=legacy("39.1")).status == 200


def test_header_names_in_any_case_over_a_socket() -> None:
    """CSE sends the tenant context in lower case; servers hand header names on in lower case."""
    with serve_in_thread() as (url, _):
        basic = base64.b64encode(b"administrator@System:secret").decode()
        login = httpx.post(f"{url}{LOGIN}/provider", headers={"AUTHORIZATION": f"Basic {basic}", "accept": ACCEPT})
        token = login.headers["x-vmware-vcloud-access-token"]
        for name in ("X-VMWARE-VCLOUD-TENANT-CONTEXT", "x-vmware-vcloud-tenant-context"):
            headers = {"Authorization": f"bearer {token}", "Accept": legacy(VERSION), name: ACME}
            listed = httpx.get(f"{url}/api/org", headers=headers).json()["org"]
            assert [org["name"] for org in listed] == ["acme"]


@pytest.mark.parametrize(("name", "status"), [("acme", 200), ("ACME", 200), ("beta", 401)])
def test_the_name_beside_the_tenant_context_must_fit(provider: Caller, name: str, status: int) -> None:
    headers = {"x-vmware-vcloud-tenant-context": ACME, "x-vmware-vcloud-auth-context": name}
    assert provider.call("GET", "/org", **headers).status == status


def test_who_is_disabled_or_gone_is_out(cloud: Cloud, admin: Caller) -> None:
    store = cloud.director.cloud.store
    user = store.users["user", "acme"]
    session = cloud.log_in("user@acme")
    user.is_enabled = False
    assert session.call("GET", "/org").status == 401
    user.is_enabled = True
    session = cloud.log_in("user@acme")
    store.remove(user.entity)
    assert session.call("GET", "/org").status == 401
    basic = "Basic " + base64.b64encode(b"user@acme:secret").decode()
    assert cloud.raw("POST", LOGIN, authorization=basic, accept=ACCEPT).status == 401
    assert admin.call("GET", "/org").status == 200


def test_refused_logins_lock_an_account_for_a_while(cloud: Cloud) -> None:
    cloud.set("settings", {"lockout_attempts": 3, "lockout_seconds": 600})

    def status(password: str) -> int:
        basic = "Basic " + base64.b64encode(f"admin@acme:{password}".encode()).decode()
        return cloud.raw("POST", LOGIN, authorization=basic, accept=ACCEPT).status

    assert [status("x"), status("x"), status("secret")] == [401, 401, 200], "a success forgives"
    assert [status("x"), status("x"), status("x"), status("secret")] == [401] * 4
    cloud.log_in("user@acme")
    cloud.wait(600)
    assert status("secret") == 200


@pytest.mark.parametrize(("version", "login"), [("32.0", "/api/sessions"), ("33.0", LOGIN)])
def test_older_versions_log_in_at_the_older_place(cloud: Cloud, version: str, login: str) -> None:
    cloud.set("settings", {"versions": [version], "deprecated_versions": [version], "alpha_versions": ["40.0.0-alpha"]})
    names = {"v": "http://www.vmware.com/vcloud/versions"}
    root = ElementTree.fromstring(cloud.raw("GET", "/api/versions").body)  # our own document
    (info,) = root.findall("v:VersionInfo", names)
    assert (info.get("deprecated"), info.findtext("v:LoginUrl", None, names)) == ("true", f"{URL}{login}")
    provider = info.findtext("v:ProviderLoginUrl", None, names)
    assert provider == (f"{URL}{LOGIN}/provider" if version == "33.0" else None)
    assert root.findtext("v:AlphaVersion/v:Version", None, names) == "40.0.0-alpha"


def test_an_administrator_can_expire_sessions(cloud: Cloud, admin: Caller, provider: Caller) -> None:
    assert cloud.set("sessions/expire", {"user": "admin@acme"}) == {"ended": 1}
    assert admin.call("GET", "/org").status == 401
    assert provider.call("GET", "/org").status == 200


def test_api_tokens_give_access_tokens_and_stay(cloud: Cloud) -> None:
    form = b"grant_type=refresh_token&refresh_token=api-token-admin-acme"
    for _ in range(2):
        answer = cloud.raw("POST", "/oauth/tenant/acme/token", form, accept=ACCEPT)
        document = json.loads(answer.body)
        assert (answer.status, document["token_type"]) == (200, "Bearer")
        assert document["expires_in"] == 86400
        assert Caller(cloud, document["access_token"]).call("GET", "/org").status == 200
    assert cloud.raw("POST", "/oauth/provider/token", form, accept=ACCEPT).status == 400
    provider = cloud.raw("POST", "/oauth/provider/token", form.replace(b"admin-acme", b"administrator-system"))
    assert provider.status == 200


@pytest.mark.parametrize("context", [f"urn:vcloud:org:{ACME}", "acme", "00000000-0000-4000-8000-000000000000"])
def test_a_tenant_context_that_is_no_bare_uuid_of_an_organization_is_401(provider: Caller, context: str) -> None:
    headers = {"x-vmware-vcloud-tenant-context": context}
    assert provider.call("GET", "/org", **headers).status == 401


def test_a_tenant_context_narrows_a_provider(cloud: Cloud, provider: Caller) -> None:
    headers: Any = {"x-vmware-vcloud-tenant-context": ACME}
    assert [org["name"] for org in provider.json("GET", "/org", **headers)["org"]] == ["acme"]
    assert len(provider.json("GET", "/org")["org"]) == 3
    assert cloud.log_in("admin@beta").call("GET", "/org", **headers).status == 401


@pytest.mark.parametrize(
    "accept",
    ["", "application/*+json", "application/*+json;version=12.0", "application/*+xml", f"text/html;version={VERSION}"],
)
def test_an_accept_without_a_known_format_or_version_is_406(admin: Caller, accept: str) -> None:
    answer = admin.call("GET", "/org", accept=accept)
    assert (answer.status, error_code(answer)) == (406, "NOT_ACCEPTABLE")


@pytest.mark.parametrize(
    ("accept", "wrong"),
    [("application/*+json;version=12.0", "Invalid API version requested"), ("application/*+json", "")],
)
def test_a_406_lists_what_there_is(cloud: Cloud, admin: Caller, accept: str, wrong: str) -> None:
    offered = {"versions": ["36.0", "38.1"], "deprecated_versions": ["36.0"], "alpha_versions": ["39.0.0-alpha"]}
    cloud.set("settings", offered)
    message = json.loads(admin.call("GET", "/org", accept=accept).body)["message"]
    listed = "Supported API versions are: [39.0.0-alpha, 38.1, 36.0 [D]] ([D] indicates deprecated versions)"
    assert message.partition("] ")[2] == f"The request has invalid accept header: {wrong}. {listed}"


def test_the_request_id_starts_with_the_clients(admin: Caller) -> None:
    def request_id(client_id: str) -> str:
        answer = admin.call("GET", "/org", **{"x-vmware-vcloud-client-request-id": client_id})
        return dict(answer.headers)["X-VMWARE-VCLOUD-REQUEST-ID"]

    assert re.fullmatch(f"vb-0a1-1-{UUID}", request_id("vb-0a1-1"))
    assert re.fullmatch(f"a{{128}}-{UUID}", request_id("a" * 200))
    for invalid in ("", "with blank", "under_score"):
        assert re.fullmatch(UUID, request_id(invalid))


def test_error_documents_begin_with_the_request_id(admin: Caller) -> None:
    answer = admin.call("GET", "/vApp/vapp-00000000-0000-4000-8000-000000000000")
    document = json.loads(answer.body)
    assert document["message"].startswith(
        f"[ {dict(answer.headers)['X-VMWARE-VCLOUD-REQUEST-ID']} ] No access to entity"
    )
    assert (answer.status, document["majorErrorCode"]) == (403, 403)
    assert set(document) == {
        "otherAttributes", "message", "majorErrorCode", "minorErrorCode", "vendorSpecificErrorCode", "stackTrace",
        "tenantError", "vCloudExtension",
    }  # fmt: skip
    assert (answer.content_type or "").startswith("application/vnd.vmware.vcloud.error+json")


def test_a_cloudapi_error_has_no_major_code(admin: Caller) -> None:
    answer = admin.call("DELETE", f"{LOGIN}/urn:vcloud:session:unknown")
    assert answer.status == 403
    assert "majorErrorCode" not in json.loads(answer.body)


def test_unknown_paths_are_404_and_wrong_methods_405(admin: Caller) -> None:
    assert admin.call("GET", "/nothing/here").status == 404
    answer = admin.call("PATCH", f"/vApp/{VAPP}")
    assert answer.status == 405
    assert "PUT" in dict(answer.headers)["Allow"]
    assert admin.call("GET", f"/vApp/{VAPP}/").status == 200


def test_every_answer_has_a_date(cloud: Cloud) -> None:
    assert dict(cloud.raw("GET", "/api/versions").headers)["Date"] == "Fri, 15 Jan 2027 08:00:00 GMT"


def test_the_public_url_is_what_hrefs_start_with(admin: Caller) -> None:
    answer = admin.call("POST", f"/vApp/{VAPP}/action/deploy", {})
    assert dict(answer.headers)["Location"].startswith(f"{URL}/api/task/")
    assert admin.json("GET", "/session")["link"][0]["href"].startswith(URL)


def test_urns_resolve_to_links(admin: Caller) -> None:
    task = admin.deploy()
    assert admin.json("GET", f"/entity/urn:vcloud:task:{task}")["link"][0]["href"].endswith(f"/task/{task}")
    entity = admin.json("GET", f"/entity/urn:vcloud:vapp:{VAPP[5:]}")
    assert entity["name"] == "vapp-1"
    assert admin.call("GET", f"/entity/urn:vcloud:vm:{VAPP[5:]}").status == 403
