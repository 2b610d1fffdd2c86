"""``vcd-bridge operations``: what can be asked of VCD."""

from __future__ import annotations

from json import dumps
from textwrap import indent
from typing import TYPE_CHECKING, Annotated

import typer

from bridge.cli.console import shown, write, write_json, write_table
from bridge.cli.options import JsonOption, UsageError

if TYPE_CHECKING:
    from bridge.catalogue.operation import Operation


def operations(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="One operation, in full.")] = None,
    search: Annotated[str | None, typer.Option("--search", metavar="TEXT", help="In names, paths and types.")] = None,
    json: JsonOption = False,
) -> None:
    """What can be asked of VCD."""
    if name is not None and search is not None:
        raise UsageError("a name shows one operation and --search finds some: give one of the two")
    chosen = _chosen(name, search)
    if json:
        write_json([as_document(operation) for operation in chosen])
    elif name is not None:
        _write_one(chosen[0])
    else:
        rows = [(op.name, op.method, op.path, op.recovery, "destructive" if op.destructive else None) for op in chosen]
        write_table(("operation", "method", "path", "recovery", ""), rows)
    if not chosen:
        raise typer.Exit(1)


def _chosen(name: str | None, search: str | None) -> list[Operation]:
    from bridge.catalogue.load import load

    catalogue = load()
    if name is None:
        return catalogue.search(search or "")
    if name not in catalogue:
        close = catalogue.nearest(name)
        hint = f"; did you mean {', '.join(close)}?" if close else ""
        raise UsageError(f"no operation is called {name!r}{hint}")
    return [catalogue[name]]


def as_document(operation: Operation) -> dict[str, object]:
    """The pinned JSON form of one operation, with what else is known after it."""
    from bridge.catalogue.examples import example_of
    from bridge.catalogue.load import as_json, load
    from bridge.catalogue.outline import body_fields

    return as_json(operation) | {
        "parameter_kinds": {parameter.name: list(parameter.kinds) for parameter in operation.parameters},
        "recovery_reason": operation.recovery_reason,
        "task_found_by": operation.task_sign,
        "probe": _probe(operation),
        "destructive_when": [str(condition) for condition in operation.destructive_when],
        "body": operation.body_rule,
        "body_fields": [field.as_json() for field in body_fields(load().bodies, operation)],
        "example": example_of(operation),
        "entity": operation.entity,
        "stream": operation.stream,
        "source": operation.source,
    }


def _probe(operation: Operation) -> str | None:
    probe = operation.probe
    if probe is None:
        return None
    return f"GET /api{probe.path}, {probe}"


_SHOWN_ELSEWHERE = frozenset({"name", "method", "path", "parameter_kinds", "body_fields", "example"})


def _write_one(operation: Operation) -> None:
    kinds = (f"{one.name} ({' or '.join(one.kinds) or 'text'})" for one in operation.parameters)
    facts = as_document(operation) | {"parameters": ", ".join(kinds)}
    write(f"{operation.name}: {operation.method} /api{operation.path}")
    for key, value in facts.items():
        if key not in _SHOWN_ELSEWHERE and value not in (None, [], ""):
            write(f"  {key.replace('_', ' ')}: {shown(value)}")
    _write_body(operation)


def _write_body(operation: Operation) -> None:
    from bridge.catalogue.bodies import why_unchecked
    from bridge.catalogue.examples import PLACEHOLDER, example_of
    from bridge.catalogue.load import load
    from bridge.catalogue.operation import BodyRule
    from bridge.catalogue.outline import body_fields, lines

    if operation.body_rule is BodyRule.NONE:
        return
    fields = body_fields(load().bodies, operation)
    write("  body fields:" if fields else f"  body fields: passed through unchecked ({why_unchecked(operation)})")
    for line in lines(fields):
        write(f"    {line}")
    example = example_of(operation)
    if example is not None:
        text = dumps(example, indent=2, ensure_ascii=False)
        hint = " (put ids and a host of your own in)" if PLACEHOLDER.search(text) else ""
        write(f"  example{hint}:")
        write(indent(text, "    "))
