"""What CloudAPI reads of organizations, vDCs and people, one by one and in pages.

Source: CloudAPI documentation 37.0 to 39.0 (Org, Vdc, VdcCapability, User, Role, Right), go-vcloud-director
types/v56/openapi.go and openapi_endpoints.go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bridge.simulator.calls.access.openapi import named, page, reply, since
from bridge.simulator.calls.access.sessions import role_reference
from bridge.simulator.calls.call import Call, Target
from bridge.simulator.cloud import Cloud
from bridge.simulator.protocol.exchange import Answer, JsonObject, no_access
from bridge.simulator.state.entities import Entity, EntityStore
from bridge.simulator.state.founding.estate import members

BASE = "/cloudapi/1.0.0"
NO_BUNDLE = "com.vmware.vcloud.undefined.key"
"""The key of what has no translations."""

_CAPABILITIES = (
    ("networkProvider", "String", "NetworkProvider", "NSX_V"),
    ("distributedFirewall", "Boolean", "Security", False),
    ("routedNetworkConnectionTypes", "List", "OrgVdcNetwork", ["INTERNAL", "SUBINTERFACE", "DISTRIBUTED"]),
)  # fmt: skip
"""Name, type, category and value: what a vDC with NSX-V edge gateways says of itself."""


def org(_store: EntityStore, entity: Entity) -> JsonObject:
    vdcs = list(members(entity, "vdc"))
    vapps = [one for vdc in vdcs for one in members(vdc, "vApp")]
    return {
        "id": entity.urn, "name": entity.name, "displayName": entity.properties.get("fullName", entity.name),
        "description": entity.description, "isEnabled": entity.properties.get("isEnabled", True),
        "orgVdcCount": len(vdcs), "catalogCount": len(list(members(entity, "catalog"))), "vappCount": len(vapps),
        "runningVMCount": sum(vm.status == 4 for vapp in vapps for vm in vapp.children),
        "userCount": len(list(members(entity, "user"))),
        "diskCount": sum(len(list(members(vdc, "disk"))) for vdc in vdcs), "canManageOrgs": entity.name == "System",
        "canPublish": False, "managedBy": None, "directlyManagedOrgCount": 0, "maskedEventTaskUsername": None,
    }  # fmt: skip


def vdc(_store: EntityStore, entity: Entity) -> JsonObject:
    return {
        "id": entity.urn, "name": entity.name, "description": entity.description,
        "allocationType": entity.properties.get("allocationModel", "AllocationVApp"), "org": named(entity.organization),
    }  # fmt: skip


def user(store: EntityStore, entity: Entity) -> JsonObject:
    """Never with the password."""
    known, said = store.users_by_uuid.get(entity.uuid), entity.properties
    roles = [] if known is None else [role_reference(known)]
    return {
        "id": entity.urn, "username": entity.name, "fullName": said.get("fullName", entity.name),
        "givenName": None, "familyName": None, "description": entity.description,
        "email": said.get("emailAddress") or None, "phone": said.get("telephone") or None,
        "enabled": known is None or known.is_enabled, "locked": False, "stranded": False,
        "nameInSource": said.get("nameInSource", entity.name), "providerType": "LOCAL",
        "roleEntityRefs": roles, "effectiveRoleEntityRefs": roles, "inheritGroupRoles": False,
        "isGroupRole": said.get("isGroupRole", False), "orgEntityRef": named(entity.organization), "password": None,
    }  # fmt: skip


def role(_store: EntityStore, entity: Entity) -> JsonObject:
    """The predefined ones are only read."""
    return {
        "id": entity.urn, "name": entity.name, "description": entity.description, "bundleKey": NO_BUNDLE,
        "readOnly": not entity.properties.get("made", False),
    }  # fmt: skip


def right(_store: EntityStore, entity: Entity) -> JsonObject:
    return {
        "id": entity.urn, "name": entity.name, "description": entity.description, "bundleKey": NO_BUNDLE,
        "category": entity.properties.get("category", "General"), "serviceNamespace": "com.vmware.vcloud",
        "rightType": "VIEW" if "View" in entity.name else "MODIFY", "impliedRights": [],
    }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Collection:
    """``filters``: what a list can be filtered by. ``at_home``: only those of the caller's organization or context."""

    kind: str
    write: Callable[[EntityStore, Entity], JsonObject]
    filters: tuple[str, ...]
    since: str = "33.0"
    at_home: bool = False


COLLECTIONS = {
    "orgs": Collection("org", org, ("id", "name", "displayName", "isEnabled"), "37.0"),
    "vdcs": Collection("vdc", vdc, ("id", "name", "org.id", "org.name", "allocationType")),
    "users": Collection("user", user, ("id", "username", "fullName", "email", "enabled"), at_home=True),
    "roles": Collection("role", role, ("id", "name", "readOnly"), at_home=True),
    "rights": Collection("right", right, ("id", "name", "category", "rightType")),
}
"""By the first part of their paths."""


class CloudApi:
    """Reads; what changes roles is in ``cloudroles``."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud

    def routes(self) -> Iterator[tuple[str, str, Target]]:
        for name, one in COLLECTIONS.items():
            label = one.kind.capitalize()
            yield "GET", f"{BASE}/{name}", Target(f"list{label}sOfCloudApi", self.list_all, tail=name)
            yield "GET", f"{BASE}/{name}/{{id}}", Target(f"get{label}OfCloudApi", self.get, tail=name)
        yield "GET", f"{BASE}/vdcs/{{id}}/capabilities", Target("getVdcCapabilities", self.capabilities, tail="vdcs")

    def list_all(self, call: Call) -> Answer:
        one = COLLECTIONS[call.target.tail]
        since(call, one.since)
        seen = [
            entity for entity in self.cloud.store.of_kind(one.kind)
            if call.sees(entity) and (not one.at_home or entity.organization is call.home)
        ]  # fmt: skip
        return page(call, (one.write(self.cloud.store, entity) for entity in seen), one.filters)

    def get(self, call: Call) -> Answer:
        return reply(call, COLLECTIONS[call.target.tail].write(self.cloud.store, addressed(self.cloud, call)))

    def capabilities(self, call: Call) -> Answer:
        addressed(self.cloud, call)
        documents = [
            {"name": name, "description": name, "type": kind, "category": category, "value": value}
            for name, kind, category, value in _CAPABILITIES
        ]
        return page(call, documents, ("name", "category"))


def addressed(cloud: Cloud, call: Call) -> Entity:
    """The entity whose URN or uuid the path has. Raises a 403 for one that is hidden or is not there."""
    one, uuid = COLLECTIONS[call.target.tail], call.parameters["id"][-36:].lower()
    since(call, one.since)
    entity = cloud.store.get(uuid)
    if entity is None or entity.kind.name != one.kind or not call.sees(entity):
        raise no_access(one.kind, uuid)
    call.entity = entity.uuid
    return entity
