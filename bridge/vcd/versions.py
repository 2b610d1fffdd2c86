"""Version negotiation: GET /api/versions, without login and always XML.

Source: versioning schema of the VCD API; ``deprecated`` is an attribute of VersionInfo, alpha versions have an element
of their own (pyvcloud client.py, go-vcloud-director govcd/api_vcd_versions.go).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from bridge.errors import ConfigurationError
from bridge.vcd.documents import UnreadableBody, local_name, parse_xml
from bridge.vcd.lenient import boolean, host_of

_VERSION = re.compile(r"(\d+)\.(\d+)")


@dataclass(frozen=True, slots=True)
class OfferedVersion:
    """One version that VCD serves."""

    version: str
    deprecated: bool
    login_host: str | None
    """``host[:port]`` of its login address: VCD's public name, which may differ from the one dialled."""


def version_key(version: str) -> tuple[int, int]:
    """``39.1`` as (39, 1). Raises ConfigurationError for anything else."""
    match = _VERSION.fullmatch(version)
    if match is None:
        raise ConfigurationError(f"API version {version!r} is not of the form 39.1")
    return int(match[1]), int(match[2])


def read_versions(body: bytes) -> tuple[OfferedVersion, ...]:
    """The released versions of a SupportedVersions document. Raises UnreadableBody."""
    root = parse_xml(body.strip())
    if local_name(root.tag) != "SupportedVersions":
        raise UnreadableBody(f"the root element is {local_name(root.tag)}, not SupportedVersions")
    offered = []
    for info in root:
        if local_name(info.tag) != "VersionInfo":
            continue
        texts = {local_name(child.tag): (child.text or "").strip() for child in info}
        version = texts.get("Version", "")
        if _VERSION.fullmatch(version):
            deprecated = boolean(info.get("deprecated")) is True
            offered.append(OfferedVersion(version, deprecated, host_of(texts.get("LoginUrl"))))
    return tuple(offered)


def choose_version(offered: tuple[OfferedVersion, ...], minimum: str, maximum: str) -> str:
    """The highest version within the bounds that is not deprecated. Raises ConfigurationError when there is none."""
    low, high = version_key(minimum), version_key(maximum)
    current = {version_key(one.version): one.version for one in offered if not one.deprecated}
    fitting = [key for key in current if low <= key <= high]
    if fitting:
        return current[max(fitting)]
    listed = ", ".join(f"{one.version} (deprecated)" if one.deprecated else one.version for one in offered)
    raise ConfigurationError(
        f"VCD serves no API version from {minimum} to {maximum} that is not deprecated; it serves {listed or 'none'}",
        hint="set vcd.api_version_max, or use a release of the bridge that knows this VCD",
    )
