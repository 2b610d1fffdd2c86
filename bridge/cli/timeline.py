"""Status events as lines for people."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from bridge.cli.console import printable

if TYPE_CHECKING:
    from rich.text import Text

_STYLES = {
    "success": "bold green", "error": "bold red", "aborted": "bold red", "rejected": "bold red",
    "canceled": "bold yellow", "expired": "bold yellow",
}  # fmt: skip
_CHANGE_STYLES = {"waiting": "yellow", "overdue": "magenta", "parked": "bold magenta"}
_BAR = 10
_WHY = 120
"""VCD's texts repeat ids at length; ``--json`` has them whole."""


def event_line(event: Mapping[str, Any], *, request_width: int = 0) -> Text:
    """``time  request  #sequence change  status  progress  why`` in one line, whatever the texts of VCD hold."""
    from rich.text import Text

    task = event.get("task") or {}
    outcome = event.get("outcome")
    style = _STYLES.get(outcome, "red") if outcome else _CHANGE_STYLES.get(event["change"], "cyan")
    name = event.get("request_id") or event.get("external_key") or _observed(event) or event["birth"]
    return Text.assemble(
        (clock_time(event.get("observed_at")), "dim"),
        "  ",
        (printable(str(name)).ljust(request_width), "bold"),
        "  ",
        (f"#{event['sequence']:<3}", "dim"),
        (printable(str(outcome or event["change"])).ljust(9), style),
        " ",
        printable(str(event.get("catalogue_operation") or "")).ljust(14),
        " ",
        task_status(task, final=bool(outcome)),
        (_why(event), "dim"),
    )


def any_line(event: Mapping[str, Any]) -> Text:
    """The line of a status event, or of one of a blocking task."""
    return event_line(event) if "change" in event else blocking_line(event)


def blocking_line(event: Mapping[str, Any]) -> Text:
    """``time  blocking task  #sequence state  operation  of whom  until when`` in one line."""
    from rich.text import Text

    organization, user = ((event.get(name) or {}).get("name") or "" for name in ("organization", "user"))
    until = clock_time(event.get("timeout"))
    waits = f"  {event.get('timeout_action') or 'ends'} at {until}" if until and not event["final"] else ""
    return Text.assemble(
        (clock_time(event.get("observed_at")), "dim"),
        "  ",
        (printable(str(event["id"])), "bold"),
        "  ",
        (f"#{event['sequence']:<3}", "dim"),
        (printable(str(event.get("state") or "")).ljust(9), "cyan" if event["final"] else "yellow"),
        " ",
        printable(f"{event.get('operation') or ''}  {organization} {user}".rstrip()),
        (printable(waits), "dim"),
    )


def _observed(event: Mapping[str, Any]) -> str | None:
    """The Task of an event that no request is behind."""
    return (event.get("task") or {}).get("id") if event.get("lifecycle") == "observation" else None


def clock_time(value: object) -> str:
    """Time of day, UTC, of an event's ``observed_at``: milliseconds since the epoch, or RFC 3339 text."""
    match value:
        case str():
            time = datetime.fromisoformat(value).astimezone(UTC)
        case int() | float():
            time = datetime.fromtimestamp(value / 1000, UTC)
        case _:
            return ""
    return time.strftime("%H:%M:%S.") + f"{time.microsecond // 1000:03}"


def task_status(task: Mapping[str, Any], *, final: bool) -> str:
    """``running ━━━╌╌╌╌╌╌╌  30 %``."""
    return f"{printable(str(task.get('status') or ''))}{progress_bar(task.get('progress'), final=final)}"


def progress_bar(percent: object, *, final: bool = False) -> str:
    if not isinstance(percent, int) or final:
        return ""
    filled = max(0, min(_BAR, percent * _BAR // 100))
    return f" {'━' * filled}{'╌' * (_BAR - filled)} {percent:>3} %"


def _why(event: Mapping[str, Any]) -> str:
    reason, error = event.get("reason") or {}, event.get("vcd_error") or {}
    told = [_shortened(str(error.get("message") or reason.get("message") or ""))]
    if (event.get("task") or {}).get("cancelRequested") and not event.get("outcome"):
        told.insert(0, "cancel requested")
    code = error.get("minorErrorCode") or reason.get("code")
    if code:
        told.append(f"({code})")
    text = printable(" ".join(part for part in told if part))
    return f"  {text}" if text else ""


def _shortened(text: str) -> str:
    return text if len(text) <= _WHY else f"{text[: _WHY - 1]}…"
