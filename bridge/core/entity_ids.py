"""What people have at hand for an entity, normalised to the id that VCD's path wants. Nothing leaves its segment."""

from __future__ import annotations

import re
from collections.abc import Collection
from urllib.parse import quote, urlsplit

from bridge.catalogue.kinds import KINDS, VIEWS, Kind
from bridge.catalogue.operation import Operation, Parameter
from bridge.core.events import Reason

MAX_LENGTH = 1024
"""Characters of a parameter; longer than any id, href or metadata key of VCD."""

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
_URN = re.compile(r"urn:vcloud:([a-z]+):(.+)", re.IGNORECASE)
_ASSOCIATIONS = re.compile(r"/api/(site|admin/org/[^/]+)/associations")
_QUOTED = re.compile(r"%[0-9a-f]{2}", re.IGNORECASE)
_DEFAULT_PORTS = {"https": ":443", "http": ":80"}


class _Refused(Exception):
    def __init__(self, message: str, code: str = "malformed_parameter") -> None:
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
            raise _Refused(f"1 to {MAX_LENGTH} characters are needed, {len(given)} were given")
        if not given.isprintable():
            raise _Refused(f"{given[:80]!r} has characters that cannot be printed")
        if not parameter.kinds:
            return _free_text(given)
        return _entity_id([KINDS[name] for name in parameter.kinds], given, own_hosts)
    except _Refused as refused:
        return Reason(refused.code, f"{field} of {operation.name}: {refused}", field)


def _free_text(given: str) -> str:
    if given in {".", ".."}:
        raise _Refused(f"{given!r} would leave its place in the path")
    if "/" in given or "\\" in given:
        # Even quoted, servers and proxies disagree about what %2F means in a path.
        raise _Refused(f"{given[:80]!r} has a slash, which cannot stand in one part of a path")
    if _QUOTED.search(given):
        # Proxies that decode twice would make something else of it.
        raise _Refused(f"{given[:80]!r} is percent-encoded already; give it as plain text")
    return quote(given, safe="")


def _entity_id(kinds: list[Kind], given: str, own_hosts: Collection[str]) -> str:
    if "://" in given:
        kinds, given = _of_href(kinds, given, own_hosts)
    urn = _URN.fullmatch(given)
    if urn is not None:
        return _of_urn(kinds, given, urn[1], urn[2])
    for kind in kinds:
        if kind.prefix and given.startswith(kind.prefix):
            return kind.prefix + _uuid(given, given.removeprefix(kind.prefix))
    if _UUID.fullmatch(given):
        return _of_uuid(kinds, given)
    other = next((kind for kind in KINDS.values() if kind.prefix and given.startswith(kind.prefix)), None)
    if other is not None and _UUID.fullmatch(given.removeprefix(other.prefix)):
        raise _Refused(f"{given!r} is a {other.label}, a {_or(kinds)} is wanted")
    raise _Refused(f"{given[:80]!r} is not the id, URN or href of a {_or(kinds)}")


def _of_href(kinds: list[Kind], href: str, own_hosts: Collection[str]) -> tuple[list[Kind], str]:
    """Kinds that the href can name, and its last segment."""
    try:
        parts = urlsplit(href)
    except ValueError:
        raise _Refused(f"{href[:80]!r} is not a URL") from None
    if parts.scheme not in _DEFAULT_PORTS:
        raise _Refused(f"{href[:80]!r} is not an href of VCD")
    host = _host(parts.scheme, parts.netloc)
    if host not in {_host(parts.scheme, own) for own in own_hosts}:
        raise _Refused(f"the href's host {parts.netloc[:80]!r} is not this VCD")
    if parts.query or parts.fragment or "?" in href or "#" in href:
        raise _Refused(f"{href[:80]!r} carries more than the address of an entity")
    base, _, last = parts.path.rstrip("/").rpartition("/")
    fitting = [kind for kind in kinds if _stands_below(kind, base)]
    if not fitting:
        named = [kind for kind in KINDS.values() if _stands_below(kind, base)]
        raise _Refused(f"the href names {'a ' + _or(named) if named else 'no entity'}, a {_or(kinds)} is wanted")
    return fitting, last


def _stands_below(kind: Kind, base: str) -> bool:
    if "associations" in kind.segments:
        return _ASSOCIATIONS.fullmatch(base) is not None
    return any(base == f"/api/{view}{segment}" for view in VIEWS for segment in kind.segments)


def _host(scheme: str, netloc: str) -> str:
    return netloc.casefold().removesuffix(_DEFAULT_PORTS[scheme])


def _of_urn(kinds: list[Kind], given: str, urn_kind: str, rest: str) -> str:
    fitting = [kind for kind in kinds if urn_kind.casefold() in kind.urns]
    if not fitting:
        raise _Refused(f"{given[:80]!r} is the URN of a {urn_kind}, that of a {_or(kinds)} is wanted")
    return fitting[0].prefix + _uuid(given, rest)


def _of_uuid(kinds: list[Kind], uuid: str) -> str:
    if len(kinds) > 1:
        written = " or ".join(f"{kind.prefix}{uuid} ({kind.label})" for kind in kinds)
        raise _Refused(f"a bare uuid could be a {_or(kinds)}; write {written}", "ambiguous_parameter")
    return kinds[0].prefix + uuid.casefold()


def _uuid(given: str, text: str) -> str:
    if not _UUID.fullmatch(text):
        raise _Refused(f"{given[:80]!r} does not end in a uuid")
    return text.casefold()


def _or(kinds: list[Kind]) -> str:
    return " or ".join(kind.label for kind in kinds)
