"""Addresses below /transfer: where files go up and come down. Knowing such an address is all that it takes to use it.

Source: pyvcloud's org.py and client.py (upload_fragment), go-vcloud-director's upload.go: PUT with ``Content-Range``,
200 for a part, 416 for one that does not fit; the descriptor first, whose files then have addresses of their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from bridge.simulator.calls.call import Call, Target
from bridge.simulator.calls.effects.libraries.templates import DESCRIPTOR
from bridge.simulator.cloud import Cloud
from bridge.simulator.protocol.exchange import Answer, Refusal, bad_request
from bridge.simulator.state.descriptors import VirtualSystem, read_descriptor, write_descriptor
from bridge.simulator.state.entities import Entity, initial_state
from bridge.simulator.state.founding import library
from bridge.simulator.state.kinds import KINDS
from bridge.simulator.state.machines import machine, new_machine, storage_profile_of
from bridge.simulator.state.tasks.scripts import Script, Step
from bridge.simulator.state.transfers import GapError, Transfer, TransferFile, read

_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_UPLOADED = 90
"""Progress of an upload's Task when all files are there: the import follows."""


class TransferCalls:
    """PUT and GET of ``/transfer/{id}/{name}``."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud

    def routes(self) -> Iterator[tuple[str, str, Target]]:
        yield "PUT", "/transfer/{id}/{name}", Target("upload", self.put, changes=True)
        yield "GET", "/transfer/{id}/{name}", Target("download", self.get)

    def put(self, call: Call) -> Answer:
        transfer, file = self._find(call, upload=True)
        length = _length(call)
        start = self._start(call, file, length)
        try:
            self.cloud.transfers.receive(file, start, call.request.body, length)
        except GapError as error:
            raise _unsatisfiable(file, str(error)) from None
        if file.name == DESCRIPTOR and not library.template(transfer.entity).descriptor_uploaded:
            self._take_descriptor(transfer, file)
        call.effect, call.entity = True, transfer.entity.uuid
        self._advance(transfer, call.now)
        return Answer(200)

    def _find(self, call: Call, *, upload: bool) -> tuple[Transfer, TransferFile]:
        transfer = self.cloud.transfers.get(call.parameters["id"])
        file = None if transfer is None else transfer.file(call.parameters["name"])
        if transfer is None or transfer.upload is not upload or (upload and transfer.entity.busy is None):
            raise Refusal(404, "RESOURCE_NOT_FOUND", "Resource not found")
        if file is None:
            raise Refusal(404, "RESOURCE_NOT_FOUND", f"Resource not found: {call.parameters['name']}")
        return transfer, file

    @staticmethod
    def _start(call: Call, file: TransferFile, length: int) -> int:
        """Where the part begins; without a Content-Range it is the whole file."""
        header = call.request.header(b"content-range")
        if header is None:
            if file.size is None or file.name == DESCRIPTOR:
                file.size = length
            elif length != file.size:
                raise _unsatisfiable(file, f"{length} bytes came")
            return 0
        match = _CONTENT_RANGE.fullmatch(header)
        if match is None:
            raise bad_request(f"Invalid Content-Range: {header}")
        first, last = int(match[1]), int(match[2])
        if match[3] != "*" and file.size in (None, -1):
            file.size = int(match[3])
        fits = last - first + 1 == length and (file.size is None or last < file.size)
        if not fits or (match[3] != "*" and file.size is not None and int(match[3]) != file.size):
            raise _unsatisfiable(file, f"Content-Range {header} with {length} bytes")
        return first

    def _take_descriptor(self, transfer: Transfer, file: TransferFile) -> None:
        """Its files get addresses, its machines become the template's."""
        if not file.complete:
            return
        state, template = library.template(transfer.entity), transfer.entity
        try:
            descriptor = read_descriptor(bytes(file.content))
        except Refusal:
            self.cloud.transfers.forget([file])
            file.size, file.received = None, 0
            raise
        state.descriptor_uploaded = True
        transfer.files.extend(descriptor.files)
        for system in descriptor.systems:
            self._add_machine(template, system)
        state.size = sum(one.size or 0 for one in descriptor.files)

    def _add_machine(self, template: Entity, system: VirtualSystem) -> None:
        kind, uuid = KINDS["vmTemplate"], self.cloud.new_uuid()
        vm = Entity(
            kind=kind, uuid=uuid, name=system.name, org=template.organization, parent=template, owner=template.owner,
            created_at=template.created_at, **initial_state(kind),
        )  # fmt: skip
        vm.state = new_machine(
            uuid, cpus=system.cpus, memory_mb=system.memory_mb, disks_mb=system.disks_mb,
            storage_profile=storage_profile_of(template),
        )  # fmt: skip
        self.cloud.store.add(vm)

    def _advance(self, transfer: Transfer, now: float) -> None:
        """The upload's Task shows how far it is; when everything is there, the import begins."""
        task = transfer.entity.busy
        if task is None:
            return
        if transfer.complete and len(transfer.files) > 0:
            seconds = self.cloud.behavior.task_seconds
            steps = (Step(0.0, "running", _UPLOADED), Step(seconds, "success", 100))
            script = Script(steps=steps if seconds > 0 else steps[1:])
            self.cloud.engine.rescript(task, script, now)
            return
        share = transfer.received / transfer.size if transfer.size else 0.0
        self.cloud.engine.force(task, Step(0.0, "running", min(_UPLOADED, int(share * _UPLOADED))), now)

    def get(self, call: Call) -> Answer:
        """A file, or the part that ``Range`` asks for."""
        transfer = self.cloud.transfers.get(call.parameters["id"])
        if transfer is not None and not transfer.upload and call.parameters["name"] in _DESCRIPTORS:
            if transfer.file(DESCRIPTOR) is None:
                return Answer(200, descriptor_of(transfer.entity, transfer.files), "text/xml")
            call.parameters["name"] = DESCRIPTOR
        transfer, file = self._find(call, upload=False)
        kind = "text/xml" if file.name == DESCRIPTOR else "application/octet-stream"
        size = file.size or 0
        asked = _RANGE.fullmatch(call.request.header(b"range") or "")
        if asked is None or not (asked[1] or asked[2]):
            return Answer(200, read(file, 0, size), kind, [("Accept-Ranges", "bytes")])
        start = int(asked[1]) if asked[1] else max(0, size - int(asked[2]))
        end = min(int(asked[2]), size - 1) if asked[1] and asked[2] else size - 1
        if start > end:
            raise _unsatisfiable(file, f"Range {call.request.header(b'range')}")
        headers = [("Accept-Ranges", "bytes"), ("Content-Range", f"bytes {start}-{end}/{size}")]
        return Answer(206, read(file, start, end + 1), kind, headers)


_DESCRIPTORS = (DESCRIPTOR, "descriptor-with-id.ovf")


def descriptor_of(template: Entity, files: list[TransferFile]) -> bytes:
    """The descriptor of a template that was not uploaded."""
    systems = []
    for vm in template.children:
        state = machine(vm)
        sizes = tuple(disk.size_mb for disk in state.internal_disks)
        systems.append(VirtualSystem(vm.name, state.cpus, state.memory_mb, sizes))
    return write_descriptor(template.name, files, systems)


def _length(call: Call) -> int:
    """Bytes that came; the beginning of a long body is all that the call has of it."""
    header = call.request.header(b"content-length")
    return int(header) if header is not None and header.isdecimal() else len(call.request.body)


def _unsatisfiable(file: TransferFile, text: str) -> Refusal:
    size = "*" if file.size is None else str(file.size)
    return Refusal(
        416, "REQUESTED_RANGE_NOT_SATISFIABLE", f"{text}; {file.received} of {size} bytes of {file.name} are there",
        [("Content-Range", f"bytes */{size}")],
    )  # fmt: skip
