"""A decoded ``ActionRequest`` document, from whatever form, to a request or to what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from typing import Any

from bridge.avro.flat import EXTENSION
from bridge.avro.json_text import Flaw, is_text
from bridge.avro.times import parse_time
from bridge.core.events import Outcome
from bridge.core.requests import ActionRequest, JsonValue, Malformed, RequestKind, Resolution

CODES: dict[str, str] = {
    "invalid_type": "a field has a value of another type than its own",
    "missing_field": "a field that this kind of record needs is not there",
    "missing_request_id": "neither request_id nor the headers ce_source and ce_id name the request",
    "invalid_request_id": "request_id is not 1 to 256 printable characters",
    "unknown_kind": "kind is none of request, cancel, retry, resolve",
    "unknown_field": "the record has a field that ActionRequest does not have",
    "unexpected_field": "the field belongs to another kind of record",
    "duplicate_field": "one JSON object holds a name more than once",
    "conflicting_field": "a field is given twice, nested and dotted, with different values; or two exclude each other",
    "invalid_time": "a time is no RFC 3339 text with an offset and no number of milliseconds since the epoch",
    "invalid_value": "the value is none of those that the field takes",
    "invalid_number": "a number is beyond the range of a double",
    "invalid_text": "a string is not Unicode text",
    "too_deep": "the document is nested too deeply",
    "too_long": "a field is longer than it may be",
    "structured_event": "a CloudEvent in structured mode; binary mode is needed",
}
"""Reason codes told by the codec of requests -> meaning."""

FIELDS = (
    "kind", "request_id", "operation", "parameters", "query", "body", "organization", "correlation_id",
    "requested_by", "start_by", "watch_until", "target_request_id", "resolution",
)  # fmt: skip
RESOLUTION_FIELDS = ("outcome", "task_href", "reason", "decided_by")
MAX_TEXT = 1024
"""Characters of a text that travels to every event: headers and key of the event hold it again."""
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
        return Malformed(
            code=flaw.code,
            message=clean(flaw.message),
            field=clean(flaw.field) if flaw.field is not None else None,
            request_id=self.request_id,
            correlation_id=self.correlation_id,
            requested_by=self.requested_by,
            operation=self.operation,
            traceparent=self.traceparent,
        )


def clean(text: str) -> str:
    """Text that can be written as UTF-8: a stranger's name may hold half of a surrogate pair."""
    return text.encode(errors="backslashreplace").decode()


class _RefusedError(Exception):
    def __init__(self, code: str, message: str, field: str | None) -> None:
        self.flaw = Flaw(code, message, field)


