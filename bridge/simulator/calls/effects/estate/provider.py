"""What is the provider's: vCenters, provider vDCs and their storage policies."""

from __future__ import annotations

from bridge.simulator.calls.effects.general import delete, flag, rename
from bridge.simulator.calls.effects.occasion import Modelled, Occasion
from bridge.simulator.state.entities import Entity
from bridge.simulator.state.founding.estate import vdc_state, vdcs_of
from bridge.simulator.state.kinds import KINDS

_SERVER_FIELDS = ("username", "url", "isEnabled", "vcVersion")


def _update_server(occasion: Occasion) -> None:
    """Everything but the password, which VCD never tells."""
    rename(occasion)
    body = occasion.body
    occasion.owner.properties.update({key: body[key] for key in _SERVER_FIELDS if body.get(key) is not None})


def _update_profiles(occasion: Occasion) -> None:
    """Policies to add are named, those to remove referred to."""
    store = occasion.store
    for name in occasion.body.get("addStorageProfile") or ():
        store.add(
            Entity(kind=KINDS["pvdcStorageProfile"], uuid=occasion.cloud.new_uuid(), name=str(name), status=1,
                   org=occasion.owner.organization, created_at=occasion.now)
        )  # fmt: skip
    for reference in occasion.body.get("removeStorageProfile") or ():
        profile = occasion.referred(reference)
        if profile is not None and profile.kind.name == "pvdcStorageProfile":
            store.remove(profile)


def _merge(occasion: Occasion) -> None:
    """The vDCs of the others are this one's from now on; the others are gone."""
    for reference in occasion.body.get("providerVdcReference") or ():
        other = occasion.referred(reference)
        if other is not None and other.kind.name == "providervdc" and other is not occasion.owner:
            for vdc in vdcs_of(occasion.store, other):
                vdc_state(vdc).provider_vdc = occasion.owner
            occasion.store.remove(other)


MODELLED: dict[str, Modelled] = {
    "updateVimServer": Modelled(effect=_update_server),
    "unregisterVimServer": Modelled(effect=delete),
    "updateProviderVdcStorageProfiles": Modelled(effect=_update_profiles),
    "mergeProviderVdcs": Modelled(effect=_merge),
    "forceDeleteStrandedItem": Modelled(effect=delete),
    "enableHost": Modelled(effect=flag("isEnabled", value=True)),
    "disableHost": Modelled(effect=flag("isEnabled", value=False)),
}
"""Pools, reconnecting, refreshing and migrating change nothing that shows."""
