"""Metadata: types, domains, visibility, and who may write what; in JSON and in virtual time."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.simulator.state.founding.inventory import well_known_uuid
from tests.simulator.driver import URL, VAPP, VDC, Caller, Cloud, error_code, rels

PATH = f"/vApp/{VAPP}/metadata"


def typed(kind: str, value: Any) -> dict[str, Any]:
    return {"_type": f"Metadata{kind}Value", "value": value}


def item(value: dict[str, Any], /, **domain: str) -> dict[str, Any]:
    return {"typedValue": value, "domain": domain or None}


def put(cloud: Cloud, caller: Caller, path: str, body: Any, method: str = "PUT") -> None:
    task = caller.json(method, path, body, status=202)["id"][-36:]
    cloud.wait(10)
    assert caller.task(task)["status"] == "success"


def known(caller: Caller, path: str = PATH) -> dict[str, Any]:
    return {one["key"]: one["typedValue"]["value"] for one in caller.json("GET", path)["metadataEntry"]}


def test_entries_are_merged_set_and_deleted_when_the_task_succeeds(cloud: Cloud, admin: Caller) -> None:
    entries = [{"key": "ticket", "typedValue": typed("String", "INC 1/2")}, {"key": "b", "value": "1"}]
    task = admin.json("POST", PATH, {"metadataEntry": entries}, status=202)["id"][-36:]
    assert known(admin) == {}
    cloud.wait(10)
    assert admin.task(task)["status"] == "success"
    assert known(admin) == {"ticket": "INC 1/2", "b": "1"}
    put(cloud, admin, f"{PATH}/a%2Fb%20c", item(typed("String", "x")))
    document = admin.json("GET", f"{PATH}/a%2Fb%20c")
    assert document["href"] == f"{URL}/api{PATH}/a%2Fb%20c"
    assert (document["typedValue"], document["domain"]) == (typed("String", "x"), None)
    assert rels(document) == ["up", "edit", "remove"]
    put(cloud, admin, f"{PATH}/ticket/", None, "DELETE")
    assert known(admin) == {"b": "1", "a/b c": "x"}
    assert admin.call("GET", f"{PATH}/ticket").status == 403
    assert admin.call("DELETE", f"{PATH}/ticket").status == 403


@pytest.mark.parametrize(
    ("kind", "value", "kept"),
    [
        ("Number", "7", 7), ("Number", -(2**63), -(2**63)), ("Boolean", "true", True), ("Boolean", False, False),
        ("DateTime", "2026-10-05T13:44:00.000Z", "2026-10-05T13:44:00.000+0000"),
    ],
)  # fmt: skip
def test_values_have_their_types(cloud: Cloud, admin: Caller, kind: str, value: Any, kept: Any) -> None:
    put(cloud, admin, f"{PATH}/k", item(typed(kind, value)))
    assert admin.json("GET", f"{PATH}/k")["typedValue"] == typed(kind, kept)


@pytest.mark.parametrize(
    "body",
    [
        item(typed("Number", "seven")), item(typed("Number", 2**63)), item(typed("Number", True)),
        item(typed("Boolean", "perhaps")), item(typed("DateTime", "tomorrow")), item(typed("Colour", "red")), {},
        {"typedValue": {"_type": "MetadataStringValue"}},
    ],
)  # fmt: skip
def test_values_that_do_not_fit_their_types_are_refused(admin: Caller, body: Any) -> None:
    answer = admin.call("PUT", f"{PATH}/k", body)
    assert (answer.status, error_code(answer)) == (400, "BAD_REQUEST")


@pytest.mark.parametrize("entry", [{"value": "1"}, {"key": "", "value": "1"}, {"key": "k" * 257, "value": "1"}])
def test_keys_have_1_to_256_symbols(admin: Caller, entry: Any) -> None:
    assert admin.call("POST", PATH, {"metadataEntry": [entry]}).status == 400


class TestDomains:
    def test_the_same_key_lives_in_both(self, cloud: Cloud, admin: Caller, provider: Caller) -> None:
        put(cloud, admin, f"{PATH}/GENERAL/tier", item(typed("String", "mine")))
        put(
            cloud,
            provider,
            f"{PATH}/SYSTEM/tier",
            item(typed("String", "theirs"), value="SYSTEM", visibility="READONLY"),
        )
        assert admin.json("GET", f"{PATH}/tier")["typedValue"]["value"] == "mine"
        system = admin.json("GET", f"{PATH}/SYSTEM/tier")
        assert (system["domain"]["value"], system["domain"]["visibility"]) == ("SYSTEM", "READONLY")
        put(cloud, admin, f"{PATH}/tier", None, "DELETE")
        assert known(admin) == {"tier": "theirs"}

    def test_private_ones_are_seen_by_providers_only(self, cloud: Cloud, admin: Caller, provider: Caller) -> None:
        put(cloud, provider, f"{PATH}/SYSTEM/rack", item(typed("String", "r1"), value="SYSTEM", visibility="PRIVATE"))
        assert (known(admin), known(provider)) == ({}, {"rack": "r1"})
        assert admin.call("GET", f"{PATH}/SYSTEM/rack").status == 403

    @pytest.mark.parametrize(("method", "body"), [("PUT", item(typed("String", "x"))), ("DELETE", None)])
    def test_tenants_do_not_write_in_that_of_the_system(
        self, cloud: Cloud, admin: Caller, provider: Caller, method: str, body: Any
    ) -> None:
        put(cloud, provider, f"{PATH}/SYSTEM/k", item(typed("String", "x")))
        assert admin.call(method, f"{PATH}/SYSTEM/k", body).status == 403
        entry = {"key": "k", "value": "1", "domain": {"value": "SYSTEM", "visibility": "READONLY"}}
        assert admin.call("POST", PATH, {"metadataEntry": [entry]}).status == 403

    @pytest.mark.parametrize(
        ("path", "visibility"), [("SYSTEM/k", "READWRITE"), ("k", "PRIVATE"), ("GENERAL/k", "READONLY")]
    )
    def test_a_visibility_that_a_domain_does_not_have_is_the_500_of_real_servers(
        self, provider: Caller, path: str, visibility: str
    ) -> None:
        body = item(typed("String", "x"), value=path.partition("/")[0], visibility=visibility)
        answer = provider.call("PUT", f"{PATH}/{path}", body)
        assert (answer.status, error_code(answer)) == (500, "INTERNAL_SERVER_ERROR")
        assert b'visibility"' in answer.body

    def test_a_domain_that_is_none_is_refused(self, admin: Caller) -> None:
        entry = {"key": "k", "value": "1", "domain": {"value": "LOCAL", "visibility": "READWRITE"}}
        assert admin.call("POST", PATH, {"metadataEntry": [entry]}).status == 400


def test_entities_with_a_view_for_administrators_are_changed_there(cloud: Cloud, admin: Caller) -> None:
    user, administrator = f"/vdc/{VDC}/metadata", f"/admin/vdc/{VDC}/metadata"
    put(cloud, admin, f"{administrator}/k", item(typed("String", "v")))
    assert known(admin, user) == known(admin, administrator) == {"k": "v"}
    assert admin.call("PUT", f"{user}/k", item(typed("String", "v"))).status == 405
    assert rels(admin.json("GET", user)) == ["up"]
    assert rels(admin.json("GET", administrator)) == ["up", "add"]
    assert admin.json("GET", administrator)["href"] == f"{URL}/api{administrator}"


@pytest.mark.parametrize(
    "path",
    [
        f"/{place}/{well_known_uuid(kind, 'acme')}"
        for kind, place in (("org", "org"), ("catalog", "catalog"), ("catalogItem", "catalogItem"), ("media", "media"),
                            ("disk", "disk"), ("network", "network"))
    ],
)  # fmt: skip
def test_each_kind_has_some(admin: Caller, path: str) -> None:
    assert known(admin, f"{path}/metadata/") == {}
