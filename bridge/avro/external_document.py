"""A decoded ``ExternalTaskCommand`` document, from whatever form, to a command or to what is wrong with it.

What may be set of a Task: VMware's TaskType page. What the command means for its Task is decided later.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from bridge.avro import judging
from bridge.avro.external_shape import NOT_SETTABLE, SHAPE
from bridge.avro.json_text import Flaw, JsonTextError, parse
from bridge.avro.judging import RefusedError, is_printable, members, refuse_unknown, shown, text, whole
from bridge.core.external_commands import ExternalCommand, ExternalVerb
from bridge.core.external_limits import MAX_EXPIRE_AFTER, MAX_EXTERNAL_KEY
from bridge.core.requests import JsonValue
from bridge.core.task import ErrorDocument, ReferenceDocument, ResultDocument, TaskStatus, TenantErrorDocument

CODES: dict[str, str] = {
    **judging.CODES,
    "external_key_missing": "the record has no key, which names the external task",
    "external_key_invalid": "the record's key is not 1 to 256 printable characters in UTF-8",
    "unknown_command": "command is none of create, update, finish",
    "field_not_settable": "VCD has the field, and sets it itself",
    "progress_out_of_range": "progress is not 0 to 100",
    "unknown_status": "status is none that VCD documents for a Task",
    "status_not_allowed": "an update would end the Task, or a finish would not",
}
"""Reason codes told by the codec of external tasks -> meaning."""

MAX_LONG_TEXT = 32_768
"""Characters of a text that people read in VCD and that travels in the Task only."""
MAJOR_ERROR_CODE = 500
MINOR_ERROR_CODE = "INTERNAL_SERVER_ERROR"
"""Of errors without: ErrorType of common.xsd needs both; pyvcloud and the services on it give these (its task.py)."""
_INT = 2**31
_LONG = 2**63

STATUSES = tuple(status.value for status in TaskStatus if status not in {TaskStatus.POST_RUNNING, TaskStatus.CANCELED})
"""The statuses that VCD documents for a Task."""
ENDS = frozenset({"success", "error", "aborted"})
_BY_SPELLING = {status.casefold(): status for status in STATUSES}
_STATUS_HINTS = {
    "canceled": "a Task whose work was canceled ends as aborted",
    "cancelled": "a Task whose work was canceled ends as aborted",
    "postrunning": "VCD has it for its own work; stay running, then finish, as aborted where the work was canceled",
}


def external_key(key: bytes | None) -> str | Flaw:
    """The external key that a record's key is, or what is wrong with it."""
    if not key:
        message = "the record has no key: the key names the external task, e.g. the number of its ticket"
        return Flaw("external_key_missing", message)
    try:
        found = key.decode()
    except UnicodeDecodeError:
        return Flaw("external_key_invalid", "the record's key is not UTF-8 text: send the external key as plain text")
    if not is_printable(found, MAX_EXTERNAL_KEY):
        message = f"the record's key must be 1-{MAX_EXTERNAL_KEY} printable characters, not {shown(found)}"
        return Flaw("external_key_invalid", message)
    return found


def open_texts(document: dict[str, Any]) -> list[Flaw]:
    """In Avro, free content is JSON text: replaces it in place by what it means."""
    holders: list[tuple[dict[str, Any], str, str]] = [(document, "params", "params")]
    result = document.get("result")
    if isinstance(result, dict):
        holders.append((result, "resultContent", "result.resultContent"))
    flaws: list[Flaw] = []
    for holder, name, told in holders:
        content = holder.get(name)
        if content is None:
            continue
        if not isinstance(content, str):
            # A schema of the sender's own could hold bytes or NaN here, which JSON cannot carry.
            flaws.append(Flaw("invalid_type", f"{told} must be JSON text", told))
            continue
        try:
            parsed = parse(content)
        except JsonTextError as error:
            flaws.append(Flaw("invalid_type", f"{told} must be JSON text (text itself in quotes): {error}", told))
            continue
        flaws += parsed.flaws
        holder[name] = parsed.value
    return flaws


