"""What of a request counts: normalised, checked against the operation, hashed. Pure."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from bridge.catalogue.operation import BodyRule, Operation
from bridge.core.entity_ids import path_value
from bridge.core.events import Reason
from bridge.core.requests import ActionRequest, JsonValue

BODY_LIMIT_BYTES = 512 * 1024
"""Largest request body that VCD takes (VMware Cloud Director API Programming Guide, Request Limits)."""

HASH_VERSION = 1

_ORGANIZATION = re.compile(
    r"(?:urn:vcloud:org:)?([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})", re.IGNORECASE
)


class ContentRefused(Exception):
    """The content does not fit the operation."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.message)
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """Normalised content of a request. ``parameters`` as they stand in the path; ``body`` as the requester means it."""

    operation: str
    parameters: Mapping[str, str]
    query: Mapping[str, str]
    body: Mapping[str, JsonValue] | None
    organization: str | None

    @property
    def hash(self) -> str:
        """``<version>:<sha256>`` over the canonical JSON of everything that counts for "the same request"."""
        document = {
            "operation": self.operation,
            "parameters": dict(self.parameters),
            "query": dict(self.query),
            "body": self.body,
            "organization": self.organization,
        }
        text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return f"{HASH_VERSION}:{hashlib.sha256(text.encode()).hexdigest()}"


def content_of(request: ActionRequest, operation: Operation, own_hosts: Collection[str]) -> Content:
    """The request's content. Raises ContentRefused with field and cause."""
    return Content(
        operation=operation.name,
        parameters=_parameters(request.parameters, operation, own_hosts),
        query=_query(request.query, operation),
        body=_body(request.body, operation),
        organization=_organization(request.organization),
    )


def json_text(body: Mapping[str, JsonValue]) -> str:
    """The body as it is sent. Raises ContentRefused for one that VCD cannot be sent."""
    try:
        text = json.dumps(body, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        size = len(text.encode())
    except (ValueError, RecursionError) as error:
        raise _refused("malformed_body", f"the body cannot be written as JSON: {error}", "body") from None
    if size > BODY_LIMIT_BYTES:
        message = f"the body has {size} bytes of JSON, VCD takes {BODY_LIMIT_BYTES}"
        raise _refused("body_too_large", message, "body")
    return text


def dotted(body: Mapping[str, JsonValue] | None, path: str) -> JsonValue:
    """The value of a dotted field; None where it is not there."""
    value: JsonValue = dict(body or {})
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _parameters(given: Mapping[str, str], operation: Operation, own_hosts: Collection[str]) -> dict[str, str]:
    known = {parameter.name for parameter in operation.parameters}
    for name in given:
        if name not in known:
            takes = ", ".join(sorted(known)) or "none"
            message = f"{operation.name} has no parameter {name[:80]!r} (it takes {takes})"
            raise _refused("surplus_parameter", message, f"parameters.{name[:80]}")
    values = {}
    for parameter in operation.parameters:
        field = f"parameters.{parameter.name}"
        if parameter.name not in given:
            raise _refused("missing_parameter", f"{operation.name} needs {field} ({operation.path})", field)
        value = path_value(operation, parameter, given[parameter.name], own_hosts)
        if isinstance(value, Reason):
            raise ContentRefused(value)
        values[parameter.name] = value
    return values


def _query(given: Mapping[str, str], operation: Operation) -> dict[str, str]:
    """All query parameters of the catalogue are switches; VCD silently ignores a value that is none."""
    for name, value in given.items():
        if name not in operation.query:
            takes = ", ".join(operation.query) or "none"
            message = f"{operation.name} has no query parameter {name[:80]!r} (it takes {takes})"
            raise _refused("unexpected_query", message, f"query.{name[:80]}")
        if value.casefold() not in {"true", "false"}:
            message = f"query.{name} of {operation.name} must be true or false, {value[:80]!r} was given"
            raise _refused("malformed_query", message, f"query.{name}")
    return {name: value.casefold() for name, value in given.items()}


def _body(given: Mapping[str, JsonValue] | None, operation: Operation) -> Mapping[str, JsonValue] | None:
    match operation.body_rule:
        case BodyRule.NONE:
            if given is not None and _only_nulls(given):
                # Flat records have a place for every field and null where nothing is meant.
                given = None
            if given is not None:
                raise _refused("body_not_allowed", f"{operation.name} takes no body", "body")
        case BodyRule.REQUIRED:
            if given is None:
                raise _refused("body_required", f"{operation.name} needs a body ({operation.body_type})", "body")
        case BodyRule.OPTIONAL:
            if given is None and operation.body_type is not None:
                # Every field of such a body has a default, but VCD still wants the document.
                given = {}
    if given is not None:
        json_text(given)
    return given


def _only_nulls(body: Mapping[str, JsonValue]) -> bool:
    """True where there are members, and each is null or again an object of nothing but nulls."""
    level: list[JsonValue] = [dict(body)]
    while level:
        if not all(isinstance(one, dict) and one for one in level):
            return False
        members = (value for one in level if isinstance(one, dict) for value in one.values())
        level = [value for value in members if value is not None]
    return True


def organization_uuid(text: str) -> str | None:
    """The bare uuid of an organization that is given by uuid or URN; None for a name."""
    identified = _ORGANIZATION.fullmatch(text)
    return identified[1].casefold() if identified is not None else None


def _organization(given: str | None) -> str | None:
    """Bare uuids and URNs are one; names are taken as they are, only VCD knows whose they are."""
    if given is None:
        return None
    if not 1 <= len(given) <= 256 or not given.isprintable():
        raise _refused("malformed_organization", "organization must have 1 to 256 printable characters", "organization")
    uuid = organization_uuid(given)
    if uuid is not None:
        return uuid
    if given.casefold().startswith("urn:"):
        message = f"organization {given[:80]!r} is not the URN of an organization (urn:vcloud:org:<uuid>)"
        raise _refused("malformed_organization", message, "organization")
    return given


def _refused(code: str, message: str, field: str) -> ContentRefused:
    return ContentRefused(Reason(code, message, field))
