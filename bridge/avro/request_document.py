"""A decoded ``ActionRequest`` document, from whatever form, to a request or to what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bridge.avro import judging
from bridge.avro.json_text import Flaw
from bridge.avro.judging import (
    RefusedError,
    is_printable,
    malformed,
    members,
    moment,
    refuse_unknown,
    short_text,
    shown,
    text,
    wrong_type,
)
from bridge.avro.shape import Inside, Shape
from bridge.core.events import RESOLVABLE
from bridge.core.requests import ActionRequest, JsonValue, Malformed, RequestKind, Resolution

CODES: dict[str, str] = {
    **judging.CODES,
    "missing_request_id": "neither request_id nor the headers ce_source and ce_id name the request",
    "invalid_request_id": "request_id is not 1 to 256 printable characters",
    "unknown_kind": "kind is none of request, cancel, retry, resolve",
    "unexpected_field": "the field belongs to another kind of record",
}
"""Reason codes told by the codec of requests -> meaning."""

FIELDS = (
    "kind", "request_id", "operation", "parameters", "query", "body", "organization", "correlation_id",
    "requested_by", "start_by", "watch_until", "target_request_id", "resolution",
)  # fmt: skip
RESOLUTION_FIELDS = ("outcome", "task_href", "reason", "decided_by")
SHAPE = Shape(
    record="ActionRequest",
    fields=FIELDS,
    inside={
        "parameters": Inside(),
        "query": Inside(),
        "body": Inside(levels=True, free=True, from_text=True),
        "resolution": Inside(),
    },
    objects={"resolution": RESOLUTION_FIELDS},
)
MAX_REQUEST_ID = 256


@dataclass(frozen=True, slots=True)
class Readable:
    """What an answer can repeat, whatever else is wrong with the record."""

    request_id: str | None = None
    correlation_id: str | None = None
    requested_by: str | None = None
    operation: str | None = None
    traceparent: str | None = None

    def malformed(self, flaw: Flaw) -> Malformed:
        return malformed(
            flaw,
            request_id=self.request_id,
            correlation_id=self.correlation_id,
            requested_by=self.requested_by,
            operation=self.operation,
            traceparent=self.traceparent,
        )


def readable(document: Mapping[str, JsonValue], event_id: str | None, traceparent: str | None) -> Readable:
    """The answerable part of a document. ``event_id`` stands in for a missing ``request_id``."""
    request_id = document.get("request_id")
    candidate = event_id if request_id is None else request_id
    return Readable(
        request_id=candidate if isinstance(candidate, str) and _is_request_id(candidate) else None,
        correlation_id=short_text(document.get("correlation_id")),
        requested_by=short_text(document.get("requested_by")),
        operation=short_text(document.get("operation")),
        traceparent=traceparent,
    )


def to_request(
    document: Mapping[str, JsonValue], who: Readable, event_id: str | None, *, closed: bool
) -> ActionRequest | Malformed:
    """Judge a nested document field by field; the first thing wrong is told.

    ``closed``: names that ActionRequest does not have are refused (JSON: a misspelt ``start_by`` must not be lost).
    In Avro they are what schema resolution leaves aside.
    """
    try:
        if closed:
            refuse_unknown(document, SHAPE)
        request = _request(document, who, event_id)
        _check_kind(request, document)
    except RefusedError as refused:
        return who.malformed(refused.flaw)
    return request


def _request(document: Mapping[str, JsonValue], who: Readable, event_id: str | None) -> ActionRequest:
    kind = _kind(document)
    return ActionRequest(
        kind=kind,
        request_id=_request_id(document, kind, event_id),
        operation=text(document, "operation"),
        parameters=_strings(document, "parameters"),
        query=_strings(document, "query"),
        body=members(document, "body"),
        organization=text(document, "organization"),
        correlation_id=text(document, "correlation_id"),
        requested_by=text(document, "requested_by"),
        start_by=moment(document, "start_by"),
        watch_until=moment(document, "watch_until"),
        target_request_id=text(document, "target_request_id"),
        resolution=_resolution(document),
        traceparent=who.traceparent,
    )


def _check_kind(request: ActionRequest, document: Mapping[str, JsonValue]) -> None:
    """What each kind needs and what it cannot have."""
    if request.kind is RequestKind.REQUEST:
        for name in ("target_request_id", "resolution"):
            if document.get(name) is not None:
                raise RefusedError(
                    "unexpected_field", f"{name} belongs to kind cancel, retry or resolve; set kind", name
                )
        if not request.operation:
            raise RefusedError(
                "missing_field", "operation is needed: the name of an operation of the catalogue", "operation"
            )
        if request.request_id is None:
            message = "request_id is needed (or the CloudEvents headers ce_source and ce_id): it names the request"
            raise RefusedError("missing_request_id", message, "request_id")
        return
    if not request.target_request_id:
        message = f"target_request_id is needed: the request_id of the request to {request.kind.value}"
        raise RefusedError("missing_field", message, "target_request_id")
    resolution = request.resolution
    if request.kind is RequestKind.RESOLVE:
        if resolution is None or (resolution.outcome is None and resolution.task_href is None):
            raise RefusedError("missing_field", "resolution is needed, with outcome or task_href", "resolution")
        if resolution.outcome is not None and resolution.task_href is not None:
            message = "resolution takes outcome (how it ended) or task_href (the Task to follow), not both"
            raise RefusedError("conflicting_field", message, "resolution.task_href")


def _kind(document: Mapping[str, JsonValue]) -> RequestKind:
    kind = text(document, "kind")
    try:
        return RequestKind(kind) if kind is not None else RequestKind.REQUEST
    except ValueError:
        known = ", ".join(RequestKind)
        raise RefusedError("unknown_kind", f"kind {shown(kind)} is unknown: give one of {known}", "kind") from None


def _request_id(document: Mapping[str, JsonValue], kind: RequestKind, event_id: str | None) -> str | None:
    value = document.get("request_id")
    if value is None:
        if event_id is None or _is_request_id(event_id):
            return event_id
        if kind is not RequestKind.REQUEST:
            return None
        message = f"the id made of the headers ce_source and ce_id must be 1-{MAX_REQUEST_ID} printable characters"
        raise RefusedError("invalid_request_id", message, "request_id")
    # Another type than a string never comes here: such a record is not decodable.
    if isinstance(value, str) and _is_request_id(value):
        return value
    message = f"request_id must be 1-{MAX_REQUEST_ID} printable characters, not {shown(value)}"
    raise RefusedError("invalid_request_id", message, "request_id")


def _strings(document: Mapping[str, JsonValue], name: str) -> Mapping[str, str]:
    value = document.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise wrong_type(name, "an object of strings", value)
    strings: dict[str, str] = {}
    for member, string in value.items():
        if string is None:
            continue
        if not isinstance(string, str):
            raise wrong_type(f"{name}.{member[:100]}", "a string", string)
        strings[member] = string
    return strings


def _resolution(document: Mapping[str, JsonValue]) -> Resolution | None:
    value = members(document, "resolution")
    if value is None:
        return None
    resolution = Resolution(**{name: text(value, name, "resolution.") for name in RESOLUTION_FIELDS})
    if resolution.outcome is not None and resolution.outcome not in RESOLVABLE:
        message = f"resolution.outcome {shown(resolution.outcome)} is none of {', '.join(RESOLVABLE)}"
        raise RefusedError("invalid_value", message, "resolution.outcome")
    return resolution


def _is_request_id(value: str) -> bool:
    return is_printable(value, MAX_REQUEST_ID)
