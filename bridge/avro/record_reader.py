"""Bytes of an input topic to documents: Avro in either framing or JSON, nested or flat. Never raises.

One for each kind of record; what the fields mean is judged by the codec that asks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bridge.avro.flat import nest
from bridge.avro.framing import (
    FramingError,
    JsonText,
    RegistryAvro,
    SingleObjectAvro,
    content_type,
    guid_text,
    unframe,
)
from bridge.avro.json_text import Flaw, JsonTextError, parse
from bridge.avro.judging import clean
from bridge.avro.schemas import RecordSchema, by_fingerprint, load
from bridge.avro.shape import Shape
from bridge.avro.source import SchemaSource
from bridge.avro.writer_schema import SchemaRefusedError, UndecodedError, WriterSchema, writer_schema
from bridge.core.requests import SchemaAnswer, SchemaUnavailable, Undecodable
from bridge.ports import Delivery, Headers


@dataclass(frozen=True, slots=True)
class Read:
    """A nested document and what is wrong with it already.

    ``closed``: names that the record does not have are to be refused (JSON: a misspelt one must not be lost). In Avro
    they are what schema resolution leaves aside.
    """

    document: dict[str, Any]
    flaws: list[Flaw]
    closed: bool


class RecordReader:
    """Reads records of one schema.

    Args:
        schema: Name of the schema's file (one of ``schemas.NAMES``).
        shape: The document's shape, for flat JSON.
        open_texts: Replaces members of a document read from Avro that are JSON text by what they mean, in place.
        cannot_be_empty: What to say of a null or empty value, and what to send instead.
        registry: Schemas by id; None: registry framing is told to be unknown.
    """

    def __init__(
        self,
        schema: str,
        shape: Shape,
        *,
        open_texts: Callable[[dict[str, Any]], list[Flaw]],
        cannot_be_empty: str,
        registry: SchemaSource | None,
    ) -> None:
        self._shape = shape
        self._open_texts = open_texts
        self._cannot_be_empty = cannot_be_empty
        self._registry = registry
        self._schema = load(schema)
        self._by_id: dict[int, WriterSchema | SchemaRefusedError] = {}
        self._by_fingerprint = {
            fingerprint: writer_schema(released.text, self._schema)
            for fingerprint, released in by_fingerprint(schema).items()
        }

    def read(self, delivery: Delivery) -> Read | Undecodable | SchemaUnavailable:
        """One record to its document, or to why there is none."""
        if not delivery.value:
            what = "the value is null" if delivery.value is None else "the value is empty"
            return undecodable("EmptyValue", f"{what}: {self._cannot_be_empty}")
        try:
            form = unframe(delivery.value, delivery.headers)
        except FramingError as error:
            return undecodable("FramingError", str(error))
        match form:
            case JsonText(payload):
                return self._json(payload, delivery.headers)
            case SingleObjectAvro(fingerprint, payload):
                schema = self._by_fingerprint.get(fingerprint)
                if schema is None:
                    message = f"no schema of {self._shape.record} has the fingerprint {fingerprint.hex()}"
                    return undecodable("UnknownSchema", message)
                return self._avro(schema, payload)
            case RegistryAvro(schema_id, payload):
                return self._registered(schema_id, payload)

    async def refresh(self, schema_id: int) -> SchemaAnswer:
        """Ask the registry for a schema id. Never raises; without a registry nothing can be learnt."""
        if self._registry is None:
            return SchemaAnswer.REFUSED
        await self._registry.learn(schema_id)
        if self._registry.known(schema_id) is not None:
            return SchemaAnswer.LEARNT
        refused = self._registry.refused(schema_id) is not None
        return SchemaAnswer.REFUSED if refused else SchemaAnswer.UNANSWERED

    def _registered(self, schema_id: int, payload: bytes) -> Read | Undecodable | SchemaUnavailable:
        shown = guid_text(schema_id) or str(schema_id)
        schema = self._by_id.get(schema_id)
        if schema is None:
            if self._registry is None:
                message = f"the value names schema {shown} of a registry, and no registry is configured (registry.url)"
                return undecodable("UnknownSchema", message)
            text = self._registry.known(schema_id)
            if text is None:
                refused = self._registry.refused(schema_id)
                if refused is not None:
                    return undecodable("UnknownSchema", f"schema {shown}: {refused}")
                return SchemaUnavailable(schema_id=schema_id, message=f"schema {shown} cannot be had from the registry")
            schema = self._by_id[schema_id] = _usable(text, self._schema)
        if isinstance(schema, SchemaRefusedError):
            return undecodable("SchemaRefused", f"schema {shown}: {schema}")
        return self._avro(schema, payload)

    def _avro(self, schema: WriterSchema, payload: bytes) -> Read | Undecodable:
        try:
            document = dict(schema.read(payload))
        except UndecodedError as error:
            return undecodable("Undecoded", str(error))
        return Read(document, self._open_texts(document), closed=False)

    def _json(self, payload: bytes, headers: Headers) -> Read | Undecodable:
        try:
            parsed = parse(payload)
        except JsonTextError as error:
            return undecodable("NotJson", f"the value has no Avro framing and is not JSON: {error}")
        if not isinstance(parsed.value, dict):
            return undecodable("NotAnObject", "the value is JSON, but not an object")
        document, flaws = nest(parsed.value, self._shape)
        flaws = parsed.flaws + flaws
        if content_type(headers).startswith("application/cloudevents"):
            message = "a CloudEvent in structured mode is not read; send binary mode: attributes as ce_ headers"
            flaws.insert(0, Flaw("structured_event", message))
        return Read(document, flaws, closed=True)


def undecodable(error_class: str, message: str) -> Undecodable:
    """A value that nobody can be answered about."""
    return Undecodable(stage="VALUE_CONVERTER", error_class=error_class, message=clean(message))


def _usable(text: str, reader: RecordSchema) -> WriterSchema | SchemaRefusedError:
    try:
        return writer_schema(text, reader)
    except SchemaRefusedError as error:
        return error
