"""Loads the catalogue from its one data file and checks it whole."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources

from bridge.catalogue.bodies import Bodies
from bridge.catalogue.errors import CatalogueError
from bridge.catalogue.kinds import KINDS
from bridge.catalogue.operation import Operation
from bridge.catalogue.reading import read
from bridge.catalogue.types import load_types
from bridge.catalogue.validation import PARAMETER, problems_between, problems_of

__all__ = ["Catalogue", "CatalogueError", "as_json", "load", "parse"]


class Catalogue(Mapping[str, Operation]):
    """Operations by name, in the file's order. ``bodies`` checks what they are sent."""

    def __init__(self, operations: tuple[Operation, ...], bodies: Bodies) -> None:
        self.bodies = bodies
        self._by_name = {operation.name: operation for operation in operations}
        self._by_call: dict[tuple[str, int], list[Operation]] = {}
        for operation in operations:
            self._by_call.setdefault((operation.method, operation.path.count("/")), []).append(operation)

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
        spelt = {known.casefold(): known for known in self}
        return [spelt[folded] for folded in difflib.get_close_matches(name.casefold(), list(spelt), n=3)]

    def match(self, method: str, path: str) -> list[tuple[Operation, dict[str, str]]]:
        """Operations that a call could be, with their path parameters as they stand in the path.

        ``path`` is relative to ``/api``; ids must carry the prefix of a kind that the operation takes, so that
        ``PUT /vApp/vm-…`` is an update of a VM and not of a vApp.
        """
        found = []
        for operation in self._by_call.get((method, path.count("/")), ()):
            matched = _pattern(operation.path).fullmatch(path)
            if matched is not None and _kinds_fit(operation, matched.groupdict()):
                found.append((operation, matched.groupdict()))
        return found

    def parameters_of(self, operation: Operation, path: str) -> dict[str, str]:
        """Path parameters of a call of this operation, still quoted. Raises CatalogueError for a path of another."""
        matched = _pattern(operation.path).fullmatch(path)
        if matched is None:
            raise CatalogueError(f"{path} is no path of {operation.name}")
        return matched.groupdict()


@cache
def load() -> Catalogue:
    """The project's catalogue. Raises CatalogueError."""
    return parse(resources.files("bridge.catalogue").joinpath("operations.toml").read_text(encoding="utf-8"))


def parse(text: str) -> Catalogue:
    """A catalogue from its TOML text. Raises CatalogueError naming every operation and field at fault."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise CatalogueError(f"the catalogue is not TOML: {error}") from None
    rows = document.pop("operation", None)
    if document or not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise CatalogueError("the catalogue consists of [[operation]] tables and nothing else")
    operations, problems = [], []
    for number, row in enumerate(rows, start=1):
        name = row.get("name", f"operation {number}")
        try:
            operation = read(row)
        except ValueError as error:
            problems.append(f"{name}: {error}")
            continue
        operations.append(operation)
        problems += [f"{name}: {problem}" for problem in problems_of(operation)]
    problems += problems_between(operations)
    if problems:
        raise CatalogueError("; ".join(problems))
    return Catalogue(tuple(operations), Bodies(load_types()))


def as_json(operation: Operation) -> dict[str, object]:
    """The operation as ``vcd-bridge operations --json`` prints it."""
    return {
        "name": operation.name,
        "method": operation.method,
        "path": operation.path,
        "parameters": [parameter.name for parameter in operation.parameters],
        "query": list(operation.query),
        "body_type": operation.body_type,
        "media_type": operation.media_type,
        "answer": operation.answer.value,
        "lane": operation.lane.value,
        "recovery": operation.recovery.value,
        "destructive": operation.destructive,
        "since": operation.since,
        "deprecated": operation.deprecated,
        "removed": operation.removed,
        "vcd_operation_name": operation.vcd_operation_name,
    }


@cache
def _pattern(path: str) -> re.Pattern[str]:
    """When it is asked for: all of them are a tenth of a bridge's start, and only some calls are ever told by them."""
    literal_or_name = PARAMETER.split(path)
    parts = [
        f"(?P<{part}>[^/]+)" if index % 2 else re.escape(part) for index, part in enumerate(literal_or_name)
    ]  # fmt: skip
    return re.compile("".join(parts))


def _kinds_fit(operation: Operation, values: Mapping[str, str]) -> bool:
    return all(
        not parameter.kinds or any(values[parameter.name].startswith(KINDS[kind].prefix) for kind in parameter.kinds)
        for parameter in operation.parameters
    )
