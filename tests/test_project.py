"""The project keeps its own promises: lock, documents, the code's own rules, the wheel."""

from __future__ import annotations

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
from tools.check_code import MOST_LINES, impure_core, impurities, long_files
from tools.draw_architecture import PACKAGE, ROOT, state_diagram, without_implied
from tools.write_documents import PARTS, rewritten

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCKS = ("requirements.lock", "requirements-dev.lock", "requirements-build.lock")
README = ROOT / "README.md"
DOCUMENTS = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("deploy/*.md"), *ROOT.glob("examples/*.md")]
)


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


# --- the code's own rules -------------------------------------------------------------------------------------------


def test_core_has_no_clock_no_waiting_and_no_input_or_output() -> None:
    assert list((PACKAGE / "core").rglob("*.py"))
    assert list(impure_core()) == []


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("async def f(): pass", "waits"),
        ("async def f(): return [x async for x in y]", "waits"),
        ("x = datetime.now(UTC)", "reads a clock"),
        ("x = dt.date.today()", "reads a clock"),
        ("x: datetime = field(default_factory=datetime.now)", "reads a clock"),
        ("print(1)", "print()"),
        ("for line in open('x'): pass", "open()"),
        ("say = print", "print()"),
    ],
)
def test_an_impure_line_is_found(tmp_path: Path, line: str, told: str) -> None:
    (tmp_path / "rules.py").write_text(f'"""A rule."""\n{line}\n')
    found = list(impure_core(tmp_path))
    assert found
    assert all(one.startswith(f"{tmp_path}/rules.py:2: ") for one in found)
    assert any(f": {told}: " in one for one in found)


@pytest.mark.parametrize("line", ["late = story.now > wake_at", "x = datetime.fromtimestamp(1, UTC)", "opened = 1"])
def test_a_pure_line_is_left_alone(line: str) -> None:
    assert impurities(line) == []


def test_files_stay_short(tmp_path: Path) -> None:
    assert list(long_files()) == []
    (tmp_path / "long.py").write_text("x = 1\n" * (MOST_LINES + 1))
    assert list(long_files(tmp_path)) == [
        f"{tmp_path}/long.py: {MOST_LINES + 1} lines, at most {MOST_LINES}: part it by purpose"
    ]


def test_contributing_tells_the_limits_that_are_enforced() -> None:
    told = " ".join((ROOT / "CONTRIBUTING.md").read_text().split())
    lint = PROJECT["tool"]["ruff"]["lint"]
    assert f"above {MOST_LINES} lines" in told
    assert f"more than {lint['pylint']['max-statements']} statements" in told
    assert "PL" in lint["select"]
    assert "PLR0915" not in lint["ignore"]


# --- documents ----------------------------------------------------------------------------------------------------


def test_links_between_documents_lead_somewhere() -> None:
    dead = []
    for document in DOCUMENTS:
        for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", document.read_text()):
            if "://" not in target and not (document.parent / target).exists():
                dead.append(f"{document.relative_to(ROOT)}: {target}")
    assert dead == []


def test_tests_that_documents_name_exist() -> None:
    named = {name for document in DOCUMENTS for name in re.findall(r"`(tests/[^`:]*)", document.read_text())}
    assert "tests/support/checker/" in named
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


# --- the wheel ------------------------------------------------------------------------------------------------------


def test_wheel_is_complete(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        names = set(wheel.namelist())
        entry_points = wheel.read(next(name for name in names if name.endswith("entry_points.txt"))).decode()
    assert "vcd-bridge = bridge.__main__:main" in entry_points
    assert {f"bridge/avro/schemas/{path.name}" for path in (ROOT / "schemas").glob("*.avsc")} <= names
    assert {"bridge/py.typed", "bridge/catalogue/operations.toml", "bridge/catalogue/types.json"} <= names
    for file in ("LICENSE", "NOTICE"):
        assert any(name.endswith(f"licenses/{file}") for name in names)
    assert not [name for name in names if name.startswith(("tests/", "tools/"))]
