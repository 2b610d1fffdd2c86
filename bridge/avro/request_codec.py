"""Bytes of ``vcd.action-requests`` to requests: Avro in either framing or JSON, nested or flat. Never raises."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from bridge.avro.flat import nest
from bridge.avro.framing import (
    FramingError,
    JsonText,
    RegistryAvro,
    SingleObjectAvro,
    content_type,
    guid_text,
    text_header,
    unframe,
)
from bridge.avro.json_text import Flaw, JsonTextError, parse
from bridge.avro.request_document import Readable, clean, readable, to_request
from bridge.avro.schemas import by_fingerprint, load
from bridge.avro.source import SchemaSource
from bridge.avro.writer_schema import SchemaRefusedError, UndecodedError, WriterSchema, writer_schema
from bridge.core.requests import ActionRequest, Decoded, Malformed, SchemaAnswer, SchemaUnavailable, Undecodable
from bridge.ports import Delivery, Headers

_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-.*)?", re.ASCII)


class AvroRequestCodec:
    """Implements ``bridge.ports.RequestCodec``. Without a ``registry`` its framing is told to be unknown."""

    def __init__(self, registry: SchemaSource | None = None) -> None:
        self._registry = registry
        self._reader = load("action-request")
        self._by_id: dict[int, WriterSchema | SchemaRefusedError] = {}
        self._by_fingerprint = {
            fingerprint: writer_schema(schema.text, self._reader)
            for fingerprint, schema in by_fingerprint("action-request").items()
        }

    def decode(self, delivery: Delivery) -> Decoded:
        """One record to a request, or to why it is none."""
        if not delivery.value:
            what = "the value is null" if delivery.value is None else "the value is empty"
            return _undecodable("EmptyValue", f"{what}: an action request cannot be deleted; send kind cancel")
        try:
            form = unframe(delivery.value, delivery.headers)
        except FramingError as error:
            return _undecodable("FramingError", str(error))
        match form:
            case JsonText(payload):
                return self._json(payload, delivery.headers)
            case SingleObjectAvro(fingerprint, payload):
                schema = self._by_fingerprint.get(fingerprint)
                if schema is None:
                    message = f"no schema of ActionRequest has the fingerprint {fingerprint.hex()}"
                    return _undecodable("UnknownSchema", message)
                return self._avro(schema, payload, delivery.headers)
            case RegistryAvro(schema_id, payload):
                return self._registered(schema_id, payload, delivery.headers)

    async def refresh(self, schema_id: int) -> SchemaAnswer:
        """Ask the registry for a schema id. Never raises; without a registry nothing can be learnt."""
        if self._registry is None:
            return SchemaAnswer.REFUSED
        await self._registry.learn(schema_id)
        if self._registry.known(schema_id) is not None:
            return SchemaAnswer.LEARNT
        refused = self._registry.refused(schema_id) is not None
        return SchemaAnswer.REFUSED if refused else SchemaAnswer.UNANSWERED

    def _registered(self, schema_id: int, payload: bytes, headers: Headers) -> Decoded:
        shown = guid_text(schema_id) or str(schema_id)
        schema = self._by_id.get(schema_id)
        if schema is None:
            if self._registry is None:
                message = f"the value names schema {shown} of a registry, and no registry is configured (registry.url)"
                return _undecodable("UnknownSchema", message)
            text = self._registry.known(schema_id)
            if text is None:
                refused = self._registry.refused(schema_id)
                if refused is not None:
                    return _undecodable("UnknownSchema", f"schema {shown}: {refused}")
                return SchemaUnavailable(schema_id=schema_id, message=f"schema {shown} cannot be had from the registry")
            schema = self._by_id[schema_id] = _usable(text, self._reader)
        if isinstance(schema, SchemaRefusedError):
            return _undecodable("SchemaRefused", f"schema {shown}: {schema}")
        return self._avro(schema, payload, headers)

    def _avro(self, schema: WriterSchema, payload: bytes, headers: Headers) -> Decoded:
        try:
            document = dict(schema.read(payload))
        except UndecodedError as error:
            return _undecodable("Undecoded", str(error))
        flaws: list[Flaw] = []
        body = document.get("body")
        if isinstance(body, str):
            try:
                parsed = parse(body)
                flaws += parsed.flaws
                document["body"] = parsed.value
            except JsonTextError as error:
                flaws.append(Flaw("invalid_type", f"body must be the text of a JSON object: {error}", "body"))
        elif body is not None:
            # A schema of the sender's own could hold a map here, with bytes or NaN inside, which JSON cannot carry.
            flaws.append(Flaw("invalid_type", "body must be the text of a JSON object", "body"))
        return _judged(document, headers, flaws, closed=False)

    def _json(self, payload: bytes, headers: Headers) -> Decoded:
        try:
            parsed = parse(payload)
        except JsonTextError as error:
            return _undecodable("NotJson", f"the value has no Avro framing and is not JSON: {error}")
        if not isinstance(parsed.value, dict):
            return _undecodable("NotAnObject", "the value is JSON, but not an object")
        document, flaws = nest(parsed.value)
        flaws = parsed.flaws + flaws
        if content_type(headers).startswith("application/cloudevents"):
            message = "a CloudEvent in structured mode is not read; send binary mode: attributes as ce_ headers"
            flaws.insert(0, Flaw("structured_event", message))
        return _judged(document, headers, flaws, closed=True)


def event_id_of(headers: Headers) -> str | None:
    """The CloudEvents identity (``ce_source`` and ``ce_id``, unique together) as one text: a JSON array of both."""
    source, event_id = text_header(headers, "ce_source"), text_header(headers, "ce_id")
    if source is None or event_id is None:
        return None
    return json.dumps([source, event_id], ensure_ascii=False, separators=(",", ":"))


def traceparent_of(headers: Headers) -> str | None:
    """The header where it is valid (W3C Trace Context, section 3.2.2), else None: a trace is never worth a record."""
    text = text_header(headers, "traceparent")
    match = _TRACEPARENT.fullmatch(text) if text is not None else None
    if match is None:
        return None
    version, trace_id, parent_id, rest = match.groups()
    if version == "ff" or not trace_id.strip("0") or not parent_id.strip("0") or (version == "00" and rest):
        return None
    return text if text is not None and len(text) <= 256 and text.isascii() else None


def _judged(
    document: Mapping[str, Any], headers: Headers, flaws: list[Flaw], *, closed: bool
) -> ActionRequest | Malformed | Undecodable:
    request_id = document.get("request_id")
    if request_id is not None and not isinstance(request_id, str):
        return _undecodable("WrongType", f"request_id must be a string, not {type(request_id).__name__}")
    event_id = event_id_of(headers)
    who: Readable = readable(document, event_id, traceparent_of(headers))
    if flaws:
        return who.malformed(flaws[0])
    return to_request(document, who, event_id, closed=closed)


def _usable(text: str, reader: Any) -> WriterSchema | SchemaRefusedError:
    try:
        return writer_schema(text, reader)
    except SchemaRefusedError as error:
        return error


def _undecodable(error_class: str, message: str) -> Undecodable:
    return Undecodable(stage="VALUE_CONVERTER", error_class=error_class, message=clean(message))
