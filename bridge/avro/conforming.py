"""Brings a document to the types of its schema. What VCD sends is not always what its own schema says."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from fastavro.schema import parse_schema

from bridge.errors import InvariantViolation

_RANGES = {"int": 2**31, "long": 2**63}
_EMPTY: Mapping[str, Any] = {"string": "", "int": 0, "long": 0, "boolean": False, "array": [], "record": {}}


class Conformer:
    """Conforms documents to one schema of the bridge: text, bytes, integers, booleans, lists, records."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._names: dict[str, Any] = {}
        self._schema = parse_schema(dict(schema), named_schemas=self._names)

    def conform(self, document: Mapping[str, Any]) -> Any:
        """The document in a form that the schema can hold.

        Text for text, numbers in range, null where nothing fits; a type that has no null becomes its empty value, an
        item of a list that fits nothing is left out. Never raises for JSON-like values.
        """
        return self._conform(document, self._schema)

    def _conform(self, value: Any, schema: Any) -> Any:
        if isinstance(schema, list):
            if value is None:
                return None
            found = (self._as(value, branch) for branch in schema if branch != "null")
            return next((one for one in found if one is not None), None)
        fitting = self._as(value, schema)
        if fitting is not None:
            return fitting
        return self._as(_EMPTY[self._kind(schema)], schema)

    def _as(self, value: Any, schema: Any) -> Any:
        """The value as that type; None where it is not of it."""
        kind = self._kind(schema)
        match kind:
            case "string":
                return None if value is None else _text(value)
            case "int" | "long":
                whole = isinstance(value, int) and not isinstance(value, bool)
                return value if whole and -_RANGES[kind] <= value < _RANGES[kind] else None
            case "boolean":
                return value if isinstance(value, bool) else None
            case "bytes":
                return value if isinstance(value, bytes) else None
            case "array":
                return self._items(value, schema["items"])
            case "record":
                return self._members(value, self._names.get(schema, schema) if isinstance(schema, str) else schema)
            case _:
                raise InvariantViolation(f"the schema has a {kind}, which no value of VCD is made to fit")

    def _items(self, value: Any, items: Any) -> list[Any] | None:
        if not isinstance(value, list | tuple):
            return None
        fitting = (self._as(one, items) for one in value)
        return [one for one in fitting if one is not None]

    def _members(self, value: Any, schema: Any) -> dict[str, Any] | None:
        if not isinstance(value, Mapping):
            return None
        return {one["name"]: self._conform(value.get(one["name"]), one["type"]) for one in schema["fields"]}

    def _kind(self, schema: Any) -> str:
        if isinstance(schema, str):
            return "record" if schema in self._names else schema
        return str(schema["type"])


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return text.encode(errors="replace").decode()
