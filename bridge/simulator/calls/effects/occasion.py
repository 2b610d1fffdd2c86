"""One call of an operation, and how an operation is modelled: what is checked, what shows at once, what comes later."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bridge.simulator.cloud import Cloud
from bridge.simulator.protocol.exchange import JsonObject, Refusal
from bridge.simulator.state.entities import Entity, EntityStore, User

if TYPE_CHECKING:
    from bridge.simulator.state.tasks.tasks import Task

RESOLVED, SUSPENDED, POWERED_ON, POWERED_OFF, MIXED, PARTIALLY_POWERED_OFF = 1, 3, 4, 8, 10, 20
CREATED, FAILED_CREATION = 0, -1
"""Statuses of vApps, VMs and new entities (VCD API documentation, ResourceEntityType)."""


@dataclass(slots=True, eq=False)
class Occasion:
    """One call of an operation.

    ``owner``: whom the Task belongs to, of an operation that creates something the new entity. ``container``: what the
    path names (the new entity's vDC, catalog, …), else the owner. ``tail``: what follows the id in the path, e.g.
    ``virtualHardwareSection/cpu``. ``now``: the call's time and, for an effect, that of the Task's end. ``memory``:
    what a check or a beginning found for the effect.
    """

    cloud: Cloud
    owner: Entity
    container: Entity
    user: User
    is_provider: bool
    parameters: Mapping[str, str]
    query: Mapping[str, str]
    body: JsonObject
    tail: str
    now: float
    task: Task | None = None
    memory: JsonObject = field(default_factory=dict)

    @property
    def store(self) -> EntityStore:
        return self.cloud.store

    def refuse_unless(
        self,
        holds: bool,  # noqa: FBT001  # reads like assert
        entity: Entity,
        text: str,
        *,
        code: str = "INVALID_STATE",
    ) -> None:
        """400 where the entity's state forbids the operation.

        Not with ``strict_states`` off, nor where entities come into being when they are addressed: nobody knows their
        past.
        """
        behavior = self.cloud.behavior
        if not holds and behavior.strict_states and not behavior.lenient_entities:
            raise Refusal(400, code, text)

    def referred(self, reference: Any) -> Entity | None:
        """The entity that a reference in the body names by its href or id, which end with its uuid."""
        if not isinstance(reference, dict):
            return None
        text = str(reference.get("href") or reference.get("id") or "").rstrip("/")
        return self.store.get(text[-36:].lower())


Effect = Callable[[Occasion], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Modelled:
    """What the simulator does for an operation; each part may be missing.

    Attributes:
        effect: What the Task's success brings.
        check: Raises a Refusal before there is a Task.
        begin: What shows at once, before the Task's end.
        creates: Kind of the new entity, which the Task belongs to.
        owner: Whom the Task belongs to, where it is neither the new entity nor the one that the path names.
        waits: Whether, after the beginning, the Task goes on until somebody else ends it, as that of an upload.
    """

    effect: Effect | None = None
    check: Effect | None = None
    begin: Effect | None = None
    creates: str | None = None
    owner: Callable[[Occasion], Entity] | None = None
    waits: Callable[[Occasion], bool] | None = None
