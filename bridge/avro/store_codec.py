"""Store records to bytes and back: Avro in single-object encoding. Never needs a schema registry.

What was added to a kind of record later is in a header, not a field: a process of an older version reads past it.

Headers repeat what is needed to tell and park a lifecycle whose value cannot be read: ``vb_kind``, ``vb_format`` and
for states ``vb_sequence``, ``vb_phase``, ``vb_lifecycle``, ``vb_lane``, ``vb_request_id``, ``vb_external_key``,
``vb_correlation_id``, ``vb_operation``, ``vb_content_hash``, all UTF-8 text; of an observation and what it has seen,
``vb_organization`` and ``vb_observation`` too.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import datetime
from io import BytesIO
from typing import Any, TypeVar

from fastavro import schemaless_reader, schemaless_writer

from bridge.avro.conforming import Conformer
from bridge.avro.framing import FramingError, SingleObjectAvro, single_object_prefix, text_header, unframe
from bridge.avro.observation_state import part_text, to_part
from bridge.avro.schemas import by_fingerprint, load
from bridge.avro.store_state import lifecycle_document, to_lifecycle
from bridge.core.coordinates import Birth
from bridge.core.events import Outcome
from bridge.core.lifecycle import (
    FORMAT_VERSION,
    OBSERVATION_KINDS,
    Cursor,
    Decided,
    Doubt,
    Ended,
    Lifecycle,
    StoredRequest,
)
from bridge.core.observation_parts import OrderPart, SightedPart
from bridge.core.times import from_millis, to_millis
from bridge.errors import StoreConflict, StoreRecordUnreadable
from bridge.ports import Headers, StoredRecord

_T = TypeVar("_T")
_OPEN_HEADER = "vb_open"
"""Of cursors: how many lifecycles are open."""
_CALLED_HEADER = "vb_vcd_called_at"
"""Of states: milliseconds since the epoch on VCD's clock."""
_DOUBT_HEADER = "vb_doubt"
"""Of endings: the call that may have made a Task which nobody has, as JSON."""
_HELD_HEADER = "vb_held_task"
"""Of states: the Task that the blocking task holds which the request is about, as JSON."""
_ORGANIZATION_HEADER = "vb_organization"
_OBSERVATION_HEADER = "vb_observation"
"""Of states of observations and of what they have seen: their key, and what they remember besides, as JSON."""
_DECIDED_HEADER = "vb_decided"
"""Of endings: what the request has done to a blocking task, as JSON."""
_LONGEST_NAME = 1024
"""VCD takes no longer one, and an ending has to fit into its topic whatever was asked for."""


class StoreFormatNewer(StoreConflict):
    """STOP that partition: its store was written by a newer version of the bridge, so it is not taken, never parked."""


class _Kind:
    """One kind of store record and its schema."""

    def __init__(self, kind: str, name: str) -> None:
        self._kind = kind
        self._schema = load(name)
        self._known = by_fingerprint(name)
        self._prefix = single_object_prefix(self._schema.fingerprint)
        self.headers: Headers = (("vb_kind", kind.encode()), ("vb_format", str(FORMAT_VERSION).encode()))

    def write(self, document: dict[str, Any], format_version: int = FORMAT_VERSION) -> bytes:
        document["format_version"] = format_version
        try:
            return self._written(document)
        except ValueError:
            # Something of VCD's own (a status, a message, a progress) is no Unicode text or out of range.
            return self._written(Conformer(self._schema.document).conform(document))

    def _written(self, document: dict[str, Any]) -> bytes:
        stream = BytesIO()
        stream.write(self._prefix)
        schemaless_writer(stream, self._schema.parsed, document)
        return stream.getvalue()

    def read(self, record: StoredRecord, build: Callable[[dict[str, Any]], _T]) -> _T:
        """``build`` is given the document with ``birth`` parsed and without ``format_version``."""
        told = text_header(record.headers, "vb_format") or ""
        if told.isdecimal() and int(told) > FORMAT_VERSION:
            raise self._newer(record, f"has format {told}")
        document = self._document(record)
        if document.pop("format_version") > FORMAT_VERSION:
            raise self._newer(record, "has a newer format")
        if "birth" in document:
            document["birth"] = self._birth(record, document["birth"])
        try:
            return build(document)
        except ValueError as error:
            # Only names of an open set (phase, kind, outcome) can fail here: a newer version knows more of them.
            raise self._newer(record, f"holds what this version does not know: {error}") from error

    def _document(self, record: StoredRecord) -> dict[str, Any]:
        try:
            form = unframe(record.value, ())
        except FramingError as error:
            raise self.unreadable(record, str(error)) from None
        if not isinstance(form, SingleObjectAvro):
            raise self.unreadable(record, "does not begin with the bytes C3 01")
        schema = self._known.get(form.fingerprint)
        if schema is None:
            raise self._newer(record, f"was written with the unknown schema {form.fingerprint.hex()}")
        stream = BytesIO(form.payload)
        try:
            reader = None if schema.fingerprint == self._schema.fingerprint else self._schema.parsed
            document = schemaless_reader(stream, schema.parsed, reader)
        except Exception as error:
            # A damaged value can make the decoder raise anything: EOFError, UnicodeDecodeError, OverflowError, …
            raise self.unreadable(record, f"{type(error).__name__}: {str(error)[:200]}") from error
        if stream.tell() != len(form.payload) or not isinstance(document, dict):
            raise self.unreadable(record, "has bytes left over")
        return document

    def _birth(self, record: StoredRecord, text: str) -> Birth:
        try:
            return Birth.parse(text)
        except ValueError as error:
            raise self.unreadable(record, str(error)) from None

    def unreadable(self, record: StoredRecord, why: str) -> StoreRecordUnreadable:
        return StoreRecordUnreadable(
            f"store record {_shown(record.key)} ({self._kind}) {why}",
            hint="look at what became of it in Cloud Director, then send a resolve",
        )

    def _newer(self, record: StoredRecord, why: str) -> StoreFormatNewer:
        return StoreFormatNewer(
            f"store record {_shown(record.key)} ({self._kind}) {why}; this version writes format {FORMAT_VERSION}",
            hint="finish the upgrade: run the newer version of the bridge everywhere",
        )


