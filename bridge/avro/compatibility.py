"""Whether records of one schema can be read with another, and whether a schema may follow its released versions.

Source: Avro specification 1.12, "Schema Resolution"; levels as schema registries name them: BACKWARD means that the new
schema reads records of the old one, FULL both ways, TRANSITIVE against every earlier version. Stricter than the
specification in one thing: a named type keeps its full name.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from fastavro.schema import parse_schema

from bridge.avro.schemas import EVENTS, INPUTS, STORE, load, released


class Level(StrEnum):
    """Compatibility levels, as a schema registry spells them."""

    BACKWARD_TRANSITIVE = "BACKWARD_TRANSITIVE"
    FULL_TRANSITIVE = "FULL_TRANSITIVE"


LEVELS: Mapping[str, Level] = {
    **dict.fromkeys(INPUTS, Level.BACKWARD_TRANSITIVE),
    **dict.fromkeys((*EVENTS, *STORE), Level.FULL_TRANSITIVE),
}
"""Schema name -> how it may evolve."""

_PROMOTIONS: Mapping[str, frozenset[str]] = {
    "int": frozenset({"long", "float", "double"}),
    "long": frozenset({"float", "double"}),
    "float": frozenset({"double"}),
    "string": frozenset({"bytes"}),
    "bytes": frozenset({"string"}),
}
"""Writer's type -> reader's types that it may become."""
_PRIMITIVES = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})


def unreadable(reader: Any, writer: Any) -> tuple[str, ...]:
    """Why values written with ``writer`` cannot be read with ``reader``; empty: they can. Both are parsed JSON."""
    reader_names: dict[str, Any] = {}
    writer_names: dict[str, Any] = {}
    # Parsed schemas carry full names, in definitions and references alike.
    full_reader = parse_schema(reader, named_schemas=reader_names)
    full_writer = parse_schema(writer, named_schemas=writer_names)
    check = _Check(reader_names, writer_names)
    check.resolve(full_reader, full_writer, "")
    return tuple(check.problems)


def problems(new: Any, earlier: Sequence[Any], level: Level) -> tuple[str, ...]:
    """What forbids ``new`` to follow ``earlier`` (oldest first) under a level."""
    return tuple(one for number, old in enumerate(earlier, start=1) for one in _between(new, number, old, level))


def forbidden(name: str, versions: Mapping[int, str]) -> tuple[str, ...]:
    """What forbids the present schema ``name`` to follow a subject's versions (number -> text); empty: nothing."""
    found: list[str] = []
    for number, text in sorted(versions.items()):
        try:
            found += _between(load(name).document, number, json.loads(text), LEVELS[name])
        except Exception as error:  # noqa: BLE001  # what strangers register can break parser and checker in any way
            found.append(f"version {number} is no Avro schema that stands alone: {type(error).__name__}: {error}"[:300])
    return tuple(found)


def _between(new: Any, number: int, old: Any, level: Level) -> list[str]:
    found = [f"reading version {number}: {problem}" for problem in unreadable(new, old)]
    if level is Level.FULL_TRANSITIVE:
        found += [f"read by version {number}: {problem}" for problem in unreadable(old, new)]
    return found


def released_problems(name: str) -> tuple[str, ...]:
    """What forbids the present schema ``name`` to follow its released versions; empty: nothing."""
    return problems(load(name).document, [schema.document for schema in released(name)], LEVELS[name])


@dataclass(slots=True)
class _Check:
    reader_names: Mapping[str, Any]
    writer_names: Mapping[str, Any]
    problems: list[str] = field(default_factory=list)
    seen: set[tuple[str, str]] = field(default_factory=set)

    def resolve(self, reader: Any, writer: Any, path: str) -> None:
        reader, writer = self._definition(reader, self.reader_names), self._definition(writer, self.writer_names)
        if isinstance(writer, list):
            for branch in writer:
                self.resolve(reader, branch, path)
            return
        if isinstance(reader, list):
            self._into_union(reader, writer, path)
            return
        self._types(reader, writer, path)

    def _definition(self, schema: Any, names: Mapping[str, Any]) -> Any:
        if isinstance(schema, dict) and isinstance(schema["type"], str) and schema["type"] not in _COMPLEX:
            schema = schema["type"]
        if isinstance(schema, dict) and not isinstance(schema["type"], str):
            return self._definition(schema["type"], names)
        if isinstance(schema, str) and schema not in _PRIMITIVES:
            return names.get(schema, schema)
        return schema

    def _into_union(self, reader: list[Any], writer: Any, path: str) -> None:
        for branch in reader:
            trial = _Check(self.reader_names, self.writer_names, seen=set(self.seen))
            trial.resolve(branch, writer, path)
            if not trial.problems:
                return
        same = [branch for branch in reader if _kind(self._definition(branch, self.reader_names)) == _kind(writer)]
        if len(same) == 1:
            self.resolve(same[0], writer, path)
        else:
            self._tell(path, f"{_kind(writer)} fits no branch of the union")

    def _types(self, reader: Any, writer: Any, path: str) -> None:
        kind, written = _kind(reader), _kind(writer)
        if kind != written:
            if kind not in _PROMOTIONS.get(written, ()):
                self._tell(path, f"{written} does not become {kind}")
            return
        match kind:
            case "record":
                self._records(reader, writer, path)
            case "array":
                self.resolve(reader["items"], writer["items"], f"{path}[]")
            case "map":
                self.resolve(reader["values"], writer["values"], f"{path}{{}}")
            case "enum":
                self._enums(reader, writer, path)
            case "fixed":
                if (reader["name"], reader["size"]) != (writer["name"], writer["size"]):
                    self._tell(path, "fixed types differ in name or size")
            case _:
                pass

    def _records(self, reader: Any, writer: Any, path: str) -> None:
        pair = (reader["name"], writer["name"])
        if pair in self.seen:
            return
        self.seen.add(pair)
        if pair[0] != pair[1] and pair[1] not in reader.get("aliases", ()):
            self._tell(path, f"record {pair[1]} is not {pair[0]}")
            return
        written = {one["name"]: one for one in writer["fields"]}
        for wanted in reader["fields"]:
            inner = f"{path}.{wanted['name']}" if path else wanted["name"]
            names = (wanted["name"], *wanted.get("aliases", ()))
            found = next((written[name] for name in names if name in written), None)
            if found is not None:
                self.resolve(wanted["type"], found["type"], inner)
            elif "default" not in wanted:
                self._tell(inner, "is not written and has no default")

    def _enums(self, reader: Any, writer: Any, path: str) -> None:
        if reader["name"] != writer["name"]:
            self._tell(path, f"enum {writer['name']} is not {reader['name']}")
        missing = [symbol for symbol in writer["symbols"] if symbol not in reader["symbols"]]
        if missing and "default" not in reader:
            self._tell(path, f"symbols {', '.join(missing)} are unknown and there is no default")

    def _tell(self, path: str, problem: str) -> None:
        self.problems.append(f"{path or 'the value'}: {problem}")


_COMPLEX = frozenset({"record", "error", "enum", "fixed", "array", "map"})


def _kind(schema: Any) -> str:
    if isinstance(schema, list):
        return "union"
    kind = schema if isinstance(schema, str) else schema["type"]
    return "record" if kind == "error" else str(kind)
