"""``deploy/Containerfile``: what it copies is there, what it installs is locked, and its steps work."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest

import bridge

REPOSITORY = Path(__file__).resolve().parents[2]
TEXT = (REPOSITORY / "deploy" / "Containerfile").read_text()
STEPS = [
    (found[1], found[2].strip())
    for found in re.finditer(
        r"^([A-Z]+) ((?:.*\\\n)*.*)$", re.sub(r"^#.*\n", "", TEXT, flags=re.MULTILINE), re.MULTILINE
    )
]
BUILD = STEPS[: [instruction for instruction, _ in STEPS].index("FROM", 1)]
FINAL = STEPS[len(BUILD) :]


def sent_to_the_builder(path: str) -> bool:
    """What ``.dockerignore`` lets through: the last pattern that fits decides."""
    sent = True
    for line in (REPOSITORY / ".dockerignore").read_text().splitlines():
        pattern = line.strip()
        if pattern and not pattern.startswith("#") and fnmatch(path, pattern.removeprefix("!")):
            sent = pattern.startswith("!")
    return sent


def test_what_is_copied_exists_and_is_sent() -> None:
    sources = [word for instruction, rest in BUILD if instruction == "COPY" for word in rest.split()[:-1]]
    assert "bridge" in sources
    assert [source for source in sources if not (REPOSITORY / source).exists()] == []
    assert [source for source in sources if not sent_to_the_builder(source)] == []
    assert not sent_to_the_builder("deploy")
    assert not sent_to_the_builder(".git")


def test_everything_is_installed_by_hash_or_from_here() -> None:
    installs = [rest for instruction, rest in BUILD if instruction == "RUN" and " install " in rest]
    assert len(installs) == 3
    for command in installs:
        assert "--require-hashes" in command or "--no-deps --no-index" in command
    makefile = (REPOSITORY / "Makefile").read_text()
    assert "pip install --quiet --disable-pip-version-check --require-hashes -r" in makefile


def test_image_runs_without_root_and_needs_no_shell() -> None:
    told = dict(FINAL)
    assert told["USER"] == "10001:10001"
    assert told["ENTRYPOINT"] == '["vcd-bridge"]'
    assert told["CMD"] == '["run"]'
    assert told["STOPSIGNAL"] == "SIGTERM"
    assert "RUN" not in told, "the final stage only copies"


@pytest.mark.long
@pytest.mark.timeout(600)
def test_build_steps_give_a_working_program(tmp_path: Path) -> None:
    """The build stage's steps, one after the other, with its absolute paths moved below a folder of the test and this
    machine's Python in place of the image's."""
    source = tmp_path / "source"
    source.mkdir()
    for instruction, rest in BUILD:
        if instruction == "COPY":
            *names, target = rest.split()
            for name in names:
                copy = shutil.copytree if (REPOSITORY / name).is_dir() else shutil.copy
                copy(REPOSITORY / name, source / (Path(target) if len(names) == 1 else Path(name)))
        elif instruction == "RUN":
            moved = re.sub(r"(?<= )/(?=opt/|build|wheels)", f"{tmp_path}/", f" {rest}")
            moved = re.sub(r"^ python ", f" {sys.executable} ", moved)
            done = subprocess.run(moved, shell=True, cwd=source, capture_output=True, text=True, check=False)
            assert done.returncode == 0, f"{moved}\n{done.stdout}{done.stderr}"
    shutil.rmtree(source)
    program = tmp_path / "opt" / "vcd-bridge" / "bin" / "vcd-bridge"
    version = subprocess.run([program, "version"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert bridge.__version__ in version.stdout
    code = "from bridge.avro.schemas import load; load('task-status-event')"
    subprocess.run([program.with_name("python"), "-c", code], cwd=tmp_path, check=True)
    assert not program.with_name("pip").exists()