class AvroStoreCodec:
    """Implements ``bridge.ports.StoreCodec``.

    ``decode_*`` raise StoreRecordUnreadable for a damaged record and StoreFormatNewer for one that a newer version
    wrote (higher format, a schema or a phase that this version does not know).

    ``remembered``: headers that every cursor carries besides its own, for the next process to find.
    """

    def __init__(self, remembered: Headers = ()) -> None:
        self._remembered = remembered
        self._state = _Kind("state", "lifecycle-state")
        self._request = _Kind("request", "stored-request")
        self._cursor = _Kind("cursor", "cursor")
        self._ended = _Kind("ended", "ended-lifecycle")

    def encode_state(self, lifecycle: Lifecycle) -> tuple[bytes, Headers]:
        headers: Headers = (
            *self._state.headers,
            ("vb_sequence", str(lifecycle.sequence).encode()),
            ("vb_phase", lifecycle.phase.encode()),
            ("vb_lifecycle", lifecycle.kind.encode()),
        )
        told = {
            "vb_lane": lifecycle.lane,
            "vb_request_id": lifecycle.request_id,
            "vb_external_key": lifecycle.external_key,
            "vb_correlation_id": lifecycle.correlation_id,
            "vb_operation": lifecycle.operation,
            "vb_content_hash": lifecycle.content_hash or None,
            _CALLED_HEADER: str(to_millis(called)) if (called := lifecycle.vcd_called_at) is not None else None,
            _HELD_HEADER: _held_text(lifecycle),
        }
        if lifecycle.observation is not None:
            told[_ORGANIZATION_HEADER] = lifecycle.organization
            told[_OBSERVATION_HEADER] = part_text(lifecycle.observation)
        headers += tuple((name, text.encode(errors="replace")) for name, text in told.items() if text is not None)
        return self._state.write(lifecycle_document(lifecycle)), headers

    def decode_state(self, record: StoredRecord) -> Lifecycle:
        called = text_header(record.headers, _CALLED_HEADER)
        held_id, held_href = _to_held(text_header(record.headers, _HELD_HEADER))
        stored = self._state.read(record, to_lifecycle)
        observation = self.decode_observation(record)
        if observation is None and stored.kind in OBSERVATION_KINDS:
            raise self._state.unreadable(record, "does not tell what is observed")
        return replace(
            stored, vcd_called_at=_to_time(called), held_task_id=held_id, held_task_href=held_href,
            observation=observation,
        )  # fmt: skip

    def decode_observation(self, record: StoredRecord) -> OrderPart | SightedPart | None:
        text = text_header(record.headers, _OBSERVATION_HEADER)
        try:
            return to_part(text) if text is not None else None
        except ValueError:
            return None

    def encode_request(self, request: StoredRequest) -> tuple[bytes, Headers]:
        document = {
            "birth": str(request.birth),
            "method": request.method,
            "path": request.path,
            "query": [{"name": name, "value": value} for name, value in request.query],
            "media_type": request.media_type,
            "body": request.body,
        }
        return self._request.write(document), self._request.headers

    def decode_request(self, record: StoredRecord) -> StoredRequest:
        return self._request.read(record, _to_request)

    def encode_cursor(self, cursor: Cursor) -> tuple[bytes, Headers]:
        document = {"topic_id": cursor.topic_id, "next_offset": cursor.next_offset, "writer": cursor.writer}
        headers: Headers = (("vb_kind", b"cursor"), ("vb_format", str(cursor.format_version).encode()))
        if cursor.open_lifecycles is not None:
            headers = (*headers, (_OPEN_HEADER, str(cursor.open_lifecycles).encode()))
        return self._cursor.write(document, cursor.format_version), (*headers, *self._remembered)

    def decode_cursor(self, record: StoredRecord) -> Cursor:
        told = text_header(record.headers, _OPEN_HEADER) or ""
        count = int(told) if told.isascii() and told.isdecimal() else None
        return self._cursor.read(record, lambda document: Cursor(**document, open_lifecycles=count))

    def encode_ended(self, ended: Ended) -> tuple[bytes, Headers]:
        document = {
            "birth": str(ended.birth),
            "request_id": ended.request_id,
            "content_hash": ended.content_hash,
            "correlation_id": ended.correlation_id,
            "outcome": ended.outcome.value,
            "ended_at": to_millis(ended.ended_at),
            "task_id": ended.task_id,
            "sequence": ended.sequence,
            "external_key": ended.external_key,
            "commands": ended.commands,
        }
        headers = self._ended.headers
        if ended.doubt is not None:
            headers = (*headers, (_DOUBT_HEADER, _doubt_text(ended.doubt)))
        if ended.decided is not None:
            headers = (*headers, (_DECIDED_HEADER, _decided_text(ended.decided)))
        return self._ended.write(document), headers

    def decode_ended(self, record: StoredRecord) -> Ended:
        ended = self._ended.read(record, _to_ended)
        doubt, decided = text_header(record.headers, _DOUBT_HEADER), text_header(record.headers, _DECIDED_HEADER)
        if doubt is None and decided is None:
            return ended
        return replace(ended, doubt=_to_doubt(ended.birth, doubt), decided=_to_decided(decided))


