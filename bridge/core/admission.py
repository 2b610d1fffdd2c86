"""Judges a decoded request: everything that can be said about it without asking VCD. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from fnmatch import fnmatchcase

from bridge.catalogue.load import Catalogue
from bridge.catalogue.operation import BodyRule, Operation
from bridge.core.coordinates import Birth
from bridge.core.entity_ids import path_value
from bridge.core.events import Reason
from bridge.core.lifecycle import StoredRequest
from bridge.core.requests import ActionRequest, JsonValue

BODY_LIMIT_BYTES = 512 * 1024
"""Largest request body that VCD takes (API programming guide, request limits)."""

CODES: dict[str, str] = {
    "missing_operation": "a request names no operation",
    "unknown_operation": "the catalogue has no operation of this name",
    "invalid_request_id": "a request_id has 1 to 256 printable characters",
    "missing_parameter": "a path parameter is not given",
    "surplus_parameter": "a parameter that the operation's path does not have",
    "malformed_parameter": "a parameter that is no id, URN, href or text that fits",
    "ambiguous_parameter": "a bare uuid where several kinds of entity fit",
    "unexpected_query": "a query parameter that the operation does not have",
    "body_not_allowed": "a body for an operation without one",
    "body_required": "no body for an operation that needs one",
    "body_too_large": "a body over VCD's 512 KiB",
    "request_too_large": "a request larger than the store's records may be",
    "not_in_api_version": "the negotiated API version does not have this operation",
    "operation_has_own_stream": "the operation belongs on another topic",
    "operation_not_allowed": "policy does not allow this operation",
    "destructive_not_allowed": "policy does not allow destructive operations",
    "organization_not_allowed": "policy does not allow this organization",
    "watch_until_past": "watch_until was already past on arrival",
    "start_by_passed": "the request was not called before start_by",
}
"""Reason codes told here -> meaning."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What may be asked; patterns are shell-style, deny wins, an empty allow-list allows everything ordinary."""

    allow_destructive: bool = False
    allow_operations: tuple[str, ...] = ()
    deny_operations: tuple[str, ...] = ()
    organizations: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmissionContext:
    """What a judgement depends on besides the request. ``own_hosts``: ``host[:port]`` of this VCD, all its names.

    ``stream_topics``: topic by the catalogue's ``stream`` name, for hints.
    """

    api_version: str
    own_hosts: frozenset[str] = frozenset()
    policy: Policy = field(default_factory=Policy)
    stream_topics: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """The request may be called. ``content_hash`` decides what a repeat is."""

    operation: Operation
    stored: StoredRequest
    entity: str | None
    lane: str | None
    created_name: str | None
    content_hash: str
    deprecated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """The request is refused. ``content_hash`` is there where the content could be normalised."""

    reason: Reason
    content_hash: str | None = None


class _Refused(Exception):
    def __init__(self, code: str, message: str, field_name: str | None) -> None:
        super().__init__(message)
        self.reason = Reason(code, message, field_name)


def judge(
    request: ActionRequest,
    *,
    birth: Birth,
    now: datetime,
    catalogue: Catalogue,
    context: AdmissionContext,
) -> Admission | Rejection:
    """Admit a request or say why not. Never raises."""
    content_hash: str | None = None
    try:
        operation = _operation(request, catalogue)
        values = _parameters(request, operation, context)
        body = _body(request, operation)
        content_hash = hash_content(request, operation, values)
        _allowed(request, operation, context)
        if request.watch_until is not None and request.watch_until <= now:
            raise _Refused("watch_until_past", "watch_until is already past", "watch_until")
    except _Refused as refused:
        return Rejection(reason=refused.reason, content_hash=content_hash)
    entity = operation.entity.format_map(values) if operation.entity is not None else None
    return Admission(
        operation=operation,
        stored=StoredRequest(
            birth=birth,
            method=operation.method,
            path=operation.path.format_map(values),
            query=tuple(sorted(request.query.items())),
            media_type=operation.media_type if body is not None else None,
            body=body,
        ),
        entity=entity,
        lane=lane_of(entity) if operation.lane.value == "entity" else None,
        created_name=_created_name(request, operation),
        content_hash=content_hash,
        deprecated=operation.deprecated is not None and _at_least(context.api_version, operation.deprecated),
    )


def lane_of(entity: str | None) -> str | None:
    """The lane of an entity's path: its admin, extension and user views are one."""
    if entity is None:
        return None
    segments = [segment for segment in entity.split("/") if segment]
    return "/" + "/".join(segments[-2:])


def hash_content(request: ActionRequest, operation: Operation, values: Mapping[str, str]) -> str:
    """``1:<sha256>`` over the canonical JSON of what counts for "the same request"."""
    content = {
        "operation": operation.name,
        "parameters": dict(values),
        "query": dict(request.query),
        "body": request.body,
        "organization": request.organization,
    }
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return "1:" + hashlib.sha256(text.encode()).hexdigest()


