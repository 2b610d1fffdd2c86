"""Where the simulator's documents go beyond VMware's schemas, and why. There is no other exception than these.

The XSDs are of API 31 to 33 age, the generated classes of API 36 age; real servers of today say more than either.
"""

from __future__ import annotations

from dataclasses import dataclass

from tools.newer_types import NEWER
from tools.read_schemas import json_key


@dataclass(frozen=True, slots=True)
class Deviation:
    """``what``: a field, as ``Type.key``, or a whole type; ``reason`` with its source."""

    what: str
    reason: str


NEWER_FIELDS = "is in the generated classes (API 36), not in the XSDs (API 33)"
"""Why a field marked ``newer`` in the catalogue's types is taken out before a document is validated by the XSDs."""

XML: tuple[Deviation, ...] = (
    Deviation(
        "ver:VersionInfoType.ver:ProviderLoginUrl", "added with API 36.0 (VCD API docs, differences of the types)"
    ),
    Deviation("ver:SupportedVersionsType.ver:AlphaVersion", "go-vcloud-director api_vcd_versions.go reads it"),
)
"""Beyond the newer fields: what is taken out before the validation."""

XML_GONE: dict[str, tuple[str, str, str]] = {
    "DiskType": ("size", "0", "required by the XSDs, gone since API 33 (go-vcloud-director types/v56/types.go)"),
}
"""Type -> an attribute that is put in before the validation, its value and the reason."""

JSON: tuple[Deviation, ...] = (
    Deviation("*._type", "the discriminator of fields that hold several types (vmware/vcd-api-tools)"),
    *(
        Deviation(f"ovf:ProductSectionType.{key}", "the generated classes have one list of both, without a word of "
                  "what is what; by the rule for repeated elements each has its own")
        for key in ("category", "property")
    ),
)  # fmt: skip
"""Keys that the generated classes do not know, beside those of :mod:`tools.newer_types`."""

_LATER = {
    f"{one.type}.{json_key(line.split(' ')[0].strip('@!?*+'))}": one.source for one in NEWER for line in one.lines
}


def reason_of(what: str, table: tuple[Deviation, ...]) -> str | None:
    """Why a field (``Type.key``) may be there although the schema does not know it; None: it may not."""
    key = what.rpartition(".")[2]
    found = next((one.reason for one in table if one.what in (what, f"*.{key}")), None)
    return _LATER.get(what) if found is None and table is JSON else found
