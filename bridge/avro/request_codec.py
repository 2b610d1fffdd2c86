"""Bytes of ``vcd.action-requests`` to requests. Never raises."""

from __future__ import annotations

import json
from typing import Any

from bridge.avro.framing import text_header
from bridge.avro.json_text import Flaw, JsonTextError, parse
from bridge.avro.record_reader import Read, RecordReader, undecodable
from bridge.avro.request_document import SHAPE, readable, to_request
from bridge.avro.source import SchemaSource
from bridge.avro.traceparent import traceparent_of
from bridge.core.requests import Decoded, SchemaAnswer
from bridge.ports import Delivery, Headers


class AvroRequestCodec:
    """Implements ``bridge.ports.RequestCodec``. Without a ``registry`` its framing is told to be unknown."""

    def __init__(self, registry: SchemaSource | None = None) -> None:
        self._reader = RecordReader(
            "action-request",
            SHAPE,
            open_texts=_open_body,
            cannot_be_empty="an action request cannot be deleted; send kind cancel",
            registry=registry,
        )

    def decode(self, delivery: Delivery) -> Decoded:
        """One record to a request, or to why it is none."""
        read = self._reader.read(delivery)
        return _judged(read, delivery.headers) if isinstance(read, Read) else read

    async def refresh(self, schema_id: int) -> SchemaAnswer:
        """Ask the registry for a schema id. Never raises; without a registry nothing can be learnt."""
        return await self._reader.refresh(schema_id)


def event_id_of(headers: Headers) -> str | None:
    """The CloudEvents identity (``ce_source`` and ``ce_id``, unique together) as one text: a JSON array of both."""
    source, event_id = text_header(headers, "ce_source"), text_header(headers, "ce_id")
    if source is None or event_id is None:
        return None
    return json.dumps([source, event_id], ensure_ascii=False, separators=(",", ":"))


def _open_body(document: dict[str, Any]) -> list[Flaw]:
    body = document.get("body")
    if body is None:
        return []
    if not isinstance(body, str):
        # A schema of the sender's own could hold a map here, with bytes or NaN inside, which JSON cannot carry.
        return [Flaw("invalid_type", "body must be the text of a JSON object", "body")]
    try:
        parsed = parse(body)
    except JsonTextError as error:
        return [Flaw("invalid_type", f"body must be the text of a JSON object: {error}", "body")]
    document["body"] = parsed.value
    return parsed.flaws


def _judged(read: Read, headers: Headers) -> Decoded:
    request_id = read.document.get("request_id")
    if request_id is not None and not isinstance(request_id, str):
        return undecodable("WrongType", f"request_id must be a string, not {type(request_id).__name__}")
    event_id = event_id_of(headers)
    who = readable(read.document, event_id, traceparent_of(headers))
    if read.flaws:
        return who.malformed(read.flaws[0])
    return to_request(read.document, who, event_id, closed=read.closed)
