"""Schemas of strangers: what a registry says a record was written with.

A hostile or careless schema must not cost more than the record that names it: recursive types (a deep value would
exhaust the C stack inside the decoder) and items of no size (five bytes could mean a billion of them) are refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from fastavro import schemaless_reader
from fastavro.schema import parse_schema

from bridge.avro.compatibility import unreadable
from bridge.avro.schemas import RecordSchema

_MAX_SCHEMA_CHARACTERS = 1_000_000


class SchemaRefusedError(ValueError):
    """The schema is not one that values are read with; the text says why."""


class UndecodedError(ValueError):
    """The bytes are no value of the schema."""


@dataclass(frozen=True, slots=True, eq=False)
class WriterSchema:
    """A writer's schema, ready to read with. ``reader`` is None where the two do not resolve: the value is then read as
    it was written and judged field by field, so that its sender can be answered."""

    parsed: Any
    reader: Any

    def read(self, payload: bytes) -> Mapping[str, Any]:
        """The value as a document; times stay integers. Raises UndecodedError."""
        stream = BytesIO(payload)
        try:
            value = schemaless_reader(stream, self.parsed, self.reader)
        except Exception as error:  # noqa: BLE001  # any
            # Bytes of strangers in a decoder of others: EOFError, UnicodeDecodeError, IndexError, MemoryError, …
            raise UndecodedError(f"{type(error).__name__}: {str(error)[:200]}") from None
        left = len(payload) - stream.tell()
        if left:
            raise UndecodedError(f"{left} bytes are left over after the value")
        if not isinstance(value, dict):
            raise UndecodedError("the schema is not that of a record")
        return value


def writer_schema(text: str, reader: RecordSchema) -> WriterSchema:
    """Make a registry's schema usable. Raises SchemaRefusedError."""
    if len(text) > _MAX_SCHEMA_CHARACTERS:
        raise SchemaRefusedError(f"the schema has {len(text)} characters, more than {_MAX_SCHEMA_CHARACTERS}")
    try:
        plain = _without_logical_types(json.loads(text))
        parsed = parse_schema(plain)
        _refuse_hazards(plain)
        resolves = not unreadable(_without_logical_types(reader.document), plain)
    except SchemaRefusedError:
        raise
    except Exception as error:  # noqa: BLE001  # any
        # fastavro raises many types for a schema that is none.
        raise SchemaRefusedError(f"not a usable Avro schema: {type(error).__name__}: {str(error)[:200]}") from None
    return WriterSchema(parsed, _plain_reader(reader) if resolves else None)


def _plain_reader(reader: RecordSchema) -> Any:
    return parse_schema(_without_logical_types(reader.document))


def _without_logical_types(schema: Any) -> Any:
    """Times as plain integers: a time beyond year 9999 is then a wrong value and not an exception in the decoder."""
    if isinstance(schema, list):
        return [_without_logical_types(branch) for branch in schema]
    if isinstance(schema, dict):
        return {
            key: value if key == "default" else _without_logical_types(value)
            for key, value in schema.items()
            if key not in ("logicalType", "doc")
        }
    return schema


def _refuse_hazards(schema: Any) -> None:
    _Hazards({}).minimum(schema, "", ())


@dataclass(slots=True)
class _Hazards:
    sizes: dict[str, int]

    def minimum(self, schema: Any, namespace: str, inside: tuple[str, ...]) -> int:
        """Fewest bytes that a value takes."""
        match schema:
            case str():
                return self._named(schema, namespace, inside)
            case list():
                sizes = [self.minimum(branch, namespace, inside) for branch in schema]
                return 1 + min(sizes, default=0)
            case {"type": "record" | "error"}:
                return self._record(schema, namespace, inside)
            case {"type": "enum"}:
                self.sizes[full_name(schema, namespace)] = 1
                return 1
            case {"type": "fixed", "size": int(size)}:
                self.sizes[full_name(schema, namespace)] = size
                return size
            case {"type": "array", "items": items}:
                if self.minimum(items, namespace, inside) == 0:
                    raise SchemaRefusedError("the schema has a list of items that take no bytes")
                return 1
            case {"type": "map", "values": values}:
                self.minimum(values, namespace, inside)
                return 1
            case {"type": inner}:
                return self.minimum(inner, namespace, inside)
            case _:
                raise SchemaRefusedError("the schema has a part that is no Avro type")

    def _named(self, name: str, namespace: str, inside: tuple[str, ...]) -> int:
        if name in _PRIMITIVE_SIZES:
            return _PRIMITIVE_SIZES[name]
        full = name if "." in name or not namespace else f"{namespace}.{name}"
        if full in inside or name in inside:
            raise SchemaRefusedError(f"the schema is recursive: {name} holds itself")
        return self.sizes.get(full, self.sizes.get(name, 0))

    def _record(self, schema: Mapping[str, Any], namespace: str, inside: tuple[str, ...]) -> int:
        full = full_name(schema, namespace)
        inner = full.rpartition(".")[0]
        size = sum(self.minimum(field["type"], inner, (*inside, full)) for field in schema["fields"])
        self.sizes[full] = size
        return size


def full_name(schema: Mapping[str, Any], namespace: str) -> str:
    """Full name of a named type inside ``namespace``."""
    name = str(schema["name"])
    if "." in name:
        return name
    own = schema.get("namespace", namespace)
    return f"{own}.{name}" if own else name


_PRIMITIVE_SIZES = {"null": 0, "boolean": 1, "int": 1, "long": 1, "float": 4, "double": 8, "bytes": 1, "string": 1}
