"""Version negotiation: GET /api/versions, without login; XML, as it is asked for with ``*/*``.

Source: versioning schema of the VCD API; ``deprecated`` is an attribute of VersionInfo, alpha versions have an element
of their own (pyvcloud client.py, go-vcloud-director govcd/api_vcd_versions.go).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from bridge.errors import ConfigurationError
from bridge.vcd.documents.documents import UnreadableBody, local_name, parse_xml
from bridge.vcd.documents.lenient import boolean, host_of

_VERSION = re.compile(r"(\d+)\.(\d+)")


@dataclass(frozen=True, slots=True)
class OfferedVersion:
    """One version that VCD serves."""

    version: str
    deprecated: bool
    login_host: str | None
    """``host[:port]`` of its login address: VCD's public name, which may differ from the one dialled."""
    alpha: bool = False
    """Not released: it may change any day."""

    def __str__(self) -> str:
        notes = [note for note, holds in (("alpha", self.alpha), ("deprecated", self.deprecated)) if holds]
        return f"{self.version} ({', '.join(notes)})" if notes else self.version


def version_key(version: str) -> tuple[int, int]:
    """``39.1`` as (39, 1). Raises ConfigurationError for anything else."""
    match = _VERSION.fullmatch(version)
    if match is None:
        raise ConfigurationError(f"API version {version!r} is not of the form 39.1")
    return int(match[1]), int(match[2])


def read_versions(body: bytes) -> tuple[OfferedVersion, ...]:
    """The versions of a SupportedVersions document. Raises UnreadableBody."""
    root = parse_xml(body.strip())
    if local_name(root.tag) != "SupportedVersions":
        raise UnreadableBody(f"the root element is {local_name(root.tag)}, not SupportedVersions")
    offered = []
    for info in root:
        kind = local_name(info.tag)
        texts = {local_name(child.tag): (child.text or "").strip() for child in info}
        version = texts.get("Version", "")
        if kind in ("VersionInfo", "AlphaVersion") and _VERSION.match(version):
            deprecated = boolean(info.get("deprecated")) is True
            alpha = kind == "AlphaVersion" or _VERSION.fullmatch(version) is None
            offered.append(OfferedVersion(version, deprecated, host_of(texts.get("LoginUrl")), alpha))
    return tuple(offered)


def choose_version(offered: tuple[OfferedVersion, ...], minimum: str, maximum: str) -> OfferedVersion:
    """The highest released version within the bounds; a deprecated one, which still works, where there is no other.

    Raises ConfigurationError when there is none.
    """
    low, high = version_key(minimum), version_key(maximum)
    fitting = [one for one in offered if not one.alpha and low <= version_key(one.version) <= high]
    if fitting:
        return max(fitting, key=lambda one: (not one.deprecated, version_key(one.version)))
    listed = ", ".join(map(str, offered))
    raise ConfigurationError(
        f"VCD serves no released API version from {minimum} to {maximum}; it serves {listed or 'none'}",
        hint="set vcd.api_version_max, or use a release of the bridge that knows this VCD",
    )
