"""API versions and media types: GET /api/versions, the Accept and Content-Type headers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from xml.sax.saxutils import escape

from bridge.simulator.behavior import Behavior
from bridge.simulator.protocol.exchange import Format, Refusal, Request, to_json


def versions_document(behavior: Behavior, public_url: str, form: Format) -> bytes:
    """SupportedVersions (versioning schema of the VCD API).

    ``deprecated`` is an attribute of VersionInfo; alpha versions have an element of their own. VMware's TypeScript
    client reads ``versionInfo[].version`` of the JSON.
    """
    served = {"VersionInfo": behavior.versions, "AlphaVersion": behavior.alpha_versions}
    if form is Format.JSON:
        lists = {
            _key(name): [
                {
                    "version": version,
                    **{_key(element): url for element, url in _login_urls(version, public_url).items()},
                    "mediaTypeMapping": [],
                    "any": [],
                    "deprecated": version in behavior.deprecated_versions,
                    "otherAttributes": {},
                }
                for version in versions
            ]
            for name, versions in served.items()
        }
        return to_json({**lists, "any": [], "otherAttributes": {}})
    entries = []
    for name, versions in served.items():
        for version in versions:
            deprecated = "true" if version in behavior.deprecated_versions else "false"
            urls = "".join(f"<{one}>{escape(url)}</{one}>" for one, url in _login_urls(version, public_url).items())
            entries.append(f'<{name} deprecated="{deprecated}"><Version>{escape(version)}</Version>{urls}</{name}>')
    text = (
        '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
        '<SupportedVersions xmlns="http://www.vmware.com/vcloud/versions" '
        'xmlns:ns2="http://www.vmware.com/vcloud/v1.5">' + "".join(entries) + "</SupportedVersions>"
    )
    return text.encode()


def _login_urls(version: str, public_url: str) -> dict[str, str]:
    """By their elements; CloudAPI's logins came with API 33.0."""
    if version_number(version) < (33, 0):
        return {"LoginUrl": f"{public_url}/api/sessions"}
    login = f"{public_url}/cloudapi/1.0.0/sessions"
    return {"LoginUrl": login, "ProviderLoginUrl": f"{login}/provider"}


def _key(element: str) -> str:
    return element[0].lower() + element[1:]


@dataclass(frozen=True, slots=True)
class Asked:
    """What an Accept header asks for. ``version`` None: none that is served, ``named`` is then what was said.

    ``form`` is the best one also where the header cannot be met: errors are written in it.
    """

    form: Format
    version: str | None
    named: str | None
    acceptable: bool


@lru_cache(maxsize=1024)
def asked(accept: str, versions: tuple[str, ...], *, only_json: bool = False) -> Asked:
    """The best range of an Accept header that can be met.

    A range without a format (``*/*``, ``application/*``) gets XML where there is XML, as it was VCD's only format for
    long; the first one of several with the same weight counts.

    Args:
        only_json: For CloudAPI, which has no XML.
    """
    ranges = _ranges(accept)
    found = [(form, version) for kind, version in ranges if (form := _form(kind, only_json=only_json)) is not None]
    everywhere = [version for _, version in ranges if version is not None]
    for form, version in found:
        named = version or (everywhere[0] if everywhere else None)
        if named in versions:
            return Asked(form, named, named, acceptable=True)
    form = found[0][0] if found else Format.JSON if only_json else Format.XML
    return Asked(form, None, everywhere[0] if everywhere else None, acceptable=bool(found) or not accept)


def _ranges(accept: str) -> list[tuple[str, str | None]]:
    """Media ranges, in lower case, with their versions: highest weight first, those of weight 0 left out."""
    weighed = []
    for part in accept.split(","):
        kind, *parameters = (one.strip() for one in part.split(";"))
        named = {
            name.strip().lower(): value.strip().strip('"') for name, _, value in (p.partition("=") for p in parameters)
        }
        try:
            weight = float(named.get("q", "1"))
        except ValueError:
            weight = 1.0
        if kind and weight > 0:
            weighed.append((weight, kind.lower(), named.get("version")))
    return [(kind, version) for _, kind, version in sorted(weighed, key=lambda one: -one[0])]


def _form(kind: str, *, only_json: bool) -> Format | None:
    """What a media range stands for; None for what is not served.

    A type without ``application/`` is taken for one with it: go-vcloud-director sends such in front of real servers.
    """
    kind = kind if "/" in kind else f"application/{kind}"
    if kind in ("*/*", "application/*"):
        return Format.JSON if only_json else Format.XML
    if kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json")):
        return Format.JSON
    if kind == "application/xml" or (kind.startswith("application/") and kind.endswith("+xml")):
        return None if only_json else Format.XML
    return None


def check_accept(one: Asked, accept: str, behavior: Behavior) -> str:
    """The API version that is asked for.

    Raises:
        Refusal: 406 for no version, an unsupported one, or a media type that is not served.
    """
    if one.acceptable and one.version is not None:
        return one.version
    wrong = accept if not one.acceptable else "" if one.named is None else "Invalid API version requested"
    raise Refusal(406, "NOT_ACCEPTABLE", f"The request has invalid accept header: {wrong}. {_supported(behavior)}")


def _supported(behavior: Behavior) -> str:
    """As servers say it (pyvcloud #736, go-vcloud-director #477): newest first, alpha versions too."""
    versions = sorted((*behavior.versions, *behavior.alpha_versions), key=version_number, reverse=True)
    listed = (f"{one} [D]" if one in behavior.deprecated_versions else one for one in versions)
    return f"Supported API versions are: [{', '.join(listed)}] ([D] indicates deprecated versions)"


def body_form(request: Request, expected: str | None) -> Format:
    """What a body is written in: by its Content-Type, which is ``expected`` (with or without ``+json``), its ``+xml``
    form or a wildcard; without one by its first character.

    Media types are compared without case and parameters: VCD itself mixes ``CreateVmParams`` and ``createVmParams``.

    Raises:
        Refusal: 415.
    """
    sent = request.header(b"content-type")
    if not sent:
        return Format.XML if request.body.lstrip()[:1] == b"<" else Format.JSON
    form = _form_of(sent, expected)
    if form is None:
        raise Refusal(
            415, "UNSUPPORTED_MEDIA_TYPE", f"Unsupported media type: {sent.partition(';')[0].strip().lower()}"
        )
    return form


@lru_cache(maxsize=1024)
def _form_of(sent: str, expected: str | None) -> Format | None:
    kind = sent.partition(";")[0].strip().lower()
    for form in Format:
        if kind in (f"application/*+{form}", f"application/{form}"):
            return form
        if expected is not None and kind == f"{expected.lower().removesuffix('+json')}+{form}":
            return form
    return None


@lru_cache(maxsize=1024)
def version_number(version: str) -> tuple[int, int]:
    """Major and minor; an alpha suffix does not count."""
    major, _, rest = version.partition(".")
    minor = re.match(r"\d+", rest)
    return int(major), int(minor[0]) if minor else 0
