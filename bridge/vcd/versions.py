"""Which API version to speak. ``GET /api/versions`` needs no session and answers XML."""

from __future__ import annotations

from xml.etree import ElementTree

from bridge.errors import ConfigurationError

HIGHEST_KNOWN = "39.1"
"""Highest version whose documents this bridge was written against (VCD 10.6)."""
LOWEST_KNOWN = "35.0"
"""Lowest version whose task query this bridge can encode with certainty and that still runs in the field (VCD 10.2)."""


def negotiate(content: bytes, highest_wanted: str | None) -> str:
    """The highest version that both sides know and that is not deprecated; a deprecated one where nothing else is left.

    Raises ConfigurationError with both sides' versions when there is none.
    """
    offered = _offered(content)
    cap = min(_numbers(highest_wanted or HIGHEST_KNOWN), _numbers(HIGHEST_KNOWN))
    usable = {v: d for v, d in offered.items() if _numbers(LOWEST_KNOWN) <= _numbers(v) <= cap}
    current = [version for version, deprecated in usable.items() if not deprecated]
    chosen = max(current or usable, key=_numbers, default=None)
    if chosen is None:
        named = ", ".join(sorted(offered, key=_numbers)) or "none"
        raise ConfigurationError(
            f"VCD offers API versions {named}; the bridge speaks {LOWEST_KNOWN} to {highest_wanted or HIGHEST_KNOWN}",
            hint="check vcd.url and vcd.api_version_max",
        )
    return chosen


def _offered(content: bytes) -> dict[str, bool]:
    """Version -> deprecated. ``deprecated`` is an attribute of VersionInfo; alpha versions are left out."""
    if b"<!DOCTYPE" in content[:2000] or b"<!ENTITY" in content:
        raise ConfigurationError("vcd.url does not answer like a Cloud Director: XML with a document type")
    try:
        root = ElementTree.fromstring(content)  # noqa: S314  # entity declarations are refused above
    except ElementTree.ParseError as error:
        raise ConfigurationError(
            "vcd.url does not answer like a Cloud Director: /api/versions is not XML", hint="check vcd.url"
        ) from error
    found: dict[str, bool] = {}
    for element in root.iter():
        if element.tag.rsplit("}", 1)[-1] != "VersionInfo":
            continue
        version = next((child.text for child in element if child.tag.rsplit("}", 1)[-1] == "Version"), None)
        if version and "alpha" not in version and all(part.isdecimal() for part in version.strip().split(".")):
            found[version.strip()] = element.get("deprecated", "false").casefold() == "true"
    return found


def at_least(version: str, wanted: str) -> bool:
    """Whether ``version`` is ``wanted`` or newer."""
    return _numbers(version) >= _numbers(wanted)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
