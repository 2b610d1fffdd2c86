"""Operation limits: which Tasks of an organization may run, and which wait queued until others have ended.

Source: OrgOperationLimitsSettingsType (admin/vCloudEntities.xsd) and OperationLimitsSettingsType
(extension/settings.xsd) of the API schemas; the text of the refusal is a real server's (jclouds-vcloud-director,
OPERATION_LIMITS_EXCEEDED).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import Enum
from operator import attrgetter
from typing import Protocol

from bridge.simulator.protocol.exchange import JsonObject, Refusal

Begin = Callable[[float], None]
"""Lets a Task that has waited begin, at that time."""

_number = attrgetter("number")


class Place(Enum):
    """Where a Task stands that counts for the limits."""

    RUNNING = "running"
    WAITING = "waiting"


class User(Protocol):
    """What is asked of a user."""

    @property
    def name(self) -> str: ...


class Organization(User, Protocol):
    """What is asked of an organization: also its settings, among its ``properties``."""

    @property
    def properties(self) -> JsonObject: ...


class Countable(Protocol):
    """What is asked of a Task."""

    place: Place | None

    @property
    def number(self) -> int: ...
    @property
    def org(self) -> Organization: ...
    @property
    def user(self) -> User: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How many Tasks run side by side, and how many may wait besides; 0: any number."""

    running_per_user: int = 0
    running_per_org: int = 0
    queued_per_user: int = 0
    queued_per_org: int = 0


OWN_LIMITS = "orgOperationLimitsSettings"
"""Where an organization's settings have its own limits (OrgSettingsType)."""

_OWN_KEYS = {
    "operationsPerUser": "running_per_user", "operationsPerOrg": "running_per_org",
    "queuedOperationsPerUser": "queued_per_user", "queuedOperationsPerOrg": "queued_per_org",
}  # fmt: skip


def limits_of(org: Organization, defaults: Limits) -> Limits:
    """An organization's own limits, and the system's where it has none."""
    own = (org.properties.get("settings") or {}).get(OWN_LIMITS)
    if not own:
        return defaults
    said = {name: max(0, own[key]) for key, name in _OWN_KEYS.items() if isinstance(own.get(key), int)}
    return replace(defaults, **said)


@dataclass(slots=True)
class _Load:
    """What one organization has going. ``waiting``: each user's Tasks in the order in which they came."""

    running: int = 0
    running_of: dict[User, int] = field(default_factory=dict)
    queued: int = 0
    waiting: dict[User, OrderedDict[Countable, Begin]] = field(default_factory=dict)

    def run(self, task: Countable) -> None:
        task.place = Place.RUNNING
        self.running += 1
        self.running_of[task.user] = self.running_of.get(task.user, 0) + 1

    def wait(self, task: Countable, begin: Begin) -> None:
        task.place = Place.WAITING
        self.queued += 1
        self.waiting.setdefault(task.user, OrderedDict())[task] = begin

    def remove(self, task: Countable) -> Begin | None:
        """What a waiting Task would have begun with."""
        place, task.place = task.place, None
        if place is Place.RUNNING:
            self.running -= 1
            left = self.running_of[task.user] - 1
            if left:
                self.running_of[task.user] = left
            else:
                del self.running_of[task.user]
            return None
        self.queued -= 1
        queue = self.waiting[task.user]
        begin = queue.pop(task)
        if not queue:
            del self.waiting[task.user]
        return begin

    def has_room(self, user: User, limits: Limits) -> bool:
        if limits.running_per_org and self.running >= limits.running_per_org:
            return False
        return not limits.running_per_user or self.running_of.get(user, 0) < limits.running_per_user

    def next(self, limits: Limits) -> Countable | None:
        """The Task that came first of those that may run now."""
        heads = [next(iter(queue)) for user, queue in self.waiting.items() if self.has_room(user, limits)]
        return min(heads, key=_number, default=None)


class OperationQueue:
    """Counts VCD's own Tasks that have not ended, by the organization of what they are about and by user."""

    def __init__(self) -> None:
        self.defaults = Limits()
        self._loads: dict[Organization, _Load] = {}
        self._starting = False
        self.queued = 0
        """How many wait, of all organizations."""

    def set_defaults(self, limits: Limits, now: float) -> None:
        self.defaults = limits
        self.reconsider(now)

    def check(self, org: Organization, user: User) -> None:
        """Before anything of an operation happens.

        Raises:
            Refusal: 400 OPERATION_LIMITS_EXCEEDED where its Task would have to wait and no more may.
        """
        load = self._loads.get(org)
        if load is None or load.has_room(user, limits := self._limits(org)):
            return
        of_user = len(load.waiting.get(user, ()))
        if limits.queued_per_user and of_user >= limits.queued_per_user:
            raise _exceeded(f'user "{user.name}" on organization "{org.name}"')
        if limits.queued_per_org and load.queued >= limits.queued_per_org:
            raise _exceeded(f'organization "{org.name}"')

    def enter(self, task: Countable, begin: Begin) -> bool:
        """Whether a new Task may run now; else ``begin`` is called as soon as it may."""
        load = self._loads.get(task.org)
        if load is None:
            load = self._loads[task.org] = _Load()
        if load.has_room(task.user, self._limits(task.org)):
            load.run(task)
            return True
        load.wait(task, begin)
        self.queued += 1
        return False

    def leave(self, task: Countable, at: float) -> None:
        """A Task has ended, or waits no longer because it is being canceled."""
        if task.place is None:
            return
        load = self._loads[task.org]
        self._remove(task, load)
        if load.queued:
            self._start_waiting(task.org, load, at)
        elif not load.running:
            del self._loads[task.org]

    def overtake(self, task: Countable) -> None:
        """Somebody has moved a waiting Task on by hand."""
        if task.place is Place.WAITING:
            load = self._loads[task.org]
            self._remove(task, load)
            load.run(task)

    def reconsider(self, at: float) -> None:
        """Starts what may run now: limits may have changed."""
        for org, load in list(self._loads.items()):
            if load.queued:
                self._start_waiting(org, load, at)

    def _start_waiting(self, org: Organization, load: _Load, at: float) -> None:
        if self._starting:
            return  # a Task ended as it began: the loop that began it goes on
        self._starting = True
        try:
            while (task := load.next(self._limits(org))) is not None:
                begin = self._remove(task, load)
                load.run(task)
                if begin is not None:
                    begin(at)
        finally:
            self._starting = False

    def _remove(self, task: Countable, load: _Load) -> Begin | None:
        begin = load.remove(task)
        self.queued -= begin is not None
        return begin

    def _limits(self, org: Organization) -> Limits:
        return limits_of(org, self.defaults)


def _exceeded(whose: str) -> Refusal:
    text = f"The maximum number of simultaneous operations for {whose} has been reached."
    return Refusal(400, "OPERATION_LIMITS_EXCEEDED", text)
