"""vApps and VMs that go."""

from __future__ import annotations

from bridge.simulator.calls.effects.compute.power import machines, settle
from bridge.simulator.state import storage
from bridge.simulator.state.entities import Entity, EntityStore
from bridge.simulator.state.machines import Machine
from bridge.simulator.state.vapps import vapp_state


def remove(store: EntityStore, entity: Entity) -> None:
    """A vApp or a VM is gone; its named disks and media are free again, and its vApp shows what is left: nothing where
    it was that of a standalone VM (go-vcloud-director vm_test.go).
    """
    for vm in machines(entity):
        if isinstance(vm.state, Machine):
            for disk in vm.state.disks:
                if disk.named is not None:
                    storage.disk(disk.named).attached.discard(vm)
            if vm.state.media is not None:
                storage.media(vm.state.media).inserted.discard(vm)
    vapp = entity.parent
    store.remove(entity)
    if vapp is not None and vapp.kind.name == "vApp":
        if vapp_state(vapp).auto_nature and not vapp.children:
            store.remove(vapp)
        else:
            settle(vapp)
