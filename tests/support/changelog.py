"""Store records as the checker reads them: by the schema files and the headers of docs/records.md, with nothing of the
bridge's own reading, so that what its codec loses is not lost here too."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from io import BytesIO
from typing import Any

from fastavro import parse_schema, schemaless_reader
from fastavro.schema import fingerprint, to_parsing_canonical_form

from bridge.ports import StoredRecord
from tests.support.checker.evidence import CursorWrite, EndedRecord, Order, RequestWrite, Sighting, StateWrite, Write
from tests.support.processes import REPOSITORY

_SINGLE_OBJECT = b"\xc3\x01"
_PREFIX_BYTES = len(_SINGLE_OBJECT) + 8
"""With the fingerprint of the writer's schema."""


def write_of(
    record: StoredRecord, value: bytes | None, *, topic: str, partition: int, offset: int, at: float, writer: str
) -> Write:
    """A record of the changelog of the input ``topic``; ``record`` holds key and headers, ``value`` None is a
    tombstone."""
    where: dict[str, Any] = {"topic": topic, "partition": partition, "offset": offset, "at": at, "writer": writer}
    if record.key == b"cursor":
        opened = dict(record.headers).get("vb_open")
        next_offset = _document("cursor", record.value)["next_offset"]
        return CursorWrite(**where, next_offset=next_offset, open_lifecycles=None if opened is None else int(opened))
    birth, _, part = record.key.decode().rpartition("|")
    if part == "request":
        size = None if value is None else _size(_document("stored-request", value))
        return RequestWrite(**where, birth=birth, size_bytes=size)
    if value is None:
        return StateWrite(**where, birth=birth, phase=None)
    return _state(_document("lifecycle-state", value), _observed(record), **where)


def ended_of(record: StoredRecord) -> EndedRecord:
    """A record of the topic that remembers endings."""
    told = _document("ended-lifecycle", record.value)
    return EndedRecord(birth=told["birth"], outcome=told["outcome"], sequence=told["sequence"], task_id=told["task_id"])


def _document(name: str, value: bytes) -> dict[str, Any]:
    """Times are milliseconds. Fails for what no schema file of that name has written."""
    stream = BytesIO(value)
    prefix = stream.read(_PREFIX_BYTES)
    assert prefix.startswith(_SINGLE_OBJECT), f"{name}: begins with {prefix.hex()}"
    document = schemaless_reader(stream, _schemas(name)[prefix[len(_SINGLE_OBJECT) :]], None)
    assert isinstance(document, dict)
    assert stream.tell() == len(value), f"{name}: {len(value) - stream.tell()} bytes are left over"
    return document


@cache
def _schemas(name: str) -> Mapping[bytes, Any]:
    """The present file and those that were released, by fingerprint."""
    folder = REPOSITORY / "schemas"
    files = [*folder.glob(f"released/*/{name}.avsc"), folder / f"{name}.avsc"]
    documents = [json.loads(file.read_text(), object_hook=_without_logical_type) for file in files]
    return {
        bytes.fromhex(fingerprint(to_parsing_canonical_form(document), "CRC-64-AVRO")): parse_schema(document)
        for document in documents
    }


def _without_logical_type(part: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in part.items() if name != "logicalType"}


def _size(request: Mapping[str, Any]) -> int:
    """What it counts against the cap on waiting bodies."""
    query = sum(len(one["name"]) + len(one["value"]) for one in request["query"])
    return len(request["path"]) + len(request["body"] or "") + query


def _state(told: Mapping[str, Any], observed: Mapping[str, Any], **where: Any) -> StateWrite:
    return StateWrite(
        **where,
        birth=told["birth"],
        phase=told["phase"],
        kind=told["kind"],
        sequence=told["sequence"],
        attempt=told["attempt"],
        opened_at=told["received_at"] / 1000,
        intent_at=_seconds(told["intent_at"]),
        cancel_wanted=told["cancel_wanted"],
        task_id=told["task_id"],
        external_key=told["external_key"],
        heard_at=_seconds(told["heard_at"]),
        order=_order(observed),
        sighting=_sighting(observed),
    )


def _observed(record: StoredRecord) -> Mapping[str, Any]:
    """What an observation, or what one has seen, remembers besides; empty for other lifecycles."""
    text = next((value for name, value in record.headers if name == "vb_observation"), None)
    found: dict[str, Any] = json.loads(text) if text is not None else {}
    return found


def _order(observed: Mapping[str, Any]) -> Order | None:
    if "order" in observed or "position" not in observed or "floor" not in observed:
        return None
    return Order(
        organization=observed.get("organization_uuid"),
        position=observed["position"] / 1000,
        floor=observed["floor"] / 1000,
        blocking=observed["blocking_tasks"],
    )


def _sighting(observed: Mapping[str, Any]) -> Sighting | None:
    if "order" not in observed:
        return None
    ended_at, is_blocking = _seconds(observed.get("ended_at")), "blocking" in observed
    return Sighting(order=observed["order"], task_id=observed["id"], ended_at=ended_at, is_blocking=is_blocking)


def _seconds(milliseconds: int | None) -> float | None:
    return milliseconds / 1000 if milliseconds is not None else None
