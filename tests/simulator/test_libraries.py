"""Catalogs, their items, templates and media: documents, copies, moves, who may do what; in virtual time."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bridge.simulator.state.founding.inventory import well_known_uuid
from tests.simulator.driver import ACME, BETA, BETA_VAPP, URL, VAPP, VDC, VM, Caller, Cloud, error_code, link

CATALOG = f"/catalog/{well_known_uuid('catalog', 'acme')}"
ADMIN_CATALOG = f"/admin{CATALOG}"
ITEM = f"/catalogItem/{well_known_uuid('catalogItem', 'acme')}"
TEMPLATE = f"/vAppTemplate/vappTemplate-{well_known_uuid('vAppTemplate', 'acme')}"
MEDIA = f"/media/{well_known_uuid('media', 'acme')}"
USER = f"/admin/user/{well_known_uuid('user', 'acme', 2)}"


def reference(path: str) -> dict[str, str]:
    """As clients send it: the host does not count."""
    return {"href": f"https://elsewhere/api{path}"}


def path_in(document: Any) -> str:
    return str(document["href"]).partition("/api")[2]


def rels(document: Any) -> set[str]:
    return {link["rel"] for link in document["link"]}


def names_in(catalog: Any) -> list[str]:
    return [one["name"] for one in catalog["catalogItems"]["catalogItem"]]


def done(cloud: Cloud, caller: Caller, method: str, path: str, body: Any = None) -> Any:
    """Carries an operation through to its success; the owner's document afterwards, None where it is gone."""
    answer = caller.call(method, path, body)
    assert answer.status in (201, 202), answer.body
    cloud.wait(10)
    task = caller.task(cloud.director.ledger.after(0)[-1]["task"])
    assert task["status"] == "success"
    engine_task = cloud.director.cloud.engine.get(task["id"][-36:], cloud.now)
    assert engine_task is not None
    owner = caller.call("GET", engine_task.owner.path)
    return caller.json("GET", engine_task.owner.path) if owner.status == 200 else None


@pytest.fixture
def other(cloud: Cloud, admin: Caller) -> str:
    """Another catalog, empty; its path."""
    return path_in(done(cloud, admin, "POST", f"/admin/org/{ACME}/catalogs", {"name": "other"}))


class TestDocuments:
    def test_a_catalog_in_both_views(self, admin: Caller) -> None:
        user, administrator = admin.json("GET", CATALOG), admin.json("GET", ADMIN_CATALOG)
        assert user["type"] == "application/vnd.vmware.vcloud.catalog+json"
        assert administrator["type"] == "application/vnd.vmware.admin.catalog+json"
        assert (user["versionNumber"], user["isPublished"], user["owner"]["user"]["name"]) == (1, False, "admin")
        assert names_in(user) == ["photon", "tools-iso"]
        assert administrator["publishExternalCatalogParams"]["isPublishedExternally"] is False
        assert {"up", "down", "add", "copy", "move", "controlAccess", "publish"} <= rels(user)
        assert {"alternate", "edit", "remove"} <= rels(administrator)
        assert not {"edit", "remove"} & rels(user)

    def test_an_item_and_what_it_stands_for_know_each_other(self, admin: Caller) -> None:
        item, template = admin.json("GET", ITEM), admin.json("GET", TEMPLATE)
        assert path_in(item["entity"]) == TEMPLATE
        assert (item["size"], item["versionNumber"]) == (16 * 1024 * 1024, 1)
        assert path_in(link(template, "catalogItem")) == ITEM

    def test_a_template(self, admin: Caller) -> None:
        template = admin.json("GET", TEMPLATE)
        assert (template["status"], template["goldMaster"], template["ovfDescriptorUploaded"]) == (8, False, True)
        assert [vm["name"] for vm in template["children"]["vm"]] == ["photon-vm"]
        assert template["defaultStorageProfile"] == "gold"
        sections = {one["_type"]: one for one in template["section"]}
        assert sections["CustomizationSectionType"]["customizeOnInstantiate"] is True
        for name in ("leaseSettingsSection", "customizationSection", "networkConfigSection"):
            section = admin.json("GET", f"{TEMPLATE}/{name}/")
            assert section["href"] == f"{URL}/api{TEMPLATE}/{name}/"

    def test_members_see_no_links_to_what_they_may_not_do(self, cloud: Cloud) -> None:
        user = cloud.log_in("user@acme")
        assert user.call("GET", CATALOG).status == 403
        assert user.call("DELETE", ITEM).status == 403


