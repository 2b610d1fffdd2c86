"""Reads events without a registry: decoding then never waits, so it needs no loop."""

from __future__ import annotations

from typing import Any

from bridge.avro.event_decoder import EventDecoder
from bridge.ports import Headers

_DECODER = EventDecoder()


def decoded(value: bytes | None, headers: Headers = ()) -> dict[str, Any]:
    """An event as a document by the names of its schema."""
    reading = _DECODER.decode(value, headers)
    try:
        reading.send(None)
    except StopIteration as done:
        document: dict[str, Any] = done.value
        return document
    raise AssertionError("decoding waited for a registry that is not there")
