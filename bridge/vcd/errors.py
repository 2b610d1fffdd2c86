"""VCD's errors become reactions, in one table.

Sources: VCD API programming guide (HTTP status codes, request limits), RestConstants of vcd-api-bindings-java (minor
codes), jclouds' retry handler (BUSY_ENTITY and OPERATION_LIMITS_EXCEEDED are HTTP 400), go-vcloud-director #616 and #780
(the texts of busy entities, rate limits wrapped in 500), terraform-provider-vcd #482 (401 with an empty body).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import Any

from bridge.core.answers import Busy, CallAnswer, Limited, OutcomeUnknown, Refused, SessionExpired
from bridge.vcd.wire import TEXT_LIMIT, read_error


class Reaction(Enum):
    """What an answer that is no success means for the call."""

    REFUSED = "refused"
    BUSY = "busy"
    LIMITED = "limited"
    SESSION = "session"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Rule:
    """A row: it holds where every given condition does. ``status`` None: any."""

    reaction: Reaction
    status: int | None = None
    minor: str | None = None
    text: re.Pattern[str] | None = None


_BUSY_TEXT = re.compile(r"is (currently )?busy( completing an operation|, cannot proceed|\b)", re.IGNORECASE)

RULES: tuple[Rule, ...] = (
    Rule(Reaction.SESSION, status=401),
    Rule(Reaction.BUSY, status=400, minor="BUSY_ENTITY"),
    Rule(Reaction.BUSY, status=409, minor="BUSY_ENTITY"),
    Rule(Reaction.LIMITED, status=400, minor="OPERATION_LIMITS_EXCEEDED"),
    Rule(Reaction.LIMITED, status=429),
    Rule(Reaction.BUSY, status=400, text=_BUSY_TEXT),
    Rule(Reaction.UNKNOWN, status=408),
)
"""First match wins; below them 4xx is a refusal, everything else may have been acted on."""

_TASK_IN_TEXT = re.compile(
    r"(?:com\.vmware\.vcloud\.entity\.task:|urn:vcloud:task:)"
    r"([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})",
    re.IGNORECASE,
)


def react(status: int, minor: str | None, message: str) -> Reaction:
    """The reaction to an HTTP status that is no success."""
    for rule in RULES:
        fits = rule.status in (None, status) and rule.minor in (None, minor)
        if fits and (rule.text is None or rule.text.search(message)):
            return rule.reaction
    return Reaction.REFUSED if 400 <= status < 500 else Reaction.UNKNOWN


def unsuccessful(
    status: int, document: Mapping[str, Any], headers: Mapping[str, str], vcd_request_id: str | None, now: datetime
) -> CallAnswer:
    """The answer to a call whose status is no success; ``document`` is empty where the body was empty or unreadable."""
    error = read_error(document) if document else None
    minor = error["minorErrorCode"] if error else None
    message = ((error["message"] if error else None) or f"HTTP {status} without a message")[:TEXT_LIMIT]
    code = minor or f"HTTP_{status}"
    match react(status, minor, message):
        case Reaction.SESSION:
            return SessionExpired(message=message)
        case Reaction.BUSY:
            return Busy(
                message=message,
                http_status=status,
                task_id=busy_task(message),
                error=error,
                vcd_request_id=vcd_request_id,
            )
        case Reaction.LIMITED:
            return Limited(
                code=code, message=message, http_status=status, retry_after=retry_after(headers, now), error=error,
                vcd_request_id=vcd_request_id,
            )  # fmt: skip
        case Reaction.REFUSED:
            return Refused(code=code, message=message, http_status=status, error=error, vcd_request_id=vcd_request_id)
        case Reaction.UNKNOWN:
            return OutcomeUnknown(
                code=code, message=message, http_status=status, error=error, vcd_request_id=vcd_request_id
            )


def busy_task(message: str) -> str | None:
    """URN of the Task that a busy entity's message names. (Newer texts name it as an entity reference.)"""
    found = _TASK_IN_TEXT.search(message)
    return f"urn:vcloud:task:{found.group(1).lower()}" if found else None


def retry_after(headers: Mapping[str, str], now: datetime) -> timedelta | None:
    """``Retry-After`` in seconds or as an HTTP date; None where absent, unreadable or past."""
    value = headers.get("retry-after", "").strip()
    if value.isdecimal():
        return timedelta(seconds=min(int(value), 86_400))
    try:
        moment = parsedate_to_datetime(value)
    except (TypeError, ValueError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(moment - now, timedelta(0)) or None
