"""pyvcloud and libraries: catalogs, items, templates, uploads and downloads."""

from __future__ import annotations

import io
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pyvcloud.vcd.client import Client
from pyvcloud.vcd.exceptions import EntityNotFoundException, VcdResponseException
from pyvcloud.vcd.org import Org
from pyvcloud.vcd.vapp import VApp
from pyvcloud.vcd.vdc import VDC

from bridge.simulator.state.descriptors import VirtualSystem, write_descriptor
from bridge.simulator.state.founding.inventory import well_known_uuid
from bridge.simulator.state.transfers import TransferFile
from tests.fidelity.pyvcloud.conftest import POLL_SECONDS

CATALOG = "acme-catalog"


def ended(client: Client, task: Any) -> None:
    """The Task is a success."""
    client.get_task_monitor().wait_for_success(task, poll_frequency=POLL_SECONDS)


@pytest.fixture
def org(tenant: Client) -> Org:
    return Org(tenant, resource=tenant.get_org())


@pytest.fixture
def catalog(tenant: Client, org: Org) -> Any:
    """A catalog of one's own, empty; its name."""
    org.create_catalog("mine", "What is mine")
    org.reload()
    yield "mine"
    org.reload()
    for item in org.list_catalog_items("mine"):
        org.delete_catalog_item("mine", item["name"])
    org.delete_catalog("mine")


def test_a_catalog_is_made_seen_changed_and_deleted(org: Org) -> None:
    made = org.create_catalog("one", "First")
    assert (made.get("name"), str(made.Description)) == ("one", "First")
    org.reload()
    assert {"one", CATALOG} <= {one["name"] for one in org.list_catalogs()}
    assert org.get_catalog("one").get("type") == "application/vnd.vmware.vcloud.catalog+xml"
    changed = org.update_catalog("one", "two", "Second")
    assert (changed.get("name"), str(changed.Description)) == ("two", "Second")
    with pytest.raises(VcdResponseException) as refused:
        org.create_catalog("two", "")
    assert refused.value.vcd_error.get("minorErrorCode") == "DUPLICATE_NAME"
    org.delete_catalog("two")
    with pytest.raises(EntityNotFoundException):
        org.get_catalog("two")


def test_a_catalog_is_shared(provider: Client, org: Org, catalog: str) -> None:
    org.add_catalog_access_settings(catalog, [{"name": "user", "type": "user", "access_level": "Change"}])
    settings = org.get_catalog_access_settings(catalog)
    (one,) = settings.AccessSettings.AccessSetting
    assert (one.Subject.get("name"), one.AccessLevel) == ("user", "Change")
    org.remove_catalog_access_settings(catalog, remove_all=True)
    assert org.share_catalog_with_org_members(catalog).EveryoneAccessLevel == "ReadOnly"
    assert not bool(org.unshare_catalog_with_org_members(catalog).IsSharedToEveryone)
    whole = Org(provider, href=org.href)
    whole.share_catalog(catalog)
    assert bool(org.get_catalog(catalog).IsPublished)
    whole.share_catalog(catalog, share=False)
    assert not bool(org.get_catalog(catalog).IsPublished)


def test_the_owner_changes(org: Org, catalog: str) -> None:
    org.change_catalog_owner(catalog, "user")
    assert org.get_catalog(catalog).Owner.User.get("name") == "user"


def test_a_media_goes_up_and_comes_down_again(org: Org, catalog: str, tmp_path: Path) -> None:
    content = b"an image " * 5000
    (tmp_path / "tools.iso").write_bytes(content)
    seen: list[int] = []
    sent = org.upload_media(
        catalog, str(tmp_path / "tools.iso"), chunk_size=16_384, callback=lambda sent, _total: seen.append(sent)
    )
    assert (sent, seen) == (len(content), [16_384, 32_768, len(content)])
    item = org.get_catalog_item(catalog, "tools.iso")
    assert (item.Entity.get("name"), int(item.get("size"))) == ("tools.iso", len(content))
    assert org.download_catalog_item(catalog, "tools.iso", str(tmp_path / "again")) == len(content)
    assert (tmp_path / "again").read_bytes() == content


