"""The state of one simulated cloud, shared by all handlers."""

from __future__ import annotations

import random
from dataclasses import dataclass

from bridge.simulator.behavior import Behavior
from bridge.simulator.clock import Clock
from bridge.simulator.documents.documents import Documents
from bridge.simulator.state.access.sessions import Sessions
from bridge.simulator.state.access.tokens import Tokens
from bridge.simulator.state.entities import EntityStore
from bridge.simulator.state.references import References
from bridge.simulator.state.tasks.limits import Limits
from bridge.simulator.state.tasks.scripts import WAITING, Script, ordinary
from bridge.simulator.state.tasks.tasks import Task, TaskEngine
from bridge.simulator.state.transfers import Transfers


@dataclass(slots=True)
class _Chosen:
    script: Script
    times: int | None


class ScriptBook:
    """Which script a new Task goes by: the entity's, else the operation's, else the default, else the ordinary one."""

    def __init__(self) -> None:
        self._by_entity: dict[str, _Chosen] = {}
        self._by_operation: dict[str, _Chosen] = {}
        self._default: _Chosen | None = None

    def set(
        self,
        script: Script | None,
        *,
        entity: str | None = None,
        operation: str | None = None,
        times: int | None = None,
    ) -> None:
        """Sets, or with None takes away, the script of an entity (bare uuid), of an operation, or of all the rest.

        Args:
            times: For how many Tasks; None: for all.
        """
        chosen = None if script is None else _Chosen(script, times)
        if entity is None and operation is None:
            self._default = chosen
            return
        table, key = (self._by_entity, entity) if entity is not None else (self._by_operation, operation or "")
        if chosen is None:
            table.pop(key or "", None)
        else:
            table[key or ""] = chosen

    def choose(self, operation: str, entity: str) -> Script | None:
        for table, key in ((self._by_entity, entity), (self._by_operation, operation)):
            chosen = table.get(key)
            if chosen is not None:
                if self._use(chosen):
                    del table[key]
                return chosen.script
        if self._default is None:
            return None
        chosen = self._default
        if self._use(chosen):
            self._default = None
        return chosen.script

    def clear(self) -> None:
        self._by_entity.clear()
        self._by_operation.clear()
        self._default = None

    @staticmethod
    def _use(chosen: _Chosen) -> bool:
        """Counts one use; True when it was the last."""
        if chosen.times is None:
            return False
        chosen.times -= 1
        return chosen.times <= 0


class Cloud:
    """Everything that is: entities, Tasks, sessions, scripts. ``seed`` makes all ids repeatable."""

    def __init__(
        self,
        store: EntityStore,
        clock: Clock,
        behavior: Behavior,
        *,
        public_url: str,
        maximum_tasks: int,
        seed: int | None,
    ) -> None:
        self.store = store
        self.clock = clock
        self.behavior = behavior
        self.engine = TaskEngine(maximum=maximum_tasks)
        self.sessions = Sessions(store)
        self.references = References(public_url)
        self.documents = Documents(self.references, store)
        self.scripts = ScriptBook()
        self.blocking: dict[str, Task] = {}
        self.transfers = Transfers()
        self._random = random.Random(seed)  # ids, not secrets
        self.tokens = Tokens(store, self.new_uuid)
        self._ordinary: tuple[float, Script] = (behavior.task_seconds, ordinary(behavior.task_seconds))
        self.apply_behavior()

    def apply_behavior(self) -> None:
        """Hands changed settings to those who keep a copy."""
        behavior = self.behavior
        self.store.lenient = behavior.lenient_entities
        self.sessions.idle_seconds = behavior.session_idle_seconds
        self.sessions.absolute_seconds = behavior.session_absolute_seconds
        self.sessions.lockout.attempts = behavior.lockout_attempts
        self.sessions.lockout.seconds = behavior.lockout_seconds
        self.documents.empty_owner_href_every = behavior.empty_owner_href_every
        self.documents.queued_has_start = behavior.queued_has_start
        self.documents.recent_task_seconds = behavior.recent_task_seconds
        self.documents.cells_apart_seconds = behavior.cells_apart_seconds
        self.engine.keep(behavior.activity_log_keep_days * 86400)
        limits = Limits(
            running_per_user=behavior.operations_per_user, running_per_org=behavior.operations_per_org,
            queued_per_user=behavior.queued_operations_per_user, queued_per_org=behavior.queued_operations_per_org,
        )  # fmt: skip
        if limits != self.engine.queue.defaults:
            self.engine.queue.set_defaults(limits, self.clock())

    def new_uuid(self) -> str:
        digits = f"{self._random.getrandbits(128):032x}"
        return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"

    def script_for(self, operation: str, entity: str, *, waits: bool = False) -> Script:
        """``waits``: where nobody chose a script, the Task goes on until somebody else ends it."""
        chosen = self.scripts.choose(operation, entity)
        if chosen is not None:
            return chosen
        if waits:
            return WAITING
        if self._ordinary[0] != self.behavior.task_seconds:
            self._ordinary = (self.behavior.task_seconds, ordinary(self.behavior.task_seconds))
        return self._ordinary[1]
