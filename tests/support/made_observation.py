"""Observations in the clean run made by hand: every kind of story that one, or what it sees, may have."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.support.checker.evidence import Blocked, CursorWrite, ObservationRecord, Order, Sighting, VcdTask
from tests.support.made import OBSERVATIONS, Made
from tests.support.made_external import clean_with_externals

ACME, GLOBEX = "uuid-acme", "uuid-globex"
_FORGOTTEN_SECONDS = 30.0
"""By so much the floor is behind the position."""


class Watched:
    """One observation of partition 0. ``key``: what its records name; ``organization``: the uuid of that, None: all."""

    def __init__(self, made: Made, key: str, organization: str | None) -> None:
        self.made = made
        self.key = key
        self.organization = organization
        self.birth = ""
        self.since = 0.0
        self.wants_blocking = False
        self.seen: dict[str, str] = {}
        """By Task: the birth of its story, as long as it is remembered."""

    # --- records ------------------------------------------------------------------------------------------------------

    def send(self, document: dict[str, Any] | None, *, is_tombstone: bool = False) -> str:
        made = self.made
        record = ObservationRecord(OBSERVATIONS, 0, made.end(OBSERVATIONS), document, self.key, is_tombstone)
        made.inputs.append(record)
        made.tick()
        return record.birth

    def passed(self, birth: str) -> str:
        self.made.write(CursorWrite, birth, next_offset=int(birth.rpartition("/")[2]) + 1)
        return birth

    def begin(self, **fields: Any) -> Watched:
        self.wants_blocking = bool(fields.get("blocking_tasks"))
        self.birth = self.send({"action": "start", **fields})
        self.since = self.made.now
        self.made.state(self.birth, "resolving", kind="observation")
        self.passed(self.birth)
        self.made.tick()
        return self

    def follow(self) -> Watched:
        self._tell(self.birth, "accepted")
        self.made.state(self.birth, "following", kind="observation", order=self._order())
        return self

    def stop(self, *, is_tombstone: bool = False) -> None:
        stop = self.send(None if is_tombstone else {"action": "stop"}, is_tombstone=is_tombstone)
        self.made.state(self.birth, "stopping", kind="observation", order=self._order())
        self.passed(stop)
        for task_id in list(self.seen):
            self.forget(task_id)
        self._tell(self.birth, "finished", outcome="success", code="observation_stopped")
        self.made.state(self.birth, None)

    def refused(self, code: str) -> None:
        self._tell(self.birth, "rejected", outcome="rejected", code=code)
        self.made.state(self.birth, None)

    def answered(self, code: str, action: str) -> str:
        birth = self.passed(self.send({"action": action}))
        self._tell(birth, "rejected", outcome="rejected", code=code)
        return birth

    # --- Tasks --------------------------------------------------------------------------------------------------------

    def active(self, task_id: str, status: str = "running") -> str:
        """A Task that is seen for the first time."""
        made = self.made
        birth = self.seen[task_id] = f"{OBSERVATIONS}/0/-{len(made.writes) + 1}"
        made.tasks.setdefault(task_id, VcdTask(status=status, organization=self.organization, began=made.now))
        self._tell(birth, "accepted", task_id=task_id, status=status)
        made.state(birth, "following", kind="observed_task", sighting=self._sighting(task_id))
        return birth

    def ended(self, task_id: str, status: str = "success") -> str:
        """Its end, seen at once or after a while."""
        made = self.made
        birth = self.seen.setdefault(task_id, f"{OBSERVATIONS}/0/-{len(made.writes) + 1}")
        began = made.tasks[task_id].began if task_id in made.tasks else made.now
        made.tasks[task_id] = VcdTask(status=status, organization=self.organization, began=began, ended=made.now)
        self._tell(birth, "finished", outcome=status, task_id=task_id, status=status, ended=made.now)
        made.state(birth, "kept", kind="observed_task", sighting=self._sighting(task_id, made.now - 0.5))
        return birth

    def vanished(self, task_id: str) -> str:
        made, birth = self.made, self.seen[task_id]
        began = made.tasks[task_id].began
        hidden = [(made.now, made.now + 10.0)]
        made.tasks[task_id] = VcdTask(status="running", organization=self.organization, began=began, hidden=hidden)
        self._tell(birth, "finished", outcome="unknown", code="task_vanished")
        made.state(birth, "kept", kind="observed_task", sighting=self._sighting(task_id, made.now))
        return birth

    def waits(self, urn: str) -> None:
        """A blocking task that is seen for the first time."""
        made = self.made
        birth = self.seen[urn] = f"{OBSERVATIONS}/0/-{len(made.writes) + 1}"
        blocked = Blocked(organization=self.organization or ACME, since=made.now)
        made.settings.setdefault("blocked", {}).setdefault(urn, blocked)
        self._tell(birth, "accepted")
        made.events[-1]["blocking_state"] = "pending"
        made.state(birth, "following", kind="blocking_task", sighting=self._sighting(urn, is_blocking=True))

    def decided(self, urn: str, action: str, state: str, outcome: str) -> None:
        made, birth = self.made, self.seen[urn]
        known = made.settings["blocked"][urn]
        made.settings["blocked"][urn] = replace(known, until=made.now, decided=action)
        self._tell(birth, "finished", outcome=outcome)
        made.events[-1]["blocking_state"] = state
        made.state(birth, "kept", kind="blocking_task", sighting=self._sighting(urn, made.now, is_blocking=True))

    def forget(self, task_id: str) -> None:
        self.made.state(self.seen.pop(task_id), None)

    def move(self) -> None:
        """Its position comes up to now."""
        self.made.tick()
        self.made.transaction += 1
        self.made.state(self.birth, "following", kind="observation", order=self._order())

    def _order(self) -> Order:
        now = self.made.now
        floor = max(self.since, now - _FORGOTTEN_SECONDS)
        return Order(organization=self.organization, position=now, floor=floor, blocking=self.wants_blocking)

    def _sighting(self, task_id: str, ended_at: float | None = None, *, is_blocking: bool = False) -> Sighting:
        return Sighting(order=self.birth, task_id=task_id, ended_at=ended_at, is_blocking=is_blocking)

    def _tell(
        self, birth: str, change: str, *, outcome: str | None = None, code: str | None = None,
        task_id: str | None = None, status: str | None = None, ended: float | None = None,
    ) -> None:  # fmt: skip
        self.made.tell(birth, change, outcome=outcome, code=code, task=task_id, status=status)
        event = self.made.events[-1]
        event["lifecycle"] = "observation"
        if ended is not None:
            event["task"]["endTime"] = int(ended * 1000)


def clean_with_observations() -> Made:
    """The clean run, with observations beside requests and external tasks."""
    made = clean_with_externals()
    acme = Watched(made, "acme", ACME).begin().follow()
    acme.passed(acme.send({"action": "start"}))
    _seen(acme)
    acme.stop()
    _refused(made)
    again = Watched(made, "acme", ACME).begin(blocking_tasks=True).follow()
    again.active("task:goes-on")
    again.waits("blocking:still")
    again.waits("blocking:decided")
    again.decided("blocking:decided", "abort", "aborted", "aborted")
    again.waits("blocking:failed-at-once")
    again.decided("blocking:failed-at-once", "resume", "failed", "error")
    everything = Watched(made, "*", None).begin().follow()
    everything.active("task:goes-on")
    globex = Watched(made, "globex", GLOBEX).begin().follow()
    globex.ended("task:of-globex")
    everything.ended("task:of-globex")
    made.tasks["task:of-globex"] = VcdTask(status="success", organization=GLOBEX, began=made.now - 1.0, ended=made.now)
    for event in made.events[-2:]:
        event["task"]["endTime"] = int(made.now * 1000)
    globex.stop(is_tombstone=True)
    for standing in (again, everything):
        standing.move()
    made.settings["judged_at"] = made.now + 20.0
    return made


def _seen(acme: Watched) -> None:
    acme.active("task:observed")
    acme.active("task:comes-back")
    acme.ended("task:short")
    acme.move()
    acme.vanished("task:comes-back")
    acme.ended("task:observed", "error")
    acme.move()
    acme.made.now += 2 * _FORGOTTEN_SECONDS
    acme.move()
    for task_id in list(acme.seen):
        acme.forget(task_id)
    acme.active("task:comes-back")
    acme.ended("task:recent")
    acme.made.now += 10.0
    acme.move()


def _refused(made: Made) -> None:
    nobody = Watched(made, "nobody", None)
    nobody.begin().refused("unknown_organization")
    nobody.answered("not_observed", "stop")
    nobody.passed(nobody.send(None, is_tombstone=True))
