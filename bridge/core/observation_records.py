"""What comes in on ``vcd.observations``: one record, decoded but not yet judged."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from bridge.core.requests import Malformed, SchemaUnavailable, Undecodable


class ObservationAction(StrEnum):
    """What a record on the topic asks for."""

    START = "start"
    STOP = "stop"


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One decoded ``Observation`` record (``schemas/observation.avsc``).

    ``organization`` is the record's key: a name, uuid or URN, or ``*``. ``is_tombstone``: the record has no value,
    which stops the observation and, where there is none, asks for nothing.
    """

    organization: str
    action: ObservationAction = ObservationAction.START
    since: datetime | None = None
    blocking_tasks: bool = False
    correlation_id: str | None = None
    requested_by: str | None = None
    traceparent: str | None = None
    is_tombstone: bool = False


DecodedObservation = Observation | Malformed | Undecodable | SchemaUnavailable
