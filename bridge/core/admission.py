"""Judges a decoded request: everything that can be said about it without asking VCD. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from bridge.catalogue.bodies import Bodies
from bridge.catalogue.load import Catalogue
from bridge.catalogue.operation import Operation
from bridge.core.content import Content, ContentRefused, content_of, dotted, json_text
from bridge.core.coordinates import Birth
from bridge.core.events import Reason
from bridge.core.lifecycle import StoredRequest
from bridge.core.policy import Policy, Streams, refused_operation, refused_organization, what_destroys
from bridge.core.requests import ActionRequest, JsonValue
from bridge.core.versions import at_least

__all__ = ["CODES", "Admission", "AdmissionContext", "Policy", "Rejection", "Streams", "judge", "lane_of"]

CODES: dict[str, str] = {
    "invalid_request_id": "a request_id has 1 to 256 printable characters",
    "unknown_operation": "the catalogue has no operation of this name",
    "missing_parameter": "a path parameter is not given",
    "surplus_parameter": "a parameter that the operation's path does not have",
    "malformed_parameter": "a parameter that is no id, URN, href or text that fits",
    "ambiguous_parameter": "a bare uuid where several kinds of entity fit",
    "unexpected_query": "a query parameter that the operation does not have",
    "malformed_query": "a query parameter that is neither true nor false",
    "body_not_allowed": "a body for an operation without one",
    "body_required": "no body for an operation that needs one",
    "body_too_large": "a body over VCD's 512 KiB",
    "malformed_body": "a body that cannot be written as JSON, or that is not what its operation takes",
    "malformed_organization": "an organization that is no name, uuid or URN",
    "request_too_large": "a request larger than the store's records may be",
    "not_in_api_version": "the negotiated API version does not have this operation",
    "operation_has_own_stream": "the operation belongs on another topic",
    "operation_not_allowed": "policy does not allow this operation",
    "destructive_not_allowed": "policy does not allow what removes or overwrites something for good",
    "organization_not_allowed": "policy does not allow this organization",
    "watch_until_past": "watch_until was already past on arrival",
    "provider_needed": "only a login of the provider sees this: all organizations, or their blocking tasks",
}
"""Reason codes of admission -> meaning."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmissionContext:
    """What a judgement depends on besides the request. ``own_hosts``: ``host[:port]`` of this VCD, all its names.

    ``is_provider``: whose login it is.
    """

    api_version: str
    own_hosts: frozenset[str] = frozenset()
    policy: Policy = field(default_factory=Policy)
    streams: Streams = field(default_factory=Streams)
    is_provider: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """The request may be called. ``content_hash`` decides what a repeat is.

    ``entity``: path that a Task of it belongs to, None for creates. ``lane``: the same in one spelling for all views.
    """

    operation: Operation
    stored: StoredRequest
    entity: str | None
    lane: str | None
    created_name: str | None
    content_hash: str
    deprecated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """The request is refused. ``content_hash`` is there where the content could be normalised: a redelivered request
    is still recognised as a repeat after its times have passed or the policy has changed."""

    reason: Reason
    content_hash: str | None = None


def judge(
    request: ActionRequest,
    *,
    birth: Birth,
    now: datetime,
    catalogue: Catalogue,
    context: AdmissionContext,
) -> Admission | Rejection:
    """Admit a request or say why not. Never raises. A ``start_by`` in the past is not a reason: it ends ``expired``."""
    operation = _operation(request, catalogue)
    if isinstance(operation, Reason):
        return Rejection(reason=operation)
    try:
        content = content_of(request, operation, context.own_hosts)
        stored = _stored(content, operation, birth)
    except ContentRefused as refused:
        # What may not be asked at all is told before what is wrong with it.
        return Rejection(reason=_not_allowed(operation, None, context) or refused.reason)
    reason = _not_allowed(operation, content, context) or _unfit(content, operation, catalogue.bodies, context)
    reason = reason or _too_late(request, now)
    if reason is not None:
        return Rejection(reason=reason, content_hash=content.hash)
    entity = operation.entity.format_map(content.parameters) if operation.entity is not None else None
    name = dotted(content.body, operation.created_name) if operation.created_name is not None else None
    return Admission(
        operation=operation,
        stored=stored,
        entity=entity,
        lane=lane_of(entity),
        created_name=name if isinstance(name, str) and name else None,
        content_hash=content.hash,
        deprecated=operation.deprecated is not None and at_least(context.api_version, operation.deprecated),
    )


