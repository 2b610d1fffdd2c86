"""How a record value says what it is: registry framing, single-object encoding or JSON.

Sources: Confluent "Wire format" (0x00, schema id as int32 big endian; since Confluent Platform 8 the schema GUID in the
header ``__value_schema_id``, 0x01 and 16 bytes); Avro specification 1.12, "Single object encoding" (C3 01, fingerprint
as 8 bytes little endian); CloudEvents Kafka binding 1.0 (``content-type``).
"""

from __future__ import annotations

import struct
import uuid
from dataclasses import dataclass

from bridge.ports import Headers

REGISTRY_MAGIC = b"\x00"
SINGLE_OBJECT_MAGIC = b"\xc3\x01"
GUID_HEADER = "__value_schema_id"
_GUID_MAGIC = b"\x01"
_AVRO_TYPES = frozenset({"application/avro", "application/vnd.apache.avro", "application/x-avro", "avro/binary"})


class FramingError(ValueError):
    """The value does not say what it is, or says it wrongly."""


@dataclass(frozen=True, slots=True)
class RegistryAvro:
    """Avro whose writer schema a registry knows; ``schema_id`` above 2**32 is a GUID as one number."""

    schema_id: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class SingleObjectAvro:
    """Avro whose writer schema is named by its fingerprint."""

    fingerprint: bytes
    payload: bytes


@dataclass(frozen=True, slots=True)
class JsonText:
    """Anything that claims no Avro framing."""

    payload: bytes


Unframed = RegistryAvro | SingleObjectAvro | JsonText


def unframe(value: bytes, headers: Headers) -> Unframed:
    """Tell the form of a value by its framing, then by its content type.

    The framing wins: no JSON text begins with 0x00 or C3 01. Raises FramingError.
    """
    guid = last_header(headers, GUID_HEADER)
    if guid is not None:
        return RegistryAvro(_schema_id_in_header(guid), value)
    if value[:1] == REGISTRY_MAGIC:
        if len(value) < 5:
            raise FramingError("the value ends within the registry's framing (0x00 and a 4-byte schema id)")
        return RegistryAvro(struct.unpack_from(">I", value, 1)[0], value[5:])
    if value[:2] == SINGLE_OBJECT_MAGIC:
        if len(value) < 10:
            raise FramingError("the value ends within the framing of single-object encoding (C3 01 and 8 bytes)")
        return SingleObjectAvro(value[2:10], value[10:])
    if content_type(headers) in _AVRO_TYPES:
        raise FramingError("the content type says Avro, but the value begins with neither 0x00 nor C3 01")
    return JsonText(value)


def registry_prefix(schema_id: int) -> bytes:
    """Framing of a value whose schema has this id in the registry."""
    return REGISTRY_MAGIC + struct.pack(">I", schema_id)


def single_object_prefix(fingerprint: bytes) -> bytes:
    """Framing of a value whose schema has this fingerprint."""
    return SINGLE_OBJECT_MAGIC + fingerprint


def last_header(headers: Headers, name: str) -> bytes | None:
    """Value of the header; of the last one where a name comes twice, as Kafka's ``lastHeader`` does."""
    for key, value in reversed(headers):
        if key == name:
            return value
    return None


def text_header(headers: Headers, name: str) -> str | None:
    """A header as UTF-8 text; None where it is absent, empty or not UTF-8."""
    value = last_header(headers, name)
    try:
        return value.decode() or None if value is not None else None
    except UnicodeDecodeError:
        return None


def content_type(headers: Headers) -> str:
    """Media type without parameters, lower case; empty when not told."""
    for name, value in reversed(headers):
        if name.lower() == "content-type" and value is not None:
            return value.decode("latin-1").partition(";")[0].strip().lower()
    return ""


def guid_text(schema_id: int) -> str | None:
    """The GUID behind an id as ``RegistryAvro`` carries it; None for an ordinary id."""
    return str(uuid.UUID(int=schema_id)) if schema_id > 0xFFFFFFFF else None


def _schema_id_in_header(value: bytes) -> int:
    if value[:1] == _GUID_MAGIC and len(value) == 17:
        return int.from_bytes(value[1:], "big")
    if value[:1] == REGISTRY_MAGIC and len(value) == 5:
        return int(struct.unpack_from(">I", value, 1)[0])
    raise FramingError(
        f"the header {GUID_HEADER} holds neither a schema GUID (0x01, 16 bytes) nor an id (0x00, 4 bytes)"
    )