def to_command(
    document: Mapping[str, JsonValue], key: str, traceparent: str | None, *, closed: bool
) -> ExternalCommand:
    """Judge a nested document field by field. Raises RefusedError for the first thing wrong.

    ``closed``: names that ExternalTaskCommand does not have are refused.
    """
    if closed:
        refuse_unknown(document, SHAPE)
    verb = _verb(document)
    expire_after = whole(document, "expire_after_seconds", least=1, most=MAX_EXPIRE_AFTER // timedelta(seconds=1))
    return ExternalCommand(
        verb=verb,
        external_key=key,
        command_id=_command_id(document),
        revision=whole(document, "revision", least=-_LONG, most=_LONG - 1),
        service_namespace=text(document, "serviceNamespace"),
        organization=_organization(document),
        operation=text(document, "operation"),
        operation_name=text(document, "operationName"),
        details=text(document, "details", most=MAX_LONG_TEXT),
        description=text(document, "description", most=MAX_LONG_TEXT),
        owner=text(document, "owner"),
        user=text(document, "user"),
        status=_status(document, verb),
        progress=whole(document, "progress", least=0, most=100, code="progress_out_of_range"),
        error=_error(document),
        result=_result(document),
        params=free_content(document.get("params"), "params"),
        expire_after=timedelta(seconds=expire_after) if expire_after is not None else None,
        correlation_id=text(document, "correlation_id"),
        traceparent=traceparent,
    )


def _verb(document: Mapping[str, JsonValue]) -> ExternalVerb:
    command = text(document, "command")
    known = ", ".join(ExternalVerb)
    if command is None:
        raise RefusedError("missing_field", f"command is needed: one of {known}", "command")
    try:
        return ExternalVerb(command)
    except ValueError:
        message = f"command {shown(command)} is unknown: give one of {known}"
        raise RefusedError("unknown_command", message, "command") from None


def _command_id(document: Mapping[str, JsonValue]) -> str | None:
    command_id = text(document, "command_id")
    if command_id is not None and not is_printable(command_id, MAX_EXTERNAL_KEY):
        message = f"command_id must be 1-{MAX_EXTERNAL_KEY} printable characters, not {shown(command_id)}"
        raise RefusedError("invalid_value", message, "command_id")
    return command_id


def _organization(document: Mapping[str, JsonValue]) -> str | None:
    if isinstance(document.get("organization"), dict):
        reason = NOT_SETTABLE["organization."]
        raise RefusedError("field_not_settable", f"organization cannot be a reference: {reason}", "organization")
    return text(document, "organization")


def _status(document: Mapping[str, JsonValue], verb: ExternalVerb) -> str | None:
    given = text(document, "status")
    if given is None:
        return None
    status = _BY_SPELLING.get(given.casefold())
    if status is None:
        hint = _STATUS_HINTS.get(given.casefold())
        message = f"status {shown(given)} is none of {', '.join(STATUSES)}{f': {hint}' if hint else ''}"
        raise RefusedError("unknown_status", message, "status")
    if verb is ExternalVerb.UPDATE and status in ENDS:
        raise RefusedError("status_not_allowed", f"status {status} would end the Task: send finish", "status")
    if verb is ExternalVerb.FINISH and status not in ENDS:
        message = f"status {status} is no end: a finish takes success, error or aborted; send update"
        raise RefusedError("status_not_allowed", message, "status")
    return status


def _error(document: Mapping[str, JsonValue]) -> ErrorDocument | None:
    given = members(document, "error")
    if given is None:
        return None
    tenant_error = _error_members(members(given, "tenantError", "error."), "error.tenantError.")
    error = _error_members(given, "error.")
    if error is None:
        if tenant_error is None:
            return None
        raise RefusedError("missing_field", "error.message is needed beside error.tenantError", "error.message")
    return ErrorDocument(
        message=error["message"],
        majorErrorCode=error["majorErrorCode"],
        minorErrorCode=error["minorErrorCode"],
        vendorSpecificErrorCode=error["vendorSpecificErrorCode"],
        tenantError=tenant_error,
    )


def _error_members(given: Mapping[str, JsonValue] | None, prefix: str) -> TenantErrorDocument | None:
    """VCD's type needs message and both codes; codes that are not given are those that services use."""
    if given is None:
        return None
    message = text(given, "message", prefix, most=MAX_LONG_TEXT)
    major = whole(given, "majorErrorCode", prefix, least=-_INT, most=_INT - 1)
    minor = text(given, "minorErrorCode", prefix)
    vendor = text(given, "vendorSpecificErrorCode", prefix)
    if message is None:
        if major is None and minor is None and vendor is None:
            return None
        raise RefusedError(
            "missing_field", f"{prefix}message is needed: VCD takes no error without", f"{prefix}message"
        )
    return TenantErrorDocument(
        message=message,
        majorErrorCode=MAJOR_ERROR_CODE if major is None else major,
        minorErrorCode=MINOR_ERROR_CODE if minor is None else minor,
        vendorSpecificErrorCode=vendor,
    )


def _result(document: Mapping[str, JsonValue]) -> ResultDocument | None:
    given = members(document, "result")
    if given is None:
        return None
    content = free_content(given.get("resultContent"), "result.resultContent")
    reference = _reference(members(given, "resultReference", "result."), "result.resultReference.")
    if content is not None and reference is not None:
        message = "result takes resultContent or resultReference, not both"
        raise RefusedError("conflicting_field", message, "result.resultReference")
    if content is None and reference is None:
        return None
    return ResultDocument(resultContent=content, resultReference=reference)


def _reference(given: Mapping[str, JsonValue] | None, prefix: str) -> ReferenceDocument | None:
    if given is None:
        return None
    reference = ReferenceDocument(
        href=text(given, "href", prefix),
        id=text(given, "id", prefix),
        type=text(given, "type", prefix),
        name=text(given, "name", prefix),
    )
    if all(value is None for value in reference.values()):
        return None
    if not reference["href"]:
        raise RefusedError("missing_field", f"{prefix}href is needed: VCD takes no reference without", f"{prefix}href")
    return reference


def free_content(content: JsonValue, name: str) -> str | None:
    """Free content as JSON text. The text of an object or a list, all that flat JSON can give, is that."""
    if isinstance(content, str) and content.lstrip()[:1] in {"{", "["}:
        content = _opened(content, name)
    return None if content is None else json.dumps(content, ensure_ascii=False, separators=(",", ":"))


def _opened(content: str, name: str) -> JsonValue:
    try:
        parsed = parse(content)
    except JsonTextError:
        return content
    if parsed.flaws:
        flaw = parsed.flaws[0]
        raise RefusedError(flaw.code, f"{name}: {flaw.message}", name)
    return parsed.value
