"""What a Task is called: operationName and the operation texts.

Where VCD's own operationName is sourced the simulator uses it: those of the catalogue, and those that VMware's SDKs for
.NET and PHP list for operations that can be held (``BlockingTaskOperationType``). The bridge does not lean on the
latter, as no source ties them to calls. Everywhere else the simulator makes up a name that nobody can guess from the
API or from the catalogue, so that no client can lean on a name that only it believes in.
"""

from __future__ import annotations

import re
import zlib

from bridge.catalogue.operation import Operation
from bridge.simulator.protocol.exchange import JsonObject
from bridge.simulator.state.entities import Entity

_OF_TEMPLATE_VMS = "templateUpdateVm"
OPERATION_NAMES: dict[str, str] = {
    "attachDisk": "vappAttachDisk", "captureVAppToCatalog": "vdcCaptureTemplate",
    "captureVAppToVdc": "vdcCaptureTemplate", "checkVmCompliance": "vappCheckVmCompliance",
    "cloneMedia": "vdcCopyMedia", "cloneVApp": "vdcCopyVapp", "cloneVAppTemplate": "vdcCopyTemplate",
    "createCatalog": "catalogCreateCatalog",
    "createDisk": "vdcCreateDisk", "createMedia": "vdcUploadMedia", "createOrgVdc": "vdcCreateVdc",
    "deleteMedia": "vdcDeleteMedia", "deleteNetwork": "networkDelete", "deleteNetworkPool": "networkDeleteNetworkPool",
    "deleteOrgVdcNetwork": "networkDelete", "deleteProviderVdc": "rclDeleteProviderVdc", "deleteVdc": "vdcDeleteVdc",
    "deleteVdcAdminView": "vdcDeleteVdc", "detachDisk": "vappDetachDisk", "enableMediaDownload": "vdcEnableDownload",
    "enableVAppTemplateDownload": "vdcEnableDownload", "importVmIntoExistingVApp": "importIntoExistingVapp",
    "mergeProviderVdcs": "rclMergePvdc", "migrateResourcePoolVms": "vappMigrateVms", "powerOffVApp": "vappPowerOff",
    "rebootVApp": "vappRebootGuest", "recomposeVApp": "vdcRecomposeVapp", "reconfigureVm": "vappUpdateVm",
    "removeAllSnapshots": "vappRemoveAllSnapshots", "repairNetworkPool": "networkRepairNetworkPool",
    "resetNetwork": "networkResetNetwork",
    "resetVApp": "vappReset", "revertToCurrentSnapshot": "vappRevertToCurrentSnapshot",
    "shutdownVApp": "vappShutdownGuest", "suspendVApp": "vappSuspend", "syncCatalog": "catalogSync",
    "updateDisk": "vdcUpdateDisk", "updateMedia": "mediaUpdate",
    "updateOrgVdcNetwork": "networkUpdateNetwork", "updateVApp": "vdcUpdateVapp",
    "updateVAppTemplate": "vdcUpdateTemplate", "updateVAppTemplateNetworkConnectionSection": _OF_TEMPLATE_VMS,
    "updateVdc": "vdcUpdateVdc",
    "updateVdcStorageProfiles": "vdcUpdateStorageProfiles", "updateVm": "vappUpdateVm",
    "updateVmCpu": "vappUpdateVm", "updateVmDisks": "vappUpdateVm", "updateVmMemory": "vappUpdateVm",
    "updateVmNetworkCards": "vappUpdateVm", "updateVmNetworkConnectionSection": "vappUpdateVm",
    "updateVmVirtualHardwareSection": "vappUpdateVm", "uploadVAppTemplate": "vdcUploadOvfContents",
    "upgradeVmHardwareVersion": "vappUpgradeHwVersion",
}  # fmt: skip
"""Operation of the catalogue -> operationName, where the catalogue has none. Which call makes which is read off the
names; recorded answers (libcloud, jclouds) show ``vappUpdateVm`` for sections of the hardware, and some more."""

_OF_METADATA = re.compile(r"(?:merge|set|delete)\w*Metadata(?:Item)?")
_METADATA_NAMES = {"POST": "metadataUpdate", "PUT": "metadataSet", "DELETE": "metadataDelete"}

_UNDEPLOYED_BY = {"suspend": "vappUndeploySuspend"}

_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def operation_name(operation: Operation, body: JsonObject, owner: Entity | None = None) -> str:
    """VCD's operationName, or a made-up one; templates and their VMs have the same path, but not the same name.

    ``vappUndeployPowerOff`` is sourced for powering off only and ``vappUndeploySuspend`` for suspending; the other
    undeploy actions have names that no source shows.
    """
    known = operation.vcd_operation_name or OPERATION_NAMES.get(operation.name)
    if _OF_METADATA.fullmatch(operation.name):
        return _METADATA_NAMES[operation.method]
    if operation.name == "updateVAppTemplate" and owner is not None and owner.kind.name == "vmTemplate":
        return _OF_TEMPLATE_VMS
    if known == "vappUndeployPowerOff":
        action = body.get("undeployPowerAction")
        known = known if action in (None, "powerOff", "default") else _UNDEPLOYED_BY.get(str(action))
    if known is not None:
        return known
    code = zlib.crc32(f"{operation.method} {operation.path} {operation.name}".encode())
    return f"simulated{code:08x}"


def operation_texts(operation: Operation, owner: Entity) -> tuple[str, str]:
    """The text while it goes on and the text after its end; they differ, as VCD's do."""
    phrase = " ".join(word.lower() for word in _WORDS.split(operation.name))
    subject = f"{owner.kind.label} {owner.name}({owner.uuid})"
    return f"Executing {phrase}: {subject}", f"Executed {phrase}: {subject}"
