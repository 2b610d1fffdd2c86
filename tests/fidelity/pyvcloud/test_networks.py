"""pyvcloud's VdcNetwork, Gateway and ExternalNetwork."""

from __future__ import annotations

import pytest
from pyvcloud.vcd.client import Client
from pyvcloud.vcd.exceptions import EntityNotFoundException
from pyvcloud.vcd.external_network import ExternalNetwork
from pyvcloud.vcd.gateway import Gateway
from pyvcloud.vcd.platform import Platform
from pyvcloud.vcd.vdc_network import VdcNetwork

from tests.fidelity.pyvcloud.test_vdcs import finish, vdc_of


def network_of(client: Client, name: str) -> VdcNetwork:
    return VdcNetwork(client, resource=vdc_of(client).list_orgvdc_network_resources(name=name)[0])


def gateway_of(client: Client) -> Gateway:
    return Gateway(client, name="edge-1", href=vdc_of(client).get_gateway("edge-1").get("href"))


def test_networks_by_kind(tenant: Client) -> None:
    vdc = vdc_of(tenant)
    assert {one["name"]: one["connectedTo"] for one in vdc.list_orgvdc_network_records()} == {
        "net-1": "edge-1", "net-2": None, "net-3": "externalNetwork-1",
    }  # fmt: skip
    assert [one.get("name") for one in vdc.list_orgvdc_routed_networks()] == ["net-1"]
    assert [one.get("name") for one in vdc.list_orgvdc_isolated_networks()] == ["net-2"]
    assert [one.get("name") for one in vdc.list_orgvdc_direct_networks()] == ["net-3"]
    assert network_of(tenant, "net-1").is_routed_network()
    with pytest.raises(EntityNotFoundException):
        vdc.get_routed_orgvdc_network("net-2")


def test_an_isolated_networks_life(provider: Client) -> None:
    vdc = vdc_of(provider)
    made = vdc.create_isolated_vdc_network(
        "made-isolated", "192.168.7.1/24", description="of a test", primary_dns_ip="192.168.7.2",
        ip_range_start="192.168.7.10", ip_range_end="192.168.7.20", is_dhcp_enabled=True, default_lease_time=60,
        max_lease_time=120, dhcp_ip_range_start="192.168.7.30", dhcp_ip_range_end="192.168.7.40", is_shared=True,
    )  # fmt: skip
    finish(provider, made)
    resource = vdc.get_isolated_orgvdc_network("made-isolated")
    scope = resource.Configuration.IpScopes.IpScope
    assert (str(scope.Gateway), str(scope.Netmask), str(scope.Dns1)) == ("192.168.7.1", "255.255.255.0", "192.168.7.2")
    assert resource.IsShared.text == "true"
    network = VdcNetwork(provider, resource=resource)
    finish(provider, network.edit_name_description_and_shared_state("renamed", "of another", is_shared=False))
    network = VdcNetwork(provider, resource=vdc.get_isolated_orgvdc_network("renamed"))
    assert (str(network.get_resource().Description), network.get_resource().IsShared.text) == ("of another", "false")
    finish(provider, network.modify_static_ip_pool("192.168.7.10-192.168.7.20", "192.168.7.10-192.168.7.25"))
    network.reload()
    ranges = network.get_resource().Configuration.IpScopes.IpScope.IpRanges.IpRange
    assert [str(one.EndAddress) for one in ranges] == ["192.168.7.25"]
    finish(provider, vdc.delete_isolated_orgvdc_network("renamed"))
    with pytest.raises(EntityNotFoundException):
        vdc.get_isolated_orgvdc_network("renamed")


def test_routed_and_direct_networks(provider: Client, tenant: Client) -> None:
    """Both tenants have an edge-1, and pyvcloud looks for its name alone: a tenant makes the network."""
    finish(tenant, vdc_of(tenant).create_routed_vdc_network("made-routed", "edge-1", "10.99.0.1/24"))
    vdc = vdc_of(provider)
    network = VdcNetwork(provider, resource=vdc.get_routed_orgvdc_network("made-routed"))
    finish(provider, network.convert_to_sub_interface())
    network.reload_admin()
    assert network.get_admin_resource().Configuration.SubInterface.text == "true"
    finish(provider, network.convert_to_internal_interface())
    finish(provider, network.add_static_ip_pool_and_dns(["10.99.0.10-10.99.0.20"], "10.99.0.2"))
    network.reload()
    assert str(network.get_resource().Configuration.IpScopes.IpScope.IpRanges.IpRange.EndAddress) == "10.99.0.20"
    finish(provider, vdc.create_directly_connected_vdc_network("made-direct", "externalNetwork-1"))
    assert vdc.get_direct_orgvdc_network("made-direct").Configuration.ParentNetwork.get("name") == "externalNetwork-1"
    finish(provider, vdc.delete_routed_orgvdc_network("made-routed"))
    finish(provider, vdc.delete_direct_orgvdc_network("made-direct"))


