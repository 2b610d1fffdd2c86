"""With whom an entity is shared: ControlAccessParamsType, the same for catalogs, vApps and vDCs."""

from __future__ import annotations

from bridge.simulator.protocol.exchange import JsonObject
from bridge.simulator.state.entities import EVERYBODY, Entity, EntityStore
from bridge.simulator.state.references import References

ACCESS_STEM = "application/vnd.vmware.vcloud.controlAccess"


def control_access(references: References, store: EntityStore, entity: Entity) -> JsonObject:
    everyone = entity.shared.get(EVERYBODY)
    settings = [
        {"subject": references.to(subject), "accessLevel": level}
        for uuid, level in entity.shared.items()
        if (subject := store.get(uuid)) is not None
    ]
    document: JsonObject = {"isSharedToEveryone": everyone is not None}
    if everyone is not None:
        document["everyoneAccessLevel"] = everyone
    if settings:
        document["accessSettings"] = {"accessSetting": settings}
    return document
