"""Reads records of the event topics back, whichever framing they have: for ``watch`` and for tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bridge.avro.framing import FramingError, JsonText, RegistryAvro, SingleObjectAvro, guid_text, unframe
from bridge.avro.schemas import by_fingerprint, load
from bridge.avro.source import SchemaSource
from bridge.avro.writer_schema import SchemaRefusedError, UndecodedError, WriterSchema, writer_schema
from bridge.core.times import from_millis, to_text
from bridge.ports import Headers

_TIMES = frozenset({"observed_at", "created", "timeout", "startTime", "endTime", "expiryTime"})


class EventUndecodableError(ValueError):
    """The record is no event that can be read; the text says why."""


class EventDecoder:
    """Decodes one kind of event.

    Args:
        registry: Where ids of the registry's framing are asked for. Without it, or while it cannot be reached, such a
            value is read with the bridge's own schemas, newest first, where one fits it to the last byte.
        name: Schema of the event.
    """

    def __init__(self, registry: SchemaSource | None = None, name: str = "task-status-event") -> None:
        self._registry = registry
        self._schema = load(name)
        self._by_id: dict[int, WriterSchema] = {}
        self._own = {mark: writer_schema(one.text, self._schema) for mark, one in by_fingerprint(name).items()}

    async def decode(self, value: bytes | None, headers: Headers = ()) -> dict[str, Any]:
        """The event as a document by the names of its schema; times are milliseconds since the epoch.

        Raises EventUndecodableError.
        """
        try:
            match unframe(value or b"", headers):
                case SingleObjectAvro(fingerprint, payload):
                    if fingerprint not in self._own:
                        raise EventUndecodableError(f"written with the unknown schema {fingerprint.hex()}")
                    return dict(self._own[fingerprint].read(payload))
                case RegistryAvro(schema_id, payload):
                    schema = await self._registered(schema_id)
                    return dict(schema.read(payload)) if schema is not None else self._guessed(payload)
                case JsonText():
                    raise EventUndecodableError("the value has no Avro framing")
        except (FramingError, UndecodedError, SchemaRefusedError) as error:
            raise EventUndecodableError(str(error)) from error

    async def _registered(self, schema_id: int) -> WriterSchema | None:
        if schema_id not in self._by_id and self._registry is not None:
            text = self._registry.known(schema_id)
            if text is None:
                await self._registry.learn(schema_id)
                text = self._registry.known(schema_id)
            refused = self._registry.refused(schema_id)
            if text is None and refused is not None:
                raise EventUndecodableError(f"schema {guid_text(schema_id) or schema_id}: {refused}")
            if text is not None:
                self._by_id[schema_id] = writer_schema(text, self._schema)
        return self._by_id.get(schema_id)

    def _guessed(self, payload: bytes) -> dict[str, Any]:
        for schema in reversed(self._own.values()):
            try:
                return dict(schema.read(payload))
            except UndecodedError:
                continue
        raise EventUndecodableError("no schema of the bridge fits the value, and the registry cannot be asked")


def to_json(document: Mapping[str, Any]) -> dict[str, Any]:
    """The decoded event as JSON has it: times as RFC 3339 text, free content stays JSON text."""
    return {name: _json_value(name, value) for name, value in document.items()}


def _json_value(name: str, value: Any) -> Any:
    match value:
        case Mapping():
            return to_json(value)
        case list():
            return [_json_value("", one) for one in value]
        case int() if name in _TIMES and not isinstance(value, bool):
            return _time(value)
        case _:
            return value


def _time(millis: int) -> str | int:
    try:
        return to_text(from_millis(millis))
    except OverflowError:
        return millis
