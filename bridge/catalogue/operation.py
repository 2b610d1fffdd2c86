"""One operation of the catalogue, as typed data."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


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


class Recovery(StrEnum):
    """What may be done when the outcome of a call is unknown and no Task of it is found."""

    IDEMPOTENT = "idempotent"
    """The same call again leaves the same state."""
    PROBE = "probe"
    """A GET, a field and a value prove that it happened."""
    KEYED = "keyed"
    """Carries operationKey, which helps recognition; recovers like PROBE."""
    NEVER_RETRY = "never_retry"
    """Never called twice."""


class Lane(StrEnum):
    """Whether requests for the same entity run one at a time."""

    ENTITY = "entity"
    NONE = "none"


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
class Probe:
    """Proof that a call happened: ``GET path`` (a template like the operation's), the dotted ``field``, the ``value``.

    ``value`` is JSON text; ``body:<dotted name>`` means the value the request's body had there, ``present`` that the
    field exists, ``absent`` that it is missing or null. An empty ``field`` is the entity itself: ``absent`` then means
    that the GET answers 403 or 404. A step ``name[key={parameter}]`` of the field is the element of the list ``name``
    whose ``key`` equals the path parameter.
    """

    path: str
    field: str
    value: str


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
    destructive_when: str | None = None
    """Dotted field of the body that makes the call destructive when it is given."""
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
