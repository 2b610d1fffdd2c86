"""Metadata of any entity."""

from __future__ import annotations

from bridge.simulator.calls.effects.occasion import Modelled, Occasion
from bridge.simulator.protocol.exchange import bad_request, forbidden
from bridge.simulator.state import metadata
from bridge.simulator.state.metadata import GENERAL, SYSTEM, Item


def _domain(occasion: Occasion) -> str:
    """By the path: ``metadata/SYSTEM/{key}``, or else the domain that everybody uses."""
    return SYSTEM if "/SYSTEM/" in occasion.tail else GENERAL


def _check(occasion: Occasion, items: list[Item]) -> None:
    """Only system administrators write in the SYSTEM domain."""
    if not occasion.is_provider and any(item.domain == SYSTEM for item in items):
        raise forbidden()
    occasion.memory["items"] = items


def _check_merge(occasion: Occasion) -> None:
    entries = occasion.body.get("metadataEntry") or []
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise bad_request("Bad request: metadataEntry takes an array of objects")
    _check(occasion, [metadata.read_item(entry) for entry in entries])


def _check_set(occasion: Occasion) -> None:
    _check(occasion, [metadata.read_item(occasion.body, occasion.parameters["key"], _domain(occasion))])


def _put(occasion: Occasion) -> None:
    for item in occasion.memory["items"]:
        metadata.put(occasion.owner, item)


def _check_delete(occasion: Occasion) -> None:
    """An entry that is not there answers like one that is hidden, unless the entity's past is unknown."""
    domain, key, owner = _domain(occasion), occasion.parameters["key"], occasion.owner
    known = metadata.item(owner, domain, key, provider=occasion.is_provider) is not None
    if not known and not occasion.store.is_on_demand(owner):
        raise forbidden(f"No access to metadata {key} of {owner.urn}")
    if domain == SYSTEM and not occasion.is_provider:
        raise forbidden()


def _delete(occasion: Occasion) -> None:
    metadata.remove(occasion.owner, _domain(occasion), occasion.parameters["key"])


MERGE = Modelled(check=_check_merge, effect=_put)
SET = Modelled(check=_check_set, effect=_put)
DELETE = Modelled(check=_check_delete, effect=_delete)
"""What any operation with ``metadata`` in its path does, by its method."""
