"""Documents of organizations, people, vDCs, networks and what is the provider's; the schemas judge all that is read."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bridge.simulator.calls.estate.lists import LISTS
from bridge.simulator.documents.estate.organization import SETTINGS
from bridge.simulator.protocol.exchange import Refusal
from bridge.simulator.state.founding.inventory import well_known_uuid
from bridge.simulator.state.kinds import KINDS
from tests.simulator.driver import ACME, BETA, URL, VDC, VM, Caller, Cloud

XML = "application/*+xml;version=36.0"
NETWORK = well_known_uuid("network", "acme")
EDGE = well_known_uuid("edgeGateway", "acme")


@pytest.fixture
def cloud() -> Cloud:
    return Cloud()


@pytest.fixture
def provider(cloud: Cloud) -> Caller:
    return cloud.log_in("administrator@System")


@pytest.fixture
def admin(cloud: Cloud) -> Caller:
    return cloud.log_in("admin@acme")


def links(document: dict[str, Any]) -> set[tuple[str, str]]:
    return {(link["rel"], link["href"].removeprefix(f"{URL}/api")) for link in document["link"]}


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_every_kind_in_every_view_and_form(cloud: Cloud, provider: Caller, kind: Any) -> None:
    entity = cloud.director.cloud.store.of_kind(kind.name)[0]
    for collection in kind.collections:
        if collection in ("tasksList", "admin/org/associations", "admin/extension/resourcePool"):
            continue
        path = f"/{collection}/{kind.prefix}{entity.uuid}"
        document = provider.json("GET", path)
        assert document["href"].endswith(path) or not collection.startswith("admin/")
        assert provider.call("GET", path, accept=XML).status == 200


def test_roots_and_lists(provider: Caller, admin: Caller) -> None:
    server, pool = (well_known_uuid(kind, "System") for kind in ("vimServer", "providervdc"))
    paths = ["/admin", "/admin/extension", *(f"/admin/extension/{one.path}" for one in LISTS), "/site/associations",
             f"/admin/org/{ACME}/associations", f"/admin/providervdc/{pool}/vdcReferences",
             f"/admin/extension/vimServer/{server}/resourcePoolList"]  # fmt: skip
    for path in paths:
        assert provider.call("GET", path).status == 200
        assert provider.call("GET", path, accept=XML).status == 200
    root = provider.json("GET", "/admin")
    assert {one["name"] for one in root["organizationReferences"]["organizationReference"]} == {
        "System",
        "acme",
        "beta",
    }
    own = admin.json("GET", "/admin")
    assert [one["name"] for one in own["organizationReferences"]["organizationReference"]] == ["acme"]
    assert own["providerVdcReferences"] is None
    assert admin.call("GET", "/admin/extension").status == 403


def test_an_organization_in_both_views(provider: Caller, admin: Caller, cloud: Cloud) -> None:
    user = cloud.log_in("user@acme")
    assert ("task:create", f"/tasksList/{ACME}") in links(provider.json("GET", f"/admin/org/{ACME}"))
    assert ("task:create", f"/tasksList/{ACME}") not in links(admin.json("GET", f"/admin/org/{ACME}"))
    assert ("down", "/query?type=orgVdc&format=records") in links(admin.json("GET", f"/org/{ACME}"))
    assert ("alternate", f"/admin/org/{ACME}") not in links(user.json("GET", f"/org/{ACME}"))
    assert user.call("GET", f"/admin/org/{ACME}").status == 403
    assert admin.call("GET", f"/admin/org/{BETA}").status == 403
    document = admin.json("GET", f"/admin/org/{ACME}")
    assert document["type"] == "application/vnd.vmware.admin.organization+json"
    assert [one["name"] for one in document["users"]["userReference"]] == ["admin", "user"]
    assert [one["name"] for one in document["vdcs"]["vdc"]] == ["acme-vdc", "acme-vdc-2"]


@pytest.mark.parametrize("tail", SETTINGS)
def test_settings(admin: Caller, provider: Caller, tail: str) -> None:
    path = f"/admin/org/{ACME}/settings/{tail}"
    before = admin.json("GET", path)
    assert admin.call("GET", path, accept=XML).status == 200
    after = provider.json("PUT", path, before)
    assert {**after, "link": None} == {**before, "link": None}


def test_settings_are_kept(admin: Caller) -> None:
    path = f"/admin/org/{ACME}/settings/vAppLeaseSettings"
    admin.json("PUT", path, {"deploymentLeaseSeconds": 3600, "storageLeaseSeconds": 7200})
    whole = admin.json("GET", f"/admin/org/{ACME}")["settings"]["vAppLeaseSettings"]
    assert (whole["deploymentLeaseSeconds"], whole["storageLeaseSeconds"]) == (3600, 7200)
    quota = {"orgGeneralSettings": {"deployedVMQuota": 12}}
    assert admin.json("PUT", f"/admin/org/{ACME}/settings", quota)["orgGeneralSettings"]["deployedVMQuota"] == 12


def test_a_vdc_counts_what_runs(cloud: Cloud, admin: Caller) -> None:
    admin.json("POST", f"/vApp/{VM}/power/action/powerOn", status=202)
    cloud.wait(20)
    document = admin.json("GET", f"/vdc/{VDC}")
    assert document["computeCapacity"]["cpu"]["used"] == 2000
    assert document["computeCapacity"]["memory"]["used"] == 2048
    assert document["type"] == "application/vnd.vmware.vcloud.vdc+json"
    assert ("add", f"/vdc/{VDC}/action/composeVApp") in links(document)


def test_a_network_tells_whose_its_addresses_are(cloud: Cloud, admin: Caller) -> None:
    nic = {"networkConnectionIndex": 0, "network": "net-1", "isConnected": True, "ipAddressAllocationMode": "MANUAL",
           "ipAddress": "10.16.9.9"}  # fmt: skip
    body = {"info": "", "primaryNetworkConnectionIndex": 0, "networkConnection": [nic]}
    admin.json("PUT", f"/vApp/{VM}/networkConnectionSection", body, status=202)
    cloud.wait(20)
    listed = admin.json("GET", f"/network/{NETWORK}/allocatedAddresses")["ipAddress"]
    assert [one["ipAddress"] for one in listed] == ["10.16.9.9"]
    scope = admin.json("GET", f"/network/{NETWORK}")["configuration"]["ipScopes"]["ipScope"][0]
    assert scope["allocatedIpAddresses"]["ipAddress"] == ["10.16.9.9"]
    assert admin.call("GET", f"/network/{NETWORK}/allocatedAddresses", accept=XML).status == 200


def test_edge_services_replace_each_other(cloud: Cloud, admin: Caller) -> None:
    for enabled in (True, False):
        service = {"_type": "FirewallServiceType", "isEnabled": enabled, "defaultAction": "drop"}
        path = f"/admin/edgeGateway/{EDGE}/action/configureServices"
        admin.json("POST", path, {"networkService": [service]}, status=202)
        cloud.wait(20)
        configuration = admin.json("GET", f"/admin/edgeGateway/{EDGE}")["configuration"]
        services = configuration["edgeGatewayServiceConfiguration"]["networkService"]
        assert [one["isEnabled"] for one in services] == [enabled]
    assert admin.call("GET", f"/admin/edgeGateway/{EDGE}", accept=XML).status == 200


def test_nat_rules_get_numbers_that_stay(cloud: Cloud, admin: Caller) -> None:
    path = f"/admin/edgeGateway/{EDGE}"
    rule = {"ruleType": "SNAT", "isEnabled": True}
    for rules, numbers in (([rule, rule], [65537, 65538]), ([{**rule, "id": 65538}, rule], [65538, 65539])):
        service = {"_type": "NatServiceType", "isEnabled": True, "natRule": rules}
        admin.json("POST", f"{path}/action/configureServices", {"networkService": [service]}, status=202)
        cloud.wait(20)
        (found,) = admin.json("GET", path)["configuration"]["edgeGatewayServiceConfiguration"]["networkService"]
        assert [one["id"] for one in found["natRule"]] == numbers


def test_the_roles_of_an_organization_are_where_its_document_says(admin: Caller) -> None:
    roles = admin.json("GET", f"/admin/org/{ACME}")["roleReferences"]
    document = admin.json("GET", roles["href"].partition("/api")[2])
    assert document["roleReference"] == roles["roleReference"] != []


def test_what_only_providers_may(cloud: Cloud, admin: Caller, provider: Caller) -> None:
    for method, path in (
        ("DELETE", f"/admin/org/{ACME}"), ("POST", f"/admin/org/{ACME}/action/disable"),
        ("POST", f"/admin/vdc/{VDC}/action/disable"), ("PUT", f"/admin/org/{ACME}/rights"),
    ):  # fmt: skip
        assert admin.call(method, path).status == 403
    answer = provider.call("DELETE", f"/admin/org/{ACME}")
    assert (answer.status, json.loads(answer.body)["minorErrorCode"]) == (400, "INVALID_STATE")
    task = provider.json("DELETE", f"/admin/org/{ACME}?force=true&recursive=true", status=202)
    assert task["owner"]["name"] == "acme"
    cloud.wait(20)
    assert provider.call("GET", f"/org/{ACME}").status == 403
    assert admin.call("GET", f"/org/{ACME}").status == 401


def test_people_are_checked(admin: Caller) -> None:
    role = admin.json("GET", "/query?type=role&filter=name==vApp%20User")["record"][0]["href"]
    good = {"name": "new", "role": {"href": role}, "password": "secret", "isEnabled": True}
    for wrong, code in (
        ({"name": None}, "BAD_REQUEST"), ({"role": None}, "BAD_REQUEST"), ({"password": ""}, "BAD_REQUEST"),
        ({"name": "admin"}, "DUPLICATE_NAME"), ({"role": {"href": f"{URL}/api/admin/role/{VDC}"}}, "INVALID_REFERENCE"),
    ):  # fmt: skip
        answer = admin.call("POST", f"/admin/org/{ACME}/users", {**good, **wrong})
        assert (answer.status, json.loads(answer.body)["minorErrorCode"]) == (400, code)
    made = admin.json("POST", f"/admin/org/{ACME}/users", good, status=201)
    assert made["role"]["name"] == "vApp User"
    assert made["password"] is None
    own = f"/admin/user/{well_known_uuid('user', 'acme')}"
    assert admin.call("DELETE", own).status == 400


_METHODS = {"edit": "PUT", "remove": "DELETE", "add": "POST", "down": "GET", "up": "GET", "alternate": "GET",
            "edgeGateways": "GET", "orgVdcNetworks": "GET", "controlAccess": "PUT"}  # fmt: skip
_ESTATE = (
    "org", "vdc", "user", "group", "role", "right", "network", "edgeGateway", "vdcStorageProfile", "providervdc",
    "pvdcStorageProfile", "vimServer", "networkPool", "externalNetwork", "strandedItem", "vmAffinityRule", "host",
    "datastore", "vmHostRule", "siteAssociation",
)  # fmt: skip


@pytest.mark.parametrize("name", _ESTATE)
def test_every_link_leads_somewhere(cloud: Cloud, provider: Caller, name: str) -> None:
    kind = KINDS[name]
    entity = cloud.director.cloud.store.of_kind(name)[-1]
    router = cloud.director._router
    for collection in kind.collections:
        if collection == "tasksList":
            continue
        for link in provider.json("GET", f"/{collection}/{entity.uuid}")["link"]:
            method = _METHODS.get(link["rel"], "POST")
            path = link["href"].removeprefix(URL).partition("?")[0]
            if path.endswith("/vdcStorageProfiles"):
                method = "POST"  # although its relation is edit
            try:
                router.find(method, path, lambda _target, _id: True)
            except Refusal as refusal:
                pytest.fail(f"{collection}: {link['rel']} {path} {refusal.status}")
            if method == "GET":
                answer = provider.call("GET", link["href"].removeprefix(f"{URL}/api"))
                assert answer.status == 200, (link, answer.body)


def test_what_only_providers_may_do_with_a_task(admin: Caller, provider: Caller) -> None:
    profiles: dict[str, Any] = {"addStorageProfile": []}
    for method, path, body in (
        ("POST", f"/admin/org/{ACME}/vdcsparams", {"name": "new"}), ("PUT", f"/admin/vdc/{VDC}", {"name": "other"}),
        ("POST", f"/admin/vdc/{VDC}/edgeGateways", {"name": "new"}), ("DELETE", f"/admin/edgeGateway/{EDGE}", None),
        ("POST", f"/admin/vdc/{VDC}/vdcStorageProfiles", profiles), ("DELETE", f"/admin/vdc/{VDC}", None),
    ):  # fmt: skip
        assert admin.call(method, path, body).status == 403, path
    assert admin.call("POST", f"/admin/vdc/{VDC}/networks", {"name": "new"}).status == 201
    assert ("add", f"/admin/vdc/{VDC}/networks") in links(admin.json("GET", f"/vdc/{VDC}"))
    assert ("add", f"/admin/vdc/{VDC}/edgeGateways") not in links(admin.json("GET", f"/vdc/{VDC}"))
    assert ("add", f"/admin/vdc/{VDC}/edgeGateways") in links(provider.json("GET", f"/vdc/{VDC}"))
