"""The examples can be copied: short, without anything of the bridge, each told of."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
LIBRARIES = {"confluent_kafka", "fastavro", "psycopg"}


@pytest.mark.parametrize("program", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.name)
def test_an_example_is_short_and_stands_alone(program: Path) -> None:
    text = program.read_text()
    assert len(text.splitlines()) < 100
    imports = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {alias.name for node in imports if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in imports if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in names} <= LIBRARIES | sys.stdlib_module_names
    assert f"]({program.name})" in (EXAMPLES / "README.md").read_text()
