"""One operation of the catalogue, as typed data."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from enum import StrEnum

from bridge.catalogue.probes import Probe

__all__ = [
    "AnswerShape", "BodyRule", "Destroys", "HoldAction", "Lane", "Operation", "Parameter", "Probe", "Recovery",
    "TaskSign",
]  # fmt: skip

_LAST_PARAMETER = re.compile(r"\{([A-Za-z]+)\}$")
_HOLD_ACTION = re.compile(r"/admin/extension/blockingTask/\{id\}/action/(resume|abort|fail|updateProgress)")
_BEYOND_ORGANIZATIONS = (
    "/admin/extension/",
    "/admin/orgs",
    "/admin/providervdc/",
    "/admin/pvdcStorageProfile/",
    "/site/",
)


class AnswerShape(StrEnum):
    """How VCD is documented to answer. Only a hint: the client reads every shape from every operation."""

    TASK = "task"
    ENTITY = "entity"
    """The entity with its Task inside (``tasks.task[]``)."""
    LOCATION = "location"
    """202 with an empty body and ``Location``."""
    HEADER = "header"
    """200 with ``X-VMWARE-VCLOUD-TASK-LOCATION``."""
    SYNCHRONOUS = "synchronous"
    """No Task of its own: a Task in the answer was there before the call."""


class Recovery(StrEnum):
    """What may be done when the outcome of a call is unknown and no Task of it is found."""

    IDEMPOTENT = "idempotent"
    """The same call again leaves the same state."""
    PROBE = "probe"
    """A GET shows whether what the call wanted is so."""
    KEYED = "keyed"
    """Carries operationKey, which helps recognition; recovers like PROBE where a GET shows the new entity by name."""
    DECISION = "decision"
    """Ends what VCD holds until somebody decides. A GET shows whether it is held still: only then may the call be made
    again. Where it is not, the Task that was held shows which decision took effect."""
    NEVER_RETRY = "never_retry"
    """Never called twice."""


class HoldAction(StrEnum):
    """What is done to a blocking task: a Task that VCD holds in preRunning until somebody decides."""

    RESUME = "resume"
    ABORT = "abort"
    FAIL = "fail"
    UPDATE_PROGRESS = "updateProgress"
    """Puts its time-out off; decides nothing."""

    @property
    def decides(self) -> bool:
        """Whether it ends the hold."""
        return self is not HoldAction.UPDATE_PROGRESS


class Lane(StrEnum):
    """Whether requests for the same entity run one at a time."""

    ENTITY = "entity"
    NONE = "none"


class TaskSign(StrEnum):
    """By what a Task of an operation is told from all others when the answer that named it was lost."""

    ENTITY = "entity"
    """It belongs to the entity that the path names."""
    NAME = "name"
    """It belongs to a new entity of the name that the body gives."""
    NONE = "none"
    """Nothing: it belongs to something that neither path nor body names by an id, or there is no Task."""


class BodyRule(StrEnum):
    """Whether a request brings a body for VCD."""

    REQUIRED = "required"
    OPTIONAL = "optional"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Parameter:
    """A path parameter. ``kinds`` are the entity kinds it takes (see ``kinds.py``); empty: free text, e.g. a key."""

    name: str
    kinds: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Destroys:
    """A body that makes the call destructive: ``field`` (dotted, through lists: any element) is given and not null.

    With ``value`` only where the field means it; an empty list as ``value``: the list is empty or not given at all.
    """

    field: str
    value: str | bool | tuple[()] | None = None

    def __str__(self) -> str:
        if self.value is None:
            return f"body.{self.field}"
        return f"body.{self.field} {'empty or missing' if self.value == () else f'= {json.dumps(self.value)}'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One row of the catalogue. Paths are relative to ``/api`` and exactly as VMware prints them."""

    name: str
    method: str
    path: str
    parameters: tuple[Parameter, ...]
    query: tuple[str, ...]
    body_type: str | None
    body_rule: BodyRule
    media_type: str | None
    """The ``+json`` form, without version; None without body."""
    answer: AnswerShape
    entity: str | None
    """Path template of the entity that a Task of this operation belongs to, e.g. ``/vApp/{id}``; None for creates."""
    lane: Lane
    created_name: str | None
    """Dotted field of the body that names the new entity of a create; recovery recognises the create by it."""
    key_field: str | None = None
    """Dotted field of the body where operationKey travels; exactly for ``keyed``."""
    destructive: bool
    """Removes or overwrites something that a person cannot get back by an opposite operation."""
    destructive_when: tuple[Destroys, ...] = ()
    """Bodies that make the call destructive where the operation as such is not."""
    recovery: Recovery
    recovery_reason: str
    """One line: why this class and no other."""
    probe: Probe | None
    since: str | None
    deprecated: str | None
    removed: str | None
    vcd_operation_name: str | None
    """VCD's own operationName, only where a source shows it."""
    on_task_page: bool
    stream: str | None
    """Name of the topic setting where this operation has a stream of its own, else None."""
    source: str

    @property
    def makes_task(self) -> bool:
        """Whether a Task in the answer can be of this call."""
        return self.answer is not AnswerShape.SYNCHRONOUS

    @property
    def task_sign(self) -> TaskSign:
        """By what recovery finds its Task. Owners are compared by uuid: a path that ends in a name finds nothing."""
        if not self.makes_task:
            return TaskSign.NONE
        last = _LAST_PARAMETER.search(self.entity or "")
        if last is not None and any(one.name == last[1] and one.kinds for one in self.parameters):
            return TaskSign.ENTITY
        return TaskSign.NAME if self.created_name is not None else TaskSign.NONE

    @property
    def hold_action(self) -> HoldAction | None:
        """What it does to the blocking task that its path names; None: it is about something else."""
        found = _HOLD_ACTION.fullmatch(self.path)
        return HoldAction(found[1]) if found is not None else None

    @property
    def provider_wide(self) -> bool:
        """What the path names belongs to the provider or to all organizations, not to one."""
        return self.path.startswith(_BEYOND_ORGANIZATIONS)
