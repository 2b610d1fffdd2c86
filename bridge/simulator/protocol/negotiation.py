"""API versions and media types: GET /api/versions, the Accept and Content-Type headers."""

from __future__ import annotations

import re
from xml.sax.saxutils import escape

from bridge.simulator.behavior import Behavior
from bridge.simulator.protocol.exchange import Refusal, Request

_VERSION = re.compile(r"version=\"?([0-9A-Za-z.\-]+)\"?")


def versions_document(behavior: Behavior, public_url: str) -> bytes:
    """SupportedVersions (versioning schema of the VCD API): XML, also for those who ask for JSON.

    ``deprecated`` is an attribute of VersionInfo; alpha versions have an element of their own.
    """
    login = escape(f"{public_url}/cloudapi/1.0.0/sessions")
    entries = []
    for name, versions in (("VersionInfo", behavior.versions), ("AlphaVersion", behavior.alpha_versions)):
        for version in versions:
            deprecated = "true" if version in behavior.deprecated_versions else "false"
            entries.append(
                f'<{name} deprecated="{deprecated}"><Version>{escape(version)}</Version>'
                f"<LoginUrl>{login}</LoginUrl><ProviderLoginUrl>{login}/provider</ProviderLoginUrl></{name}>"
            )
    text = (
        '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
        '<SupportedVersions xmlns="http://www.vmware.com/vcloud/versions" '
        'xmlns:ns2="http://www.vmware.com/vcloud/v1.5">' + "".join(entries) + "</SupportedVersions>"
    )
    return text.encode()


def accepted_version(request: Request, behavior: Behavior) -> str:
    """The API version that the Accept header asks for.

    Raises:
        Refusal: 406 for no version, an unsupported one, or a media type that is not served.
    """
    accept = request.header(b"accept") or ""
    if "xml" in accept and "json" not in accept:
        raise _not_acceptable("The request has invalid accept header: only JSON is served here")
    if accept and not any(word in accept for word in ("json", "*/*")):
        raise _not_acceptable(f"The request has invalid accept header: {accept}")
    match = _VERSION.search(accept)
    version = None if match is None else match[1]
    if version is None or version not in (*behavior.versions, *behavior.alpha_versions):
        raise _not_acceptable(
            f"The request has invalid accept header: Invalid API version requested: {version or 'null'}"
        )
    return version


def _not_acceptable(message: str) -> Refusal:
    return Refusal(406, "NOT_ACCEPTABLE", message)


def check_media_type(request: Request, expected: str | None) -> None:
    """The Content-Type of a body: the operation's own, ``application/*+json``, plain JSON, or none at all.

    Media types are compared without case and parameters: VCD itself mixes ``CreateVmParams`` and ``createVmParams``.

    Raises:
        Refusal: 415.
    """
    sent = request.header(b"content-type")
    if not sent:
        return
    kind = sent.partition(";")[0].strip().lower()
    if kind in ("application/*+json", "application/json"):
        return
    if expected is not None and kind == expected.lower():
        return
    raise Refusal(415, "UNSUPPORTED_MEDIA_TYPE", f"Unsupported media type: {kind}")


def version_number(version: str) -> tuple[int, int]:
    """Major and minor; an alpha suffix does not count."""
    major, _, rest = version.partition(".")
    minor = re.match(r"\d+", rest)
    return int(major), int(minor[0]) if minor else 0
