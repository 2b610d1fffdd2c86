"""The simulator's switches: given at the start, changeable while it runs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

DEFAULT_VERSIONS = (
    "35.0", "35.2", "36.0", "36.1", "36.2", "36.3", "37.0", "37.1", "37.2", "37.3", "38.0", "38.1", "39.0", "39.1",
)  # fmt: skip
DEPRECATED_VERSIONS = ("35.0", "35.2", "36.0", "36.1", "36.2")


_MOST_SKEW_SECONDS = 10 * 365 * 86400.0
"""A clock further back than ten years is a mistake in a setting."""

BLOCKING_ACTIONS = ("resume", "abort", "fail")
_VERSION = re.compile(r"\d+\.\d+(\.\d+)?(-alpha(-\d+)?)?")


class SettingError(ValueError):
    """An unknown setting or a value of the wrong type."""


@dataclass(slots=True, kw_only=True)
class Behavior:
    """Each field is a setting of ``POST /simulator/settings``.

    ``task_seconds``: how long an unscripted Task lasts. ``busy_parents``: a busy vApp holds its VMs and the other way
    round. ``keep_operation_keys``: an operationKey in a body shows on the Task. ``recent_task_seconds``: how long an
    entity lists a Task that has ended. ``query_lag_seconds``: the task query shows the state of so long ago.
    ``late_rows``, ``late_row_seconds``: for which part of the Tasks it shows the end so much later than it was.
    ``lockout_attempts``: so many refused logins within ``lockout_seconds`` lock an account for as long; 0: never.
    ``consistent_pages``: pages of one sequence come from one snapshot. ``blocking_operations``: catalogue names whose
    Tasks wait in preRunning for ``blocking_timeout_seconds``, then ``blocking_timeout_action`` (resume, abort, fail).
    ``operations_per_user``, ``operations_per_org``: how many Tasks run side by side, the others wait queued;
    ``queued_operations_per_user``, ``queued_operations_per_org``: how many wait, the others are refused; 0: no limit.
    ``activity_log_keep_days``: how long after its end a Task is kept; 0: until its expiryTime.
    ``cells_apart_seconds``: the cell that carries every second Task out writes its end by a clock that is so far ahead.
    ``clock_ahead_seconds``: how far its clock is ahead of the machine's; changed at run time it is a clock that is set.
    ``strict_states``: what an entity's state forbids, such as powering on what is powered on, is INVALID_STATE;
    not with ``lenient_entities``.
    ``bus_loss``, ``bus_duplicates``: which part of the messages is lost or comes twice; ``bus_delay_seconds``: each
    comes up to so late, and so out of order; ``bus_silent``: none comes.
    ``uploads_wait``: the Task of an upload ends when its files are there; else after ``task_seconds``, without them.
    """

    task_seconds: float = 2.0
    busy: bool = True
    busy_parents: bool = True
    old_busy_text: bool = False
    lenient_entities: bool = False
    strict_states: bool = True
    uploads_wait: bool = True
    keep_operation_keys: bool = False
    recent_task_seconds: float = 60.0
    query_lag_seconds: float = 0.0
    late_rows: float = 0.0
    late_row_seconds: float = 10.0
    consistent_pages: bool = True
    queued_has_start: bool = True
    empty_owner_href_every: int = 0
    session_idle_seconds: float = 1800.0
    session_absolute_seconds: float = 86400.0
    lockout_attempts: int = 0
    lockout_seconds: float = 600.0
    blocking_operations: tuple[str, ...] = ()
    blocking_timeout_seconds: float = 86400.0
    blocking_timeout_action: str = "resume"
    operations_per_user: int = 0
    operations_per_org: int = 0
    queued_operations_per_user: int = 0
    queued_operations_per_org: int = 0
    activity_log_keep_days: float = 0.0
    versions: tuple[str, ...] = DEFAULT_VERSIONS
    deprecated_versions: tuple[str, ...] = DEPRECATED_VERSIONS
    alpha_versions: tuple[str, ...] = ()
    keep_bodies: bool = False
    bus_silent: bool = False
    bus_loss: float = 0.0
    bus_duplicates: float = 0.0
    bus_delay_seconds: float = 0.0
    clock_ahead_seconds: float = 0.0
    cells_apart_seconds: float = 0.0

    def change(self, document: Mapping[str, Any]) -> None:
        """Sets what the document names; all of it or, with an error, nothing."""
        changes = {name: self._checked(name, value) for name, value in document.items()}
        for name, value in changes.items():
            setattr(self, name, value)

    def _checked(self, name: str, value: Any) -> Any:
        known = {field.name for field in fields(self)}
        if name not in known:
            raise SettingError(f"unknown setting '{name}'; known: {', '.join(sorted(known))}")
        if name == "blocking_timeout_action" and value not in BLOCKING_ACTIONS:
            raise SettingError(f"'{name}' takes one of: {', '.join(BLOCKING_ACTIONS)}")
        present = getattr(self, name)
        if isinstance(present, tuple):
            if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
                raise SettingError(f"'{name}' takes a list of texts")
            if name.endswith("versions") and not all(_VERSION.fullmatch(one) for one in value):
                raise SettingError(f"'{name}' takes versions such as 39.0")
            return tuple(value)
        if isinstance(present, bool) or isinstance(value, bool):
            if isinstance(present, bool) and isinstance(value, bool):
                return value
            raise SettingError(f"'{name}' takes {'true or false' if isinstance(present, bool) else 'a number or text'}")
        if isinstance(present, str):
            if isinstance(value, str):
                return value
            raise SettingError(f"'{name}' takes text")
        least = -_MOST_SKEW_SECONDS if name in ("clock_ahead_seconds", "cells_apart_seconds") else 0
        if isinstance(value, (int, float)) and value >= least:
            return type(present)(value)
        raise SettingError(f"'{name}' takes a number, {least:g} or more")

    def document(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self)}
