"""What VCD said to a call, in the core's words. The ``vcd`` folder turns every answer and fault into one of these."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from bridge.core.blocking_task import BlockingTask
from bridge.core.requests import JsonValue
from bridge.core.task import ErrorDocument, ReferenceDocument, Task


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpCall:
    """One call that changes VCD, complete but for host, session and version.

    ``path`` is relative to ``/api`` with parameters filled in and quoted; ``media_type`` without version parameter,
    None for a body-less call; ``organization`` as the requester gave it (name, uuid or URN) or None.
    """

    operation: str
    method: str
    path: str
    query: Mapping[str, str]
    body: Mapping[str, JsonValue] | None
    media_type: str | None
    call_id: str
    organization: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """VCD made a Task (any of the answer shapes). ``task.status`` is None when only its address was told."""

    task: Task
    http_status: int
    vcd_request_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A synchronous success: 200/201/204 without any Task."""

    http_status: int
    vcd_request_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """VCD said no for good; nothing was started."""

    code: str
    message: str
    http_status: int | None
    """None: refused before anything was sent."""
    error: ErrorDocument | None = None
    vcd_request_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Busy:
    """BUSY_ENTITY: another Task holds the entity; nothing was started. ``task_id``: URN where the text named one."""

    message: str
    http_status: int
    task_id: str | None = None
    error: ErrorDocument | None = None
    vcd_request_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limited:
    """Not now, and nothing was started: 429, OPERATION_LIMITS_EXCEEDED. ``retry_after`` where the server gave it."""

    code: str
    message: str
    http_status: int
    retry_after: timedelta | None = None
    error: ErrorDocument | None = None
    vcd_request_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionExpired:
    """401 to a call: VCD did not accept it; a replay is a new attempt."""

    message: str
    http_status: int = 401


@dataclass(frozen=True, slots=True, kw_only=True)
class NeverSent:
    """Proven by the transport's classifier or by the lease: no byte of the request can have been acted on."""

    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeUnknown:
    """The request may have been acted on: time-out, reset, 500, 502, 503, 504, anything not understood."""

    code: str
    message: str
    http_status: int | None = None
    error: ErrorDocument | None = None
    vcd_request_id: str | None = None


CallAnswer = Accepted | Done | Refused | Busy | Limited | SessionExpired | NeverSent | OutcomeUnknown


@dataclass(frozen=True, slots=True)
class TaskRead:
    """A Task as it is now."""

    task: Task


@dataclass(frozen=True, slots=True)
class TaskVanished:
    """403 or 404 for a Task: gone, or never visible to us. Not a conclusion about its outcome."""

    http_status: int
    message: str


@dataclass(frozen=True, slots=True)
class Unavailable:
    """VCD could not be asked now; ask again later. Says nothing about the thing asked for."""

    message: str
    retry_after: timedelta | None = None


@dataclass(frozen=True, slots=True)
class ReadRefused:
    """VCD will not answer this question, however often it is asked (400, 405, 406 in its own words)."""

    http_status: int
    message: str


TaskReading = TaskRead | TaskVanished | Unavailable


class CancelAnswer(StrEnum):
    """VCD's word on a cancel request; the end of the Task is what the Task says."""

    REQUESTED = "requested"
    REFUSED = "refused"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRecord:
    """One row of the task query (type=task or adminTask).

    ``operation_name`` is the row's ``name``; ``object_href`` its ``object``; ``owner_name`` the *user's* name, not the
    Task's owner; ``organization`` the bare uuid of the organization. The row has neither error nor cancelRequested.
    """

    id: str
    status: str
    progress: int | None
    operation_name: str | None
    operation: str | None
    object_href: str | None
    object_name: str | None
    owner_name: str | None
    service_namespace: str | None
    start_date: datetime | None
    end_date: datetime | None
    organization: str | None = None
    organization_name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskQuery:
    """A task query in the core's words; the ``vcd`` folder writes the filter and its encoding.

    All given conditions hold together. ``statuses``, ``ids`` and ``organizations`` (bare uuids) are alternatives among
    themselves; ``or_ended_at_or_after`` is one more alternative to the statuses: Tasks that are in one of them, or
    have ended since. ``own_only`` keeps Tasks of the bridge's own user. Times are server time.
    """

    statuses: tuple[str, ...] = ()
    or_ended_at_or_after: datetime | None = None
    organizations: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    own_only: bool = False
    object_href: str | None = None
    operation_name: str | None = None
    service_namespace: str | None = None
    started_at_or_after: datetime | None = None
    ended_at_or_after: datetime | None = None
    sort_ascending: str | None = None
    page: int = 1
    page_size: int = 128


@dataclass(frozen=True, slots=True)
class TaskPage:
    """One page of the task query; ``total`` counts all rows; ``server_time`` from the Date header where sent."""

    records: tuple[TaskRecord, ...]
    page: int
    total: int
    server_time: datetime | None


@dataclass(frozen=True, slots=True)
class BlockingPage:
    """One page of the blocking task query, see ``TaskPage``. A row does not tell what the held Task works on."""

    records: tuple[BlockingTask, ...]
    total: int
    server_time: datetime | None


@dataclass(frozen=True, slots=True)
class BlockingRead:
    """A blocking task that waits for a decision."""

    blocking: BlockingTask


@dataclass(frozen=True, slots=True)
class BlockingAbsent:
    """403 or 404 for a blocking task: it was decided, its time ran out, or we may not see it."""

    http_status: int
    message: str


BlockingReading = BlockingRead | BlockingAbsent | ReadRefused | Unavailable


@dataclass(frozen=True, slots=True)
class EntityRead:
    """An entity's JSON document and the Tasks it lists (queued, running, recently completed)."""

    document: Mapping[str, JsonValue]
    tasks: tuple[Task, ...]
    server_time: datetime | None = None


@dataclass(frozen=True, slots=True)
class EntityAbsent:
    """403 or 404 for an entity: it does not exist, or we may not see it."""

    http_status: int
    message: str


EntityReading = EntityRead | EntityAbsent | ReadRefused | Unavailable


class ReferenceKind(StrEnum):
    """What a reference of an external task names."""

    ORGANIZATION = "organization"
    """By name, uuid, URN or href; it is given."""
    OWNER = "owner"
    """Any object, by URN or href."""
    USER = "user"
    """By URN or href; None is the bridge's own user."""


@dataclass(frozen=True, slots=True)
class ReferenceRead:
    """The object exists and we see it: its reference in VCD's own words, ``type`` and ``name`` included.

    ``uuid`` is the last part of its ``id``: an organization's names its task list.
    """

    reference: ReferenceDocument
    uuid: str


@dataclass(frozen=True, slots=True)
class ReferenceAbsent:
    """Nothing of that name exists, or we may not see it; ``message`` says what was looked for and what VCD said."""

    message: str


ReferenceReading = ReferenceRead | ReferenceAbsent | ReadRefused | Unavailable
