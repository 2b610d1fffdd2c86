"""The make targets: what they list and check, and what they say on a machine that lacks something."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from tests.support import postgres, registry
from tests.support.prerequisites import PrerequisiteMissingError
from tools.draw_architecture import ROOT

JAVA_17 = "echo 'openjdk version \"17.0.15\"' >&2"
FAILING_MAVEN = """echo '[ERROR] Could not transfer artifact x:y:1 from/to central: Connection refused.'
echo '[ERROR] Re-run Maven with the -e switch.'
exit 1"""


def machine(directory: Path, **programs: str) -> dict[str, str]:
    """An environment with nothing on PATH but the given programs, each some lines of shell, and what make needs."""
    directory.mkdir(exist_ok=True)
    for tool in ("sh", "sed", "head", "make"):
        (directory / tool).symlink_to(shutil.which(tool) or tool)
    for name, lines in programs.items():
        (directory / name).write_text(f"#!/bin/sh\n{lines}\n")
        (directory / name).chmod(0o755)
    return {"PATH": str(directory)}


# --- targets --------------------------------------------------------------------------------------------------------


def test_help_lists_the_targets() -> None:
    done = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    listed = {line.split()[0] for line in done.stdout.splitlines() if line.startswith("  ")}
    assert {"setup", "demo", "test", "test-long", "check", "bench", "simulate", "docs", "lock", "help"} <= listed


def test_help_tells_what_bench_takes() -> None:
    done = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    choice = next(word for word in done.stdout.split("ONLY=") if "(bench)" in word).split()[0]
    bench = [sys.executable, "-m", "benchmarks", choice, "--actions", "0"]
    refused = subprocess.run(bench, cwd=ROOT, capture_output=True, text=True, check=False)
    assert "--actions" in refused.stderr.splitlines()[-1], "the choice itself is taken"


def test_check_looks_at_everything() -> None:
    done = subprocess.run(["make", "-n", "check"], cwd=ROOT, capture_output=True, text=True, check=True)
    for tool in (
        "ruff format --check",
        "ruff check",
        "mypy",
        "lint-imports",
        "tools.check_code",
        "tools.write_documents",
    ):
        assert tool in done.stdout


def test_every_test_is_run() -> None:
    command = ["make", "-n", "SIDE_BY_SIDE=1", "waiting", "computing"]
    own = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    done = subprocess.run(command, cwd=ROOT, env=own, capture_output=True, text=True, check=True)
    everything = {path.relative_to(ROOT).parts[1] for path in (ROOT / "tests").rglob("test_*.py")}
    assert {f"tests/{one}" for one in everything} - set(done.stdout.split()) == {"tests/crash"}, "which comes last"


# --- what a machine lacks -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("what", "programs", "named"),
    [
        ("python", {}, "Python 3.11 or newer"),
        ("python", {"python3": "exit 1"}, "Python 3.11 or newer"),
        ("python", {"python3": 'case "$2" in *ensurepip*) exit 1;; esac'}, "python3-venv"),
        ("tests", {}, "openjdk-17"),
        ("java", {"java": "echo 'openjdk version \"11.0.2\"' >&2"}, "found 11"),
        ("tests", {"java": JAVA_17}, "apt install maven"),
    ],
)
def test_missing_prerequisite_is_one_line_that_says_what_to_install(
    tmp_path: Path, what: str, programs: dict[str, str], named: str
) -> None:
    script = ROOT / "tools" / "prerequisites.sh"
    done = subprocess.run(
        [script, what], env=machine(tmp_path, **programs), capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert named in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_prerequisites_that_are_there_are_silent(tmp_path: Path) -> None:
    environment = machine(tmp_path, java="echo 'openjdk version \"21\" 2023-09-19' >&2", mvn="exit 0")
    script = ROOT / "tools" / "prerequisites.sh"
    done = subprocess.run([script, "tests"], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("target", ["test", "test-long", "bench"])
@pytest.mark.parametrize("jobs", ["-j1", "-j4"])
def test_java_is_missed_before_anything_is_installed(tmp_path: Path, target: str, jobs: str) -> None:
    fresh = tmp_path / "clone"
    (fresh / "tools").mkdir(parents=True)
    shutil.copy(ROOT / "Makefile", fresh)
    shutil.copy(ROOT / "tools" / "prerequisites.sh", fresh / "tools")
    for needed in ("requirements-dev.lock", "pyproject.toml"):
        (fresh / needed).touch()
    environment = machine(tmp_path / "bin", python3=f": > {fresh}/python-was-asked")
    done = subprocess.run(
        ["make", jobs, target], cwd=fresh, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("missing: Java 17")
    assert not (fresh / "python-was-asked").exists()


def test_failing_maven_is_one_line_that_says_what_to_do(tmp_path: Path) -> None:
    environment = os.environ | machine(tmp_path, java=JAVA_17, mvn=FAILING_MAVEN)
    environment |= {"TEST_KAFKA_VERSION": "0.0.0", "PATH": f"{environment['PATH']}:/usr/bin:/bin"}
    command = [sys.executable, "-m", "tools.fetch_test_parts"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("Maven could not fetch Kafka 0.0.0: Could not transfer artifact x:y:1")
    assert "settings.xml" in line


@pytest.mark.parametrize(
    ("module", "fetched", "name"),
    [(registry, registry._installed, "Apicurio"), (postgres, postgres.archive, "PostgreSQL")],
)
def test_failing_maven_leaves_no_half_of_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: ModuleType, fetched: Callable[[], Path], name: str
) -> None:
    monkeypatch.setenv("PATH", f"{machine(tmp_path / 'bin', java=JAVA_17, mvn='exit 3')['PATH']}:/usr/bin:/bin")
    monkeypatch.setattr(module, "_CACHE", tmp_path / "cache")
    with pytest.raises(PrerequisiteMissingError, match=rf"could not fetch {name} .*: exit code 3"):
        fetched()
    assert not [one for one in (tmp_path / "cache").iterdir() if one.is_dir()]
