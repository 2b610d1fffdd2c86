"""Reads an inventory from a JSON file; what is wrong is said with its place and what to do."""

from __future__ import annotations

import dataclasses
import difflib
import json
import re
from collections.abc import Mapping, Sequence
from ipaddress import AddressValueError, IPv4Address
from pathlib import Path
from types import NoneType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from bridge.simulator.state.founding.plan import MediaPlan, OrganizationPlan, Plan, TemplatePlan, UserPlan, VdcPlan

MAXIMUM_ORGANIZATIONS = 0xFFFE

Planned = TypeVar("Planned")


class InventoryError(ValueError):
    """The file cannot be read as an inventory; the text names the place."""


def read_inventory(path: Path) -> Plan:
    """The inventory of a file.

    Raises:
        InventoryError: No JSON, an unknown or missing key, a value of the wrong kind, a name that is used twice or
            refers to nothing.
        OSError: The file cannot be read.
    """
    text = path.read_bytes()
    try:
        document = json.loads(text)
    except ValueError as error:
        raise InventoryError(f"{path}: not valid JSON: {error}") from None
    try:
        return plan_of(document)
    except InventoryError as error:
        raise InventoryError(f"{path}: {error}") from None


def plan_of(document: Any) -> Plan:
    """The inventory that a decoded document describes. Raises an InventoryError."""
    plan = _read(Plan, document, "")
    if not plan.organizations:
        raise InventoryError("organizations: at least one is needed")
    if len(plan.organizations) > MAXIMUM_ORGANIZATIONS:
        raise InventoryError(f"organizations: at most {MAXIMUM_ORGANIZATIONS}")
    _unique(plan.organizations, "organizations", reserved={"system"})
    for number, organization in enumerate(plan.organizations):
        _complete_and_check(organization, f"organizations[{number}]")
    return plan


def _read(kind: type[Planned], value: Any, place: str) -> Planned:
    """``value`` as one of the classes of ``plan``: their fields are the keys, in camel case."""
    if not isinstance(value, dict):
        raise InventoryError(f"{place or 'the file'}: must be an object, not {_shown(value)}")
    fields = {_key(one.name): one for one in dataclasses.fields(kind)}  # type: ignore[arg-type]
    hints = get_type_hints(kind)
    for key in value:
        if key not in fields:
            near = difflib.get_close_matches(key, fields, n=1)
            advice = f"did you mean '{near[0]}'?" if near else f"known are {', '.join(fields)}"
            raise InventoryError(f"{_inside(place, key)}: unknown key; {advice}")
    for key, one in fields.items():
        needed = one.default is dataclasses.MISSING and one.default_factory is dataclasses.MISSING
        if needed and key not in value:
            raise InventoryError(f"{_inside(place, key)}: is missing")
    given = {
        one.name: _value(hints[one.name], value[key], _inside(place, key), one.metadata)
        for key, one in fields.items()
        if key in value
    }
    return kind(**given)


def _value(hint: Any, value: Any, place: str, metadata: Mapping[str, Any]) -> Any:
    if get_origin(hint) is list:
        if not isinstance(value, list):
            raise InventoryError(f"{place}: must be an array, not {_shown(value)}")
        return [_value(get_args(hint)[0], one, f"{place}[{at}]", metadata) for at, one in enumerate(value)]
    if NoneType in get_args(hint):
        return None if value is None else _value(get_args(hint)[0], value, place, metadata)
    if get_origin(hint) is Literal:
        if value not in get_args(hint):
            raise InventoryError(f"{place}: must be one of {', '.join(get_args(hint))}, not {_shown(value)}")
        return value
    if dataclasses.is_dataclass(hint):
        return _read(hint, value, place)  # type: ignore[arg-type]
    return _simple(hint, value, place, metadata)


def _simple(hint: Any, value: Any, place: str, metadata: Mapping[str, Any]) -> Any:
    if hint is bool and not isinstance(value, bool):
        raise InventoryError(f"{place}: must be true or false, not {_shown(value)}")
    if hint is int:
        minimum = metadata.get("minimum", 0)
        if not isinstance(value, int) or isinstance(value, bool) or value < minimum:
            raise InventoryError(f"{place}: must be a whole number of at least {minimum}, not {_shown(value)}")
    if hint is str and not isinstance(value, str):
        raise InventoryError(f"{place}: must be a text, not {_shown(value)}")
    if hint is str and place.endswith(".name") and not value.strip():
        raise InventoryError(f"{place}: must not be empty")
    return value