def readable(document: Mapping[str, JsonValue], event_id: str | None, traceparent: str | None) -> Readable:
    """The answerable part of a document. ``event_id`` stands in for a missing ``request_id``."""
    request_id = document.get("request_id")
    candidate = event_id if request_id is None else request_id
    return Readable(
        request_id=candidate if isinstance(candidate, str) and _is_request_id(candidate) else None,
        correlation_id=_short_text(document.get("correlation_id")),
        requested_by=_short_text(document.get("requested_by")),
        operation=_short_text(document.get("operation")),
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
            _refuse_unknown(document)
        request = _request(document, who, event_id)
        _check_kind(request, document)
    except _RefusedError as refused:
        return who.malformed(refused.flaw)
    return request


def _request(document: Mapping[str, JsonValue], who: Readable, event_id: str | None) -> ActionRequest:
    kind = _kind(document)
    return ActionRequest(
        kind=kind,
        request_id=_request_id(document, kind, event_id),
        operation=_text(document, "operation"),
        parameters=_strings(document, "parameters"),
        query=_strings(document, "query"),
        body=_body(document),
        organization=_text(document, "organization"),
        correlation_id=_text(document, "correlation_id"),
        requested_by=_text(document, "requested_by"),
        start_by=_time(document, "start_by"),
        watch_until=_time(document, "watch_until"),
        target_request_id=_text(document, "target_request_id"),
        resolution=_resolution(document),
        traceparent=who.traceparent,
    )


def _check_kind(request: ActionRequest, document: Mapping[str, JsonValue]) -> None:
    """What each kind needs and what it cannot have."""
    if request.kind is RequestKind.REQUEST:
        for name in ("target_request_id", "resolution"):
            if document.get(name) is not None:
                raise _RefusedError(
                    "unexpected_field", f"{name} belongs to kind cancel, retry or resolve; set kind", name
                )
        if not request.operation:
            raise _RefusedError(
                "missing_field", "operation is needed: the name of an operation of the catalogue", "operation"
            )
        if request.request_id is None:
            message = "request_id is needed (or the CloudEvents headers ce_source and ce_id): it names the request"
            raise _RefusedError("missing_request_id", message, "request_id")
        return
    if not request.target_request_id:
        message = f"target_request_id is needed: the request_id of the request to {request.kind.value}"
        raise _RefusedError("missing_field", message, "target_request_id")
    resolution = request.resolution
    if request.kind is RequestKind.RESOLVE:
        if resolution is None or (resolution.outcome is None and resolution.task_href is None):
            raise _RefusedError("missing_field", "resolution is needed, with outcome or task_href", "resolution")
        if resolution.outcome is not None and resolution.task_href is not None:
            message = "resolution takes outcome (how it ended) or task_href (the Task to follow), not both"
            raise _RefusedError("conflicting_field", message, "resolution.task_href")


def _kind(document: Mapping[str, JsonValue]) -> RequestKind:
    text = _text(document, "kind")
    try:
        return RequestKind(text) if text is not None else RequestKind.REQUEST
    except ValueError:
        known = ", ".join(RequestKind)
        raise _RefusedError("unknown_kind", f"kind {_shown(text)} is unknown: give one of {known}", "kind") from None


def _request_id(document: Mapping[str, JsonValue], kind: RequestKind, event_id: str | None) -> str | None:
    value = document.get("request_id")
    if value is None:
        if event_id is None or _is_request_id(event_id):
            return event_id
        if kind is not RequestKind.REQUEST:
            return None
        message = f"the id made of the headers ce_source and ce_id must be 1-{MAX_REQUEST_ID} printable characters"
        raise _RefusedError("invalid_request_id", message, "request_id")
    # Another type than a string never comes here: such a record is not decodable.
    if isinstance(value, str) and _is_request_id(value):
        return value
    message = f"request_id must be 1-{MAX_REQUEST_ID} printable characters, not {_shown(value)}"
    raise _RefusedError("invalid_request_id", message, "request_id")


def _text(document: Mapping[str, JsonValue], name: str, prefix: str = "") -> str | None:
    value = document.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise _wrong_type(prefix + name, "a string", value)
    if not is_text(value):
        raise _RefusedError("invalid_text", f"{prefix}{name} holds half of a surrogate pair", prefix + name)
    if len(value) > MAX_TEXT:
        message = f"{prefix}{name} has {len(value)} characters, more than {MAX_TEXT}"
        raise _RefusedError("too_long", message, prefix + name)
    return value


def _strings(document: Mapping[str, JsonValue], name: str) -> Mapping[str, str]:
    value = document.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _wrong_type(name, "an object of strings", value)
    strings: dict[str, str] = {}
    for member, text in value.items():
        if text is None:
            continue
        if not isinstance(text, str):
            raise _wrong_type(f"{name}.{member[:100]}", "a string", text)
        strings[member] = text
    return strings


def _body(document: Mapping[str, JsonValue]) -> Mapping[str, JsonValue] | None:
    value = document.get("body")
    if value is not None and not isinstance(value, dict):
        raise _wrong_type("body", "an object", value)
    return value


def _time(document: Mapping[str, JsonValue], name: str) -> datetime | None:
    value = document.get(name)
    if value is None:
        return None
    try:
        return parse_time(value)
    except TypeError as error:
        raise _RefusedError("invalid_type", f"{name} {error}, not {_json_type(value)}", name) from None
    except ValueError as error:
        raise _RefusedError("invalid_time", f"{name}: {error}", name) from None


def _resolution(document: Mapping[str, JsonValue]) -> Resolution | None:
    value = document.get("resolution")
    if value is None:
        return None
    if not isinstance(value, dict):
        raise _wrong_type("resolution", "an object", value)
    resolution = Resolution(**{name: _text(value, name, "resolution.") for name in RESOLUTION_FIELDS})
    if resolution.outcome is not None and resolution.outcome not in set(Outcome):
        message = f"resolution.outcome {_shown(resolution.outcome)} is none of {', '.join(Outcome)}"
        raise _RefusedError("invalid_value", message, "resolution.outcome")
    return resolution


def _refuse_unknown(document: Mapping[str, JsonValue]) -> None:
    inner = document.get("resolution")
    scopes: list[tuple[str, Mapping[str, Any], tuple[str, ...]]] = [("", document, FIELDS)]
    if isinstance(inner, dict):
        scopes.append(("resolution.", inner, RESOLUTION_FIELDS))
    for prefix, members, known in scopes:
        for name in members:
            if name in known or EXTENSION.match(name):
                continue
            shown = prefix + name[:100]
            near = get_close_matches(name[:100].lower(), known, n=1, cutoff=0.6)
            hint = (
                f"did you mean {prefix}{near[0]}?" if near else f"known are {', '.join(known)}; your own begin with x_"
            )
            raise _RefusedError("unknown_field", f"{shown!r} is no field of ActionRequest: {hint}", shown)


def _is_request_id(text: str) -> bool:
    return 1 <= len(text) <= MAX_REQUEST_ID and text.isprintable()


def _short_text(value: object) -> str | None:
    return value if isinstance(value, str) and len(value) <= MAX_TEXT and is_text(value) else None


def _wrong_type(name: str, wanted: str, value: object) -> _RefusedError:
    hint = "; put it in quotes" if wanted == "a string" and isinstance(value, int | float) else ""
    return _RefusedError("invalid_type", f"{name} must be {wanted}, not {_json_type(value)}{hint}", name)


def _json_type(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case list():
            return "a list"
        case bytes():
            return "bytes"
        case _:
            return "an object"


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"
