"""API tokens and service accounts: made, used, rotated, revoked; OAuth's errors; what their sessions may not do."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import pytest

from bridge.simulator.protocol.exchange import Answer
from bridge.simulator.state.founding.inventory import well_known_uuid
from tests.simulator.driver import ACME, URL, VAPP, VERSION, Caller, Cloud

ACCEPT = f"application/json;version={VERSION}"
TENANT = "/oauth/tenant/acme"
PROVIDER = "/oauth/provider"
ACCOUNTS = "/cloudapi/1.0.0/serviceAccounts"
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"


def form(cloud: Cloud, path: str, **fields: str) -> Answer:
    return cloud.raw("POST", path, urlencode(fields).encode(), content_type="application/x-www-form-urlencoded")


def granted(answer: Answer) -> Any:
    assert answer.status == 200, answer.body
    return json.loads(answer.body)


def oauth_error(answer: Answer) -> str:
    """OAuth's code, which stands where VCD's clients look for it too."""
    document = json.loads(answer.body)
    assert answer.status == 400
    assert document["minorErrorCode"] == document["error"]
    code: str = document["error"]
    return code


def openapi(caller: Caller, method: str, path: str, body: Any = None, version: str = VERSION) -> Answer:
    return caller.call(method, path, body, accept=f"application/json;version={version}")


def register(caller: Caller, path: str, **body: Any) -> Any:
    """As go-vcloud-director does: no version, and 201 expected."""
    answer = caller.cloud.raw(
        "POST", f"{path}/register", body, authorization=f"Bearer {caller.token}", content_type="application/json"
    )
    assert answer.status == 201, answer.body
    return json.loads(answer.body)


class TestApiTokens:
    def test_a_user_makes_uses_and_revokes_one(self, cloud: Cloud, admin: Caller) -> None:
        client = register(admin, TENANT, client_name="ci")["client_id"]
        fields = {"grant_type": JWT_BEARER, "assertion": admin.token, "client_id": client}
        first = granted(form(cloud, f"{TENANT}/token", **fields))
        assert Caller(cloud, first["access_token"]).call("GET", "/org").status == 200
        assert oauth_error(form(cloud, f"{TENANT}/token", **fields)) == "invalid_grant", "shown once"
        refresh = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
        for _ in range(2):
            again = granted(form(cloud, f"{TENANT}/token", **refresh))
            assert again["refresh_token"] == first["refresh_token"], "it does not rotate"
        assert openapi(admin, "DELETE", f"/cloudapi/1.0.0/tokens/urn:vcloud:token:{client}").status == 204
        assert oauth_error(form(cloud, f"{TENANT}/token", **refresh)) == "invalid_grant"
        assert oauth_error(form(cloud, f"{TENANT}/token", grant_type="refresh_token")) == "invalid_grant"

    def test_they_are_listed_and_filtered_as_clients_do(self, cloud: Cloud, admin: Caller) -> None:
        user = cloud.log_in("user@acme")
        register(user, TENANT, client_name="mine")
        query = urlencode({"filter": "(name==mine;owner.name==user;(type==PROXY,type==REFRESH))", "pageSize": "32"})
        for caller, seen in ((user, 1), (admin, 1), (cloud.log_in("admin@beta"), 0)):
            page = json.loads(openapi(caller, "GET", f"/cloudapi/1.0.0/tokens?{query}").body)
            assert (page["resultTotal"], len(page["values"])) == (seen, seen)
        own = json.loads(openapi(user, "GET", "/cloudapi/1.0.0/tokens").body)["values"]
        assert {token["owner"]["name"] for token in own} == {"user"}
        token = json.loads(openapi(user, "GET", f"/cloudapi/1.0.0/tokens/{own[-1]['id']}").body)
        assert (token["token"], token["type"], token["org"]["name"]) == (None, "REFRESH", "acme")
        assert openapi(cloud.log_in("admin@beta"), "GET", f"/cloudapi/1.0.0/tokens/{token['id']}").status == 403
        assert openapi(user, "GET", "/cloudapi/1.0.0/tokens?filter=(name").status == 400
        assert openapi(user, "GET", "/cloudapi/1.0.0/tokens?pageSize=129").status == 400

    def test_their_sessions_manage_no_people_and_no_tokens(self, cloud: Cloud) -> None:
        fields = {"grant_type": "refresh_token", "refresh_token": "api-token-admin-acme"}
        caller = Caller(cloud, granted(form(cloud, f"{TENANT}/token", **fields))["access_token"])
        user = f"/admin/user/{well_known_uuid('user', 'acme', 2)}"
        assert caller.call("GET", user).status == 200, "looking is allowed"
        for method, path in (("PUT", user), ("DELETE", user), ("POST", f"/admin/org/{ACME}/users")):
            assert caller.call(method, path, {}).status == 403
        assert openapi(caller, "DELETE", f"/cloudapi/1.0.0/tokens/{well_known_uuid('user', 'acme')}").status == 403
        answer = cloud.raw(
            "POST", f"{TENANT}/register", {"client_name": "more"}, authorization=f"Bearer {caller.token}"
        )
        assert answer.status == 403
        fields = {"grant_type": JWT_BEARER, "assertion": caller.token, "client_id": well_known_uuid("user", "acme")}
        assert oauth_error(form(cloud, f"{TENANT}/token", **fields)) == "invalid_grant"
        caller.deploy()

    def test_they_came_with_36_1(self, cloud: Cloud, admin: Caller) -> None:
        assert openapi(admin, "GET", "/cloudapi/1.0.0/tokens", version="36.0").status == 404
        cloud.set("settings", {"versions": ["35.0", "36.0"]})
        fields = {"grant_type": "refresh_token", "refresh_token": "api-token-admin-acme"}
        assert form(cloud, f"{TENANT}/token", **fields).status == 404

    @pytest.mark.parametrize(
        ("path", "fields", "code"),
        [
            (TENANT, {}, "unsupported_grant_type"),
            (TENANT, {"grant_type": "password"}, "unsupported_grant_type"),
            (TENANT, {"grant_type": "refresh_token", "refresh_token": "x"}, "invalid_grant"),
            (PROVIDER, {"grant_type": "refresh_token", "refresh_token": "api-token-admin-acme"}, "invalid_grant"),
            ("/oauth/tenant/gamma", {"grant_type": "refresh_token", "refresh_token": "x"}, "invalid_request"),
            (TENANT, {"grant_type": JWT_BEARER, "assertion": "x", "client_id": "x"}, "invalid_grant"),
            (TENANT, {"grant_type": DEVICE_CODE, "client_id": "x"}, "invalid_client"),
        ],
    )
    def test_what_is_wrong_is_told_as_oauth_does(
        self, cloud: Cloud, path: str, fields: dict[str, str], code: str
    ) -> None:
        assert oauth_error(form(cloud, f"{path}/token", **fields)) == code

    def test_a_client_id_takes_the_assertion_of_its_user(self, cloud: Cloud, admin: Caller) -> None:
        client = register(cloud.log_in("user@acme"), TENANT, client_name="his")["client_id"]
        fields = {"grant_type": JWT_BEARER, "assertion": admin.token, "client_id": client}
        assert oauth_error(form(cloud, f"{TENANT}/token", **fields)) == "invalid_client"

    def test_the_parameters_may_stand_in_the_query(self, cloud: Cloud) -> None:
        query = urlencode({"grant_type": "refresh_token", "refresh_token": "api-token-administrator-system"})
        assert granted(cloud.raw("POST", f"{PROVIDER}/token?{query}"))["token_type"] == "Bearer"


class TestServiceAccounts:
    """As go-vcloud-director's service_account.go walks: register, authorize, grant, first token, refresh, revoke."""

    def made(self, caller: Caller, path: str = TENANT, **changes: Any) -> str:
        body = {"client_name": "robot", "software_id": "12345678-1234-1234-1234-1234567890ab", **changes}
        client: str = register(caller, path, **body)["client_id"]
        return client

    def account(self, caller: Caller, client: str) -> Any:
        answer = openapi(caller, "GET", f"{ACCOUNTS}/urn:vcloud:serviceAccount:{client}")
        assert answer.status == 200, answer.body
        return json.loads(answer.body)

    def test_the_device_flow(self, cloud: Cloud, provider: Caller, admin: Caller) -> None:
        client = self.made(provider, scope="urn:vcloud:role:vApp%20Author", software_version="1.2")
        account = self.account(admin, client)
        assert (account["status"], account["role"]["name"], account["softwareVersion"]) == (
            "CREATED", "vApp Author", "1.2"
        )  # fmt: skip
        asked = granted(form(cloud, f"{TENANT}/device_authorization", client_id=client))
        assert asked["verification_uri"].startswith(URL)
        assert (asked["interval"], asked["expires_in"]) == (5, 600)
        assert self.account(admin, client)["status"] == "REQUESTED"
        poll = {"grant_type": DEVICE_CODE, "client_id": client, "device_code": asked["device_code"]}
        assert oauth_error(form(cloud, f"{TENANT}/token", **poll)) == "authorization_pending"
        assert oauth_error(form(cloud, f"{TENANT}/token", **poll)) == "slow_down"
        cloud.wait(10)
        assert oauth_error(form(cloud, f"{TENANT}/token", **poll)) == "authorization_pending"

        found = openapi(admin, "POST", "/cloudapi/1.0.0/deviceLookup", {"userCode": asked["user_code"]})
        assert (found.status, dict(found.headers)["Location"]) == (303, f"{URL}{ACCOUNTS}/{account['id']}")
        grant = {"userCode": asked["user_code"].lower()}
        assert openapi(admin, "POST", "/cloudapi/1.0.0/deviceLookup/grant", grant).status == 204
        assert self.account(admin, client)["status"] == "GRANTED"
        first = granted(form(cloud, f"{TENANT}/token", **poll))
        assert self.account(admin, client)["status"] == "ACTIVE"
        assert oauth_error(form(cloud, f"{TENANT}/token", **poll)) == "invalid_grant", "codes are used up"

        second = granted(form(cloud, f"{TENANT}/token", grant_type="refresh_token",
                              refresh_token=first["refresh_token"]))  # fmt: skip
        assert second["refresh_token"] != first["refresh_token"]
        dead = form(cloud, f"{TENANT}/token", grant_type="refresh_token", refresh_token=first["refresh_token"])
        assert oauth_error(dead) == "invalid_grant"
        robot = Caller(cloud, second["access_token"])
        session = json.loads(openapi(robot, "GET", "/cloudapi/1.0.0/sessions/current").body)
        assert (session["user"]["name"], session["roles"]) == ("robot", ["vApp Author"])
        assert openapi(robot, "GET", ACCOUNTS).status == 403, "an author administers nothing"
        assert openapi(admin, "POST", f"{ACCOUNTS}/{account['id']}/revoke").status == 204
        assert robot.call("GET", "/org").status == 401, "its sessions end"
        assert self.account(admin, client)["status"] == "CREATED"
        dead = form(cloud, f"{TENANT}/token", grant_type="refresh_token", refresh_token=second["refresh_token"])
        assert oauth_error(dead) == "invalid_grant"

    def test_a_denied_and_an_expired_request(self, cloud: Cloud, provider: Caller, admin: Caller) -> None:
        client, body = self.made(admin), dict[str, str]()
        for path, wait, code in (("/deny", 0, "access_denied"), (None, 601, "expired_token")):
            asked = granted(form(cloud, f"{TENANT}/device_authorization", client_id=client))
            body = {"userCode": asked["user_code"]}
            if path is not None:
                assert openapi(provider, "POST", f"/cloudapi/1.0.0/deviceLookup{path}", body).status == 204
            cloud.wait(wait)
            poll = {"grant_type": DEVICE_CODE, "client_id": client, "device_code": asked["device_code"]}
            assert oauth_error(form(cloud, f"{TENANT}/token", **poll)) == code
        assert openapi(provider, "POST", "/cloudapi/1.0.0/deviceLookup/grant", body).status == 404

    def test_who_may_do_all_this(self, cloud: Cloud, provider: Caller, admin: Caller) -> None:
        client = self.made(provider, PROVIDER)
        account = self.account(provider, client)
        assert (account["org"]["name"], account["role"]["name"]) == ("System", "System Administrator")
        assert openapi(admin, "GET", f"{ACCOUNTS}/{account['id']}").status == 403
        asked = granted(form(cloud, f"{PROVIDER}/device_authorization", client_id=client))
        body = {"userCode": asked["user_code"]}
        assert openapi(admin, "POST", "/cloudapi/1.0.0/deviceLookup/grant", body).status == 404
        assert oauth_error(form(cloud, f"{TENANT}/device_authorization", client_id=client)) == "invalid_client"
        user = cloud.log_in("user@acme")
        body = {"client_name": "x", "software_id": "x"}
        for caller, path in ((user, TENANT), (admin, PROVIDER), (cloud.log_in("admin@beta"), TENANT)):
            answer = cloud.raw("POST", f"{path}/register", body, authorization=f"Bearer {caller.token}")
            assert answer.status == 403
        assert openapi(user, "POST", "/cloudapi/1.0.0/deviceLookup/grant", {"userCode": "x"}).status == 403

    def test_listed_changed_and_deleted(self, cloud: Cloud, admin: Caller) -> None:
        client = self.made(admin)
        page = json.loads(openapi(admin, "GET", f"{ACCOUNTS}?filter=name==robot&pageSize=32").body)
        account = page["values"][0]
        changed = {**account, "role": {"name": "vApp User"}, "softwareVersion": "2", "uri": "https://robot.example"}
        assert openapi(admin, "PUT", f"{ACCOUNTS}/{account['id']}", changed).status == 200
        now = self.account(admin, client)
        assert (now["role"]["name"], now["softwareVersion"], now["uri"]) == ("vApp User", "2", "https://robot.example")
        assert openapi(admin, "DELETE", f"{ACCOUNTS}/{account['id']}").status == 204
        assert openapi(admin, "GET", f"{ACCOUNTS}/{account['id']}").status == 403
        assert oauth_error(form(cloud, f"{TENANT}/device_authorization", client_id=client)) == "invalid_client"

    def test_they_came_with_37_0(self, cloud: Cloud, admin: Caller) -> None:
        assert openapi(admin, "GET", ACCOUNTS, version="36.3").status == 404
        client = self.made(admin)
        cloud.set("settings", {"versions": ["36.0", "36.3"]})
        assert form(cloud, f"{TENANT}/device_authorization", client_id=client).status == 404

    def test_one_that_is_ready_by_the_administrations_hand(self, cloud: Cloud) -> None:
        made = cloud.set("service-accounts", {"name": "bridge"})
        login = {"grant_type": "refresh_token", "refresh_token": made["refresh_token"]}
        robot = Caller(cloud, granted(form(cloud, f"{PROVIDER}/token", **login))["access_token"])
        task = robot.deploy(VAPP)
        assert robot.task(task)["user"]["name"] == "bridge"
        again = cloud.set("service-accounts", {"id": made["id"]})
        assert granted(form(cloud, f"{PROVIDER}/token", **{**login, "refresh_token": again["refresh_token"]}))
        assert cloud.admin("POST", "service-accounts", {"id": "x"})[0] == 404
        assert cloud.admin("POST", "service-accounts", {"organization": "x"})[0] == 400
        assert cloud.admin("POST", "service-accounts", {"nmae": "x"})[0] == 400