def ova(path: Path, disk: bytes) -> Path:
    """An archive of a machine with one disk."""
    files = [TransferFile("disk0.vmdk", len(disk))]
    descriptor = write_descriptor("small", files, [VirtualSystem("small-vm", 2, 1024, (512,))])
    with tarfile.open(path, "w") as archive:
        for name, content in (("small.ovf", descriptor), ("disk0.vmdk", disk)):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """pyvcloud waits 5 s between looks and unpacks into the working directory."""
    slept: Callable[[float], None] = time.sleep
    monkeypatch.setattr(time, "sleep", lambda _seconds: slept(0.0))
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("hurried")
def test_a_template_goes_up_and_comes_down_again(tenant: Client, org: Org, catalog: str, tmp_path: Path) -> None:
    disk = b"disk" * 1000
    org.upload_ovf(catalog, str(ova(tmp_path / "small.ova", disk)), item_name="small")
    template = tenant.get_resource(org.get_vapp_template_href(catalog, "small"))
    assert (template.get("status"), template.get("ovfDescriptorUploaded")) == ("8", "true")
    assert [vm.get("name") for vm in template.Children.Vm] == ["small-vm"]
    assert not hasattr(template, "Files")
    org.download_catalog_item(catalog, "small", str(tmp_path / "down.ova"))
    with tarfile.open(tmp_path / "down.ova") as archive:
        member = archive.extractfile("disk0.vmdk")
        assert member is not None
        assert member.read() == disk


def test_a_vapp_is_captured_and_made_again(tenant: Client, org: Org, catalog: str) -> None:
    href = f"{tenant.get_api_uri()}/vApp/vapp-{well_known_uuid('vApp', 'acme')}"
    task = org.capture_vapp(org.get_catalog(catalog), href, "captured", "From a vApp")
    ended(tenant, task)
    (item,) = org.list_catalog_items(catalog)
    assert item["name"] == "captured"
    template = tenant.get_resource(org.get_vapp_template_href(catalog, "captured"))
    source = VApp(tenant, href=href)
    assert [vm.get("name") for vm in template.Children.Vm] == [vm.get("name") for vm in source.get_all_vms()]
    again = org.capture_vapp(org.get_catalog(catalog), href, "captured", "Again", overwrite=True)
    ended(tenant, again)
    newer = org.get_vapp_template_href(catalog, "captured")
    assert newer != template.get("href")
    vdc = VDC(tenant, href=f"{tenant.get_api_uri()}/vdc/{well_known_uuid('vdc', 'acme')}")
    made = vdc.instantiate_vapp("from-captured", catalog, "captured")
    ended(tenant, made.Tasks.Task[0])
    assert len(VApp(tenant, href=made.get("href")).get_all_vms()) == len(template.Children.Vm)


def test_the_policies_of_a_templates_machines_change(tenant: Client, org: Org) -> None:
    policies = f"{tenant.get_cloudapi_uri()}/1.0.0/vdcComputePolicies"
    href = f"{policies}/urn:vcloud:vdcComputePolicy:00000000-0000-4000-8000-000000000001"
    ended(tenant, org.assign_sizing_policy_to_vapp_template_vms(CATALOG, "photon", href))
    template = tenant.get_resource(org.get_vapp_template_href(CATALOG, "photon"))
    assert [vm.ComputePolicy.VmSizingPolicy.get("href") for vm in template.Children.Vm] == [href]
    ended(tenant, org.remove_all_compute_policies_from_vapp_template_vms(CATALOG, "photon"))
    template = tenant.get_resource(org.get_vapp_template_href(CATALOG, "photon"))
    assert not any(hasattr(vm, "ComputePolicy") for vm in template.Children.Vm)


def test_a_vdc_is_shared(tenant: Client) -> None:
    vdc = VDC(tenant, href=f"{tenant.get_api_uri()}/vdc/{well_known_uuid('vdc', 'acme')}")
    assert bool(vdc.get_access_settings().IsSharedToEveryone)
    settings = vdc.add_access_settings([{"name": "user", "type": "user", "access_level": "ReadOnly"}])
    assert settings.AccessSettings.AccessSetting.Subject.get("name") == "user"
    vdc.remove_access_settings(remove_all=True)
    assert bool(vdc.share_with_org_members().IsSharedToEveryone)
