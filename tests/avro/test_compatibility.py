"""Schema resolution as the checker judges it, against what fastavro really reads."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import pytest
from fastavro import schemaless_reader, schemaless_writer
from fastavro.schema import parse_schema

from bridge.avro.compatibility import Level, problems, unreadable


def record(*fields: dict[str, Any], name: str = "n.R", **more: Any) -> dict[str, Any]:
    return {"type": "record", "name": name, "fields": list(fields), **more}


def field(name: str, type_: Any, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": type_, **more}


X = field("x", "int")
INNER = {"type": "record", "name": "In", "fields": [field("a", "int")]}
INNER_MORE = {"type": "record", "name": "In", "fields": [field("a", "int"), field("b", "int")]}

ENUM_A = {"type": "enum", "name": "E", "symbols": ["A"]}
ENUM_AB = {"type": "enum", "name": "E", "symbols": ["A", "B"]}
MILLIS = {"type": "long", "logicalType": "timestamp-millis"}


def list_of(items: Any) -> dict[str, Any]:
    return {"type": "array", "items": items}


def map_of(values: Any) -> dict[str, Any]:
    return {"type": "map", "values": values}


READABLE = [
    ("the same", record(X), record(X)),
    ("a field less", record(), record(X)),
    ("a field more, with default", record(X, field("y", "string", default="")), record(X)),
    ("a value becomes optional", record(field("x", ["null", "int"])), record(X)),
    ("int to long", record(field("x", "long")), record(X)),
    ("int to long in a union", record(field("x", ["null", "long"])), record(X)),
    ("a branch more", record(field("x", ["null", "int", "string"])), record(field("x", ["null", "int"]))),
    ("an alias", record(field("z", "int", aliases=["x"])), record(X)),
    ("lists", record(field("x", list_of("long"))), record(field("x", list_of("int")))),
    ("a record used twice", record(field("p", INNER), field("q", "In")), record(field("p", INNER), field("q", "In"))),
    ("logical type and bare", record(field("x", MILLIS)), record(field("x", "long"))),
    (
        "an enum's new symbol with a default",
        record(field("x", {**ENUM_A, "default": "A"})),
        record(field("x", ENUM_AB)),
    ),
]
"""What, reader, writer."""
UNREADABLE = [
    ("a field more, no default", record(X, field("y", "string")), record(X), "y: is not written and has no default"),
    ("another type", record(field("x", "string")), record(X), "x: int does not become string"),
    ("long to int", record(X), record(field("x", "long")), "x: long does not become int"),
    ("a branch less", record(field("x", "int")), record(field("x", ["null", "int"])), "x: null does not become int"),
    ("another name", record(X, name="n.Other"), record(X), "the value: record n.R is not n.Other"),
    (
        "an enum's new symbol",
        record(field("x", ENUM_A)),
        record(field("x", ENUM_AB)),
        "x: symbols B are unknown and there is no default",
    ),
    (
        "deep inside",
        record(field("x", ["null", INNER_MORE])),
        record(field("x", ["null", INNER])),
        "x.b: is not written and has no default",
    ),
    (
        "in a map",
        record(field("x", map_of("int"))),
        record(field("x", map_of("string"))),
        "x{}: string does not become int",
    ),
]
"""What, reader, writer, the problem told."""


@pytest.mark.parametrize(("reader", "writer"), [case[1:] for case in READABLE], ids=[case[0] for case in READABLE])
def test_readable(reader: Any, writer: Any) -> None:
    assert unreadable(reader, writer) == ()


@pytest.mark.parametrize(
    ("reader", "writer", "problem"), [case[1:] for case in UNREADABLE], ids=[case[0] for case in UNREADABLE]
)
def test_unreadable(reader: Any, writer: Any, problem: str) -> None:
    assert unreadable(reader, writer) == (problem,)


def test_a_recursive_schema_is_judged_once() -> None:
    tree = record(field("children", {"type": "array", "items": "n.R"}), X)
    assert unreadable(tree, tree) == ()
    assert unreadable(record(field("children", {"type": "array", "items": "n.R"}), field("x", "string")), tree)


def test_what_is_readable_is_really_read() -> None:
    """The checker agrees with the library that does the reading."""
    writer, reader = READABLE[2][2], READABLE[2][1]
    stream = BytesIO()
    schemaless_writer(stream, parse_schema(writer), {"x": 3})
    stream.seek(0)
    assert schemaless_reader(stream, parse_schema(writer), parse_schema(reader)) == {"x": 3, "y": ""}


def test_levels() -> None:
    old, with_default = record(X), record(X, field("y", "string", default=""))
    without = record(X, field("y", "string"))
    assert problems(with_default, [old], Level.FULL_TRANSITIVE) == ()
    assert problems(old, [without], Level.BACKWARD_TRANSITIVE) == ()
    assert problems(old, [without], Level.FULL_TRANSITIVE) == (
        "read by version 1: y: is not written and has no default",
    )


def test_levels_are_transitive() -> None:
    first, second, third = record(field("x", "string")), record(), record(X.copy() | {"default": 0})
    assert problems(third, [second], Level.BACKWARD_TRANSITIVE) == ()
    assert problems(third, [first, second], Level.BACKWARD_TRANSITIVE) == (
        "reading version 1: x: string does not become int",
    )
