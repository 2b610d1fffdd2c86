"""Tables for the documents, read off the code: settings, reason codes, errors, metrics, crash points."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import get_args

from prometheus_client.metrics_core import Metric
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from bridge import errors as error_tree
from bridge.catalogue.bodies import why_unchecked
from bridge.catalogue.load import load
from bridge.catalogue.operation import BodyRule
from bridge.crash import CRASH_POINTS
from bridge.settings.known import SECTIONS, documentation
from bridge.telemetry.metrics import Metrics
from tools.draw_architecture import PACKAGE, ROOT


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("``", "`").replace("|", "\\|")


# --- settings -----------------------------------------------------------------------------------------------------


def settings() -> str:
    """A table for each section: name, default, meaning."""
    parts: list[str] = []
    for section, model in SECTIONS.items():
        parts += [
            f"## {section}",
            "",
            _cell(inspect.getdoc(model) or ""),
            "",
            "| name | default | meaning |",
            "|---|---|---|",
        ]
        parts += [
            f"| `{name}` | {_default(field)} | {_cell(documentation()[f'{section}.{name}'])} |"
            for name, field in model.model_fields.items()
        ]
        parts.append("")
    return "\n".join(parts).rstrip()


def _default(field: FieldInfo) -> str:
    if field.annotation is SecretStr or SecretStr in get_args(field.annotation):
        return "secret"
    value = field.get_default(call_default_factory=True, validated_data={})
    if value is None:
        return ""
    return f"`{json.dumps(value, default=list)}`"


# --- reason codes -------------------------------------------------------------------------------------------------


def code_tables() -> dict[str, Mapping[str, str]]:
    """Module -> its table ``CODES``: reason code of our own -> meaning."""
    tables: dict[str, Mapping[str, str]] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        if "\nCODES: dict[str, str]" in path.read_text():
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            tables[name] = importlib.import_module(name).CODES
    return tables


def reason_codes() -> str:
    """Every code with its meaning; one that two tables share is told once."""
    meanings: dict[str, str] = {}
    for table in code_tables().values():
        for code, meaning in table.items():
            meanings.setdefault(code, meaning)
    rows = [f"| `{code}` | {_cell(meanings[code])} |" for code in sorted(meanings)]
    return "\n".join(["| code | meaning |", "|---|---|", *rows])


def literal_codes(folder: Path = PACKAGE) -> Iterator[tuple[str, str]]:
    """(where, code) of every ``Reason("code", …)`` and ``Refused(code="code", …)`` in the code."""
    for path in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            if node.func.id not in {"Reason", "Refused", "Limited"}:
                continue
            given = [*node.args[:1], *(word.value for word in node.keywords if word.arg == "code")]
            for value in given:
                if isinstance(value, ast.Constant) and isinstance(value.value, str):
                    yield f"{path.relative_to(folder.parent)}:{node.lineno}", value.value


# --- errors, metrics, crash points --------------------------------------------------------------------------------


def error_classes() -> dict[str, type[error_tree.BridgeError]]:
    """Class by name, the root left out."""
    return {
        name: value
        for name, value in vars(error_tree).items()
        if isinstance(value, type) and issubclass(value, error_tree.BridgeError) and value is not error_tree.BridgeError
    }


def reactions() -> dict[str, str]:
    """Class name -> reaction, from the tree drawn at the top of ``bridge/errors.py``."""
    found: dict[str, str] = {}
    for line in (error_tree.__doc__ or "").splitlines():
        name, _, rest = line.lstrip("├└─ ").partition(" ")
        if line.startswith(("├", "└")) and rest:
            found[name] = rest.strip()
    return found


def errors() -> str:
    """Every exception of the bridge with its reaction and the exit code where it ends the process."""
    told = reactions()
    rows = [
        f"| `{error.__name__}` | `{error('').code}` | {error.exit_code} | {_cell(told[name])} |"
        for name, error in error_classes().items()
    ]
    return "\n".join(["| exception | code on stderr | exit | reaction: when |", "|---|---|---|---|", *rows])


def metrics() -> str:
    """Every metric of the bridge's own with its labels."""
    families: list[Metric] = sorted(Metrics().registry.collect(), key=lambda family: family.name)
    rows = []
    for name, kind, labels, text in _families(families):
        rows.append(f"| `{name}` | {kind} | {labels} | {_cell(text)} |")
    return "\n".join(["| metric | kind | labels | meaning |", "|---|---|---|---|", *rows])


def _families(families: list[Metric]) -> Iterator[tuple[str, str, str, str]]:
    held = {collector._name: collector for collector in vars(Metrics()).values() if hasattr(collector, "_labelnames")}
    for family in families:
        if family.name in held:
            shown = f"{family.name}_total" if family.type == "counter" else family.name
            labels = ", ".join(f"`{label}`" for label in held[family.name]._labelnames)
            yield shown, family.type, labels, family.documentation


def crash_points() -> str:
    """Every named crash point."""
    rows = [f"| `{name}` | {meaning} |" for name, meaning in CRASH_POINTS.items()]
    return "\n".join(["| name | what is durable there |", "|---|---|", *rows])


# --- bodies that are not checked ----------------------------------------------------------------------------------


def unchecked_bodies() -> str:
    """Operations whose bodies are passed through, with why."""
    catalogue = load()
    lines = ["| operation | body type | why |", "|---|---|---|"]
    for operation in catalogue.values():
        if operation.body_rule is BodyRule.NONE or catalogue.bodies.checked_type(operation) is not None:
            continue
        name = f"`{operation.body_type}`" if operation.body_type is not None else ""
        lines.append(f"| `{operation.name}` | {name} | {why_unchecked(operation)} |")
    return "\n".join(lines)
