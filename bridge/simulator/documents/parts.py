"""Which kind's documents are written by what."""

from __future__ import annotations

from collections.abc import Mapping

from bridge.simulator.documents.estate import network, organization, people, provider, vdc
from bridge.simulator.documents.view import Part, View, Writer
from bridge.simulator.protocol.exchange import JsonObject
from bridge.simulator.state.entities import Entity


def _with_machines(writer: Writer, entity: Entity, view: View) -> JsonObject:
    return {"children": {"vm": [writer.entity(child, view) for child in entity.children]}}


PARTS: Mapping[str, Part] = {
    "vApp": Part(_with_machines),
    "vAppTemplate": Part(_with_machines),
    **organization.PARTS,
    **people.PARTS,
    **vdc.PARTS,
    **network.PARTS,
    **provider.PARTS,
}
"""By the kind's name."""
