"""Reason codes that a lifecycle's events carry besides VCD's own minor codes."""

from __future__ import annotations

CODES: dict[str, str] = {
    "start_by_passed": "the request was not called before start_by",
    "watch_until_passed": "not finished before watch_until; told once, the Task is still followed",
    "canceled_before_start": "canceled by request before VCD had started anything",
    "canceled_while_parked": "given up by a cancel while parked; what VCD did stays unknown",
    "retries_exhausted": "VCD accepted none of the calls that the retry budget allows",
    "session_expired": "VCD did not accept the session's token; the call is made again with a new one",
    "unsendable_request": "the request cannot be written as HTTP; nothing was sent",
    "unknown_organization": "VCD shows no organization of this name to the bridge's user",
    "proven_by_state": "the answer was lost; the wanted state holds, whether by this call or by something else",
    "outcome_unknown": "parked: the call's outcome is unknown, and calling again is not allowed",
    "ambiguous": "parked: several Tasks could be this request's",
    "task_vanished": "VCD no longer shows the Task, so its end is unknown: parked, or the end of an observed Task",
    "state_unreadable": "parked: the lifecycle's record in the store cannot be read",
    "resolved": "ended by an operator's resolve record",
}
"""Reason code -> meaning."""
