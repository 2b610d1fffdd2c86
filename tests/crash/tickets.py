"""One ticket's life for crash tests: created, updated, finished, each by a call of its own; and where one can die."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from tests.crash.work import becomes
from tests.support.external import ExternalSite

KEY = "CHG 1"
QUICK: dict[str, Any] = {
    "kafka": {"session_timeout_seconds": 3},
    "vcd": {"answer_timeout_seconds": 2.5, "lease_seconds": 1.5, "connect_timeout_seconds": 1},
    "external_tasks": {"update_interval_seconds": 0.05},
}
COMMANDS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("create", {"operation": "Change", "operationName": "change", "details": "created", "correlation_id": "T1"}),
    ("update", {"details": "updated", "progress": 50}),
    ("finish", {"details": "finished", "status": "success"}),
)
"""Each has details of its own, so that VCD shows which was the last."""


@dataclass(frozen=True, slots=True)
class Death:
    """Where a process dies around the call of a command, and what has to be true then.

    ``point`` is counted from where the command is durable, or from the start when it is already.
    ``phases``: of the task in the store, None when it is not there; ``shown``: VCD shows what was commanded (None:
    either may be).
    """

    point: str
    phases: Collection[str | None]
    shown: bool | None

    def check(self, site: ExternalSite, details: str) -> None:
        assert becomes(lambda: _phase(site) in self.phases), f"{self.point}: {_phase(site)}"
        shown = any(site.shows(KEY, details=details))
        assert self.shown in {None, shown}, f"{self.point}: {details} is {'' if shown else 'not '}shown"


def _phase(site: ExternalSite) -> str | None:
    return next(iter(site.store().values()), None)


TAKEN = "command_committed"
"""The point at which a command is durable."""
OPEN = ("received", "waiting")
"""A call is due, and its intent is not written."""

NOTED = Death(TAKEN, ("resolving", "waiting"), shown=False)
REFERENCES = Death("references_read", ("resolving",), shown=False)
DECIDED = Death("intent_decided", OPEN, shown=False)
SENT = Death("intent_decided,offsets_sent", OPEN, shown=False)
WRITTEN = Death("intent_decided,commit_answered", ("intent",), shown=False)
COMMITTED = Death("intent_committed", ("intent",), shown=False)
LEAVING = Death("request_leaving", ("intent",), shown=False)
ANSWERED = Death("call_answered", ("intent",), shown=True)
FOLLOWED = Death("answer_committed", ("following",), shown=True)
ENDED = Death("end_committed", (None,), shown=True)
# Of a process that finds a call in doubt:
RESTORING = Death("restoring:2", ("intent",), shown=None)
RESTORED = Death("restored:2", ("intent",), shown=None)
LOOKED = Death("looked", ("unsure",), shown=None)
