"""Brings a document to the types of its schema. What VCD sends is not always what its own schema says."""

from __future__ import annotations

import json
from typing import Any

_RANGES = {"int": 2**31, "long": 2**63}


def conform(value: Any, schema: Any) -> Any:
    """The value in a form that the parsed ``schema`` can hold.

    Text for text, numbers in range, null where nothing fits; a type that has no null becomes its empty value. Never
    raises for JSON-like values.
    """
    if isinstance(schema, list):
        if value is None:
            return None
        found = [_as(value, branch) for branch in schema if branch != "null"]
        return next((one for one in found if one is not None), None)
    found_one = _as(value, schema)
    return _EMPTY.get(_kind(schema)) if found_one is None else found_one


_EMPTY: dict[str, Any] = {"string": "", "int": 0, "long": 0, "boolean": False, "array": [], "map": {}, "bytes": b""}


def _as(value: Any, schema: Any) -> Any:
    kind = _kind(schema)
    match kind:
        case "string":
            return None if value is None else _text(value)
        case "int" | "long":
            whole = isinstance(value, int) and not isinstance(value, bool)
            return value if whole and -_RANGES[kind] <= value < _RANGES[kind] else None
        case "boolean":
            return value if isinstance(value, bool) else None
        case "array":
            return [conform(one, schema["items"]) for one in value] if isinstance(value, list | tuple) else None
        case "record":
            if not isinstance(value, dict):
                return None
            return {field["name"]: conform(value.get(field["name"]), field["type"]) for field in schema["fields"]}
        case _:
            return value


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return text.encode(errors="replace").decode()


def _kind(schema: Any) -> str:
    return schema if isinstance(schema, str) else str(schema["type"])