class TestCatalogs:
    def test_an_update_replaces_and_counts(self, admin: Caller) -> None:
        profile = reference(f"/vdcStorageProfile/{well_known_uuid('vdcStorageProfile', 'acme')}")
        body = {"name": "renamed", "catalogStorageProfiles": {"vdcStorageProfile": [profile]}}
        document = admin.json("PUT", ADMIN_CATALOG, body)
        assert (document["name"], document["description"], document["versionNumber"]) == ("renamed", "", 2)
        assert [one["name"] for one in document["catalogStorageProfiles"]["vdcStorageProfile"]] == ["gold"]

    def test_a_full_one_goes_only_recursively(self, cloud: Cloud, admin: Caller) -> None:
        answer = admin.call("DELETE", ADMIN_CATALOG)
        assert (answer.status, error_code(answer)) == (400, "INVALID_STATE")
        assert done(cloud, admin, "DELETE", f"{ADMIN_CATALOG}?recursive=true&force=true") is None
        for path in (CATALOG, ITEM, TEMPLATE):
            assert admin.call("GET", path).status == 403

    def test_names_are_there_once(self, cloud: Cloud, admin: Caller) -> None:
        answer = admin.call("POST", f"/admin/org/{ACME}/catalogs", {"name": "ACME-catalog"})
        assert error_code(answer) == "DUPLICATE_NAME"
        made = admin.call("POST", f"/admin/org/{ACME}/catalogs", {"name": "second"})
        document = json.loads(made.body)
        assert dict(made.headers)["Location"] == document["href"]
        answer = admin.call("PUT", path_in(document), {"name": "acme-catalog"})
        assert error_code(answer) == "DUPLICATE_NAME"
        answer = admin.call(
            "POST", f"{CATALOG}/action/captureVApp", {"name": "photon", "source": reference(f"/vApp/{VAPP}")}
        )
        assert error_code(answer) == "DUPLICATE_NAME"

    def test_control_access_below_both_paths(self, admin: Caller) -> None:
        setting = {"subject": reference(USER), "accessLevel": "Change"}
        body = {"isSharedToEveryone": False, "accessSettings": {"accessSetting": [setting]}}
        path = f"/org/{ACME}{CATALOG}"
        admin.json("POST", f"{path}/action/controlAccess", body)
        document = admin.json("GET", f"{CATALOG}/controlAccess/")
        assert document == admin.json("GET", f"{path}/controlAccess")
        (one,) = document["accessSettings"]["accessSetting"]
        assert (one["subject"]["name"], one["accessLevel"]) == ("user", "Change")

    @pytest.mark.parametrize(
        ("setting", "code"),
        [
            ({"subject": reference(USER), "accessLevel": "Everything"}, "BAD_REQUEST"),
            ({"subject": reference(f"/vApp/{VAPP}"), "accessLevel": "Change"}, "INVALID_REFERENCE"),
        ],
    )
    def test_access_that_cannot_be_given(self, admin: Caller, setting: Any, code: str) -> None:
        body = {"isSharedToEveryone": False, "accessSettings": {"accessSetting": [setting]}}
        answer = admin.call("POST", f"/org/{ACME}{CATALOG}/action/controlAccess", body)
        assert (answer.status, error_code(answer)) == (400, code)

    def test_the_owner_is_a_document_of_its_own(self, admin: Caller) -> None:
        assert admin.call("PUT", f"{ADMIN_CATALOG}/owner", {"user": reference(USER)}).status == 204
        assert admin.json("GET", f"{ADMIN_CATALOG}/owner")["user"]["name"] == "user"
        stranger = reference(f"/admin/user/{well_known_uuid('user', 'beta')}")
        assert error_code(admin.call("PUT", f"{ADMIN_CATALOG}/owner", {"user": stranger})) == "INVALID_REFERENCE"

    def test_it_is_published_to_other_clouds(self, admin: Caller) -> None:
        body = {"isPublishedExternally": True, "password": "secret"}
        assert admin.call("POST", f"{ADMIN_CATALOG}/action/publishToExternalOrganizations", body).status == 204
        shown = admin.json("GET", ADMIN_CATALOG)["publishExternalCatalogParams"]
        assert (shown["isPublishedExternally"], shown["password"]) == (True, None)


