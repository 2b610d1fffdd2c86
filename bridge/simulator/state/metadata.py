"""Metadata of an entity: typed values by domain and key, and who may see them.

Source: metadata part of common.xsd; pyvcloud's metadata.py; go-vcloud-director's metadata_v2.go and its tests for the
rules of domains and visibility.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from bridge.simulator.clock import parse_time
from bridge.simulator.protocol.exchange import JsonObject, Refusal, bad_request
from bridge.simulator.state.entities import Entity

GENERAL, SYSTEM = "GENERAL", "SYSTEM"
VISIBILITIES = {GENERAL: ("READWRITE",), SYSTEM: ("READONLY", "PRIVATE")}
"""What entries of each domain can be, the default first."""

KINDS_WITH_METADATA = frozenset(
    {
        "org", "vdc", "catalog", "catalogItem", "vApp", "vm", "vAppTemplate", "vmTemplate", "media", "disk", "network",
        "edgeGateway", "vdcStorageProfile", "providervdc", "pvdcStorageProfile",
    }
)  # fmt: skip
"""Kinds of entity that have some (the operations of the VCD API documentation)."""

STRING = "MetadataStringValue"
MAXIMUM_KEY_LENGTH = 256
_LONG = re.compile(r"[+-]?\d{1,19}")
_LARGEST = 2**63


@dataclass(frozen=True, slots=True)
class Item:
    """One entry. ``typed``: the value as JSON has it, ``{"_type": …, "value": …}``."""

    domain: str
    key: str
    typed: JsonObject
    visibility: str


def items(entity: Entity, *, provider: bool) -> Iterator[Item]:
    """What somebody sees: private entries of the SYSTEM domain are for system administrators."""
    for full, record in entity.metadata.items():
        domain, _, key = full.partition("/")
        one = Item(domain, key, record.get("typedValue") or {}, record.get("visibility", VISIBILITIES[domain][0]))
        if provider or one.visibility != "PRIVATE":
            yield one


def item(entity: Entity, domain: str, key: str, *, provider: bool) -> Item | None:
    wanted = f"{domain}/{key}"
    return next((one for one in items(entity, provider=provider) if f"{one.domain}/{one.key}" == wanted), None)


def put(entity: Entity, one: Item) -> None:
    entity.metadata[f"{one.domain}/{one.key}"] = {"typedValue": one.typed, "visibility": one.visibility}


def remove(entity: Entity, domain: str, key: str) -> None:
    entity.metadata.pop(f"{domain}/{key}", None)


def read_item(document: JsonObject, key: str | None = None, domain: str | None = None) -> Item:
    """An entry from a MetadataEntry, or from a MetadataValue whose path tells ``key`` and ``domain``.

    Raises:
        Refusal: 400 for a missing key or value or a value that does not fit its type; 500 for a visibility that the
            domain does not have, which is what real servers answer.
    """
    tag = document.get("domain")
    tag = tag if isinstance(tag, dict) else {}
    place = domain or tag.get("value") or GENERAL
    name = key if key is not None else document.get("key")
    if not isinstance(name, str) or not 0 < len(name) <= MAXIMUM_KEY_LENGTH:
        raise bad_request(f"Metadata key must have 1 to {MAXIMUM_KEY_LENGTH} characters")
    if place not in VISIBILITIES:
        raise bad_request(f"Invalid metadata domain: {place}")
    visibility = tag.get("visibility") or VISIBILITIES[place][0]
    if visibility not in VISIBILITIES[place]:
        raise Refusal(500, "INTERNAL_SERVER_ERROR", "visibility")
    return Item(place, name, _typed_value(document), visibility)


def _typed_value(document: JsonObject) -> JsonObject:
    """The typed value, whichever form it has; plain ``value`` is the deprecated one."""
    typed = document.get("typedValue")
    if typed is None and document.get("value") is not None:
        return {"_type": STRING, "value": str(document["value"])}
    if not isinstance(typed, dict) or typed.get("value") is None:
        raise bad_request("Metadata has no typed value")
    kind = str(typed.get("_type") or STRING)
    if kind not in _READERS:
        raise bad_request(f"Invalid type of metadata value: {kind}")
    value = _READERS[kind](typed["value"])
    if value is None:
        raise bad_request(f"Invalid metadata value for {kind}: {typed['value']}")
    return {"_type": kind, "value": value}


def _number(value: Any) -> int | None:
    if isinstance(value, str) and _LONG.fullmatch(value.strip()):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if -_LARGEST <= value < _LARGEST else None


def _boolean(value: Any) -> bool | None:
    if isinstance(value, bool):
        return value
    return {"true": True, "1": True, "false": False, "0": False}.get(str(value).strip().lower())


def _moment(value: Any) -> str | None:
    return value if isinstance(value, str) and parse_time(value) is not None else None


_READERS: dict[str, Callable[[Any], Any]] = {
    STRING: str,
    "MetadataNumberValue": _number,
    "MetadataBooleanValue": _boolean,
    "MetadataDateTimeValue": _moment,
}