def _complete_and_check(organization: OrganizationPlan, place: str) -> None:
    if not organization.users:
        organization.users = [UserPlan("admin", role="Organization Administrator"), UserPlan("user")]
    if not organization.vdcs:
        organization.vdcs = [VdcPlan(f"{organization.name}-vdc")]
    organization.full_name = organization.full_name or organization.name
    for name in ("users", "groups", "vdcs", "catalogs"):
        _unique(getattr(organization, name), f"{place}.{name}")
    users, vdcs = {user.name for user in organization.users}, {vdc.name for vdc in organization.vdcs}
    for at, group in enumerate(organization.groups):
        for user in group.users:
            _known(user, users, f"{place}.groups[{at}].users")
    for at, vdc in enumerate(organization.vdcs):
        _check_vdc(vdc, users, f"{place}.vdcs[{at}]")
    for at, catalog in enumerate(organization.catalogs):
        inside = f"{place}.catalogs[{at}]"
        _known(catalog.owner, users, f"{inside}.owner")
        items: list[TemplatePlan | MediaPlan] = [*catalog.templates, *catalog.media]
        _unique(items, f"{inside}.templates and media")
        for one in items:
            _known(one.vdc, vdcs, f"{inside}: vdc of {one.name}")


def _check_vdc(vdc: VdcPlan, users: set[str], place: str) -> None:
    for name in ("storage_profiles", "edges", "networks", "v_apps"):
        _unique(getattr(vdc, name), f"{place}.{_key(name)}")
    if not vdc.storage_profiles:
        raise InventoryError(f"{place}.storageProfiles: at least one is needed")
    edges, networks = {edge.name for edge in vdc.edges}, {network.name for network in vdc.networks}
    for at, network in enumerate(vdc.networks):
        inside = f"{place}.networks[{at}]"
        _known(network.edge, edges, f"{inside}.edge")
        if (network.fence_mode == "natRouted") is (network.edge is None):
            raise InventoryError(f"{inside}.edge: a natRouted network needs one, another must not have one")
        _check_addresses(network.gateway, network.prefix_length, network.pool, inside)
    for at, disk in enumerate(vdc.disks):
        _known(disk.owner, users, f"{place}.disks[{at}].owner")
    for at, vapp in enumerate(vdc.v_apps):
        inside = f"{place}.vApps[{at}]"
        _known(vapp.owner, users, f"{inside}.owner")
        _unique(vapp.vms, f"{inside}.vms")
        for number, vm in enumerate(vapp.vms):
            for nic in vm.nics or ():
                _known(nic.network, networks, f"{inside}.vms[{number}].nics: network")


def _check_addresses(gateway: str, prefix: int, pool: Sequence[str], place: str) -> None:
    if prefix > 32:
        raise InventoryError(f"{place}.prefixLength: must be at most 32, not {prefix}")
    if len(pool) not in (0, 2):
        raise InventoryError(f"{place}.pool: must be the first and the last address, or empty")
    for key, address in (("gateway", gateway), *(("pool", one) for one in pool)):
        try:
            IPv4Address(address)
        except AddressValueError:
            raise InventoryError(f"{place}.{key}: {_shown(address)} is no IPv4 address") from None
    if pool and IPv4Address(pool[0]) > IPv4Address(pool[1]):
        raise InventoryError(f"{place}.pool: the first address must not be above the last")


def _unique(plans: Sequence[Any], place: str, *, reserved: set[str] | None = None) -> None:
    seen = set(reserved or ())
    for plan in plans:
        folded = plan.name.casefold()
        if folded in seen:
            raise InventoryError(f"{place}: the name '{plan.name}' is taken; choose another")
        seen.add(folded)


def _known(name: str | None, names: set[str], place: str) -> None:
    if name is not None and name not in names:
        listed = ", ".join(sorted(names)) or "none"
        raise InventoryError(f"{place}: there is no '{name}'; there are: {listed}")


def _key(name: str) -> str:
    """``memory_mb`` -> ``memoryMb``, ``v_apps`` -> ``vApps``."""
    return re.sub("_(.)", lambda match: match[1].upper(), name)


def _inside(place: str, key: str) -> str:
    return f"{place}.{key}" if place else key


def _shown(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