def test_a_vdc_is_for_everybody_until_it_is_shared_with_some(cloud: Cloud, admin: Caller) -> None:
    path, user = f"/vdc/{VDC}", cloud.log_in("user@acme")
    assert admin.json("GET", f"{path}/controlAccess/")["everyoneAccessLevel"] == "ReadOnly"
    assert user.call("GET", path).status == 200
    body: dict[str, Any] = {"isSharedToEveryone": False}
    assert user.call("PUT", f"{path}/action/controlAccess", body).status == 403
    assert admin.json("PUT", f"{path}/action/controlAccess", body)["isSharedToEveryone"] is False
    assert user.call("GET", path).status == 403
    body["accessSettings"] = {"accessSetting": [{"subject": reference(USER), "accessLevel": "ReadOnly"}]}
    admin.json("POST", f"/org/{ACME}{path}/action/controlAccess", body)
    assert user.call("GET", path).status == 200


class TestPublished:
    def test_other_organizations_see_and_copy_it_but_change_nothing(self, cloud: Cloud, provider: Caller) -> None:
        stranger = cloud.log_in("admin@beta")
        for path in (CATALOG, ITEM, TEMPLATE):
            assert stranger.call("GET", path).status == 403
        publish = f"{ADMIN_CATALOG}/action/publish"
        assert provider.call("POST", publish, {"isPublished": True}).status == 204
        for path in (CATALOG, ITEM, TEMPLATE):
            assert not {"edit", "remove", "add"} & rels(stranger.json("GET", path))
        assert stranger.call("DELETE", ITEM).status == 403
        assert stranger.call("DELETE", TEMPLATE).status == 403
        assert stranger.call("POST", publish, {"isPublished": False}).status == 403
        own = f"/catalog/{well_known_uuid('catalog', 'beta')}"
        copy = done(cloud, stranger, "POST", f"{own}/action/copy", {"source": reference(ITEM), "name": "mine"})
        assert stranger.json("GET", path_in(copy["entity"]))["children"]["vm"] != []
        assert provider.call("POST", f"{CATALOG}/action/publish", {"isPublished": False}).status == 204
        assert stranger.call("GET", CATALOG).status == 403

    def test_one_organization_may_be_named(self, cloud: Cloud, admin: Caller) -> None:
        setting = {"subject": reference(f"/org/{BETA}"), "accessLevel": "ReadOnly"}
        body = {"isSharedToEveryone": False, "accessSettings": {"accessSetting": [setting]}}
        admin.json("POST", f"/org/{ACME}{CATALOG}/action/controlAccess", body)
        assert cloud.log_in("admin@beta").call("GET", CATALOG).status == 200


class TestItems:
    def test_one_is_made_changed_and_deleted_with_what_it_stands_for(self, admin: Caller) -> None:
        body = {"name": "tools", "entity": reference(MEDIA), "property": [{"key": "os", "value": "any"}]}
        item = admin.json("POST", f"{CATALOG}/catalogItems", body, status=201)
        assert path_in(item["entity"]) == MEDIA
        assert [link for link in admin.json("GET", MEDIA)["link"] if link["rel"] == "catalogItem"] != []
        assert error_code(admin.call("POST", f"{CATALOG}/catalogItems", body)) == "DUPLICATE_NAME"
        changed = admin.json("PUT", path_in(item), {"name": "tools 2", "entity": item["entity"]})
        assert (changed["name"], changed["versionNumber"], changed["property"]) == ("tools 2", 2, [])
        assert admin.json("GET", CATALOG)["versionNumber"] == 3
        assert admin.call("DELETE", path_in(item)).status == 204
        assert admin.call("GET", MEDIA).status == 403

    @pytest.mark.parametrize(
        ("entity", "code"), [(None, "BAD_REQUEST"), (reference(f"/vApp/{VAPP}"), "INVALID_REFERENCE")]
    )
    def test_it_stands_for_a_template_or_media(self, admin: Caller, entity: Any, code: str) -> None:
        answer = admin.call("POST", f"{CATALOG}/catalogItems", {"name": "x", "entity": entity})
        assert (answer.status, error_code(answer)) == (400, code)

    def test_a_copy_stands_for_a_copy(self, cloud: Cloud, admin: Caller, other: str) -> None:
        copy = done(cloud, admin, "POST", f"{other}/action/copy", {"source": reference(ITEM), "name": "copy"})
        assert copy["name"] == "copy"
        template = admin.json("GET", path_in(copy["entity"]))
        assert (template["name"], path_in(copy["entity"])) == ("copy", path_in(template))
        assert path_in(template) != TEMPLATE
        assert [vm["name"] for vm in template["children"]["vm"]] == ["photon-vm"]
        assert admin.call("GET", ITEM).status == 200

    def test_a_move_takes_the_item_along(self, cloud: Cloud, admin: Caller, other: str) -> None:
        done(cloud, admin, "POST", f"{other}/action/move", {"source": reference(ITEM), "name": "moved"})
        assert "photon" not in names_in(admin.json("GET", CATALOG))
        (one,) = admin.json("GET", other)["catalogItems"]["catalogItem"]
        assert (one["name"], path_in(one)) == ("moved", ITEM)
        assert path_in(admin.json("GET", ITEM)["entity"]) == TEMPLATE

    def test_a_media_is_copied_as_well(self, cloud: Cloud, admin: Caller, other: str) -> None:
        body = {"name": "tools", "entity": reference(MEDIA)}
        item = admin.json("POST", f"{CATALOG}/catalogItems", body, status=201)
        copy = done(cloud, admin, "POST", f"{other}/action/copy", {"source": item})
        assert admin.json("GET", path_in(copy["entity"]))["imageType"] == "iso"


