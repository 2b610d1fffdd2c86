"""One row of the data file to an operation: types and words, each error naming its field."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, TypeVar

from bridge.catalogue.operation import AnswerShape, BodyRule, Destroys, Lane, Operation, Parameter, Probe, Recovery

_Word = TypeVar("_Word", bound=StrEnum)

_FIELDS = frozenset(
    {
        "name", "method", "path", "parameters", "query", "body_type", "media_type", "body", "answer", "entity", "lane",
        "created_name", "key_field", "destructive", "destructive_when", "recovery", "recovery_reason", "probe", "since",
        "deprecated", "removed", "vcd_operation_name", "on_task_page", "stream", "source",
    }
)  # fmt: skip


def read(row: Mapping[str, Any]) -> Operation:
    """The operation of a row. Raises ValueError naming the field."""
    if unknown := set(row) - _FIELDS:
        raise ValueError(f"unknown fields: {', '.join(sorted(unknown))}")
    return Operation(
        name=_text(row, "name"),
        method=_text(row, "method"),
        path=_text(row, "path"),
        parameters=tuple(Parameter(name, _texts(row["parameters"], name)) for name in row.get("parameters", {})),
        query=_texts(row, "query") if "query" in row else (),
        body_type=_optional(row, "body_type"),
        body_rule=_word(row, "body", BodyRule),
        media_type=_optional(row, "media_type"),
        answer=_word(row, "answer", AnswerShape),
        entity=_optional(row, "entity"),
        lane=_word(row, "lane", Lane),
        created_name=_optional(row, "created_name"),
        key_field=_optional(row, "key_field"),
        destructive=_flag(row, "destructive"),
        destructive_when=_destroys(row.get("destructive_when", [])),
        recovery=_word(row, "recovery", Recovery),
        recovery_reason=_text(row, "recovery_reason"),
        probe=_probe(row["probe"]) if "probe" in row else None,
        since=_optional(row, "since"),
        deprecated=_optional(row, "deprecated"),
        removed=_optional(row, "removed"),
        vcd_operation_name=_optional(row, "vcd_operation_name"),
        on_task_page=_flag(row, "on_task_page") if "on_task_page" in row else False,
        stream=_optional(row, "stream"),
        source=_text(row, "source"),
    )


def _optional(row: Mapping[str, Any], field: str) -> str | None:
    return _text(row, field) if field in row else None


def _text(row: Mapping[str, Any], field: str) -> str:
    value = row.get(field)
    if not isinstance(value, str) or not value.strip() or "\n" in value:
        raise ValueError(f"{field}: one line of text is needed")
    return value


def _texts(row: Mapping[str, Any], field: str) -> tuple[str, ...]:
    value = row[field]
    if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
        raise ValueError(f"{field}: a list of texts is needed")
    return tuple(value)


def _flag(row: Mapping[str, Any], field: str) -> bool:
    value = row.get(field)
    if value is True or value is False:
        return value
    raise ValueError(f"{field}: true or false is needed")


def _word(row: Mapping[str, Any], field: str, words: type[_Word]) -> _Word:
    value = row.get(field)
    for word in words:
        if word == value:
            return word
    raise ValueError(f"{field}: {value!r} is none of {', '.join(words)}")


def _destroys(tables: Any) -> tuple[Destroys, ...]:
    if not isinstance(tables, list) or not all(_is_condition(table) for table in tables):
        raise ValueError(
            "destructive_when: a list of tables is needed: field and, if any, value (text, true, false, [])"
        )
    return tuple(Destroys(table["field"], () if table.get("value") == [] else table.get("value")) for table in tables)


def _is_condition(table: Any) -> bool:
    if not isinstance(table, dict) or not {"field"} <= set(table) <= {"field", "value"}:
        return False
    value = table.get("value")
    return isinstance(table["field"], str) and (isinstance(value, str | bool | None) or value == [])


def _probe(table: Any) -> Probe:
    if not isinstance(table, dict) or set(table) != {"path", "field", "proved_by", "disproved_by"}:
        raise ValueError("probe: path, field, proved_by and disproved_by are needed, and nothing else")
    if not all(isinstance(table[name], str) for name in ("path", "field")):
        raise ValueError("probe: path and field are texts")
    return Probe(table["path"], table["field"], _texts(table, "proved_by"), _texts(table, "disproved_by"))
