"""What people have at hand for an entity, normalised to the id that VCD's path wants."""

from __future__ import annotations

import re
from collections.abc import Collection
from urllib.parse import quote, urlsplit

from bridge.catalogue.kinds import KINDS, Kind
from bridge.catalogue.operation import Operation, Parameter
from bridge.core.events import Reason

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
_URN = re.compile(r"urn:vcloud:([A-Za-z]+):(.+)", re.IGNORECASE)
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f/\\?#%]")
MAX_LENGTH = 1024
"""Characters of a parameter; longer than any id or href of VCD."""


class _Refused(Exception):
    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def path_value(operation: Operation, parameter: Parameter, given: str, own_hosts: Collection[str]) -> str | Reason:
    """The value as it stands in the path, or why it is refused.

    Takes VCD's id with its prefix, a URN, an href of one of ``own_hosts`` (``host`` or ``host:port``), or a bare uuid
    where only one kind fits. A parameter without kinds is free text and is percent-quoted.
    """
    field = f"parameters.{parameter.name}"
    try:
        if not given or len(given) > MAX_LENGTH:
            raise _Refused("malformed_parameter", f"{field} must have 1 to {MAX_LENGTH} characters")
        if not parameter.kinds:
            return _free_text(field, given)
        return _entity_id(operation, parameter, given, own_hosts)
    except _Refused as refused:
        return Reason(refused.code, str(refused), field)


def _free_text(field: str, given: str) -> str:
    if given in {".", ".."} or any(ord(character) < 32 or ord(character) == 127 for character in given):
        raise _Refused("malformed_parameter", f"{field}: control characters, '.' and '..' cannot stand in a path")
    if "/" in given or "\\" in given:
        # Even quoted, servers and proxies disagree about what %2F means in a path.
        raise _Refused("malformed_parameter", f"{field}: a slash cannot stand in a path parameter")
    return quote(given, safe="")


def _entity_id(operation: Operation, parameter: Parameter, given: str, own_hosts: Collection[str]) -> str:
    kinds = [KINDS[name] for name in parameter.kinds]
    field = f"parameters.{parameter.name}"
    if "://" in given:
        given = _id_of_href(field, given, kinds, own_hosts)
    urn = _URN.fullmatch(given)
    if urn is not None:
        return _from_urn(field, urn.group(1), urn.group(2), kinds)
    if _FORBIDDEN.search(given):
        raise _Refused("malformed_parameter", f"{field}: {given[:80]!r} is not an id, a URN or an href of this VCD")
    for kind in kinds:
        if kind.prefix and given.startswith(kind.prefix):
            return kind.prefix + _uuid(field, given.removeprefix(kind.prefix))
    if _UUID.fullmatch(given):
        return _from_uuid(field, given, kinds)
    other = next((k for k in KINDS.values() if k.prefix and given.startswith(k.prefix)), None)
    if other is not None:
        raise _Refused(
            "malformed_parameter", f"{field}: a {other.label} was given, {operation.name} takes {_or(kinds)}"
        )
    raise _Refused("malformed_parameter", f"{field}: {given[:80]!r} is not an id, a URN or an href of this VCD")


def _id_of_href(field: str, given: str, kinds: list[Kind], own_hosts: Collection[str]) -> str:
    parts = urlsplit(given)
    host = parts.netloc.casefold()
    if parts.scheme not in {"http", "https"} or host not in {known.casefold() for known in own_hosts}:
        raise _Refused("malformed_parameter", f"{field}: the href's host {host[:80]!r} is not this VCD")
    segments = [segment for segment in parts.path.split("/") if segment]
    if parts.query or parts.fragment or len(segments) < 2:
        raise _Refused("malformed_parameter", f"{field}: {given[:80]!r} is not the href of an entity")
    if not any(segments[-2] in kind.segments for kind in kinds):
        raise _Refused("malformed_parameter", f"{field}: the href names a {segments[-2]}, wanted is {_or(kinds)}")
    return segments[-1]


def _from_urn(field: str, urn_kind: str, uuid: str, kinds: list[Kind]) -> str:
    fitting = [kind for kind in kinds if kind.urn.casefold() == urn_kind.casefold()]
    if not fitting:
        raise _Refused("malformed_parameter", f"{field}: a URN of a {urn_kind} was given, wanted is {_or(kinds)}")
    return fitting[0].prefix + _uuid(field, uuid)


def _from_uuid(field: str, uuid: str, kinds: list[Kind]) -> str:
    if len(kinds) > 1:
        named = " or ".join(f"{kind.prefix}{uuid} ({kind.label})" for kind in kinds)
        raise _Refused("ambiguous_parameter", f"{field}: a bare uuid could be a {_or(kinds)}; write {named}")
    return kinds[0].prefix + uuid.casefold()


def _uuid(field: str, text: str) -> str:
    if not _UUID.fullmatch(text):
        raise _Refused("malformed_parameter", f"{field}: {text[:80]!r} is not a uuid")
    return text.casefold()


def _or(kinds: list[Kind]) -> str:
    return " or ".join(kind.label for kind in kinds)
