"""The bridge as a next version of it could be: the sources of this one with a later format and one more field."""

from __future__ import annotations

import json
import shutil
from io import BytesIO
from pathlib import Path
from typing import Any

from fastavro import parse_schema, schemaless_reader, schemaless_writer

from bridge.avro.framing import single_object_prefix
from bridge.avro.schemas import STORE, fingerprint_of, load
from bridge.core.lifecycle import FORMAT_VERSION
from bridge.ports import StoredRecord
from tests.support.processes import REPOSITORY

FIELD = "told_by_next_version"
_EDITS = {
    "bridge/core/lifecycle.py": (
        (f"FORMAT_VERSION = {FORMAT_VERSION}\n", f"FORMAT_VERSION = {FORMAT_VERSION + 1}\n"),
        (
            "    ended_at: datetime | None = None\n",
            f"    ended_at: datetime | None = None\n    {FIELD}: str | None = None\n",
        ),
    ),
    "bridge/avro/store_state.py": (("_AS_THEY_ARE = (\n", f'_AS_THEY_ARE = (\n    "{FIELD}",\n'),),
}
_STATE = "lifecycle-state"


def make_next_version(folder: Path) -> Path:
    """Writes its sources into ``folder``, from where ``python -m bridge`` runs it; returns ``folder``."""
    for part in ("bridge", "schemas"):
        shutil.copytree(REPOSITORY / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    for name, edits in _EDITS.items():
        text = (folder / name).read_text()
        for before, after in edits:
            if text.count(before) != 1:
                raise AssertionError(f"{name} has not once: {before!r}")
            text = text.replace(before, after)
        (folder / name).write_text(text)
    released = folder / "schemas" / "released"
    # What this version writes has been released by then: the next one reads it.
    now = released / str(1 + max(int(entry.name) for entry in released.iterdir()))
    now.mkdir()
    for name in STORE:
        shutil.copy(folder / "schemas" / f"{name}.avsc", now)
    (folder / "schemas" / f"{_STATE}.avsc").write_text(json.dumps(_next_schema()))
    return folder


def in_this_format(record: StoredRecord) -> StoredRecord:
    """A store record of the next version as this one would have written it. Tombstones and others stay as they are."""
    headers = dict(record.headers)
    if headers.get("vb_format") != str(FORMAT_VERSION + 1).encode():
        return record
    kinds = {b"state": _STATE, b"request": "stored-request", b"cursor": "cursor", b"ended": "ended-lifecycle"}
    schema = load(kinds[headers["vb_kind"] or b""])
    written = parse_schema(_next_schema()) if schema.name == _STATE else schema.parsed
    prefix = single_object_prefix(schema.fingerprint)
    document: Any = schemaless_reader(BytesIO(record.value[len(prefix) :]), written, schema.parsed)
    document["format_version"] = FORMAT_VERSION
    stream = BytesIO(prefix)
    stream.seek(len(prefix))
    schemaless_writer(stream, schema.parsed, document)
    told = {**headers, "vb_format": str(FORMAT_VERSION).encode()}
    return StoredRecord(record.key, stream.getvalue(), tuple(told.items()))


def _next_schema() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(load(_STATE).text)
    document["fields"].append({"name": FIELD, "type": ["null", "string"], "default": None})
    return document


def next_fingerprint() -> bytes:
    """By which its states are told from this version's."""
    return fingerprint_of(_next_schema())
