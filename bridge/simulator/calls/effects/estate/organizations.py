"""Organizations, vDCs, their storage policies, affinity rules, associations."""

from __future__ import annotations

from bridge.simulator.calls.effects.general import delete, flag, rename
from bridge.simulator.calls.effects.occasion import Modelled, Occasion
from bridge.simulator.protocol.exchange import JsonObject, Refusal, forbidden
from bridge.simulator.state.entities import Entity, initial_state
from bridge.simulator.state.founding.estate import ProfileState, RoleState, VdcState, members, role_named, role_state
from bridge.simulator.state.founding.founding import ROLES
from bridge.simulator.state.kinds import KINDS

_VDC_FIELDS = (
    "allocationModel", "nicQuota", "networkQuota", "vmQuota", "isEnabled", "resourceGuaranteedMemory",
    "resourceGuaranteedCpu", "vCpuInMhz", "vCpuInMhz2", "isThinProvision", "usesFastProvisioning", "overCommitAllowed",
    "vmDiscoveryEnabled", "isElastic", "includeMemoryOverhead",
)  # fmt: skip
"""What a body tells of a vDC as its document has it; capacities and references are told apart."""


def _new_entity(occasion: Occasion, kind: str, name: str, parent: Entity, **fields: object) -> Entity:
    values = {**initial_state(KINDS[kind]), **fields}
    return occasion.store.add(
        Entity(kind=KINDS[kind], uuid=occasion.cloud.new_uuid(), name=name, org=parent.organization, parent=parent,
               created_at=occasion.now, **values)
    )  # fmt: skip


def write_organization(org: Entity, body: JsonObject) -> None:
    """Full name, whether it is enabled, and the settings that the body has."""
    if isinstance(body.get("fullName"), str):
        org.properties["fullName"] = body["fullName"]
    if isinstance(body.get("isEnabled"), bool):
        org.properties["isEnabled"] = body["isEnabled"]
    settings = {key: value for key, value in (body.get("settings") or {}).items() if isinstance(value, dict)}
    if settings:
        org.properties["settings"] = {**(org.properties.get("settings") or {}), **settings}


def _new_organization(occasion: Occasion) -> None:
    """With the predefined roles, whose rights are those that they have elsewhere."""
    org = occasion.owner
    org.properties["isEnabled"] = False
    write_organization(org, occasion.body)
    others = [one for one in occasion.store.organizations() if one is not org and role_named(one, ROLES[0]) is not None]
    for name in ROLES:
        template = role_named(others[0], name) if others else None
        rights = list(role_state(template).rights) if template is not None else []
        _new_entity(occasion, "role", name, org, state=RoleState(rights))


def _check_delete(occasion: Occasion) -> None:
    """One with vDCs or catalogs goes only with ``force`` and ``recursive``; never the System one."""
    if not occasion.is_provider:
        raise forbidden()
    org, query = occasion.owner, occasion.query
    forced = all(query.get(name, "").lower() == "true" for name in ("force", "recursive"))
    contents = [one for kind in ("vdc", "catalog") for one in members(org, kind)]
    if org.name == "System" or (contents and not forced):
        names = ", ".join(one.name for one in contents[:3])
        raise Refusal(400, "INVALID_STATE", f"The organization {org.name} cannot be deleted; it has {names}")


def write_vdc(occasion: Occasion) -> None:
    body, properties = occasion.body, occasion.owner.properties
    properties.update({key: body[key] for key in _VDC_FIELDS if body.get(key) is not None})
    capacity = body.get("computeCapacity") or {}
    for name, units in (("cpu", "MHz"), ("memory", "MB")):
        said = capacity.get(name) or {}
        kept = (properties.get("computeCapacity") or {}).get(name) or {"units": units, "allocated": 0, "limit": 0}
        written = {key: said[key] for key in ("units", "allocated", "limit") if said.get(key) is not None}
        properties["computeCapacity"] = {**(properties.get("computeCapacity") or {}), name: {**kept, **written}}
    state = occasion.owner.state
    if isinstance(state, VdcState):
        state.provider_vdc = occasion.referred(body.get("providerVdcReference")) or state.provider_vdc
        state.network_pool = occasion.referred(body.get("networkPoolReference")) or state.network_pool


