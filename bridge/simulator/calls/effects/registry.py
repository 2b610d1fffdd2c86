"""All operations that are modelled. Others still make a correct Task on the right owner; nothing else changes."""

from __future__ import annotations

from bridge.simulator.calls.effects import general
from bridge.simulator.calls.effects.compute import compose, devices, hardware, power, snapshots, vapps
from bridge.simulator.calls.effects.estate import networks, organizations, provider
from bridge.simulator.calls.effects.libraries import catalogs, disks, media, metadata, templates
from bridge.simulator.calls.effects.occasion import Modelled

BY_NAME: dict[str, Modelled] = {
    **power.MODELLED,
    **snapshots.MODELLED,
    **devices.MODELLED,
    **hardware.MODELLED,
    **vapps.MODELLED,
    **compose.MODELLED,
    **catalogs.MODELLED,
    **templates.MODELLED,
    **media.MODELLED,
    **disks.MODELLED,
    **organizations.MODELLED,
    **networks.MODELLED,
    **provider.MODELLED,
}
"""Catalogue name -> what it does. Each family has its own names."""

CREATES: dict[str, str] = {name: one.creates for name, one in BY_NAME.items() if one.creates is not None}
"""Operations that make an entity, which the Task belongs to, and its kind."""

UNIQUE_NAMES = frozenset({"vApp", "catalog", "org", "vdc", "network", "edgeGateway"})
"""Kinds whose names are unique in what contains them: DUPLICATE_NAME otherwise."""


def modelled(name: str, method: str, tail: str) -> Modelled:
    """What an operation does, by its name or else by the form of its path."""
    if name in BY_NAME:
        return BY_NAME[name]
    if tail == "metadata" and method == "POST":
        return metadata.MERGE
    if tail.startswith("metadata/"):
        return metadata.SET if method == "PUT" else metadata.DELETE
    if method == "DELETE":
        return general.DELETE
    if method == "PUT":
        return general.SECTION if tail else general.UPDATE
    return general.NOTHING
