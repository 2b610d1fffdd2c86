"""The import contracts catch what they are meant to catch: each violation is written into a copy of the tree."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tools.draw_architecture import PACKAGE, ROOT

LINT = Path(sys.executable).with_name("lint-imports")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package and of what configures the contracts, with a cache that the cases share."""
    copy = tmp_path_factory.mktemp("contracts")
    shutil.copytree(PACKAGE, copy / "bridge", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", copy)
    return copy


def lint(tree: Path, *contracts: str) -> subprocess.CompletedProcess[str]:
    """Checks the given contracts, or all."""
    chosen = [word for contract in contracts for word in ("--contract", contract)]
    command = [str(LINT), "--no-logo", "--cache-dir", str(tree / "cache"), *chosen]
    return subprocess.run(command, cwd=tree, env={"PYTHONPATH": str(tree)}, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("core/probe.py", "import time", "core"),
        ("core/probe.py", "def f() -> None:\n    import asyncio", "core"),
        ("core/probe.py", "from bridge import ports", "layers"),
        ("engine/probe.py", "from confluent_kafka import Consumer", "engine"),
        ("engine/probe.py", "from bridge.settings import Settings", "engine"),
        ("vcd/probe.py", "from bridge.kafka import config", "layers"),
        ("cli/probe.py", "import httpx", "http-clients"),
        (
            "kafka/probe.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from pydantic import BaseModel",
            "settings-models",
        ),
        ("simulator/probe.py", "from bridge.core import task", "simulator"),
        ("app_probe.py", "x = 1", "layers"),
        ("avro/probe.py", "from bridge.simulator import server", "simulator-users"),
    ],
)
def test_violation_is_caught(tree: Path, module: str, line: str, contract: str) -> None:
    probe = tree / "bridge" / module
    probe.write_text(f"{line}\n")
    try:
        done = lint(tree, contract)
    finally:
        probe.unlink()
    assert done.returncode == 1, done.stdout
    assert "BROKEN" in done.stdout
    assert probe.stem in done.stdout


def test_list_of_what_the_simulator_may_not_import_is_complete() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    listed = next(set(contract["forbidden_modules"]) for contract in contracts if contract["id"] == "simulator")
    parts = {path.parent.name for path in PACKAGE.glob("*/__init__.py")} | {path.stem for path in PACKAGE.glob("*.py")}
    assert listed == {f"bridge.{part}" for part in parts - {"__init__", "simulator", "catalogue"}}
