"""``vcd-bridge schemas list|check|register``."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

from bridge.cli.console import write_json, write_table
from bridge.cli.interrupting import interruptible
from bridge.cli.options import ConfigOption, JsonOption, load_settings
from bridge.errors import ConfigurationError

if TYPE_CHECKING:
    from bridge.avro.schemas import RecordSchema
    from bridge.kafka.registry import SchemaRegistry
    from bridge.kafka.subjects import OwnSchema, SubjectState
    from bridge.settings import Settings

EXIT_DIFFERS = 3
REGISTER = "vcd-bridge schemas register"
CLEAR = "another program's schema is there: name another topic in [topics], or clear the subject"

schemas = typer.Typer(help="The Avro schemas, here and in the registry.")


@dataclass(frozen=True, slots=True)
class Finding:
    """One schema against its subject. ``problem`` empty: as it should be. ``settled_at_start``: ``run`` with
    ``registry.auto_register`` puts it right itself; otherwise ``hint`` says who does."""

    subject: str
    schema: str
    schema_id: int | None
    level: str | None
    problem: str
    hint: str
    settled_at_start: bool


@schemas.command("list")
def list_schemas(config: ConfigOption = None, json: JsonOption = False) -> None:
    """The bridge's schemas and the subjects they belong under."""
    rows = [
        {
            "name": schema.full_name, "subject": subject, "fingerprint": schema.fingerprint.hex(),
            "compatibility": level,
        }
        for subject, schema, level in _all(load_settings(config).settings)
    ]  # fmt: skip
    if json:
        write_json(rows)
    else:
        write_table(("schema", "subject", "CRC-64-AVRO", "evolves"), [list(row.values()) for row in rows])


@schemas.command()
@interruptible
def check(config: ConfigOption = None, json: JsonOption = False) -> None:
    """Compare the registry with the schemas of this version; exit code 3 when it differs."""
    _settle(load_settings(config).settings, register=False, as_json=json)


@schemas.command()
@interruptible
def register(config: ConfigOption = None, json: JsonOption = False) -> None:
    """Put the schemas of this version into the registry, and their compatibility levels on the subjects."""
    _settle(load_settings(config).settings, register=True, as_json=json)


def _all(settings: Settings) -> list[tuple[str | None, RecordSchema, str]]:
    from bridge.avro.compatibility import LEVELS
    from bridge.avro.schemas import NAMES, load
    from bridge.wiring import own_schemas

    subjects: dict[str, list[str | None]] = defaultdict(list)
    for schema in own_schemas(settings):
        subjects[schema.name].append(schema.subject)
    return [(subject, load(name), LEVELS[name].value) for name in NAMES for subject in subjects.get(name, [None])]


def _settle(settings: Settings, *, register: bool, as_json: bool) -> None:
    if settings.registry.url is None:
        raise ConfigurationError("registry.url is not set", hint="without a registry there is nothing to compare with")
    findings = asyncio.run(look(settings, register=register))
    if as_json:
        write_json([
            {"subject": f.subject, "schema": f.schema, "id": f.schema_id, "compatibility": f.level,
             "problem": f.problem or None}
            for f in findings
        ])  # fmt: skip
    else:
        rows = [(f.subject, f.schema, f.schema_id, f.level, f.problem or "as it should be") for f in findings]
        write_table(("subject", "schema", "id", "compatibility", ""), rows)
    if any(finding.problem for finding in findings):
        raise typer.Exit(EXIT_DIFFERS)


async def look(settings: Settings, *, register: bool = False) -> list[Finding]:
    """Every schema against its subject. Raises ConfigurationError or TemporaryError."""
    from bridge.avro.schemas import load
    from bridge.cli.connections import schema_registry
    from bridge.wiring import own_schemas

    registry = schema_registry(settings)
    if registry is None:
        return []
    findings = []
    try:
        for schema in own_schemas(settings):
            state = await (_registered(registry, schema) if register else registry.state(schema))
            findings.append(_finding(load(schema.name).full_name, state))
    finally:
        await registry.close()
    return findings


async def _registered(registry: SchemaRegistry, schema: OwnSchema) -> SubjectState:
    state = await registry.settle(schema, register=True)
    return await registry.set_level(state) if state.level_differs else state


def _finding(name: str, state: SubjectState) -> Finding:
    settled_at_start = not state.objections and not (state.level_differs and state.level_is_own)
    problem, hint = _problem(state), CLEAR if state.objections else REGISTER
    return Finding(
        state.schema.subject, name, state.schema_id, state.level, problem, hint if problem else "", settled_at_start
    )


def _problem(state: SubjectState) -> str:
    if state.objections:
        return f"the schema may not be there: {state.objections[0]}"
    if state.schema_id is None:
        return "not registered in this version" if state.exists else "not registered"
    if state.level_differs:
        return f"the subject's level is {state.level} instead of {state.schema.level}"
    return ""
