"""Reads the settings file and the environment, merges them, and says of every value where it came from.

Order: environment and secret files over the settings file over defaults. pydantic-settings alone ignores misspelt
top-level variables silently, so every variable with the bridge's prefix is checked here against the known names.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic_settings import EnvSettingsSource, TomlConfigSettingsSource
from pydantic_settings.exceptions import SettingsError

from bridge.errors import ConfigurationError
from bridge.settings import environment
from bridge.settings.known import KNOWN, SECTIONS, documentation, nearest
from bridge.settings.origin import DEFAULT, Effective, Origin
from bridge.settings.sections import Settings
from bridge.settings.types import MASK, flatten
from bridge.settings.wording import told

DEFAULT_FILE = "vcd-bridge.toml"


@dataclass(frozen=True, slots=True)
class LoadedSettings:
    """The settings in force and, per dotted name that was set, its origin."""

    settings: Settings
    origins: Mapping[str, Origin] = field(default_factory=dict)

    def origin(self, name: str) -> Origin:
        return self.origins.get(name, DEFAULT)

    def effective(self) -> list[Effective]:
        """Every setting in the order of the sections; what is in a table one by one; secrets masked."""
        rows: list[Effective] = []
        for name, description in documentation().items():
            section, _, key = name.partition(".")
            value = getattr(getattr(self.settings, section), key)
            for dotted, item in _rows(name, value):
                rows.append(Effective(dotted, _shown(item), self.origin(dotted), description))
        return rows


def load(config_path: Path | None, environ: Mapping[str, str]) -> LoadedSettings:
    """Settings from ``config_path`` (None: ``vcd-bridge.toml`` of the working directory, if there) and ``environ``.

    Raises ConfigurationError with one line per problem.
    """
    path = config_path if config_path is not None else Path(DEFAULT_FILE)
    from_file = _read_file(path) if config_path is not None or path.is_file() else {}
    from_environment = environment.read(environ)
    problems = [*_unknown_in_file(from_file, path), *from_environment.problems]
    origins = {name: Origin("file", str(path)) for name in _dotted(from_file)} | from_environment.origins
    settings: Settings | None = None
    try:
        exploded = _explode(from_environment.variables)
    except SettingsError as error:
        problems.append(f"environment: {error}")
        exploded = {}
    for name, value in from_environment.properties.items():
        exploded.setdefault("kafka", {}).setdefault("properties", {})[name] = value
    try:
        settings = Settings(**_merge(_known_only(from_file), exploded))
    except ValidationError as error:
        problems += [_problem(dict(item), origins) for item in error.errors(include_input=False, include_url=False)]
    if settings is None or problems:
        raise ConfigurationError("\n".join(problems), hint="docs/settings.md lists every setting")
    return LoadedSettings(settings, origins)


def _read_file(path: Path) -> dict[str, Any]:
    try:
        if not path.is_file():
            raise ConfigurationError(f"{path}: no such settings file", hint="--config FILE names a TOML file")
        return dict(TomlConfigSettingsSource(Settings, toml_file=path)())
    except tomllib.TOMLDecodeError as error:
        hint = "a table is [section], a setting is name = value with text in quotes; docs/settings.md has an example"
        raise ConfigurationError(f"{path}: not valid TOML: {error}", hint=hint) from None
    except (OSError, UnicodeDecodeError) as error:
        hint = "it must be a file in UTF-8 that this user may read"
        raise ConfigurationError(f"{path}: cannot be read: {error}", hint=hint) from None


def _unknown_in_file(tables: Mapping[str, Any], path: Path) -> list[str]:
    problems: list[str] = []
    for section, table in tables.items():
        if section not in SECTIONS:
            problems.append(f"{section}: unknown section in {path}{nearest(section, SECTIONS)}")
        elif not isinstance(table, dict):
            problems.append(f"{section}: must be a table in {path}, e.g. [{section}]")
        else:
            names = [f"{section}.{key}" for key in table]
            problems += [f"{n}: unknown setting in {path}{nearest(n, KNOWN)}" for n in names if n not in KNOWN]
    return problems


def _known_only(tables: Mapping[str, Any]) -> dict[str, Any]:
    """Without what has been reported as unknown, so that each problem is told once."""
    return {
        section: {key: value for key, value in table.items() if f"{section}.{key}" in KNOWN}
        for section, table in tables.items()
        if section in SECTIONS and isinstance(table, dict)
    }


def _explode(variables: Mapping[str, str]) -> dict[str, Any]:
    source = EnvSettingsSource(Settings)
    source.env_vars = {name.lower(): value for name, value in variables.items()}
    return {section: table for section, table in source().items() if table}


def _merge(below: dict[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for section, table in above.items():
        merged[section] = {**merged.get(section, {}), **table}
        if "properties" in table:
            under = flatten(below.get(section, {}).get("properties", {}))
            merged[section]["properties"] = {**under, **table["properties"]}
    return merged


def _dotted(tables: Mapping[str, Any]) -> list[str]:
    return list(flatten({name: table for name, table in tables.items() if isinstance(table, dict)}))


def _problem(item: dict[str, Any], origins: Mapping[str, Origin]) -> str:
    name = ".".join(map(str, item["loc"]))
    setting = ".".join(name.split(".")[:2])
    # A table where one value belongs has the origins of its members.
    origin = next((found for known, found in origins.items() if f"{known}.".startswith(f"{setting}.")), None)
    return f"{name or 'settings'}: {told(item)}{f' (from {origin})' if origin and '.' in setting else ''}"


def _rows(name: str, value: object) -> list[tuple[str, object]]:
    """A setting, or the members of one that is a table."""
    if isinstance(value, BaseModel):
        value = dict(value)
    if not isinstance(value, dict) or not value:
        return [(name, value)]
    return [row for key, item in value.items() for row in _rows(f"{name}.{key}", item)]


def _shown(value: object) -> object:
    match value:
        case SecretStr():
            return MASK
        case Path():
            return str(value)
        case tuple():
            return list(value)
        case _:
            return value
