"""The demo as a person runs it. Half a minute, nearly all of it waiting for Tasks."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    environment = os.environ | {"TMPDIR": str(tmp_path), "VCD_BRIDGE__VCD__URL": "https://not.this.one"}
    process = subprocess.Popen(
        [sys.executable, "-m", "bridge", "demo", "--json"], cwd=ROOT, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    yield process
    if process.poll() is None:
        process.kill()
        process.communicate()


def descendants(process: subprocess.Popen[str]) -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


def test_the_demo_proves_itself_and_leaves_nothing_behind(demo: subprocess.Popen[str], tmp_path: Path) -> None:
    out, err = demo.communicate(timeout=90)
    assert demo.returncode == 0, err
    found = json.loads(out)
    assert found["proven"] is True
    outcomes = {request["request_id"]: (request["outcome"], request["effects"]) for request in found["requests"]}
    assert outcomes == {
        "deploy": ("success", 1), "snapshot": ("error", 1), "delete": ("rejected", 0), "suspend": ("aborted", 1),
        "power-on": ("success", 1), "undeploy": ("success", 1), "snapshot-2": ("success", 1),
        "deploy-2": ("success", 1), "power-off": ("success", 1),
    }  # fmt: skip
    assert "waiting" in err
    assert "kill -9" in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_cleans_up_too(demo: subprocess.Popen[str], tmp_path: Path, number: signal.Signals) -> None:
    assert demo.stderr is not None
    for line in demo.stderr:
        if "is ready" in line:
            break
    started = descendants(demo)
    assert started
    demo.send_signal(number)
    demo.communicate(timeout=30)
    assert demo.returncode == 130
    assert [process for process in started if process.is_running()] == []
    assert list(tmp_path.iterdir()) == []


def test_a_part_that_dies_fails_the_demo_with_a_reason(demo: subprocess.Popen[str], tmp_path: Path) -> None:
    assert demo.stderr is not None
    for line in demo.stderr:
        if "is ready" in line:
            break
    (simulator,) = [one for one in descendants(demo) if "simulator" in one.cmdline()]
    started = descendants(demo)
    simulator.kill()
    _, err = demo.communicate(timeout=90)
    assert demo.returncode == 1
    assert json.loads(err.splitlines()[-1])["error"]["code"] == "demo_failed"
    assert [process for process in started if process.is_running()] == []
    assert list(tmp_path.iterdir()) == []
