"""Organizations, vDCs, networks, edge gateways, provider entities."""

from __future__ import annotations

from typing import Any

from bridge.simulator.calls.effects.general import delete, flag
from bridge.simulator.calls.effects.occasion import Effect, Modelled, Occasion
from bridge.simulator.state.entities import Entity


def _remove_association(occasion: Occasion) -> None:
    association = occasion.store.get(occasion.parameters["associationId"].lower())
    if association is not None and association.kind.name == "orgAssociation":
        occasion.store.remove(association)


def _set_configuration(entity: Entity, **values: Any) -> None:
    entity.properties["configuration"] = {**(entity.properties.get("configuration") or {}), **values}


def _configure(**values: Any) -> Effect:
    return lambda occasion: _set_configuration(occasion.owner, **values)


def _resize_gateway(occasion: Occasion) -> None:
    _set_configuration(occasion.owner, gatewayBackingConfig=occasion.body.get("gatewayType"))


MODELLED: dict[str, Modelled] = {
    "createEdgeGateway": Modelled(creates="edgeGateway"),
    "createOrg": Modelled(creates="org"),
    "createOrgVdc": Modelled(creates="vdc"),
    "createOrgVdcNetwork": Modelled(creates="network"),
    "createVmAffinityRule": Modelled(creates="vmAffinityRule"),
    "createVmGroup": Modelled(creates="vmGroup"),
    "createVmGroupTenantView": Modelled(creates="vmGroup"),
    "createVmHostAffinityRule": Modelled(creates="vmHostRule"),
    "instantiateVdcTemplate": Modelled(creates="vdc"),
    "convertToAdvancedGateway": Modelled(effect=_configure(advancedNetworkingEnabled=True)),
    "convertNetworkToSubInterface": Modelled(effect=_configure(subInterface=True, distributedInterface=False)),
    "convertNetworkToDistributedInterface": Modelled(effect=_configure(subInterface=False, distributedInterface=True)),
    "convertNetworkToInternalInterface": Modelled(effect=_configure(subInterface=False, distributedInterface=False)),
    "modifyEdgeGatewayFormFactor": Modelled(effect=_resize_gateway),
    "removeOrgAssociation": Modelled(effect=_remove_association),
    "unregisterVimServer": Modelled(effect=delete),
    "forceDeleteStrandedItem": Modelled(effect=delete),
    "enableVmHostAffinityRule": Modelled(effect=flag("isEnabled", value=True)),
    "disableVmHostAffinityRule": Modelled(effect=flag("isEnabled", value=False)),
    "makeVmHostAffinityRuleMandatory": Modelled(effect=flag("isMandatory", value=True)),
    "makeVmHostAffinityRuleOptional": Modelled(effect=flag("isMandatory", value=False)),
}
