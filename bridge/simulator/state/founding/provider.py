"""What is the provider's: the System organization, resources, and the rights that roles are made of."""

from __future__ import annotations

from dataclasses import dataclass

from bridge.simulator.protocol.exchange import JsonObject
from bridge.simulator.state.entities import Entity, EntityStore
from bridge.simulator.state.founding.estate import RoleState
from bridge.simulator.state.founding.founding import Founder
from bridge.simulator.state.founding.plan import PASSWORD
from bridge.simulator.state.kinds import KINDS

RIGHTS = {
    "Catalog: Create / Delete a Catalog": "Catalog", "Catalog: Edit Properties": "Catalog",
    "Catalog: View Private and Shared Catalogs": "Catalog", "Organization vDC: View": "Organization VDC",
    "Organization vDC Network: View": "Organization VDC", "Organization vDC Gateway: View": "Organization VDC",
    "Organization: View": "Organization", "Organization: Edit Properties": "Organization",
    "General: Administrator View": "General", "General: Administrator Control": "General",
    "vApp: Create / Reconfigure": "vApp", "vApp: Delete": "vApp", "vApp: Power Operations": "vApp",
    "vApp: Edit Properties": "vApp", "vApp: Use Console": "vApp",
}  # fmt: skip
"""Some of VCD's rights and their categories (VMware Cloud Director documentation, "Rights in Predefined Roles")."""

_GRANTED: dict[str, tuple[str, ...]] = {
    "Organization Administrator": ("",),
    "Catalog Author": ("Catalog", "vApp", "Organization vDC"),
    "vApp Author": ("Catalog: View", "vApp"),
    "vApp User": ("vApp: Power", "vApp: Delete", "vApp: Edit", "vApp: Use"),
    "Console Access Only": ("vApp: Use",),
    "Defer to Identity Provider": (),
}
"""Beginnings of the rights' names, by role."""


@dataclass(frozen=True, slots=True)
class Provider:
    """What tenants' things refer to."""

    system: Entity
    provider_vdc: Entity
    profile: Entity
    network_pool: Entity
    external_network: Entity
    rights: tuple[Entity, ...]

    def granted(self, role: str) -> list[Entity]:
        beginnings = _GRANTED.get(role, ())
        return [right for right in self.rights if right.name.startswith(beginnings)]


def build_provider(store: EntityStore) -> Provider:
    """The System organization with its administrators, and one of each of the provider's kinds."""
    founder = Founder(store, 0, "System", "System")
    for name in ("administrator", "operator"):
        founder.user(name, PASSWORD, "System Administrator", fullName=f"System {name}")
    made = {
        kind.name: founder.entity(kind.name, f"{kind.name}-1", properties=_described(kind.name))
        for kind in KINDS.values()
        if kind.provider_only
    }
    rights = tuple(
        founder.entity("right", name, properties={"category": category, "serviceNamespace": "com.vmware.vcloud"})
        for name, category in RIGHTS.items()
    )
    founder.entity("role", "System Administrator", founder.org, state=RoleState(list(rights)))
    return Provider(
        founder.org, made["providervdc"], made["pvdcStorageProfile"], made["networkPool"], made["externalNetwork"],
        rights,
    )  # fmt: skip


def _described(kind: str) -> JsonObject:
    match kind:
        case "externalNetwork":
            scope = {
                "isInherited": False, "gateway": "203.0.113.1", "netmask": "255.255.255.0", "subnetPrefixLength": 24,
                "dns1": "203.0.113.53", "isEnabled": True,
                "ipRanges": {"ipRange": [{"startAddress": "203.0.113.10", "endAddress": "203.0.113.250"}]},
            }  # fmt: skip
            return {"configuration": {"ipScopes": {"ipScope": [scope]}, "fenceMode": "isolated"}}
        case "vimServer":
            return {"username": "administrator@vsphere.local", "url": "https://vcenter.example.com", "isEnabled": True,
                    "isConnected": True, "vcVersion": "8.0.2"}  # fmt: skip
        case "providervdc":
            return {"isEnabled": True}
        case _:
            return {}
