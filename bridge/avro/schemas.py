"""The Avro schemas of ``schemas/``: loaded once, parsed, fingerprinted.

In a source checkout they stand in ``schemas/`` beside the package; a wheel carries the same folder as
``bridge/avro/schemas`` (force-include of the build; a folder without ``__init__`` never hides this module).

Fingerprint: CRC-64-AVRO of the parsing canonical form (Avro specification 1.12, "Schema Fingerprints"), little endian
as single-object encoding writes it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from fastavro.schema import fingerprint, parse_schema, to_parsing_canonical_form

from bridge.errors import ConfigurationError

INPUTS = ("action-request", "external-task-command", "observation")
EVENTS = ("task-status-event", "blocking-task-event")
STORE = ("lifecycle-state", "stored-request", "cursor", "ended-lifecycle")
NAMES = (*INPUTS, *EVENTS, *STORE)
"""File names of all schemas, without ``.avsc``."""


@dataclass(frozen=True, slots=True, eq=False)
class RecordSchema:
    """One schema file. ``text`` is what a registry is given; ``fingerprint`` the 8 bytes of single-object encoding."""

    name: str
    text: str
    document: Mapping[str, Any]
    parsed: Any
    fingerprint: bytes

    @property
    def full_name(self) -> str:
        """Namespace and name, e.g. ``vcdbridge.v1.TaskStatusEvent``."""
        return f"{self.document['namespace']}.{self.document['name']}"


@cache
def load(name: str) -> RecordSchema:
    """The current schema ``name`` (one of ``NAMES``). Raises ConfigurationError when it cannot be used."""
    return _read(_folder() / f"{name}.avsc", name)


@cache
def released(name: str) -> tuple[RecordSchema, ...]:
    """Every released version of the schema, oldest first: what may still be on a topic."""
    folder = _folder() / "released"
    numbers = sorted(int(entry.name) for entry in folder.iterdir() if entry.name.isdecimal())
    found = (folder / str(number) / f"{name}.avsc" for number in numbers)
    return tuple(_read(file, name) for file in found if file.is_file())


@cache
def by_fingerprint(name: str) -> Mapping[bytes, RecordSchema]:
    """Current and released versions of the schema by fingerprint: what single-object encoding can name."""
    return {schema.fingerprint: schema for schema in (*released(name), load(name))}


def fingerprint_of(document: Any) -> bytes:
    """CRC-64-AVRO of a schema (parsed JSON) as 8 bytes, little endian.

    The hexadecimal form that fastavro returns is in this order already.
    """
    return bytes.fromhex(fingerprint(to_parsing_canonical_form(document), "CRC-64-AVRO"))


def subject(topic: str) -> str:
    """Registry subject of a topic's values (the registry's TopicNameStrategy)."""
    return f"{topic}-value"


def _folder() -> Traversable:
    packaged = files("bridge.avro") / "schemas"
    return packaged if packaged.is_dir() else Path(__file__).resolve().parents[2] / "schemas"


def _read(file: Traversable, name: str) -> RecordSchema:
    try:
        text = file.read_text(encoding="utf-8")
        document = json.loads(text)
        parsed = parse_schema(document)
        compact = json.dumps(document, separators=(",", ":"), ensure_ascii=False)
        return RecordSchema(name, compact, document, parsed, fingerprint_of(document))
    except Exception as error:
        # Whatever is wrong with a schema file, nothing can start; fastavro raises many types.
        hint = "the installation is incomplete or the file was edited; install again"
        raise ConfigurationError(f"schema file {file}: {error}", hint=hint) from error
