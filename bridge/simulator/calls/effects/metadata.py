"""Metadata of any entity."""

from __future__ import annotations

from typing import Any

from bridge.simulator.calls.effects.occasion import Modelled, Occasion


def typed_value(entry: Any) -> Any:
    """The typed value of a metadata entry or value, whichever form it has; plain ``value`` is the deprecated form."""
    if not isinstance(entry, dict):
        return entry
    typed = entry.get("typedValue")
    if isinstance(typed, dict):
        return typed
    return {"_type": "MetadataStringValue", "value": entry.get("value")}


def metadata_key(domain: Any, key: str) -> str:
    """Metadata of the SYSTEM domain is apart from that of GENERAL, the default."""
    name = domain.get("value") or domain.get("domain") if isinstance(domain, dict) else domain
    return f"SYSTEM/{key}" if name == "SYSTEM" else f"GENERAL/{key}"


def _merge(occasion: Occasion) -> None:
    for entry in occasion.body.get("metadataEntry") or ():
        if isinstance(entry, dict) and isinstance(entry.get("key"), str):
            occasion.owner.metadata[metadata_key(entry.get("domain"), entry["key"])] = typed_value(entry)


def _set(occasion: Occasion) -> None:
    domain = "SYSTEM" if "/SYSTEM/" in occasion.tail else None
    occasion.owner.metadata[metadata_key(domain, occasion.parameters["key"])] = typed_value(occasion.body)


def _delete(occasion: Occasion) -> None:
    domain = "SYSTEM" if "/SYSTEM/" in occasion.tail else None
    occasion.owner.metadata.pop(metadata_key(domain, occasion.parameters["key"]), None)


MERGE, SET, DELETE = Modelled(effect=_merge), Modelled(effect=_set), Modelled(effect=_delete)
"""What any operation with ``metadata`` in its path does, by its method."""
