"""The project keeps its own promises: lock, documents, purity of the core, the wheel, the make targets."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest
import typer

import bridge
from bridge.cli.app import app
from bridge.core.lifecycle import Phase
from bridge.core.transitions import TRANSITIONS
from bridge.settings import load
from tools import describe_code
from tools.draw_architecture import PACKAGE, ROOT, state_diagram, without_implied
from tools.write_documents import PARTS, rewritten

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCKS = ("requirements.lock", "requirements-dev.lock", "requirements-build.lock")
README = ROOT / "README.md"
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("deploy/*.md")])


def canonical(requirement: str) -> str:
    """The distribution that a requirement names, as registries compare names."""
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert found is not None
    return re.sub(r"[-_.]+", "-", found[0]).lower()


RUNTIME = {canonical(item) for item in PROJECT["project"]["dependencies"]}
BUILD = {canonical(item) for item in PROJECT["dependency-groups"]["build"]}
DEVELOPMENT = BUILD | {canonical(item) for item in PROJECT["dependency-groups"]["dev"] if isinstance(item, str)}


# --- dependencies -------------------------------------------------------------------------------------------------


def locked(name: str) -> dict[str, str]:
    """Distribution -> version."""
    found = re.findall(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", (ROOT / name).read_text(), re.MULTILINE)
    return {canonical(distribution): version for distribution, version in found}


@pytest.mark.parametrize("name", LOCKS)
def test_lock_has_hashes_and_no_addresses(name: str) -> None:
    text = (ROOT / name).read_text()
    assert "://" not in text
    assert not re.search(r"^-", text, re.MULTILINE), "an option such as an index"
    entries = re.split(r"^(?=[A-Za-z0-9])", text, flags=re.MULTILINE)[1:]
    assert entries
    assert [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry] == []


def test_locks_hold_what_is_declared_and_agree() -> None:
    runtime, development, build = (locked(name) for name in LOCKS)
    assert runtime.keys() >= RUNTIME
    assert development.keys() >= DEVELOPMENT
    assert build.keys() >= BUILD
    assert runtime.items() <= development.items()
    assert build.items() <= development.items()


def test_every_dependency_has_its_reason() -> None:
    runtime, development = (ROOT / "docs" / "dependencies.md").read_text().split("## Development")

    def told(text: str) -> set[str]:
        cells = re.findall(r"^\| ([a-z0-9, -]+?) \|", text, re.MULTILINE)
        return {name.strip() for cell in cells for name in cell.split(",")} - {"library"}

    assert told(runtime) == RUNTIME
    assert told(development) == DEVELOPMENT


# --- purity -------------------------------------------------------------------------------------------------------

_WAITING = (ast.AsyncFunctionDef, ast.AsyncFor, ast.AsyncWith, ast.Await)
_CLOCKS = {"now", "utcnow", "today", "time", "monotonic", "perf_counter"}
_EFFECTS = {"open", "print", "input", "exec", "eval"}


def impurities(source: str) -> list[str]:
    """What a module of the core may not have: waiting, reading a clock, input or output."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, _WAITING):
            found.append(f"line {node.lineno}: waits")
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _CLOCKS:
            found.append(f"line {node.lineno}: reads a clock")
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _EFFECTS:
            found.append(f"line {node.lineno}: {node.func.id}()")
    return found


def test_core_has_no_clock_no_waiting_and_no_input_or_output() -> None:
    modules = sorted((PACKAGE / "core").rglob("*.py"))
    assert modules
    assert {path.name: found for path in modules if (found := impurities(path.read_text()))} == {}


@pytest.mark.parametrize("line", ["async def f(): pass", "x = datetime.now(UTC)", "x = date.today()", "print(1)"])
def test_an_impure_line_would_be_found(line: str) -> None:
    assert impurities(f"from datetime import UTC, date, datetime\n{line}\n")


# --- documents ----------------------------------------------------------------------------------------------------


def test_links_between_documents_lead_somewhere() -> None:
    dead = []
    for document in DOCUMENTS:
        for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", document.read_text()):
            if "://" not in target and not (document.parent / target).exists():
                dead.append(f"{document.relative_to(ROOT)}: {target}")
    assert dead == []


def test_tests_that_documents_name_exist() -> None:
    named = {name for document in DOCUMENTS for name in re.findall(r"`(tests/[^`]*)`", document.read_text())}
    assert "tests/support/checker.py" in named
    assert [name for name in sorted(named) if not any(ROOT.glob(name.rstrip("/")))] == []


def test_configuration_in_the_readme_loads(tmp_path: Path) -> None:
    (tmp_path / "vcd-bridge.toml").write_text(re.findall(r"```toml\n(.*?)```", README.read_text(), re.DOTALL)[0])
    (tmp_path / "token").write_text("a-token\n")
    settings = load(tmp_path / "vcd-bridge.toml", {"VCD_BRIDGE__VCD__API_TOKEN_FILE": str(tmp_path / "token")}).settings
    settings.require_all()
    assert settings.policy.allow_destructive is False


def test_commands_in_documents_exist() -> None:
    wrong = []
    for document in DOCUMENTS:
        blocks = "".join(re.findall(r"```(?:text|sh)?\n(.*?)```", document.read_text(), re.DOTALL))
        for line in re.findall(r"^vcd-bridge .*|(?<=exec bridge )vcd-bridge .*", blocks, re.MULTILINE):
            words = line.split("  ")[0].split()
            wrong += [f"{document.name}: {line}"] if not known_command(words[1:]) else []
    assert wrong == []


