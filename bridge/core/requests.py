"""What comes in on ``vcd.action-requests``: one record, decoded but not yet judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

JsonValue = None | bool | int | float | str | list["JsonValue"] | dict[str, "JsonValue"]


class RequestKind(StrEnum):
    """What a record on the topic asks for."""

    REQUEST = "request"
    CANCEL = "cancel"
    RETRY = "retry"
    RESOLVE = "resolve"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """An operator's word on a parked lifecycle.

    ``outcome`` is one of the event's outcomes; or ``task_href`` names the Task to follow.
    """

    outcome: str | None = None
    task_href: str | None = None
    reason: str | None = None
    decided_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionRequest:
    """One decoded ``ActionRequest`` record (``schemas/action-request.avsc``).

    ``body`` is the parsed JSON object for VCD or None. Times are aware UTC.
    """

    kind: RequestKind = RequestKind.REQUEST
    request_id: str | None = None
    operation: str | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, JsonValue] | None = None
    organization: str | None = None
    correlation_id: str | None = None
    requested_by: str | None = None
    start_by: datetime | None = None
    watch_until: datetime | None = None
    target_request_id: str | None = None
    resolution: Resolution | None = None
    traceparent: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Malformed:
    """A record that decodes but is refused: wrong type, missing field, unknown ``kind``, no ``request_id``.

    It is answered with a ``rejected`` event that carries what could be read.
    """

    code: str
    message: str
    field: str | None
    request_id: str | None = None
    external_key: str | None = None
    correlation_id: str | None = None
    requested_by: str | None = None
    operation: str | None = None
    traceparent: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Undecodable:
    """A record nobody can be answered about; it goes to the dead-letter topic as received.

    ``stage`` is ``KEY_CONVERTER`` | ``VALUE_CONVERTER``; ``error_class`` and ``message`` tell why.
    """

    stage: str
    error_class: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaUnavailable:
    """The registry cannot be asked for this schema id now; intake of the record waits (bounded by the codec's user)."""

    schema_id: int
    message: str


class SchemaAnswer(StrEnum):
    """What asking the registry for a schema id brought."""

    LEARNT = "learnt"
    REFUSED = "refused"
    """The registry itself says that the id gives no schema that values are read with."""
    UNANSWERED = "unanswered"
    """It cannot be reached, or is not able to say."""


Decoded = ActionRequest | Malformed | Undecodable | SchemaUnavailable
