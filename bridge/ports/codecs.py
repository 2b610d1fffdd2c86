"""Records as bytes, and back."""

from __future__ import annotations

from typing import Protocol

from bridge.core.events import StatusEvent
from bridge.core.external_commands import DecodedExternal
from bridge.core.lifecycle import Cursor, Ended, Lifecycle, StoredRequest
from bridge.core.observation_parts import OrderPart, SightedPart
from bridge.core.observation_records import DecodedObservation
from bridge.core.requests import Decoded, SchemaAnswer
from bridge.ports.inbox import Delivery, Headers
from bridge.ports.journal import StoredRecord


class RequestCodec(Protocol):
    """Bytes of ``vcd.action-requests`` to requests."""

    def decode(self, delivery: Delivery) -> Decoded: ...

    async def refresh(self, schema_id: int) -> SchemaAnswer:
        """Try to learn an unknown schema id from the registry. Bounded in time; never raises."""
        ...


class ExternalCodec(Protocol):
    """Bytes of ``vcd.external-tasks`` to commands."""

    def decode(self, delivery: Delivery) -> DecodedExternal: ...

    async def refresh(self, schema_id: int) -> SchemaAnswer:
        """Try to learn an unknown schema id from the registry. Bounded in time; never raises."""
        ...


class ObservationCodec(Protocol):
    """Bytes of ``vcd.observations`` to records."""

    def decode(self, delivery: Delivery) -> DecodedObservation: ...

    async def refresh(self, schema_id: int) -> SchemaAnswer:
        """Try to learn an unknown schema id from the registry. Bounded in time; never raises."""
        ...


class EventCodec(Protocol):
    """Status events to bytes, with the headers of the event topic."""

    def encode(self, event: StatusEvent) -> tuple[bytes, Headers]: ...

    def shrink(self, event: StatusEvent) -> StatusEvent:
        """The same event with its free content cut (flagged as truncated), small enough for any topic."""
        ...


class StoreCodec(Protocol):
    """Store records to bytes and back. Never needs the schema registry.

    Headers repeat sequence, phase, lane and format version, so that an unreadable value can still be told and parked.
    """

    def encode_state(self, lifecycle: Lifecycle) -> tuple[bytes, Headers]: ...

    def decode_state(self, record: StoredRecord) -> Lifecycle: ...

    def decode_observation(self, record: StoredRecord) -> OrderPart | SightedPart | None:
        """What the headers of a state tell of an observation, or of what one has seen; None: nothing that can be
        read."""
        ...

    def encode_request(self, request: StoredRequest) -> tuple[bytes, Headers]: ...

    def decode_request(self, record: StoredRecord) -> StoredRequest: ...

    def encode_cursor(self, cursor: Cursor) -> tuple[bytes, Headers]: ...

    def decode_cursor(self, record: StoredRecord) -> Cursor: ...

    def encode_ended(self, ended: Ended) -> tuple[bytes, Headers]: ...

    def decode_ended(self, record: StoredRecord) -> Ended: ...