def _new_vdc(occasion: Occasion) -> None:
    """Without a word of storage a vDC gets the provider vDC's policy, without limit."""
    vdc = occasion.owner
    pools = occasion.store.of_kind("providervdc")
    vdc.state = VdcState(provider_vdc=pools[0] if pools else None)
    write_vdc(occasion)
    profiles = occasion.body.get("vdcStorageProfile") or [{"default": True}]
    for document in profiles:
        _add_profile(occasion, document)


def _update_vdc(occasion: Occasion) -> None:
    rename(occasion)
    write_vdc(occasion)


def _add_profile(occasion: Occasion, document: JsonObject) -> None:
    above = occasion.referred(document.get("providerVdcStorageProfile"))
    if above is None:
        above = next(iter(occasion.store.of_kind("pvdcStorageProfile")), None)
    vdc = occasion.owner
    values = {"enabled": True, "units": "MB", "limit": 0, "default": False}
    values.update({key: document[key] for key in values if document.get(key) is not None})
    if values["default"]:
        for one in members(vdc, "vdcStorageProfile"):
            one.properties["default"] = False
    name = "*" if above is None else above.name
    _new_entity(occasion, "vdcStorageProfile", name, vdc, properties=values, state=ProfileState(above))


def _update_profiles(occasion: Occasion) -> None:
    for document in occasion.body.get("addStorageProfile") or ():
        _add_profile(occasion, document)
    for reference in occasion.body.get("removeStorageProfile") or ():
        profile = occasion.referred(reference)
        if profile is not None and profile.parent is occasion.owner:
            occasion.store.remove(profile)


def _write_rule(occasion: Occasion) -> None:
    rule, body = occasion.owner, occasion.body
    rule.properties.update(
        {key: body[key] for key in ("isEnabled", "isMandatory", "polarity", "scope", "vmReferences", "hostGroupName",
                                    "vmGroupName") if body.get(key) is not None}
    )  # fmt: skip


def _update_rule(occasion: Occasion) -> None:
    rename(occasion)
    _write_rule(occasion)


def _remove_association(occasion: Occasion) -> None:
    association = occasion.store.get(occasion.parameters["associationId"].lower())
    if association is not None and association.kind.name == "orgAssociation":
        occasion.store.remove(association)


MODELLED: dict[str, Modelled] = {
    "createOrg": Modelled(creates="org", begin=_new_organization),
    "deleteOrg": Modelled(check=_check_delete, effect=delete),
    "createOrgVdc": Modelled(creates="vdc", begin=_new_vdc),
    "instantiateVdcTemplate": Modelled(creates="vdc", begin=_new_vdc),
    "updateVdc": Modelled(effect=_update_vdc),
    "updateVdcStorageProfiles": Modelled(effect=_update_profiles),
    "createVmAffinityRule": Modelled(creates="vmAffinityRule", begin=_write_rule),
    "updateVmAffinityRule": Modelled(effect=_update_rule),
    "removeOrgAssociation": Modelled(effect=_remove_association),
    "createVmGroup": Modelled(creates="vmGroup"),
    "createVmGroupTenantView": Modelled(creates="vmGroup"),
    "createVmHostAffinityRule": Modelled(creates="vmHostRule", begin=_write_rule),
    "enableVmHostAffinityRule": Modelled(effect=flag("isEnabled", value=True)),
    "disableVmHostAffinityRule": Modelled(effect=flag("isEnabled", value=False)),
    "makeVmHostAffinityRuleMandatory": Modelled(effect=flag("isMandatory", value=True)),
    "makeVmHostAffinityRuleOptional": Modelled(effect=flag("isMandatory", value=False)),
}
