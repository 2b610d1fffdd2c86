"""Where the simulator's documents go beyond VMware's schemas, and why. There is no other exception than these.

The XSDs are of API 31 to 33 age, the generated classes of API 36 age; real servers of today say more than either.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Deviation:
    """``what``: a field, as ``Type.key``, or a whole type; ``reason`` with its source."""

    what: str
    reason: str


NEWER_FIELDS = "is in the generated classes (API 36), not in the XSDs (API 33)"
"""Why a field marked ``newer`` in the catalogue's types is taken out before a document is validated by the XSDs."""

XML: tuple[Deviation, ...] = (
    Deviation("ver:VersionInfoType.ver:ProviderLoginUrl", "go-vcloud-director api_vcd_versions.go reads it"),
)
"""Beyond the newer fields: what is taken out before the validation."""

JSON: tuple[Deviation, ...] = (
    Deviation("*._type", "the discriminator of fields that hold several types (vmware/vcd-api-tools)"),
)
"""Keys that the generated classes do not know."""


def reason_of(what: str, table: tuple[Deviation, ...]) -> str | None:
    """Why a field (``Type.key``) may be there although the schema does not know it; None: it may not."""
    key = what.rpartition(".")[2]
    return next((one.reason for one in table if one.what in (what, f"*.{key}")), None)
