"""How a Task goes: a list of (seconds after its start, status, progress, details, text), read, never run by a timer."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

from bridge.catalogue.types import load_types
from bridge.simulator.protocol.exchange import JsonObject

FINAL = frozenset({"success", "error", "aborted", "canceled"})
CANCEL_WAYS = ("honor", "ignore", "refuse")
CANCEL_SECONDS = 1.0
"""From a cancel to the end that it brings: a cancel only requests (VCD API docs, POST-CancelTask)."""


class ScriptError(ValueError):
    """A script that cannot be read: names the field and what it takes."""


@dataclass(frozen=True, slots=True)
class Step:
    """What a Task shows from ``after`` seconds on. ``operation`` None: the text that fits the status."""

    after: float
    status: str
    progress: int | None = None
    details: str = ""
    operation: str | None = None


DEFAULT_ERROR: JsonObject = {
    "message": "The requested operation could not be executed.",
    "majorErrorCode": 400,
    "minorErrorCode": "BAD_REQUEST",
    "vendorSpecificErrorCode": None,
    "stackTrace": "com.vmware.vcloud.api.presentation.service.BadRequestException (simulated)",
    "tenantError": {
        "message": "The operation failed. Contact your administrator.",
        "majorErrorCode": 400,
        "minorErrorCode": "BAD_REQUEST",
        "vendorSpecificErrorCode": None,
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """Steps in order of time and what surrounds them.

    ``cancel``: ``honor`` ends the Task ``cancel_seconds`` later with ``cancel_status``; ``ignore`` only sets
    cancelRequested, which is what people report of real servers (fog, post_cancel_task.rb); ``refuse`` answers 400.
    ``canceled`` left the documented statuses with API 36, so an honored cancel comes to ``aborted``.
    ``vanish_after``: seconds after its creation the Task answers 403. ``answer`` replaces the documented shape of the
    answer; ``blocked`` makes a blocking task of it.
    """

    steps: tuple[Step, ...]
    error: JsonObject = field(default_factory=lambda: DEFAULT_ERROR)
    result: JsonObject | None = None
    vc_tasks: tuple[JsonObject, ...] = ()
    cancel: str = "honor"
    cancel_status: str = "aborted"
    cancel_seconds: float = CANCEL_SECONDS
    vanish_after: float | None = None
    answer: str | None = None
    blocked: bool = False
    times: tuple[float, ...] = field(init=False, default=())
    ends_after: float | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        object.__setattr__(self, "times", tuple(step.after for step in self.steps))
        ends = next((step.after for step in self.steps if step.status in FINAL), None)
        object.__setattr__(self, "ends_after", ends)

    def at(self, elapsed: float) -> Step:
        index = bisect_right(self.times, elapsed) - 1
        return self.steps[max(index, 0)]


def standing(step: Step, like: Script) -> Script:
    """A script that stays where it is."""
    return replace(like, steps=(replace(step, after=0.0),))


def ordinary(seconds: float, status: str = "success") -> Script:
    """queued, running with progress in fifths, then ``status`` after ``seconds``; 0: final at first sight."""
    if seconds <= 0:
        return Script(steps=(Step(0.0, status, 100 if status == "success" else None),))
    steps = [Step(0.0, "queued")]
    steps += [Step(seconds * (0.1 + 0.18 * fifth), "running", fifth * 20) for fifth in range(5)]
    steps.append(Step(seconds, status, 100 if status == "success" else None))
    return Script(steps=tuple(steps))


WAITING = Script(steps=(Step(0.0, "running", 0),))
"""Goes on until somebody else ends it, as an upload does."""


def _without_progress(seconds: float) -> Script:
    return Script(steps=(Step(0.0, "queued"), Step(seconds * 0.1, "running"), Step(seconds, "success")))


def _unknown_status(seconds: float) -> Script:
    return Script(
        steps=(
            Step(0.0, "queued"), Step(seconds * 0.2, "running", 10), Step(seconds * 0.5, "postRunning", 90),
            Step(seconds * 0.7, "expectingAction", 90), Step(seconds, "success"),
        )
    )  # fmt: skip


def _post_running(seconds: float) -> Script:
    """``postRunning`` is in no document; go-vcloud-director met it on real servers (PR #790)."""
    return Script(
        steps=(
            Step(0.0, "queued"), Step(seconds * 0.1, "running", 0), Step(seconds * 0.8, "postRunning", 100),
            Step(seconds, "success", 100),
        )
    )  # fmt: skip


def _below_100(seconds: float) -> Script:
    """Never 100 %: terraform-provider-vcd PR #1273 waited for it for ever."""
    return replace(ordinary(seconds), steps=(*ordinary(seconds).steps[:-1], Step(seconds, "success", 80)))


PRESETS: dict[str, Callable[[float], Script]] = {
    "success": ordinary,
    "error": lambda seconds: ordinary(seconds, "error"),
    "aborted": lambda seconds: ordinary(seconds, "aborted"),
    "canceled": lambda seconds: ordinary(seconds, "canceled"),
    "final-at-once": lambda _seconds: ordinary(0.0),
    "no-progress": _without_progress,
    "never-ends": lambda seconds: Script(steps=(Step(0.0, "queued"), Step(seconds * 0.1, "running", 10))),
    "stays-queued": lambda _seconds: Script(steps=(Step(0.0, "queued"),)),
    "post-running": _post_running,
    "unknown-status": _unknown_status,
    "below-100": _below_100,
    "backward": lambda seconds: Script(
        steps=(
            Step(0.0, "queued"), Step(seconds * 0.2, "running", 50), Step(seconds * 0.4, "queued", 20),
            Step(seconds * 0.6, "running", 60), Step(seconds, "success", 100),
        )
    ),
    "blocking": lambda seconds: replace(ordinary(seconds), blocked=True),
}  # fmt: skip
"""Scripts by name; each takes the seconds a Task lasts."""

_FIELDS = {
    "preset", "seconds", "steps", "error", "result", "vc_tasks", "cancel", "cancel_status", "cancel_seconds",
    "vanish_after", "answer", "blocked",
}  # fmt: skip
_ANSWERS = ("task", "entity", "location", "header", "synchronous")


def read_script(document: Mapping[str, Any], default_seconds: float) -> Script:
    """A script from JSON: ``{"preset": name, "seconds": n}`` or ``{"steps": [[after, status, progress, details,
    operation], ...]}``, with the other fields of :class:`Script` beside.

    Raises:
        ScriptError: Unknown field or preset, steps out of order, a wrong type.
    """
    unknown = set(document) - _FIELDS
    if unknown:
        raise ScriptError(f"unknown field '{min(unknown)}'; known: {', '.join(sorted(_FIELDS))}")
    if "steps" in document:
        base = Script(steps=_steps(document["steps"]))
    else:
        name = document.get("preset", "success")
        preset = PRESETS.get(name) if isinstance(name, str) else None
        if preset is None:
            raise ScriptError(f"unknown preset '{name}'; known: {', '.join(sorted(PRESETS))}")
        base = preset(_seconds(document, "seconds", default_seconds) or 0.0)
    changes: dict[str, Any] = {}
    if "cancel_status" in document:
        changes["cancel_status"] = document["cancel_status"]
    if document.get("result") is not None:
        changes["result"] = _typed(_object(document, "result"), "ResultType", "result")
    if "error" in document:
        error = _typed(_object(document, "error"), "ErrorType", "error")
        if error.get("tenantError") is not None:
            _typed(_object(error, "tenantError"), "TenantErrorType", "tenantError")
        changes["error"] = {**DEFAULT_ERROR, "tenantError": None, **error}
    if "vc_tasks" in document:
        changes["vc_tasks"] = _vc_tasks(document["vc_tasks"])
    changes["cancel"] = _choice(document, "cancel", CANCEL_WAYS, base.cancel)
    changes["answer"] = _choice(document, "answer", _ANSWERS, None)
    changes["cancel_seconds"] = _seconds(document, "cancel_seconds", base.cancel_seconds) or 0.0
    changes["vanish_after"] = _seconds(document, "vanish_after", None)
    changes["blocked"] = bool(document.get("blocked", base.blocked))
    return replace(base, **changes)


def _steps(rows: Any) -> tuple[Step, ...]:
    if not isinstance(rows, list) or not rows:
        raise ScriptError("'steps' takes a list of [after seconds, status, progress, details, operation]")
    steps = []
    for row in rows:
        try:
            step = Step(**row) if isinstance(row, dict) else Step(*row)
            steps.append(replace(step, after=float(step.after), status=str(step.status)))
        except (TypeError, ValueError):
            raise ScriptError(
                f"not a step: {row!r}; it takes [after seconds, status, progress, details, text]"
            ) from None
    if any(later.after < earlier.after for earlier, later in pairwise(steps)):
        raise ScriptError("'steps' must be in order of their seconds")
    if any(step.status in FINAL for step in steps[:-1]):
        raise ScriptError("a final status may only be the last step")
    return tuple(steps)


def _seconds(document: Mapping[str, Any], name: str, default: float | None) -> float | None:
    value = document.get(name, default)
    if value is None or (isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0):
        return value
    raise ScriptError(f"'{name}' takes seconds, 0 or more")


def _choice(document: Mapping[str, Any], name: str, allowed: tuple[str, ...], default: Any) -> Any:
    value = document.get(name, default)
    if value is None or value in allowed:
        return value
    raise ScriptError(f"'{name}' takes one of: {', '.join(allowed)}")


def _vc_tasks(rows: Any) -> tuple[JsonObject, ...]:
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ScriptError("'vc_tasks' takes a list of objects")
    return tuple(_typed(row, "VcTaskType", "vc_tasks") for row in rows)


def _typed(document: JsonObject, name: str, field_name: str) -> JsonObject:
    """A Task shows it as it is: its keys must be those of its type."""
    known = load_types()[name].by_key
    unknown = set(document) - set(known) - {"otherAttributes", "_type"}
    if unknown:
        raise ScriptError(f"'{field_name}': unknown key '{min(unknown)}'; known: {', '.join(sorted(known))}")
    return document


def _object(document: Mapping[str, Any], name: str) -> JsonObject:
    value = document[name]
    if not isinstance(value, dict):
        raise ScriptError(f"'{name}' takes an object")
    return value
