"""Loads the catalogue from its one data file and checks it whole."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from typing import Any

from bridge.catalogue.kinds import KINDS
from bridge.catalogue.operation import AnswerShape, BodyRule, Lane, Operation, Parameter, Probe, Recovery

_PARAMETER = re.compile(r"\{([A-Za-z]+)\}")
_FIELDS = frozenset(
    {
        "name", "method", "path", "parameters", "query", "body_type", "media_type", "body", "answer", "entity", "lane",
        "created_name", "destructive", "recovery", "recovery_reason", "probe", "since", "deprecated", "removed",
        "vcd_operation_name", "on_task_page", "stream", "source",
    }
)  # fmt: skip


class CatalogueError(ValueError):
    """The data file contradicts itself; the message names the operation and the field."""


class Catalogue(Mapping[str, Operation]):
    """Operations by name, in the file's order."""

    def __init__(self, operations: tuple[Operation, ...]) -> None:
        self._by_name = {operation.name: operation for operation in operations}
        self._patterns = {operation.name: _pattern(operation.path) for operation in operations}

    def __getitem__(self, name: str) -> Operation:
        return self._by_name[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_name)

    def __len__(self) -> int:
        return len(self._by_name)

    def search(self, text: str) -> list[Operation]:
        """Operations whose name, path or body type contains ``text``, whatever its case."""
        wanted = text.casefold()
        return [op for op in self.values() if wanted in f"{op.name} {op.path} {op.body_type or ''}".casefold()]

    def nearest(self, name: str) -> list[str]:
        """Up to three names that a misspelt one may have meant."""
        return difflib.get_close_matches(name, list(self), n=3)

    def match(self, method: str, path: str) -> list[tuple[Operation, dict[str, str]]]:
        """Operations that a call could be, with their path parameters as they stand in the path."""
        found = []
        for operation in self.values():
            matched = self._patterns[operation.name].fullmatch(path)
            if operation.method == method and matched is not None:
                found.append((operation, matched.groupdict()))
        return found

    def parameters_of(self, operation: Operation, path: str) -> dict[str, str]:
        """Path parameters of a call of this operation. Raises CatalogueError for a path of another one."""
        matched = self._patterns[operation.name].fullmatch(path)
        if matched is None:
            raise CatalogueError(f"{path} is no path of {operation.name}")
        return matched.groupdict()


@cache
def load() -> Catalogue:
    """The project's catalogue. Raises CatalogueError."""
    text = resources.files("bridge.catalogue").joinpath("operations.toml").read_text(encoding="utf-8")
    return parse(text)


def parse(text: str) -> Catalogue:
    """A catalogue from its TOML text. Raises CatalogueError naming every operation at fault."""
    operations, problems = [], []
    for row in tomllib.loads(text)["operation"]:
        try:
            operations.append(_operation(row))
        except (KeyError, ValueError) as error:
            problems.append(f"{row.get('name', '?')}: {error}")
    names = [operation.name for operation in operations]
    problems += [f"{name}: named twice" for name in set(names) if names.count(name) > 1]
    if problems:
        raise CatalogueError("; ".join(problems))
    return Catalogue(tuple(operations))


def _operation(row: Mapping[str, Any]) -> Operation:
    if unknown := set(row) - _FIELDS:
        raise ValueError(f"unknown fields {sorted(unknown)}")
    operation = Operation(
        name=row["name"],
        method=row["method"],
        path=row["path"],
        parameters=tuple(Parameter(name, tuple(kinds)) for name, kinds in row.get("parameters", {}).items()),
        query=tuple(row.get("query", ())),
        body_type=row.get("body_type"),
        body_rule=BodyRule(row["body"]),
        media_type=row.get("media_type"),
        answer=AnswerShape(row["answer"]),
        entity=row.get("entity"),
        lane=Lane(row["lane"]),
        created_name=row.get("created_name"),
        destructive=row["destructive"],
        recovery=Recovery(row["recovery"]),
        recovery_reason=row["recovery_reason"],
        probe=Probe(**row["probe"]) if "probe" in row else None,
        since=row.get("since"),
        deprecated=row.get("deprecated"),
        removed=row.get("removed"),
        vcd_operation_name=row.get("vcd_operation_name"),
        on_task_page=row.get("on_task_page", False),
        stream=row.get("stream"),
        source=row["source"],
    )
    _check(operation)
    return operation


def _check(operation: Operation) -> None:
    in_path = _PARAMETER.findall(operation.path)
    if in_path != [parameter.name for parameter in operation.parameters]:
        raise ValueError(f"parameters do not match the path {operation.path}")
    for parameter in operation.parameters:
        if unknown := set(parameter.kinds) - set(KINDS):
            raise ValueError(f"unknown kinds {sorted(unknown)}")
    if (operation.recovery is Recovery.PROBE) != (operation.probe is not None):
        raise ValueError("a probe belongs to recovery = probe, and to it alone")
    if (operation.body_rule is BodyRule.NONE) != (operation.media_type is None):
        raise ValueError("a body needs a media type, and none without one")
    if operation.lane is Lane.ENTITY and operation.entity is None:
        raise ValueError("a lane needs an entity")
    if not operation.recovery_reason or not operation.source:
        raise ValueError("recovery_reason and source must be given")


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(_PARAMETER.sub(lambda found: f"(?P<{found.group(1)}>[^/]+)", re.escape(path).replace(r"\{", "{")
                                     .replace(r"\}", "}")))  # fmt: skip
