"""OVF descriptors: what an uploaded one names, and one for a template that was never uploaded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

from bridge.simulator.protocol.exchange import bad_request
from bridge.simulator.protocol.xml_tree import Node, parse
from bridge.simulator.state.transfers import TransferFile

OVF = "http://schemas.dmtf.org/ovf/envelope/1"
RASD = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData"
_UNITS = {"byte": 1, "byte * 2^10": 2**10, "byte * 2^20": 2**20, "byte * 2^30": 2**30, "byte * 2^40": 2**40}


@dataclass(frozen=True, slots=True)
class VirtualSystem:
    """A machine in a descriptor. Memory and disks in MiB."""

    name: str
    cpus: int
    memory_mb: int
    disks_mb: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Descriptor:
    files: tuple[TransferFile, ...]
    systems: tuple[VirtualSystem, ...]


def read_descriptor(content: bytes) -> Descriptor:
    """Files, machines and their hardware.

    Raises:
        Refusal: 400 for anything that is no OVF envelope.
    """
    root = parse(content)
    if root.name != "ovf:Envelope":
        raise bad_request("Bad request: the descriptor is no OVF envelope")
    nodes = list(_all(root))
    files = tuple(
        TransferFile(_attribute(one, "href"), _whole(_attribute(one, "size")))
        for one in nodes
        if one.name == "ovf:File"
    )
    disks = {_attribute(one, "diskId"): _size_mb(one) for one in nodes if one.name == "ovf:Disk"}
    return Descriptor(files, tuple(_system(one, disks) for one in nodes if one.name == "ovf:VirtualSystem"))


def _all(node: Node) -> Iterator[Node]:
    yield node
    for child in node.children:
        yield from _all(child)


def _text(node: Node, name: str) -> str:
    return next((child.text.strip() for child in node.children if child.name == name), "")


def _attribute(node: Node, name: str) -> str:
    return node.attributes.get(f"ovf:{name}") or node.attributes.get(name) or ""


def _whole(text: str) -> int | None:
    return int(text) if text.strip().isdecimal() else None


def _size_mb(disk: Node) -> int:
    unit = _UNITS.get(_attribute(disk, "capacityAllocationUnits") or "byte", 1)
    return max(1, (_whole(_attribute(disk, "capacity")) or 0) * unit // 2**20)


def _system(node: Node, disks: dict[str, int]) -> VirtualSystem:
    """Resource types of OVF: 3 processors, 4 memory (in MiB), 17 a disk."""
    cpus, memory, sizes = 1, 512, []
    for item in [one for one in _all(node) if one.name == "ovf:Item"]:
        quantity = _whole(_text(item, "rasd:VirtualQuantity"))
        match _text(item, "rasd:ResourceType"):
            case "3":
                cpus = quantity or cpus
            case "4":
                memory = quantity or memory
            case "17":
                resource = _text(item, "rasd:HostResource")
                sizes.append(disks.get(resource.rpartition("/")[2], 1))
            case _:
                pass
    name = _text(node, "ovf:Name") or _attribute(node, "id") or "vm"
    return VirtualSystem(name, cpus, memory, tuple(sizes))


def write_descriptor(name: str, files: list[TransferFile], systems: list[VirtualSystem]) -> bytes:
    """An envelope with these files, one disk each, and machines."""
    references = "".join(
        f'<File ovf:href={quoteattr(one.name)} ovf:id="file{number}" ovf:size="{one.size or 0}"/>'
        for number, one in enumerate(files)
    )
    sizes = [size for system in systems for size in system.disks_mb]
    disks = "".join(
        f'<Disk ovf:capacity="{size}" ovf:capacityAllocationUnits="byte * 2^20" ovf:diskId="disk{number}"'
        + (f' ovf:fileRef="file{number}"' if number < len(files) else "")
        + ' ovf:format="http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized"/>'
        for number, size in enumerate(sizes)
    )
    first, machines = 0, []
    for system in systems:
        machines.append(_written(system, first))
        first += len(system.disks_mb)
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><Envelope xmlns="{OVF}" xmlns:ovf="{OVF}" xmlns:rasd="{RASD}">'
        f"<References>{references}</References>"
        f"<DiskSection><Info>Virtual disks</Info>{disks}</DiskSection>"
        f"<VirtualSystemCollection ovf:id={quoteattr(name)}><Info>A collection of virtual machines</Info>"
        f"<Name>{escape(name)}</Name>{''.join(machines)}</VirtualSystemCollection></Envelope>"
    ).encode()


def _written(system: VirtualSystem, first_disk: int) -> str:
    rows: list[tuple[str, str, str, str | None, str | None]] = [
        ("3", "Processors", "1", str(system.cpus), None),
        ("4", "Memory", "2", str(system.memory_mb), None),
    ]
    rows += [
        ("17", f"Hard disk {number + 1}", str(2000 + number), None, f"ovf:/disk/disk{first_disk + number}")
        for number in range(len(system.disks_mb))
    ]
    items = "".join(
        f"<Item><rasd:ElementName>{element}</rasd:ElementName>"
        + (f"<rasd:HostResource>{resource}</rasd:HostResource>" if resource else "")
        + f"<rasd:InstanceID>{instance}</rasd:InstanceID><rasd:ResourceType>{kind}</rasd:ResourceType>"
        + (f"<rasd:VirtualQuantity>{quantity}</rasd:VirtualQuantity>" if quantity else "")
        + "</Item>"
        for kind, element, instance, quantity, resource in rows
    )
    return (
        f"<VirtualSystem ovf:id={quoteattr(system.name)}><Info>A virtual machine</Info>"
        f"<Name>{escape(system.name)}</Name><VirtualHardwareSection><Info>Virtual hardware</Info>{items}"
        "</VirtualHardwareSection></VirtualSystem>"
    )