def _to_request(document: dict[str, Any]) -> StoredRequest:
    document["query"] = tuple((one["name"], one["value"]) for one in document["query"])
    return StoredRequest(**document)


def _to_ended(document: dict[str, Any]) -> Ended:
    document["outcome"] = Outcome(document["outcome"])
    document["commands"] = tuple(document["commands"])
    return Ended(**document)


def _to_time(millis: str | None) -> datetime | None:
    """None where there is none, or a newer version writes something else there."""
    try:
        return from_millis(int(millis)) if millis is not None else None
    except (ValueError, OverflowError):
        return None


def _doubt_text(doubt: Doubt) -> bytes:
    name = doubt.created_name[:_LONGEST_NAME] if doubt.created_name is not None else None
    told = {"entity": doubt.entity, "created_name": name, "called_at": to_millis(doubt.called_at)}
    return json.dumps(told).encode()


def _held_text(lifecycle: Lifecycle) -> str | None:
    if lifecycle.held_task_id is None:
        return None
    return json.dumps({"id": lifecycle.held_task_id, "href": lifecycle.held_task_href})


def _to_held(text: str | None) -> tuple[str | None, str | None]:
    """Nothing where there is none, or a newer version writes something else there."""
    try:
        told = json.loads(text) if text is not None else {}
        return told.get("id"), told.get("href")
    except (ValueError, AttributeError):
        return None, None


def _decided_text(decided: Decided) -> bytes:
    told = asdict(decided)
    told["requested_by"] = decided.requested_by[:_LONGEST_NAME] if decided.requested_by is not None else None
    return json.dumps(told).encode()


def _to_decided(text: str | None) -> Decided | None:
    """None where there is none, or a newer version writes something else there."""
    try:
        return Decided(**json.loads(text)) if text is not None else None
    except (ValueError, TypeError):
        return None


def _to_doubt(birth: Birth, text: str | None) -> Doubt | None:
    """None where there is none, or a newer version writes something else there."""
    try:
        told = json.loads(text or "null")
        called_at = from_millis(told["called_at"])
        return Doubt(birth=birth, entity=told["entity"], created_name=told["created_name"], called_at=called_at)
    except (ValueError, TypeError, KeyError, OverflowError):
        return None


def _shown(key: bytes) -> str:
    return key[:300].decode(errors="replace")