def known_command(words: list[str]) -> bool:
    """Whether these words begin with a verb of the command line and every option after it is one of that verb's."""
    command: Any = typer.main.get_command(app)
    while words and words[0] in getattr(command, "commands", {}):
        command = command.commands[words.pop(0)]
    options = {name for parameter in command.params for name in parameter.opts} | {"--help"}
    return not hasattr(command, "commands") and {word for word in words if word.startswith("--")} <= options


def test_every_generated_part_is_in_a_document() -> None:
    everything = "".join(document.read_text() for document in DOCUMENTS)
    assert [name for name in PARTS if f"<!-- generated: {name} -->" not in everything] == []
    assert [name for name in PARTS if f"<!-- end of {name} -->" not in everything] == []


def test_stale_part_is_noticed_and_written_anew() -> None:
    text = "before\n<!-- generated: crash points -->\nold\n<!-- end of crash points -->\nafter\n"
    fresh, stale = rewritten(text)
    assert stale == ["crash points"]
    assert fresh.startswith("before\n")
    assert fresh.endswith("after\n")
    assert "intent_committed" in fresh
    assert rewritten(fresh) == (fresh, [])


def test_state_diagram_draws_every_move_of_the_table() -> None:
    drawn = set(re.findall(r"^    (\w+) --> (\w+):", state_diagram(), re.MULTILINE))
    moves = {
        (str(phase), str(target))
        for phase, inputs in TRANSITIONS.items()
        for targets in inputs.values()
        for target in targets
        if target is not phase
    }
    assert drawn == moves
    assert (Phase.INTENT, Phase.UNSURE) in moves


def test_import_graph_leaves_out_only_what_follows() -> None:
    edges = {"a": {"b", "c"}, "b": {"c"}, "c": set[str]()}
    assert without_implied(edges) == {"a": {"b"}, "b": {"c"}, "c": set()}


def test_documents_stay_short() -> None:
    assert len((ROOT / "docs" / "architecture.md").read_text().splitlines()) <= 250
    assert len((ROOT / "README.md").read_text().splitlines()) <= 80


def test_changelog_tells_the_present_version() -> None:
    assert f"## {bridge.__version__}" in (ROOT / "CHANGELOG.md").read_text()


# --- codes and errors ---------------------------------------------------------------------------------------------


def test_every_reason_code_that_the_code_tells_is_explained() -> None:
    explained = set().union(*describe_code.code_tables().values())
    own = [(where, code) for where, code in describe_code.literal_codes() if not code.isupper()]
    assert own
    assert [f"{where}: {code}" for where, code in own if code not in explained] == []


def test_every_exception_has_a_reaction() -> None:
    assert describe_code.reactions().keys() == describe_code.error_classes().keys()


# --- make and the wheel -------------------------------------------------------------------------------------------


def test_help_lists_the_targets() -> None:
    done = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    listed = {line.split()[0] for line in done.stdout.splitlines() if line.startswith("  ")}
    assert {"setup", "demo", "test", "test-long", "check", "bench", "simulate", "docs", "lock", "help"} <= listed


def _prerequisites(what: str, directory: Path, **programs: str) -> subprocess.CompletedProcess[str]:
    """Runs the script with nothing on PATH but the given programs, each a line of shell, and what it needs itself."""
    for tool in ("sed", "head", "sh"):
        (directory / tool).symlink_to(f"/bin/{tool}" if Path(f"/bin/{tool}").exists() else f"/usr/bin/{tool}")
    for name, line in programs.items():
        (directory / name).write_text(f"#!/bin/sh\n{line}\n")
        (directory / name).chmod(0o755)
    script = ROOT / "tools" / "prerequisites.sh"
    environment = {"PATH": str(directory)}
    return subprocess.run([script, what], env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("what", "programs", "named"),
    [
        ("python", {}, "Python 3.11 or newer"),
        ("python", {"python3": "exit 1"}, "Python 3.11 or newer"),
        ("python", {"python3": 'case "$2" in *ensurepip*) exit 1;; esac'}, "python3-venv"),
        ("tests", {}, "openjdk-17"),
        ("tests", {"java": "echo 'openjdk version \"11.0.2\"' >&2"}, "found 11"),
        ("tests", {"java": "echo 'openjdk version \"17.0.15\"' >&2"}, "apt install maven"),
    ],
)
def test_missing_prerequisite_is_one_line_that_says_what_to_install(
    tmp_path: Path, what: str, programs: dict[str, str], named: str
) -> None:
    done = _prerequisites(what, tmp_path, **programs)
    assert done.returncode == 2
    assert done.stdout == ""
    assert named in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_prerequisites_that_are_there_are_silent(tmp_path: Path) -> None:
    done = _prerequisites("tests", tmp_path, java="echo 'openjdk version \"21\" 2023-09-19' >&2", mvn="exit 0")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_wheel_is_complete(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        names = set(wheel.namelist())
        entry_points = wheel.read(next(name for name in names if name.endswith("entry_points.txt"))).decode()
    assert "vcd-bridge = bridge.__main__:main" in entry_points
    assert {f"bridge/avro/schemas/{path.name}" for path in (ROOT / "schemas").glob("*.avsc")} <= names
    assert {"bridge/py.typed", "bridge/catalogue/operations.toml"} <= names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not [name for name in names if name.startswith(("tests/", "tools/"))]