def lane_of(entity: str | None) -> str | None:
    """The lane of an entity's path: its user's, administrator's and provider's views are one."""
    if entity is None:
        return None
    for view in ("/admin/extension/", "/admin/"):
        if entity.startswith(view):
            return "/" + entity.removeprefix(view)
    return entity


def _operation(request: ActionRequest, catalogue: Catalogue) -> Operation | Reason:
    request_id = request.request_id
    if request_id is None or not 1 <= len(request_id) <= 256 or not request_id.isprintable():
        given = "none was given" if request_id is None else f"{len(request_id)} were given"
        if request_id is not None and not request_id.isprintable():
            given = f"{request_id[:80]!r} was given"
        return Reason(
            "invalid_request_id", f"request_id must have 1 to 256 printable characters, {given}", "request_id"
        )
    name = request.operation or ""
    operation = catalogue.get(name)
    if operation is None:
        near = catalogue.nearest(name[:200])
        hint = f"did you mean {' or '.join(near)}?" if near else "`vcd-bridge operations` lists them"
        return Reason("unknown_operation", f"no operation is called {name[:80]!r}; {hint}", "operation")
    return operation


def _stored(content: Content, operation: Operation, birth: Birth) -> StoredRequest:
    body = content.body
    if body is not None and operation.key_field is not None and dotted(body, operation.key_field) is None:
        body = _with(body, operation.key_field.split("."), birth.operation_key)
    return StoredRequest(
        birth=birth,
        method=operation.method,
        path=operation.path.format_map(content.parameters),
        query=tuple(sorted(content.query.items())),
        media_type=operation.media_type if body is not None else None,
        body=json_text(body) if body is not None else None,
    )


def _with(body: Mapping[str, JsonValue], path: list[str], value: str) -> dict[str, JsonValue]:
    """The body with ``value`` at a dotted field; unchanged where something else than an object stands in the way."""
    if len(path) == 1:
        return {**body, path[0]: value}
    inner = body.get(path[0])
    if not isinstance(inner, dict):
        return dict(body)
    return {**body, path[0]: _with(inner, path[1:], value)}


def _not_allowed(operation: Operation, content: Content | None, context: AdmissionContext) -> Reason | None:
    if not _in_version(operation, context.api_version):
        return Reason("not_in_api_version", _span(operation, context.api_version), "operation")
    destructive = what_destroys(operation, content.body if content is not None else None)
    reason = refused_operation(context.policy, operation, destructive=destructive, streams=context.streams)
    if reason is None and operation.hold_action is not None and not context.is_provider:
        message = f"{operation.name} is for a login of the provider: VCD shows blocking tasks to nobody else"
        reason = Reason("provider_needed", message, "operation")
    if reason is not None or content is None:
        return reason
    return refused_organization(context.policy, operation, content)


def _unfit(content: Content, operation: Operation, bodies: Bodies, context: AdmissionContext) -> Reason | None:
    """Why the body is not one of the operation's type, or None. Told after ``content``, so that a redelivery of what
    was admitted once is still a repeat, whatever has become of the policy."""
    if content.body is None:
        return None
    wrong = bodies.objection(operation, content.body, pass_unknown=context.policy.pass_unknown_body_keys)
    return Reason("malformed_body", wrong.message, f"body.{wrong.path}") if wrong is not None else None


def _too_late(request: ActionRequest, now: datetime) -> Reason | None:
    if request.watch_until is None or request.watch_until > now:
        return None
    message = f"watch_until {request.watch_until.isoformat()} was already past at {now.isoformat()}"
    return Reason("watch_until_past", message, "watch_until")


def _in_version(operation: Operation, version: str) -> bool:
    if operation.since is not None and not at_least(version, operation.since):
        return False
    return operation.removed is None or not at_least(version, operation.removed)


def _span(operation: Operation, version: str) -> str:
    since = f" since {operation.since}" if operation.since is not None else ""
    until = f" until {operation.removed}" if operation.removed is not None else ""
    return f"{operation.name} exists in API versions{since}{until}; the negotiated one is {version}"
