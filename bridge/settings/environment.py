"""Settings from environment variables ``VCD_BRIDGE__<SECTION>__<NAME>``, secrets also from ``…_FILE``."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bridge.settings.known import KNOWN, SECRETS, nearest
from bridge.settings.origin import Origin
from bridge.settings.types import flatten, is_secret_property

PREFIX = "VCD_BRIDGE__"
PROPERTIES = "kafka.properties."
TEST_VARIABLES = frozenset({"VCD_BRIDGE_CRASH_AT", "VCD_BRIDGE_TESTING"})
"""Read by the crash points only."""

_SERVICE_LINK = re.compile(
    r"VCD_BRIDGE_(?:[A-Z0-9_]+_)?(?:SERVICE_HOST|SERVICE_PORT(?:_[A-Z0-9_]+)?"
    r"|PORT(?:_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)?)"
)
"""Kubernetes puts these into every pod beside a Service called vcd-bridge; they are nobody's mistake."""


@dataclass(slots=True)
class FromEnvironment:
    """What the environment sets: plain variables, librdkafka properties, where each came from, and what is wrong."""

    variables: dict[str, str] = field(default_factory=dict)
    properties: dict[str, object] = field(default_factory=dict)
    origins: dict[str, Origin] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def take(self, name: str, text: str, origin: Origin) -> None:
        if name.startswith(PROPERTIES):
            self.take_property(name, text, origin)
        elif self._is_first(name, origin):
            self.variables[variable_of(name)] = text

    def take_property(self, name: str, value: object, origin: Origin) -> None:
        """``value``: text, or whatever JSON has."""
        if self._is_first(name, origin):
            self.properties[name.removeprefix(PROPERTIES)] = value

    def _is_first(self, name: str, origin: Origin) -> bool:
        if name in self.origins:
            self.problems.append(f"{name}: set by both {self.origins[name].detail} and {origin.detail}; keep one")
            return False
        self.origins[name] = origin
        return True


def variable_of(name: str) -> str:
    """Environment variable of a dotted setting name."""
    return PREFIX + name.replace(".", "__").upper()


def read(environ: Mapping[str, str]) -> FromEnvironment:
    """Sort out every variable that bears the bridge's prefix; unknown ones are problems."""
    found = FromEnvironment()
    for variable in sorted(environ):
        upper = variable.upper()
        if not upper.startswith("VCD_BRIDGE_") or upper in TEST_VARIABLES:
            continue
        if upper.startswith(PREFIX):
            _read_one(found, variable, environ[variable])
        elif not _SERVICE_LINK.fullmatch(upper):
            found.problems.append(f"{variable}: unknown variable{nearest(upper, _known_variables())}")
    return found


def _read_one(found: FromEnvironment, variable: str, text: str) -> None:
    name, is_file = _name_of(variable.upper())
    if name is None:
        hint = nearest(variable.upper(), _known_variables())
        found.problems.append(f"{variable}: unknown setting{hint}")
    elif name == "kafka.properties":
        _read_properties(found, variable, text)
    elif is_file:
        _read_secret(found, name, variable, text)
    else:
        found.take(name, text, Origin("environment", variable))


def _name_of(variable: str) -> tuple[str | None, bool]:
    """Dotted name and whether the variable names a file that holds the secret."""
    dotted = variable.removeprefix(PREFIX).lower().replace("__", ".", 1)
    if dotted in KNOWN:
        return dotted, False
    if dotted.removesuffix("_file") in SECRETS:
        return dotted.removesuffix("_file"), True
    start = PROPERTIES.removesuffix(".") + "__"
    if dotted.startswith(start) and dotted != start:
        # librdkafka's names have dots and no underscores, so the way back is unambiguous.
        name = dotted.removeprefix(start).replace("_", ".")
        if name.endswith(".file") and is_secret_property(name.removesuffix(".file")):
            return PROPERTIES + name.removesuffix(".file"), True
        return PROPERTIES + name, False
    return None, False


def _read_properties(found: FromEnvironment, variable: str, text: str) -> None:
    try:
        table = json.loads(text)
    except ValueError:
        table = None
    if not isinstance(table, dict):
        found.problems.append(f"kafka.properties: {variable} must be a JSON object of librdkafka properties")
        return
    for name, value in flatten(table).items():
        found.take_property(PROPERTIES + name, value, Origin("environment", variable))


def _read_secret(found: FromEnvironment, name: str, variable: str, path: str) -> None:
    try:
        text = Path(path).read_text(encoding="utf-8").removesuffix("\n").removesuffix("\r")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        found.problems.append(f"{name}: the file named by {variable} cannot be read: {path}: {reason}")
        return
    if not text:
        found.problems.append(f"{name}: the file named by {variable} is empty: {path}")
        return
    found.take(name, text, Origin("secret file", path))


def _known_variables() -> list[str]:
    return [variable_of(name) for name in KNOWN] + [variable_of(name) + "_FILE" for name in SECRETS]
