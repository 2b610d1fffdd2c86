"""Catalogs, their items, templates, media, disks."""

from __future__ import annotations

from bridge.simulator.calls.effects.occasion import Modelled

MODELLED: dict[str, Modelled] = {
    "captureVAppToCatalog": Modelled(creates="vAppTemplate"),
    "captureVAppToVdc": Modelled(creates="vAppTemplate"),
    "cloneMedia": Modelled(creates="media"),
    "cloneVAppTemplate": Modelled(creates="vAppTemplate"),
    "copyCatalogItem": Modelled(creates="catalogItem"),
    "createCatalog": Modelled(creates="catalog"),
    "createDisk": Modelled(creates="disk"),
    "createMedia": Modelled(creates="media"),
    "uploadVAppTemplate": Modelled(creates="vAppTemplate"),
}
