"""The one table of VCD's refusals: HTTP status, minor code and text to the reaction.

Source: HTTP status codes and minor error codes of the VCD API programming guide; BUSY_ENTITY texts as reported in
go-vcloud-director (both forms) and terraform-provider-vcd; retryable codes as in jclouds' error handler.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import Enum

from bridge.core.answers import Busy, CallAnswer, Limited, OutcomeUnknown, Refused, SessionExpired
from bridge.core.task import ErrorDocument
from bridge.vcd.documents.documents import UnreadableBody, read_body
from bridge.vcd.documents.lenient import BELIEVABLE_YEARS
from bridge.vcd.documents.wire import cut, read_error, task_urn


class Reaction(Enum):
    """What an answer that is no success means for the call."""

    BUSY = "busy"
    LIMITED = "limited"
    EXPIRED = "expired"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Row:
    """One row: it fits when the status is in its range and, where given, code and text fit."""

    statuses: range
    codes: frozenset[str | None] | None
    text: re.Pattern[str] | None
    reaction: Reaction

    def fits(self, status: int, code: str | None, message: str) -> bool:
        return (
            status in self.statuses
            and (self.codes is None or code in self.codes)
            and (self.text is None or self.text.search(message) is not None)
        )


def _only(status: int) -> range:
    return range(status, status + 1)


_REFUSALS = range(400, 500)
_SAYS_NOTHING: frozenset[str | None] = frozenset({None, "BAD_REQUEST", "UNKNOWN"})
_VERSION_TEXT = re.compile(r"invalid API version|unknown API version|Supported API versions are", re.IGNORECASE)
"""As in go-vcloud-director #477, vcd-cli #254, pyvcloud #736."""
_BUSY_TEXT = re.compile(r"is (currently )?busy(,| completing an operation|[.;]|$)", re.IGNORECASE)

TABLE: tuple[Row, ...] = (
    Row(_only(401), None, None, Reaction.EXPIRED),
    # The version that was negotiated at the login is gone: VCD was upgraded, and a new login negotiates anew.
    Row(_only(406), None, _VERSION_TEXT, Reaction.EXPIRED),
    Row(_only(429), None, None, Reaction.LIMITED),
    # A server or proxy that gave up waiting for the rest of a request may have passed the request on.
    Row(_only(408), None, None, Reaction.UNKNOWN),
    Row(_REFUSALS, frozenset({"BUSY_ENTITY"}), None, Reaction.BUSY),
    Row(_REFUSALS, frozenset({"OPERATION_LIMITS_EXCEEDED"}), None, Reaction.LIMITED),
    Row(_only(400), _SAYS_NOTHING, _BUSY_TEXT, Reaction.BUSY),
    Row(_REFUSALS, None, None, Reaction.REFUSED),
    # 500 may wrap another server's rate limit, 502 to 504 come from gateways and starting cells: none of them proves
    # that nothing was started. Redirects are never followed, and prove nothing either.
    Row(range(1000), None, None, Reaction.UNKNOWN),
)
"""Rows in order; the first that fits counts."""

_TASK_IN_TEXT = re.compile(
    r"(?:com\.vmware\.vcloud\.entity\.task:|urn:vcloud:task:|/api/task/)"
    r"([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer that is no success. ``error`` None where VCD sent no error document; ``text`` is its whole message."""

    status: int
    headers: Mapping[str, str]
    error: ErrorDocument | None
    text: str

    @property
    def minor_code(self) -> str | None:
        return self.error["minorErrorCode"] if self.error is not None else None

    @property
    def code(self) -> str:
        """VCD's minor code, or ``HTTP_<status>``."""
        return self.minor_code or f"HTTP_{self.status}"

    @property
    def message(self) -> str:
        return cut(self.text)

    @property
    def is_vcds_word(self) -> bool:
        """VCD's error documents carry a minor code, in both of its APIs; those of gateways in between do not."""
        return self.minor_code is not None

    @property
    def reaction(self) -> Reaction:
        return next(row.reaction for row in TABLE if row.fits(self.status, self.minor_code, self.text))

    def retry_after(self, now: datetime) -> timedelta | None:
        return read_retry_after(self.headers, now)


def read_refusal(status: int, headers: Mapping[str, str], body: bytes) -> Refusal:
    """The refusal of an answer, whatever its body is: VCD's JSON or XML error, a proxy's page, nothing."""
    error: ErrorDocument | None = None
    full = ""
    try:
        document = read_body(headers.get("content-type"), body)
    except UnreadableBody:
        document = None
    if document is not None and document.root in {None, "Error"}:
        error = read_error(document.content)
        message = document.content.get("message")
        full = message if isinstance(message, str) else ""
    if 300 <= status < 400:
        full = f"HTTP {status}: a redirect, which is never followed"
    return Refusal(status, headers, error, full or f"HTTP {status} without an error message")


def answer_of(refusal: Refusal, now: datetime, request_id: str | None) -> CallAnswer:
    """What a call makes of a refusal."""
    status, error, message = refusal.status, refusal.error, refusal.message
    match refusal.reaction:
        case Reaction.BUSY:
            named = _TASK_IN_TEXT.search(refusal.text)
            return Busy(
                message=message, http_status=status, task_id=task_urn(named[1].lower()) if named else None,
                error=error, vcd_request_id=request_id,
            )  # fmt: skip
        case Reaction.LIMITED:
            return Limited(
                code=refusal.code, message=message, http_status=status, retry_after=refusal.retry_after(now),
                error=error, vcd_request_id=request_id,
            )  # fmt: skip
        case Reaction.EXPIRED:
            return SessionExpired(message=message, http_status=status)
        case Reaction.REFUSED:
            return Refused(
                code=refusal.code, message=message, http_status=status, error=error, vcd_request_id=request_id
            )
        case Reaction.UNKNOWN:
            return OutcomeUnknown(
                code=refusal.code, message=message, http_status=status, error=error, vcd_request_id=request_id
            )


MAX_RETRY_AFTER = timedelta(hours=1)
"""Longest ``Retry-After`` that is honoured: beyond it the wait is a mistake of a proxy."""


def read_retry_after(headers: Mapping[str, str], now: datetime) -> timedelta | None:
    """``Retry-After`` in seconds or as an HTTP date, measured against the answer's own Date where there is one."""
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return min(timedelta(seconds=min(int(value), 10**6)), MAX_RETRY_AFTER)
    moment = read_http_date(value)
    if moment is None:
        return None
    wait = moment - (read_http_date(headers.get("date")) or now)
    return max(timedelta(0), min(wait, MAX_RETRY_AFTER))


def read_http_date(value: str | None) -> datetime | None:
    """An aware UTC time from an HTTP date; None for what is none, or too far from now to reckon with."""
    try:
        found = parsedate_to_datetime(value or "")
        found = (found if found.tzinfo is not None else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return found if found.year in BELIEVABLE_YEARS else None
