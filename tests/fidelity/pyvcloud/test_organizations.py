"""pyvcloud's Org, System, Role and what it finds of users."""

from __future__ import annotations

import pytest
from pyvcloud.vcd.client import Client
from pyvcloud.vcd.exceptions import AccessForbiddenException, EntityNotFoundException, OperationNotSupportedException
from pyvcloud.vcd.org import Org
from pyvcloud.vcd.role import Role
from pyvcloud.vcd.system import System

from bridge.simulator.director import Director
from tests.fidelity.pyvcloud.conftest import POLL_SECONDS, LogIn


def org_of(client: Client, name: str = "acme") -> Org:
    return Org(client, resource=client.get_org_by_name(name))


@pytest.fixture(params=["admin@acme", "administrator@System"])
def client(request: pytest.FixtureRequest, log_in: LogIn) -> Client:
    return log_in(str(request.param))


def test_the_list_of_organizations(tenant: Client, provider: Client) -> None:
    assert [one.get("name") for one in tenant.get_org_list()] == ["acme"]
    assert {one.get("name") for one in provider.get_org_list()} >= {"System", "acme", "beta"}
    assert provider.get_org_by_name("beta").get("name") == "beta"
    with pytest.raises(EntityNotFoundException):
        tenant.get_org_by_name("beta")


def test_vdcs(client: Client) -> None:
    """Up to API 32 by links, from 33 on by a query; both through pyvcloud."""
    org = org_of(client)
    assert {one["name"] for one in org.list_vdcs()} == {"acme-vdc", "acme-vdc-2"}
    assert org.get_vdc("acme-vdc").get("name") == "acme-vdc"
    assert org.get_vdc("acme-vdc", is_admin_operation=True).get("href").count("/admin/vdc/") == 1
    assert org.get_vdc("nothing") is None


def test_vdcs_and_catalogs_by_a_version_with_links(log_in: LogIn, director: Director) -> None:
    before = director.behavior.versions
    director.change_settings({"versions": [*before, "32.0"]})
    org = org_of(log_in("admin@acme", version="32.0"))
    assert {one["name"] for one in org.list_vdcs()} == {"acme-vdc", "acme-vdc-2"}
    assert org.get_vdc("acme-vdc-2").get("name") == "acme-vdc-2"
    assert org.get_catalog("acme-catalog").get("name") == "acme-catalog"
    director.change_settings({"versions": list(before)})


def test_users(client: Client) -> None:
    org = org_of(client)
    assert {one.get("name") for one in org.list_users()} == {"admin", "user"}
    user = org.get_user("admin")
    assert (user.get("name"), user.IsEnabled.text, user.Role.get("name")) == (
        "admin", "true", "Organization Administrator",
    )  # fmt: skip
    assert not hasattr(user, "Password")
    with pytest.raises(EntityNotFoundException):
        org.get_user("nobody")


def test_a_users_life(client: Client, log_in: LogIn) -> None:
    org = org_of(client)
    role = org.get_role_record("vApp Author")
    name = f"helper-{len(client.get_org_list())}"
    org.create_user(name, "first-one", role.get("href"), full_name="A Helper", email="a@example.org", is_enabled=True)
    assert str(org.get_user(name).FullName) == "A Helper"
    log_in(f"{name}@acme", password="first-one")
    org.update_user(name, is_enabled=True, role_name="vApp User")
    assert org.get_user(name).Role.get("name") == "vApp User"
    assert client.get_user_in_org(name, org.href).get("name") == name
    org.delete_user(name)
    with pytest.raises(EntityNotFoundException):
        org.get_user(name)
    with pytest.raises(Exception, match=r"(?i)login failed|unauthorized"):
        log_in(f"{name}@acme", password="first-one")


def test_roles_and_rights(client: Client) -> None:
    org = org_of(client)
    assert {"Organization Administrator", "vApp User"} <= {one["name"] for one in org.list_roles()}
    rights = [one["name"] for one in org.list_rights_available_in_vcd()]
    assert "vApp: Power Operations" in rights
    assert set(rights) == {one["name"] for one in org.list_rights_of_org()}
    assert org.get_right_resource("vApp: Delete").get("name") == "vApp: Delete"


def test_a_roles_life(client: Client) -> None:
    org = org_of(client)
    org.create_role("operators", "who operates", ["vApp: Power Operations"])
    role = Role(client, resource=org.get_role_resource("operators"))
    assert role.list_rights() == [{"name": "vApp: Power Operations"}]
    role.add_rights(["vApp: Delete"], org)
    role = Role(client, resource=org.get_role_resource("operators"))
    assert {one["name"] for one in role.list_rights()} == {"vApp: Power Operations", "vApp: Delete"}
    role.remove_rights(["vApp: Delete"])
    assert Role(client, resource=org.get_role_resource("operators")).list_rights() == [
        {"name": "vApp: Power Operations"}
    ]
    org.delete_role("operators")
    with pytest.raises(EntityNotFoundException):
        org.get_role_record("operators")


def test_an_organizations_life(provider: Client, director: Director) -> None:
    system = System(provider, admin_resource=provider.get_admin())
    made = system.create_org("gamma", "Gamma Rays", is_enabled=True)
    if made.tag.endswith("Task"):
        provider.get_task_monitor().wait_for_success(made, poll_frequency=POLL_SECONDS)
    org = org_of(provider, "gamma")
    assert str(org.resource.FullName) == "Gamma Rays"
    assert "Organization Administrator" in {one["name"] for one in org.list_roles()}
    org.update_org(is_enabled=False)
    assert org_of(provider, "gamma").resource.IsEnabled.text == "false"
    deleted = system.delete_org("gamma", force=True, recursive=True)
    provider.get_task_monitor().wait_for_success(deleted, poll_frequency=POLL_SECONDS)
    with pytest.raises(EntityNotFoundException):
        provider.get_org_by_name("gamma")
    assert director.cloud.store.organization("gamma") is None


def test_rights_of_an_organization(provider: Client) -> None:
    org = org_of(provider, "beta")
    org.remove_rights(["vApp: Delete"])
    assert "vApp: Delete" not in {one["name"] for one in org.list_rights_of_org()}
    org.add_rights(["vApp: Delete"])
    assert "vApp: Delete" in {one["name"] for one in org.list_rights_of_org()}


def test_what_is_the_providers(provider: Client, tenant: Client) -> None:
    system = System(provider, admin_resource=provider.get_admin())
    assert [one.get("name") for one in system.list_provider_vdcs()] == ["providervdc-1"]
    assert system.get_provider_vdc_storage_profile("pvdcStorageProfile-1").get("name") == "pvdcStorageProfile-1"
    assert [one.get("name") for one in system.list_network_pools()] == ["networkPool-1"]
    with pytest.raises((OperationNotSupportedException, AccessForbiddenException)):
        System(tenant, admin_resource=tenant.get_admin()).create_org("delta", "Delta")