def test_metadata_and_vapps_of_a_network(provider: Client) -> None:
    network = network_of(provider, "net-1")
    finish(provider, network.set_metadata("color", "blue"))
    assert str(network.get_metadata_value("color").TypedValue.Value) == "blue"
    assert {one["Name"] for one in network.list_connected_vapps()} >= {"vapp-1"}


def test_a_gateway(tenant: Client) -> None:
    gateway = gateway_of(tenant)
    interfaces = gateway.get_resource().Configuration.GatewayInterfaces.GatewayInterface
    assert {str(one.Name): str(one.InterfaceType) for one in interfaces} == {
        "externalNetwork-1": "uplink", "net-1": "internal",
    }  # fmt: skip
    finish(tenant, gateway.convert_to_advanced())
    gateway.reload()
    assert gateway.get_resource().Configuration.AdvancedNetworkingEnabled.text == "true"
    finish(tenant, gateway.enable_distributed_routing(enable=True))
    finish(tenant, gateway.modify_form_factor("full"))
    finish(tenant, gateway.redeploy())
    finish(tenant, gateway.sync_syslog_settings())
    gateway.reload()
    assert str(gateway.get_resource().Configuration.GatewayBackingConfig) == "full"
    finish(tenant, gateway.edit_gateway(newname="edge-one"))
    assert vdc_of(tenant).get_gateway("edge-one") is not None
    finish(tenant, Gateway(tenant, href=gateway.href).edit_gateway(newname="edge-1"))


def test_external_networks(provider: Client) -> None:
    network = ExternalNetwork(provider, resource=Platform(provider).get_external_network("externalNetwork-1"))
    assert network.list_provider_vdc() == ["providervdc-1"]
    assert network.list_extnw_gateways() == ["edge-1", "edge-1"], "of acme and of beta"
    assert network.list_associated_direct_org_vdc_networks() == ["net-3", "net-3"]


def test_an_external_networks_life(provider: Client) -> None:
    platform = Platform(provider)
    platform.create_external_network(
        "made-outside", "vimServer-1", ["externalNetwork-1-portgroup"], "198.51.100.1", "255.255.255.0",
        ["198.51.100.10-198.51.100.20"], description="of a test", primary_dns_ip="198.51.100.53",
    )  # fmt: skip
    platform.update_external_network("made-outside", new_name="outside", new_description="of another")
    network = ExternalNetwork(provider, resource=platform.get_external_network("outside"))
    network.add_ip_range("198.51.100.1", ["198.51.100.30-198.51.100.40"])
    network.add_subnet("outside", "198.51.101.1", "255.255.255.0", ["198.51.101.10-198.51.101.20"], None, None, None)
    made = platform.get_external_network("outside")
    scopes = made["{http://www.vmware.com/vcloud/v1.5}Configuration"].IpScopes.IpScope
    assert [len(scope.IpRanges.IpRange) for scope in scopes] == [2, 1]
    finish(provider, platform.delete_external_network("outside"))
    with pytest.raises(EntityNotFoundException):
        platform.get_external_network("outside")


def test_a_gateways_uplink(tenant: Client) -> None:
    gateway = gateway_of(tenant)
    outside = "externalNetwork-1"
    assert gateway.list_external_network_ip_allocations() == {outside: ["203.0.113.10"]}
    assert gateway.list_configure_ip_settings()[0]["gateway"] == ["203.0.113.1/24"]
    finish(tenant, gateway.edit_rate_limits({outside: [101, 102]}))
    gateway.reload()
    assert gateway.list_rate_limits()[0]["in_rate_limit"] == "101.0"
    finish(tenant, gateway.add_sub_allocated_ip_pools(outside, ["203.0.113.20-203.0.113.30"]))
    finish(tenant, gateway.configure_dns_default_gateway(enable_dns_relay=True))
    finish(tenant, gateway.set_tenant_syslog_server_ip("10.0.0.9"))
    gateway.reload()
    assert str(gateway.list_syslog_server_ip()["Tenant Syslog server"]) == "10.0.0.9"
    assert not gateway.is_nsxt_backed()


def test_a_gateways_life(provider: Client) -> None:
    vdc = vdc_of(provider)
    finish(provider, vdc.create_gateway_api_version_32("made-edge", ["externalNetwork-1"], is_ha_enabled=True))
    made = Gateway(provider, href=vdc.get_gateway("made-edge").get("href")).get_resource()
    assert made.Configuration.HaEnabled.text == "true"
    assert str(made.Configuration.GatewayInterfaces.GatewayInterface.InterfaceType) == "uplink"
    finish(provider, vdc.delete_gateway("made-edge"))
    assert vdc.get_gateway("made-edge") is None


def test_what_an_external_network_is_used_for(provider: Client) -> None:
    network = ExternalNetwork(provider, resource=Platform(provider).get_external_network("externalNetwork-1"))
    assert network.list_allocated_ip_address()["edge-1"] == "203.0.113.10"
    assert network.list_vsphere_network() == [{"vCenter": "vimServer-1", "Name": "externalNetwork-1-portgroup"}]
