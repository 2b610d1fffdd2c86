"""Named disks and the VMs that have them attached.

Source: DiskType of the VCD schemas and documentation; pyvcloud's vdc.py and go-vcloud-director's disk.go for the links.
"""

from __future__ import annotations

from bridge.simulator.documents.owner import owner, owner_link
from bridge.simulator.documents.view import View, Writer
from bridge.simulator.protocol.exchange import JsonObject
from bridge.simulator.state import storage
from bridge.simulator.state.entities import Entity

DISK_STEM = "application/vnd.vmware.vcloud.disk"
VMS_STEM = "application/vnd.vmware.vcloud.vms"


def disk(writer: Writer, entity: Entity, view: View) -> JsonObject:
    state, references = storage.disk(entity), writer.references
    href = references.href(entity)
    document: JsonObject = {
        "owner": owner(references, entity),
        "size": state.size_mb * storage.MEGABYTE,
        "sizeMb": state.size_mb,
        "iops": state.iops,
        "encrypted": state.encrypted,
        "busType": state.bus_type,
        "busSubType": state.bus_sub_type,
        "shareable": state.shareable,
        "sharingType": state.sharing_type,
        "uuid": state.uuid,
    }
    if state.storage_profile is not None:
        document["storageProfile"] = references.to(state.storage_profile)
    document["link"] = [
        references.link("edit", href, DISK_STEM),
        references.link("remove", href),
        owner_link(references, href),
        references.link("down", f"{href}/attachedVms", VMS_STEM),
    ]
    return document
