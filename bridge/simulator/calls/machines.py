"""What lies below a vApp or a VM: sections, lists of hardware, with whom it is shared, its owner, its screen.

All of it is read from the same state as the whole document. What changes it and takes a Task is in ``effects``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from bridge.simulator.calls import beyond
from bridge.simulator.calls.actions import Actions, operation_target
from bridge.simulator.calls.call import Call, Target
from bridge.simulator.clock import timestamp
from bridge.simulator.cloud import Cloud
from bridge.simulator.documents.compute import guest, hardware, vapp, vm
from bridge.simulator.documents.compute.links import OWNER_STEM
from bridge.simulator.documents.compute.sections import RASD_LIST_STEM, RASD_STEM, STEM
from bridge.simulator.documents.owner import owner_document
from bridge.simulator.protocol.exchange import Answer, JsonObject, Refusal, bad_request, forbidden, no_access
from bridge.simulator.state.entities import Entity
from bridge.simulator.state.machines import machine
from bridge.simulator.state.references import References
from bridge.simulator.state.vapps import vapp_state

_Build = Callable[[References, Entity], JsonObject]
_MKS_STEM = f"{STEM}.mksTicket"
_COMPLIANCE_STEM = "application/vnd.vmware.vm.complianceResult"


@dataclass(frozen=True, slots=True)
class _Resource:
    """Something that can be read below a VM or a vApp; None: below VMs, or vApps, there is no such thing."""

    stem: str
    of_vm: _Build | None = None
    of_vapp: _Build | None = None


def _products(references: References, entity: Entity) -> JsonObject:
    return guest.product_sections(references, entity, machine(entity).product_sections)


def _compliance(_references: References, entity: Entity) -> JsonObject:
    checked = machine(entity).compliance_checked_at or entity.created_at
    return {"complianceStatus": "COMPLIANT", "complianceCheckTime": timestamp(checked)}


def _item_list(name: str) -> _Build:
    return lambda references, entity: hardware.item_list(references, entity, name)


RESOURCES: Mapping[str, _Resource] = {
    **{
        name: _Resource(f"{STEM}.{name}", vm.SECTIONS.get(name), vapp.SECTIONS.get(name))
        for name in (*vm.SECTIONS, *vapp.SECTIONS) if name != "vmSpecSection"
    },
    "virtualHardwareSection/cpu": _Resource(RASD_STEM, hardware.processors),
    "virtualHardwareSection/memory": _Resource(RASD_STEM, hardware.memory),
    **{f"virtualHardwareSection/{name}": _Resource(RASD_LIST_STEM, _item_list(name)) for name in hardware.LISTS},
    "vmCapabilities": _Resource(f"{STEM}.vmCapabilitiesSection", guest.capabilities),
    "bootOptions": _Resource(f"{STEM}.bootOptionsSection", guest.boot_options),
    "guestcustomizationstatus": _Resource(
        f"{STEM}.guestCustomizationStatusSection", lambda _references, entity: guest.customization_status(entity)
    ),
    "productSections": _Resource(f"{STEM}.productSections", _products, vapp.products),
    "complianceResult": _Resource(_COMPLIANCE_STEM, _compliance),
}  # fmt: skip
"""By what follows the id in the path."""


_BEYOND = tuple(
    beyond.operation(name, "PUT", f"/vApp/{{id}}/virtualHardwareSection/{tail}", body_type="RasdItemsList")
    for name, tail in (("updateVmMedia", "media"), ("updateVmSerialPorts", "serialPorts"))
)
"""Operations with a Task that only the simulator has."""


def routes(cloud: Cloud, actions: Actions) -> Iterator[tuple[str, str, Target]]:
    """Method, path and target of every call here."""
    calls = MachineCalls(cloud, actions)
    for operation in _BEYOND:
        yield operation.method, f"/api{operation.path}", operation_target(operation, actions)
    for tail in RESOURCES:
        yield "GET", f"/api/vApp/{{id}}/{tail}", _target("getSection", calls.read, tail)
    for method, tail, name, handle in (
        ("GET", "owner", "getOwner", calls.owner),
        ("PUT", "owner", "changeOwner", calls.change_owner),
        ("GET", "question", "getQuestion", calls.question),
        ("GET", "screen", "getThumbnail", calls.thumbnail),
        ("POST", "screen/action/acquireTicket", "acquireTicket", calls.ticket),
        ("POST", "screen/action/acquireMksTicket", "acquireMksTicket", calls.mks_ticket),
        ("POST", "action/customizeAtNextPowerOn", "customizeAtNextPowerOn", calls.customize),
        ("POST", "action/enterMaintenanceMode", "enterMaintenanceMode", partial(calls.maintain, value=True)),
        ("POST", "action/exitMaintenanceMode", "exitMaintenanceMode", partial(calls.maintain, value=False)),
    ):
        yield method, f"/api/vApp/{{id}}/{tail}", _target(name, handle, tail, changes=method != "GET")


def _target(name: str, handle: Callable[[Call], Answer], tail: str, *, changes: bool = False) -> Target:
    return Target(name, handle, changes=changes, collection="vApp", tail=tail)


class MachineCalls:
    """Calls below ``/vApp/{id}`` that are answered at once."""

    def __init__(self, cloud: Cloud, actions: Actions) -> None:
        self.cloud = cloud
        self.actions = actions

    def read(self, call: Call) -> Answer:
        entity, resource = self._entity(call), RESOURCES[call.target.tail]
        build = resource.of_vapp if entity.kind.name == "vApp" else resource.of_vm
        if build is None:
            raise _nothing()
        document = build(self.cloud.references, entity)
        document.pop("_type", None)  # told by the media type
        return call.reply(document, resource.stem)

    def owner(self, call: Call) -> Answer:
        references, entity = self.cloud.references, self._vapp(call)
        return call.reply(owner_document(references, entity, references.href(entity)), OWNER_STEM)

    def change_owner(self, call: Call) -> Answer:
        """204; the new owner is a user of the organization. Only administrators have the right to it."""
        entity = self._vapp(call)
        if not call.view(entity).administrator:
            raise forbidden()
        reference = (call.read_body(OWNER_STEM) or {}).get("user")
        href = str(reference.get("href") or "") if isinstance(reference, dict) else ""
        user = self.cloud.store.users_by_uuid.get(href.rstrip("/")[-36:].lower())
        if user is None or user.org is not entity.organization:
            raise Refusal(400, "INVALID_REFERENCE", f"The reference {href} does not lead to a user.")
        self._changed(call, entity).owner = user.entity
        return Answer(204)

    def question(self, call: Call) -> Answer:
        """Nothing here ever waits for an answer: 403, which is how clients know it (go-vcloud-director vm.go)."""
        entity = self._vm(call)
        raise no_access(entity.kind.urn, entity.uuid)

    def thumbnail(self, call: Call) -> Answer:
        self._running(call)
        return Answer(204)

    def ticket(self, call: Call) -> Answer:
        entity = self._running(call)
        host = self.cloud.references.base.partition("://")[2]
        ticket = f"mks://{host}/{entity.kind.prefix}{entity.uuid}?ticket={self.cloud.new_uuid()}"
        return call.reply({"value": ticket}, f"{STEM}.screenTicket")

    def mks_ticket(self, call: Call) -> Answer:
        entity = self._running(call)
        document = {
            "host": self.cloud.references.base.partition("://")[2].partition(":")[0], "vmx": f"{entity.name}.vmx",
            "ticket": self.cloud.new_uuid(), "port": 902,
        }  # fmt: skip
        return call.reply(document, _MKS_STEM)

    def customize(self, call: Call) -> Answer:
        """204; its guest is customized when it is powered on the next time."""
        machine(self._changed(call, self._vm(call))).needs_customization = True
        return Answer(204)

    def maintain(self, call: Call, *, value: bool) -> Answer:
        """204; for system administrators."""
        if not call.is_provider:
            raise forbidden()
        vapp_state(self._changed(call, self._vapp(call))).in_maintenance = value
        return Answer(204)

    def _entity(self, call: Call) -> Entity:
        entity = self.actions.addressed(call)
        if entity is None:
            raise _nothing()
        return entity

    def _vapp(self, call: Call) -> Entity:
        entity = self._entity(call)
        if entity.kind.name != "vApp":
            raise _nothing()
        return entity

    def _vm(self, call: Call) -> Entity:
        entity = self._entity(call)
        if entity.kind.name != "vm":
            raise _nothing()
        return entity

    def _running(self, call: Call) -> Entity:
        entity = self._vm(call)
        if entity.status != 4:
            text = f'The requested operation could not be executed since VM "{entity.name}" is not powered on.'
            raise bad_request(text)
        return entity

    @staticmethod
    def _changed(call: Call, entity: Entity) -> Entity:
        """An entity that the caller may change."""
        if not call.may_change(entity):
            raise no_access(entity.kind.urn, entity.uuid)
        call.effect = True
        return entity


def _nothing() -> Refusal:
    return Refusal(404, "RESOURCE_NOT_FOUND", "Resource not found")
