"""What comes in on ``vcd.external-tasks``: one record, decoded but not yet judged."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from bridge.core.requests import Malformed, SchemaUnavailable, Undecodable
from bridge.core.task import ErrorDocument, ResultDocument


class ExternalVerb(StrEnum):
    """What a record on the topic asks for."""

    CREATE = "create"
    UPDATE = "update"
    FINISH = "finish"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalCommand:
    """One decoded ``ExternalTaskCommand`` record (``schemas/external-task-command.avsc``).

    ``external_key`` is the record's key. A field that is None was not given: it takes its default on a create and
    stays as it is on an update or a finish. ``params`` and ``result.resultContent`` are JSON text. ``owner`` and
    ``user`` are URNs or hrefs, ``organization`` a name, uuid or URN.
    """

    verb: ExternalVerb
    external_key: str
    command_id: str | None = None
    revision: int | None = None
    service_namespace: str | None = None
    organization: str | None = None
    operation: str | None = None
    operation_name: str | None = None
    details: str | None = None
    description: str | None = None
    owner: str | None = None
    user: str | None = None
    status: str | None = None
    progress: int | None = None
    error: ErrorDocument | None = None
    result: ResultDocument | None = None
    params: str | None = None
    expire_after: timedelta | None = None
    correlation_id: str | None = None
    traceparent: str | None = None


DecodedExternal = ExternalCommand | Malformed | Undecodable | SchemaUnavailable
