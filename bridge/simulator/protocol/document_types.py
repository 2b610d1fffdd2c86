"""Which type a document has: by its media type, its root element, or what it says itself."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TypeVar

from bridge.catalogue.types import DocumentType, load_types

_Plan = TypeVar("_Plan")


class ByType(dict[str, _Plan]):
    """What is worked out once for each type, by its name, when it is asked for."""

    def __init__(self, work_out: Callable[[DocumentType], _Plan]) -> None:
        super().__init__()
        self._work_out = work_out

    def __missing__(self, name: str) -> _Plan:
        made = self[name] = self._work_out(load_types()[name])
        return made


_KEPT = 4096
"""Answers that are remembered; some of the names asked for are clients'."""

_BY_STEM = {
    "application/vnd.vmware.vcloud.query.records": "QueryResultRecordsType",
    "application/vnd.vmware.vcloud.query.idrecords": "QueryResultRecordsType",
    "application/vnd.vmware.vcloud.query.querylist": "QueryListType",
    "application/vnd.vmware.vcloud.rasditem": "ovf:RASD_Type",
    "application/vnd.vmware.vcloud.virtualhardwaresection": "ovf:VirtualHardwareSection_Type",
    "application/vnd.vmware.vcloud.operatingsystemsection": "ovf:OperatingSystemSection_Type",
    "application/vnd.vmware.vcloud.supportedhardwareversions": "SupportedHardwareVersionsType",
    "application/vnd.vmware.vcloud.networksection": "ovf:NetworkSection_Type",
    "application/vnd.vmware.vcloud.startupsection": "ovf:StartupSection_Type",
    "application/vnd.vmware.admin.networkpool": "vmext:VMWNetworkPoolType",
    "application/vnd.vmware.admin.org.roles": "OrganizationRolesType",
    "application/vnd.vmware.admin.datastorelist": "ReferencesType",
    "application/vnd.vmware.admin.blockingtaskreferences": "ReferencesType",
}
"""Media types that the schemas do not tie to a type (VCD API docs, go-vcloud-director types/v56/constants.go)."""


@lru_cache(_KEPT)
def type_of(name: str) -> DocumentType | None:
    """The type of a media type without ``+json`` or ``+xml``, of a root element, or of the type's own name."""
    types = load_types()
    found = types.by_media_type.get(name.casefold())
    if found is not None:
        return found
    for candidate in (_BY_STEM.get(name.casefold(), name), *_of_element(name), f"{name}Type", f"vmext:{name}Type"):
        if candidate in types:
            return types[candidate]
    return None


def _of_element(name: str) -> tuple[str, ...]:
    elements = load_types().elements
    return tuple(elements[one] for one in (name, f"vmext:{name}") if one in elements)


@lru_cache(_KEPT)
def actual_type(declared: str, said: str) -> str:
    """The type of an object in a field of type ``declared`` that calls itself ``said`` (``_type`` in JSON).

    One name can stand for types of several namespaces: it is the one that is derived from the declared one. Where none
    is, the declared one.
    """
    types = load_types()
    for name in types:
        if types[name].json_name == said and types.extends(name, declared):
            return name
    return declared


@lru_cache(_KEPT)
def substitution(head: str, kind: str) -> str | None:
    """The element of a type that may stand in the place of an element: ``NetworkConnectionSection`` for
    ``ovf:Section``. None where no element has this type as its only place there."""
    types = load_types()
    fitting = [one for one in types.substitutes(head) if types.elements[one] == kind]
    return fitting[0] if len(fitting) == 1 else None