def _operation(request: ActionRequest, catalogue: Catalogue) -> Operation:
    request_id = request.request_id
    if request_id is None or not 1 <= len(request_id) <= 256 or not request_id.isprintable():
        raise _Refused("invalid_request_id", "request_id must have 1 to 256 printable characters", "request_id")
    if not request.operation:
        raise _Refused("missing_operation", "operation is missing", "operation")
    operation = catalogue.get(request.operation)
    if operation is None:
        near = catalogue.nearest(request.operation)
        hint = f"; did you mean {' or '.join(near)}?" if near else "; `vcd-bridge operations` lists them"
        raise _Refused("unknown_operation", f"no operation is called {request.operation[:80]!r}{hint}", "operation")
    return operation


def _parameters(request: ActionRequest, operation: Operation, context: AdmissionContext) -> dict[str, str]:
    known = {parameter.name for parameter in operation.parameters}
    for name in request.parameters:
        if name not in known:
            takes = ", ".join(sorted(known)) or "none"
            raise _Refused(
                "surplus_parameter", f"{operation.name} has no parameter {name[:80]!r} (it takes {takes})",
                f"parameters.{name[:80]}",
            )  # fmt: skip
    values = {}
    for parameter in operation.parameters:
        given = request.parameters.get(parameter.name)
        if given is None:
            where = f"parameters.{parameter.name}"
            raise _Refused("missing_parameter", f"{operation.name} needs {where} ({operation.path})", where)
        value = path_value(operation, parameter, given, context.own_hosts)
        if isinstance(value, Reason):
            raise _Refused(value.code, value.message, value.field)
        values[parameter.name] = value
    for name in request.query:
        if name not in operation.query:
            takes = ", ".join(operation.query) or "none"
            raise _Refused(
                "unexpected_query", f"{operation.name} has no query parameter {name[:80]!r} (it takes {takes})",
                f"query.{name[:80]}",
            )  # fmt: skip
    return values


def _body(request: ActionRequest, operation: Operation) -> str | None:
    if request.body is None:
        if operation.body_rule is BodyRule.REQUIRED:
            raise _Refused("body_required", f"{operation.name} needs a body ({operation.body_type})", "body")
        return None
    if operation.body_rule is BodyRule.NONE:
        raise _Refused("body_not_allowed", f"{operation.name} takes no body", "body")
    text = json.dumps(request.body, separators=(",", ":"), ensure_ascii=False)
    size = len(text.encode())
    if size > BODY_LIMIT_BYTES:
        raise _Refused("body_too_large", f"the body has {size} bytes, VCD takes {BODY_LIMIT_BYTES}", "body")
    return text


def _allowed(request: ActionRequest, operation: Operation, context: AdmissionContext) -> None:
    policy = context.policy
    named = any(fnmatchcase(operation.name, pattern) for pattern in policy.allow_operations)
    denied = any(fnmatchcase(operation.name, pattern) for pattern in policy.deny_operations)
    if operation.stream is not None and not named:
        raise _Refused("operation_has_own_stream", _stream_hint(operation, context), "operation")
    if denied or (policy.allow_operations and not named):
        raise _Refused("operation_not_allowed", f"policy does not allow {operation.name}", "operation")
    if operation.destructive and not policy.allow_destructive:
        message = f"{operation.name} is destructive; policy.allow_destructive is off"
        raise _Refused("destructive_not_allowed", message, "operation")
    if policy.organizations and not _organization_allowed(request.organization, policy):
        asked = repr(request.organization) if request.organization else "none"
        raise _Refused("organization_not_allowed", f"policy does not allow organization {asked}", "organization")
    if not _in_version(operation, context.api_version):
        span = " ".join(
            part
            for part in (
                f"since {operation.since}" if operation.since else "",
                f"until {operation.removed}" if operation.removed else "",
            )
            if part
        )
        message = f"{operation.name} exists {span}; the negotiated API version is {context.api_version}"
        raise _Refused("not_in_api_version", message, "operation")


def _organization_allowed(organization: str | None, policy: Policy) -> bool:
    return organization is not None and any(fnmatchcase(organization, one) for one in policy.organizations)


def _stream_hint(operation: Operation, context: AdmissionContext) -> str:
    topic = context.stream_topics.get(operation.stream or "", operation.stream or "")
    if operation.name == "cancelTask":
        return f"send a record with kind = cancel on {topic} instead of calling {operation.name}"
    return f"{operation.name} has a stream of its own: {topic}"


def _in_version(operation: Operation, version: str) -> bool:
    if operation.since is not None and not _at_least(version, operation.since):
        return False
    return operation.removed is None or not _at_least(version, operation.removed)


def _at_least(version: str, wanted: str) -> bool:
    return _numbers(version) >= _numbers(wanted)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("-")[0].split(".") if part.isdecimal())


def _created_name(request: ActionRequest, operation: Operation) -> str | None:
    if operation.created_name is None:
        return None
    value: JsonValue = dict(request.body or {})
    for part in operation.created_name.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value if isinstance(value, str) else None
