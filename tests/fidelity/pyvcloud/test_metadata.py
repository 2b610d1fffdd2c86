"""pyvcloud and metadata: of vApps, VMs, vDCs, catalog items; all types, both domains."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from pyvcloud.vcd.client import Client, MetadataDomain, MetadataValueType, MetadataVisibility
from pyvcloud.vcd.exceptions import AccessForbiddenException, InternalServerException
from pyvcloud.vcd.metadata import Metadata
from pyvcloud.vcd.org import Org
from pyvcloud.vcd.utils import metadata_to_dict
from pyvcloud.vcd.vapp import VApp
from pyvcloud.vcd.vdc import VDC

from bridge.simulator.state.founding.inventory import well_known_uuid
from tests.fidelity.pyvcloud.conftest import POLL_SECONDS


def ended(client: Client, task: Any) -> None:
    """The Task is a success."""
    client.get_task_monitor().wait_for_success(task, poll_frequency=POLL_SECONDS)


@pytest.fixture
def vapp(tenant: Client) -> VApp:
    return VApp(tenant, href=f"{tenant.get_api_uri()}/vApp/vapp-{well_known_uuid('vApp', 'acme')}")


def test_all_types_of_a_vapps_metadata(tenant: Client, vapp: VApp) -> None:
    values = {
        MetadataValueType.STRING: "INC 1/2", MetadataValueType.NUMBER: "7", MetadataValueType.BOOLEAN: "true",
        MetadataValueType.DATA_TIME: "2026-10-05T13:44:00.000Z",
    }  # fmt: skip
    for kind, value in values.items():
        ended(tenant, vapp.set_metadata("GENERAL", "READWRITE", kind.name, value, kind.value))
    told = metadata_to_dict(vapp.get_metadata())
    moment = datetime.fromisoformat(told.pop("DATA_TIME"))
    assert moment == datetime(2026, 10, 5, 13, 44, tzinfo=UTC)
    assert told == {"STRING": "INC 1/2", "NUMBER": "7", "BOOLEAN": "true"}
    for kind in values:
        ended(tenant, vapp.remove_metadata(kind.name))
    assert metadata_to_dict(vapp.get_metadata()) == {}


def test_several_at_once(tenant: Client, vapp: VApp) -> None:
    ended(tenant, vapp.set_multiple_metadata({"a": "1", "b": "2"}))
    assert metadata_to_dict(vapp.get_metadata()) == {"a": "1", "b": "2"}
    for key in "ab":
        ended(tenant, vapp.remove_metadata(key))


def test_a_vdcs_metadata_is_changed_by_administrators_paths(tenant: Client) -> None:
    vdc = VDC(tenant, href=f"{tenant.get_api_uri()}/vdc/{well_known_uuid('vdc', 'acme')}")
    ended(tenant, vdc.set_metadata("owner", "team a"))
    assert vdc.get_metadata_value("owner").TypedValue.Value == "team a"
    ended(tenant, vdc.set_multiple_metadata({"owner": "team b", "cost": "1"}))
    assert metadata_to_dict(vdc.get_all_metadata()) == {"owner": "team b", "cost": "1"}
    for key in ("owner", "cost"):
        ended(tenant, vdc.remove_metadata(key))
    with pytest.raises(AccessForbiddenException):
        vdc.get_metadata_value("owner")


def test_a_catalog_items_metadata(tenant: Client) -> None:
    org = Org(tenant, resource=tenant.get_org())
    names = ("acme-catalog", "photon")
    ended(tenant, org.set_metadata_on_catalog_item(*names, "os", "linux"))
    assert org.get_metadata_value_from_catalog_item(*names, "os").TypedValue.Value == "linux"
    ended(tenant, org.set_multiple_metadata_on_catalog_item(*names, {"arch": "x86"}))
    assert metadata_to_dict(org.get_all_metadata_from_catalog_item(*names)) == {"os": "linux", "arch": "x86"}
    for key in ("os", "arch"):
        ended(tenant, org.remove_metadata_from_catalog_item(*names, key))


def test_the_system_domain_is_the_providers(provider: Client, tenant: Client, vapp: VApp) -> None:
    href = f"{vapp.href}/metadata"
    system, readonly, private = MetadataDomain.SYSTEM, MetadataVisibility.READONLY, MetadataVisibility.PRIVATE
    with pytest.raises(AccessForbiddenException):
        Metadata(tenant, href=href).set_metadata("tier", "gold", system, readonly)
    metadata = Metadata(provider, href=href)
    ended(provider, metadata.set_metadata("tier", "gold", system, readonly))
    ended(provider, Metadata(provider, href=href).set_metadata("rack", "r1", system, private))
    seen = Metadata(tenant, href=href).get_all_metadata()
    assert metadata_to_dict(seen) == {"tier": "gold"}
    assert (seen.MetadataEntry.Domain, seen.MetadataEntry.Domain.get("visibility")) == ("SYSTEM", "READONLY")
    assert Metadata(provider, href=href).get_metadata_value("rack", system).TypedValue.Value == "r1"
    with pytest.raises(InternalServerException) as refused:
        Metadata(provider, href=href).set_metadata("x", "y", system, MetadataVisibility.READ_WRITE)
    assert str(refused.value.vcd_error.get("message")).endswith("visibility")
    for key in ("tier", "rack"):
        ended(provider, Metadata(provider, href=href).remove_metadata(key, system))