class TestTemplates:
    def test_a_capture_has_the_machines_of_the_vapp(self, cloud: Cloud, admin: Caller) -> None:
        body = {
            "name": "captured", "description": "From a vApp", "source": reference(f"/vApp/{VAPP}"),
            "section": [{"_type": "CustomizationSectionType", "customizeOnInstantiate": False, "goldMaster": True}],
        }  # fmt: skip
        answer = admin.json("POST", f"{CATALOG}/action/captureVApp", body, status=202)
        assert answer["owner"]["name"] == "captured"
        assert "captured" in names_in(admin.json("GET", CATALOG))
        template = admin.json("GET", path_in(answer["owner"]))
        assert (template["status"], template["children"]["vm"]) == (0, [])
        cloud.wait(10)
        template = admin.json("GET", path_in(answer["owner"]))
        source = admin.json("GET", f"/vApp/{VAPP}")["children"]["vm"]
        assert [vm["name"] for vm in template["children"]["vm"]] == [vm["name"] for vm in source]
        assert (template["status"], template["goldMaster"], template["description"]) == (8, True, "From a vApp")
        assert path_in(link(template, "up")) == f"/vdc/{VDC}"

    def test_a_failed_capture_leaves_a_wreck(self, cloud: Cloud, admin: Caller) -> None:
        cloud.set("scripts", {"operation": "captureVAppToCatalog", "script": {"preset": "error"}})
        body = {"name": "captured", "source": reference(f"/vApp/{VAPP}")}
        owner = admin.json("POST", f"{CATALOG}/action/captureVApp", body, status=202)["owner"]
        cloud.wait(10)
        assert admin.json("GET", path_in(owner))["status"] == -1

    def test_a_clone_may_take_the_place_of_its_source(self, cloud: Cloud, admin: Caller) -> None:
        body = {"name": "clone", "source": reference(TEMPLATE), "isSourceDelete": True}
        clone = done(cloud, admin, "POST", f"/vdc/{VDC}/action/cloneVAppTemplate", body)
        assert [vm["name"] for vm in clone["children"]["vm"]] == ["photon-vm"]
        assert admin.call("GET", TEMPLATE).status == 403
        assert path_in(admin.json("GET", ITEM)["entity"]) == path_in(clone)

    def test_its_sections_and_what_it_is_called_change(self, cloud: Cloud, admin: Caller) -> None:
        done(cloud, admin, "PUT", TEMPLATE, {"name": "photon 5", "description": "Five", "goldMaster": True})
        done(cloud, admin, "PUT", f"{TEMPLATE}/leaseSettingsSection", {"storageLeaseInSeconds": 0})
        template = admin.json("GET", TEMPLATE)
        assert (template["name"], template["goldMaster"]) == ("photon 5", True)
        lease = admin.json("GET", f"{TEMPLATE}/leaseSettingsSection")
        assert (lease["storageLeaseInSeconds"], lease["storageLeaseExpiration"]) == (0, None)

    def test_what_lies_below_its_machines_is_read_and_changed(self, cloud: Cloud, admin: Caller) -> None:
        (vm,) = admin.json("GET", TEMPLATE)["children"]["vm"]
        path = path_in(vm)
        assert path.startswith("/vAppTemplate/vm-")
        assert admin.json("GET", f"{path}/virtualHardwareSection/cpu")["virtualQuantity"]["value"] == 2
        assert admin.json("GET", f"{path}/guestCustomizationSection/")["computerName"] == "photon-vm"
        card = {"network": "none", "networkConnectionIndex": 3, "isConnected": False, "ipAddressAllocationMode": "NONE"}
        section = {"primaryNetworkConnectionIndex": 3, "networkConnection": [card]}
        done(cloud, admin, "PUT", f"{path}/networkConnectionSection", section)
        cards = admin.json("GET", f"{path}/networkConnectionSection/")["networkConnection"]
        assert [one["networkConnectionIndex"] for one in cards] == [3]
        assert admin.call("GET", f"{path}/leaseSettingsSection").status == 404
        assert admin.call("GET", f"{TEMPLATE}/virtualHardwareSection").status == 404

    def test_it_goes_with_its_item(self, cloud: Cloud, admin: Caller) -> None:
        task = admin.json("DELETE", TEMPLATE, status=202)
        assert task["operationName"] == "libraryDeleteBacking"
        cloud.wait(10)
        assert admin.call("GET", ITEM).status == 403


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (f"{CATALOG}/action/captureVApp", {"name": "x", "source": reference(f"/vApp/{BETA_VAPP}")}),
        (f"{CATALOG}/action/captureVApp", {"name": "x", "source": reference(f"/vApp/{VM}")}),
        (f"{CATALOG}/action/copy", {"name": "x", "source": reference(TEMPLATE)}),
        (f"/vdc/{VDC}/action/cloneVAppTemplate", {"name": "x", "source": reference(MEDIA)}),
        (f"/vdc/{VDC}/action/cloneMedia", {"name": "x", "source": {"id": "urn:vcloud:media:" + "0" * 36}}),
        (f"/vdc/{VDC}/disk", {"disk": {"name": "x", "sizeMb": 1, "storageProfile": reference(MEDIA)}}),
        (f"/disk/{well_known_uuid('disk', 'acme')}/action/moveDisk",
         {"vdc": reference(f"/vdc/{well_known_uuid('vdc', 'beta')}")}),
    ],
)  # fmt: skip
def test_references_that_do_not_lead_there_are_refused(admin: Caller, path: str, body: Any) -> None:
    answer = admin.call("POST", path, body)
    assert (answer.status, error_code(answer)) == (400, "INVALID_REFERENCE")


