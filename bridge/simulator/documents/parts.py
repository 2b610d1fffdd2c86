"""Which kind's documents are written by what."""

from __future__ import annotations

from collections.abc import Mapping

from bridge.simulator.documents.catalog import ADMIN_CATALOG_STEM, catalog, catalog_item
from bridge.simulator.documents.compute.vapp import vapp
from bridge.simulator.documents.compute.vm import template_vm, vm
from bridge.simulator.documents.disk import disk
from bridge.simulator.documents.estate import network, organization, people, provider, vdc
from bridge.simulator.documents.media import media
from bridge.simulator.documents.template import template
from bridge.simulator.documents.view import Part

PARTS: Mapping[str, Part] = {
    "vApp": Part(vapp),
    "vm": Part(vm),
    "shadowVm": Part(vm),
    "vmTemplate": Part(template_vm),
    "vAppTemplate": Part(template),
    "catalog": Part(catalog, admin_stem=ADMIN_CATALOG_STEM),
    "catalogItem": Part(catalog_item),
    "media": Part(media),
    "disk": Part(disk),
    **organization.PARTS,
    **people.PARTS,
    **vdc.PARTS,
    **network.PARTS,
    **provider.PARTS,
}
"""By the kind's name."""
