"""pyvcloud's services of a vApp's network behind an edge: DHCP, firewall, NAT, static routes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pyvcloud.vcd.client import Client
from pyvcloud.vcd.vapp import VApp
from pyvcloud.vcd.vapp_dhcp import VappDhcp
from pyvcloud.vcd.vapp_firewall import VappFirewall
from pyvcloud.vcd.vapp_nat import VappNat
from pyvcloud.vcd.vapp_static_route import VappStaticRoute

from bridge.simulator.director import Director
from tests.fidelity.pyvcloud.conftest import POLL_SECONDS
from tests.fidelity.pyvcloud.machines import new_vapp

NETWORK = "inner"
Done = Callable[[Any], None]


@pytest.fixture(scope="module")
def done(provider: Client) -> Done:
    """Waits for a Task's success."""
    return lambda task: provider.get_task_monitor().wait_for_success(task, timeout=5, poll_frequency=POLL_SECONDS)


@pytest.fixture(scope="module")
def place(url: str, director: Director, provider: Client, done: Done) -> tuple[str, str]:
    """Names of a vApp and of its network, which is behind net-1."""
    vapp = VApp(provider, href=f"{url}/api{new_vapp(director).path}")
    vapp.reload()
    done(vapp.create_vapp_network(NETWORK, "192.168.7.1/24", ip_ranges=["192.168.7.10-192.168.7.20"]))
    vapp.reload()
    done(vapp.connect_vapp_network_to_ovdc_network(NETWORK, "net-1"))
    return vapp.get_resource().get("name"), NETWORK


def features(kind: type, provider: Client, place: tuple[str, str]) -> Any:
    return kind(provider, *place)._get_resource().Configuration.Features  # it has no other way to the document


def test_dhcp(provider: Client, place: tuple[str, str], done: Done) -> None:
    done(VappDhcp(provider, *place).set_dhcp_service("192.168.7.100-192.168.7.150", 3600, 7200))
    service = features(VappDhcp, provider, place).DhcpService
    assert (service.IsEnabled, service.DefaultLeaseTime, service.MaxLeaseTime) == (True, 3600, 7200)
    assert (service.IpRange.StartAddress, service.IpRange.EndAddress) == ("192.168.7.100", "192.168.7.150")
    done(VappDhcp(provider, *place).enable_dhcp_service(False))
    assert not features(VappDhcp, provider, place).DhcpService.IsEnabled


def test_firewall(provider: Client, place: tuple[str, str], done: Done) -> None:
    def rules() -> list[tuple[Any, ...]]:
        listed = VappFirewall(provider, *place).list_firewall_rule()
        return [(one["Name"], one["Policy"], one["Protocols"], one["DestinationIp"]) for one in listed]

    done(VappFirewall(provider, *place).enable_firewall_service(True))
    done(VappFirewall(provider, *place).set_default_action("allow", False))
    assert features(VappFirewall, provider, place).FirewallService.DefaultAction == "allow"
    for name in ("web", "mail"):
        done(VappFirewall(provider, *place).add_firewall_rule(name, True, "allow", ["Tcp"], destination_ip="10.0.0.1"))
    assert rules() == [("web", "allow", "Tcp", "10.0.0.1"), ("mail", "allow", "Tcp", "10.0.0.1")]
    done(VappFirewall(provider, *place).update_firewall_rule("web", new_name="site", policy="drop", protocols=["Any"]))
    assert rules() == [("site", "drop", "Any", "10.0.0.1"), ("mail", "allow", "Tcp", "10.0.0.1")]
    done(VappFirewall(provider, *place).delete_firewall_rule("site"))
    assert rules() == [("mail", "allow", "Tcp", "10.0.0.1")]


def test_nat(provider: Client, place: tuple[str, str], done: Done) -> None:
    def nat() -> VappNat:
        return VappNat(provider, *place)

    vapp = VApp(provider, href=nat().parent_href)
    vapp.reload()
    machine = str(vapp.get_all_vms()[0].VAppScopedLocalId)
    done(nat().enable_nat_service(True))
    done(nat().update_nat_type("portForwarding", "allowTraffic"))
    assert nat().get_nat_type() == {"NatType": "portForwarding", "Policy": "allowTraffic"}
    done(nat().add_nat_rule("portForwarding", machine, 0, external_port=8443, internal_port=443))
    (rule,) = nat().get_list_of_nat_rule()
    assert (rule["ExternalPort"], rule["InternalPort"], rule["Protocol"]) == (8443, 443, "TCP")
    done(nat().update_nat_rule(str(rule["Id"]), external_port=9443))
    (rule,) = nat().get_list_of_nat_rule()
    assert rule["ExternalPort"] == 9443
    done(nat().delete_nat_rule(str(rule["Id"])))
    assert nat().get_list_of_nat_rule() == []
    done(nat().add_nat_rule("ipTranslation", machine, 0))
    assert [one["MappingMode"] for one in nat().get_list_of_nat_rule()] == ["automatic"]


def test_static_routes(provider: Client, place: tuple[str, str], done: Done) -> None:
    def routes() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = VappStaticRoute(provider, *place).list()
        return found

    done(VappStaticRoute(provider, *place).enable_service(True))
    done(VappStaticRoute(provider, *place).add("far", "10.9.0.0/16", "192.168.7.9"))
    assert routes() == [{"Name": "far", "Network CIDR": "10.9.0.0/16", "Next Hop IP": "192.168.7.9"}]
    done(VappStaticRoute(provider, *place).update("far", "further", "10.8.0.0/16", "192.168.7.8"))
    assert routes() == [{"Name": "further", "Network CIDR": "10.8.0.0/16", "Next Hop IP": "192.168.7.8"}]
    done(VappStaticRoute(provider, *place).add("near", "10.7.0.0/16", "192.168.7.7"))
    done(VappStaticRoute(provider, *place).delete("further"))
    assert [one["Name"] for one in routes()] == ["near"]