def test_with_lenient_entities_references_may_lead_nowhere(cloud: Cloud, admin: Caller) -> None:
    cloud.set("settings", {"lenient_entities": True})
    assert done(cloud, admin, "POST", f"{CATALOG}/action/captureVApp", {"name": "x"})["name"] == "x"


METHODS = {"edit": "PUT", "remove": "DELETE", "down": "GET", "up": "GET", "alternate": "GET", "catalogItem": "GET",
           "ovf": "GET", "download:default": "GET", "download:identity": "GET", "upload:default": "PUT"}  # fmt: skip
"""What a link's rel is followed with; any other with POST."""


def links_in(document: Any) -> set[tuple[str, str]]:
    """Method and path of all links and references, however deep."""
    found: set[tuple[str, str]] = set()
    if isinstance(document, dict):
        if isinstance(document.get("href"), str):
            rel = document.get("rel")
            found.add(("GET" if rel is None else METHODS.get(rel, "POST"), document["href"].removeprefix(URL)))
        document = list(document.values())
    if isinstance(document, list):
        found |= {one for value in document for one in links_in(value)}
    return found


def test_every_link_leads_somewhere(cloud: Cloud, admin: Caller) -> None:
    done(cloud, admin, "POST", f"{TEMPLATE}/action/enableDownload")
    upload = admin.json("POST", f"{CATALOG}/action/upload", {"name": "up"}, status=201)
    disk = f"/disk/{well_known_uuid('disk', 'acme')}"
    uploaded = path_in(upload["entity"])
    places = (CATALOG, ADMIN_CATALOG, ITEM, TEMPLATE, MEDIA, disk, uploaded, f"{ADMIN_CATALOG}/metadata",
              f"{disk}/metadata", f"{ADMIN_CATALOG}/owner", f"{disk}/attachedVms")  # fmt: skip
    links = {link for place in places for link in links_in(admin.json("GET", place))}
    router = cloud.director._router
    for method, path in sorted(links):
        target, _ = router.find(method, path, lambda _target, _id: True)  # a Refusal fails the test
        assert target is not None
        if method == "GET" and path.startswith("/api"):
            assert admin.call("GET", path.removeprefix("/api")).status == 200, path
