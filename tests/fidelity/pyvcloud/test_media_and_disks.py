"""pyvcloud and storage: named disks, attached and detached; media in a VM's drive."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pyvcloud.vcd.client import Client
from pyvcloud.vcd.exceptions import EntityNotFoundException, VcdResponseException
from pyvcloud.vcd.vapp import VApp
from pyvcloud.vcd.vdc import VDC
from pyvcloud.vcd.vm import VM

from bridge.simulator.state.founding.inventory import well_known_uuid
from tests.fidelity.pyvcloud.conftest import POLL_SECONDS

MEGABYTE = 1024 * 1024


def ended(client: Client, task: Any) -> None:
    """The Task is a success."""
    client.get_task_monitor().wait_for_success(task, poll_frequency=POLL_SECONDS)


@pytest.fixture
def vdc(tenant: Client) -> VDC:
    return VDC(tenant, href=f"{tenant.get_api_uri()}/vdc/{well_known_uuid('vdc', 'acme')}")


@pytest.fixture
def vapp(tenant: Client) -> VApp:
    return VApp(tenant, href=f"{tenant.get_api_uri()}/vApp/vapp-{well_known_uuid('vApp', 'acme')}")


@pytest.fixture
def disk(tenant: Client, vdc: VDC) -> Iterator[str]:
    """A disk of 100 MiB; its href."""
    made = vdc.create_disk("logs", 100 * MEGABYTE, bus_type="6", bus_sub_type="VirtualSCSI", description="Logs")
    ended(tenant, made.Tasks.Task[0])
    yield made.get("href")
    vdc.reload()
    if any(one.get("href") == made.get("href") for one in vdc.get_disks()):
        ended(tenant, vdc.delete_disk(disk_id=made.get("id")))


def test_a_disk_is_made_found_changed_and_deleted(tenant: Client, vdc: VDC, disk: str) -> None:
    vdc.reload()
    found = vdc.get_disk(name="logs")
    assert (found.get("href"), found.get("sizeMb"), str(found.Description)) == (disk, "100", "Logs")
    assert (found.get("busType"), found.get("busSubType")) == ("6", "VirtualSCSI")
    assert not hasattr(found.attached_vms, "VmReference")
    assert {"name": "logs", "Id": disk[-36:], "href": disk} in vdc.list_idisk()
    profile = vdc.get_storage_profiles()[0].get("name")
    changed = vdc.update_disk(
        name="logs", new_name="archive", new_size=200 * MEGABYTE, new_description="Archive",
        new_storage_profile_name=profile,
    )  # fmt: skip
    ended(tenant, changed)
    vdc.reload()
    found = vdc.get_disk(disk_id=disk[-36:])
    assert (found.get("name"), found.get("sizeMb"), str(found.Description)) == ("archive", "200", "Archive")
    assert found.StorageProfile.get("name") == profile
    ended(tenant, vdc.delete_disk(name="archive"))
    vdc.reload()
    with pytest.raises(EntityNotFoundException):
        vdc.get_disk(name="archive")


def test_the_owner_changes(tenant: Client, vdc: VDC, disk: str) -> None:
    vdc.reload()
    user = f"{tenant.get_api_uri()}/admin/user/{well_known_uuid('user', 'acme', 2)}"
    vdc.change_disk_owner(user, disk_id=disk[-36:])
    assert vdc.get_disk(disk_id=disk[-36:]).Owner.User.get("name") == "user"


def test_an_attached_disk_stays(tenant: Client, vdc: VDC, vapp: VApp, disk: str) -> None:
    vdc.reload()
    name = vapp.get_all_vms()[0].get("name")
    ended(tenant, vapp.attach_disk_to_vm(disk, name))
    found = vdc.get_disk(name="logs")
    assert found.attached_vms.VmReference.get("name") == name
    with pytest.raises(VcdResponseException) as refused:
        vdc.delete_disk(name="logs")
    assert refused.value.vcd_error.get("minorErrorCode") == "INVALID_STATE"
    vapp.reload()
    ended(tenant, vapp.detach_disk_from_vm(disk, name))
    assert not hasattr(vdc.get_disk(name="logs").attached_vms, "VmReference")


def test_a_media_in_a_drive_stays(tenant: Client, vdc: VDC, vapp: VApp) -> None:
    vdc.reload()
    (media,) = [one for one in vdc.list_media_id() if one["name"] == "tools-iso"]
    machine = VM(tenant, href=vapp.get_all_vms()[0].get("href"))
    ended(tenant, machine.insert_cd_from_catalog(media["Id"]))
    assert machine.list_storage_profile()
    with pytest.raises(VcdResponseException) as refused:
        tenant.delete_resource(media["href"])
    assert refused.value.vcd_error.get("minorErrorCode") == "INVALID_STATE"
    machine.reload()
    ended(tenant, machine.eject_cd(media["Id"]))
    ended(tenant, tenant.delete_resource(media["href"]))
    vdc.reload()
    assert media not in vdc.list_media_id()
