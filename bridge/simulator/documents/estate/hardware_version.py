"""Virtual hardware versions of a vDC: what a VM of one can have.

Source: VirtualHardwareVersionType of the VCD schemas; go-vcloud-director types/v56/types.go; the limits are those of
"Hardware Features Available with Virtual Machine Compatibility Settings" in VMware's vSphere documentation.
"""

from __future__ import annotations

from bridge.simulator.documents.compute.guest import SYSTEMS
from bridge.simulator.protocol.exchange import JsonObject, media_type
from bridge.simulator.state.entities import Entity
from bridge.simulator.state.machines import ADAPTERS, Adapter
from bridge.simulator.state.references import References

STEM = "application/vnd.vmware.vcloud.virtualHardwareVersion"
LIST_STEM = "application/vnd.vmware.vcloud.supportedHardwareVersions"
HARDWARE_VERSIONS = tuple(f"vmx-{number:02d}" for number in (4, 7, 8, 9, 10, 11, 13, 14, 15, 17, 18, 19, 20, 21))

_LIMITS = {4: (64, 4, 1), 7: (255, 8, 8), 8: (1011, 32, 32), 9: (1011, 64, 64), 11: (4080, 128, 64),
           13: (6128, 128, 64), 15: (6128, 256, 64), 18: (24560, 768, 64), 20: (24560, 768, 256)}  # fmt: skip
"""From a version on: memory in GiB, processors, cores on a socket."""

_UNITS = {"IDE": (1, 1), "SCSI": (3, 15), "SATA": (3, 29), "NVME": (3, 14)}
"""Highest bus and unit of a kind of controller."""


def hardware_version(references: References, vdc: Entity, name: str) -> JsonObject:
    """VirtualHardwareVersionType of one of :data:`HARDWARE_VERSIONS`."""
    number = int(name.rpartition("-")[2])
    memory, processors, cores = _LIMITS[max(one for one in _LIMITS if one <= number)]
    return {
        "href": f"{references.href(vdc)}/hwv/{name}", "type": media_type(STEM), "name": name,
        "link": [references.link("up", references.href(vdc), vdc.kind.media_stem, vdc.name)],
        "maxCoresPerSocket": cores, "supportedOperatingSystems": _systems(number, processors, cores),
        "maxMemorySizeMb": memory * 1024, "maxCPUs": processors, "maxNICs": 4 if number < 7 else 10,
        "supportsNestedHV": number >= 9, "supportsHotPlugPCI": number >= 7, "supportsHotAdd": number >= 7,
        "supportedMemorySizeGb": _powers(memory), "supportedCoresPerSocket": _powers(cores),
        "hardDiskAdapter": [_adapter(one) for one in ADAPTERS],
    }  # fmt: skip


def hardware_versions(references: References, vdc: Entity) -> JsonObject:
    """SupportedHardwareVersionsType: all of them, by reference."""
    return {
        "supportedHardwareVersion": [
            {"name": version, "href": f"{references.href(vdc)}/hwv/{version}", "type": media_type(STEM),
             "default": version == HARDWARE_VERSIONS[-1]}
            for version in HARDWARE_VERSIONS
        ]
    }  # fmt: skip


def _powers(most: int) -> list[int]:
    return [1 << exponent for exponent in range(most.bit_length()) if 1 << exponent <= most]


def _adapter(one: Adapter) -> JsonObject:
    bus, unit = _UNITS[one.label]
    return {
        "id": one.sub_type, "legacyId": int(one.number), "name": one.sub_type, "maximumDiskSizeGb": 62 * 1024,
        "busNumberRanges": {"range": [{"begin": 0, "end": bus}]},
        "unitNumberRanges": {"range": [{"begin": 0, "end": unit}]},
    }  # fmt: skip


def _systems(version: int, processors: int, cores: int) -> JsonObject:
    """Guest operating systems, in the families of Linux, Windows and the rest."""
    families: dict[str, list[JsonObject]] = {}
    for name, (number, label) in SYSTEMS.items():
        family = "Microsoft Windows" if "windows" in name else "Other" if name == "otherGuest64" else "Linux"
        families.setdefault(family, []).append(
            {"operatingSystemId": number, "name": label, "internalName": name, "supported": True, "x64": True,
             "minimumHardDiskSizeGigabytes": 16, "minimumMemoryMegabytes": 512, "maximumCpuCount": processors,
             "maximumCoresPerSocket": cores, "minimumHardwareVersion": version, "personalizationEnabled": True,
             "cimOsId": number, "supportedForCreate": True}
        )  # fmt: skip
    listed = [
        {"name": family, "operatingSystemFamilyId": number, "operatingSystem": systems}
        for number, (family, systems) in enumerate(families.items(), start=1)
    ]
    return {"operatingSystemFamilyInfo": listed}
